"""A process's models under the Open Inference Protocol. Knows no transport: bytes in, bytes and documents out."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from shared import VERSION
from shared.context import current_context
from shared.errors import Conflict, Malformed
from shared.inference import descriptions
from shared.inference.answers import Encoded, chosen, encode
from shared.inference.check import admit, check
from shared.inference.requests import InferRequest, raw_request, read_object, read_request
from shared.onnx import ModelError
from shared.repository import Repository, Servable

INLINE_BYTES = 64 << 10
"""Up to this size tensors are read and written on the event loop: the way to a thread costs more. What is larger goes
to a thread besides those that compute, so that it does not queue for them twice. Numbers in binary are never copied."""


class DataPlane:
    """What raises a VernierError says so; no method raises anything else over what a client sent."""

    def __init__(self, repository: Repository[Any]) -> None:
        self.repository = repository

    def server(self) -> dict[str, Any]:
        return {"name": "vernier", "version": VERSION, "extensions": list(descriptions.EXTENSIONS)}

    def models(self) -> dict[str, Any]:
        """Those that are loaded."""
        return {"models": sorted(self.repository.loaded())}

    def metadata(self, model: str, version: str | None = None) -> dict[str, Any]:
        with self.repository.use(model, version) as served:
            return descriptions.metadata(served, self.repository.loaded().get(model, ()))

    def ready(self, model: str, version: str | None = None) -> dict[str, Any]:
        with self.repository.use(model, version) as served:
            return {"name": served.name, "ready": True}

    def config(self, model: str, version: str | None = None) -> dict[str, Any]:
        with self.repository.use(model, version) as served:
            return descriptions.config(served, self.repository.policy.text)

    def statistics(self, model: str | None = None, version: str | None = None) -> dict[str, Any]:
        """Of one version, of all of a model's, or of everything that is loaded."""
        loaded = self.repository.loaded()
        if model is None:
            return descriptions.statistics(served for versions in loaded.values() for served in versions.values())
        with self.repository.use(model, version) as served:
            return descriptions.statistics([served] if version else loaded.get(model, {}).values())

    async def infer(
        self, model: str, version: str | None, body: bytes, header_length: int | None = None
    ) -> tuple[Encoded, Servable]:
        """`header_length`: as the protocol's header says it; 0 is a raw body."""
        with self.repository.use(model, version) as served:
            request = await _read(served, body, header_length)
            arrays = check(request.inputs, served.inputs)
            specs = {spec.name: spec for spec in served.outputs}
            chosen(request, specs)
            _shorten_deadline(request.parameters)
            results = await served.infer(arrays, request.parameters)
            facts = request, specs, results, served.name, served.version
            if sum(array.nbytes for array in results.values()) <= INLINE_BYTES:
                return encode(*facts), served
            return await asyncio.to_thread(encode, *facts), served

    async def load(self, model: str, body: bytes) -> dict[str, Any]:
        """`body`: empty, or an object whose `parameters` may name a `version`. Raises Conflict for a folder that
        cannot be served; then nothing has changed."""
        version = _version(body)
        try:
            await self.repository.load(model, version)
        except ModelError as error:
            raise Conflict(f"model {model} is not loaded anew, what was served still is: {error}") from None
        return {"name": model, "load": True, "versions": list(self.repository.loaded().get(model, ()))}

    async def unload(self, model: str, body: bytes) -> dict[str, Any]:
        await self.repository.unload(model, _version(body))
        return {"name": model, "unload": True, "versions": list(self.repository.loaded().get(model, ()))}

    def index(self, body: bytes) -> list[dict[str, str]]:
        """`body`: empty, or an object in which `ready: true` leaves out what is not loaded."""
        only_ready = _parameters_of(body).get("ready", False)
        if not isinstance(only_ready, bool):
            raise Malformed("ready is true or false")
        return [entry for entry in self.repository.index() if entry["state"] == "READY" or not only_ready]


async def _read(served: Servable, body: bytes, header_length: int | None) -> InferRequest:
    specs = served.inputs
    if header_length == 0:
        return raw_request(body, specs)
    work = len(body) if any(spec.datatype == "BYTES" for spec in specs) else header_length or len(body)
    if work <= INLINE_BYTES:
        return read_request(body, header_length, partial(admit, specs))
    return await asyncio.to_thread(read_request, body, header_length, partial(admit, specs))


def _shorten_deadline(parameters: Mapping[str, Any]) -> None:
    """By `timeout`, microseconds, of the schedule policy extension; 0 is none. `priority` is taken and does nothing:
    requests take turns."""
    timeout = parameters.get("timeout") or 0
    if type(timeout) is not int or timeout < 0:
        raise Malformed(f"parameters: timeout is a whole number of microseconds, not {timeout!r:.60}")
    context = current_context.get()
    if timeout and context is not None:
        context.deadline = min(context.deadline, context.started + timeout / 1e6)
        context.check()


def _parameters_of(body: bytes) -> dict[str, Any]:
    return read_object(body) if body.strip() else {}


def _version(body: bytes) -> str | None:
    parameters = _parameters_of(body).get("parameters") or {}
    if not isinstance(parameters, dict):
        raise Malformed("parameters is an object")
    for name in parameters:
        if name == "config" or name.startswith("file:"):
            raise Malformed(f"the parameter {name[:60]} is not taken: models come from the repository's folders alone")
    version = parameters.get("version")
    if version is not None and not isinstance(version, str):
        raise Malformed("parameters: version is a string")
    return version
