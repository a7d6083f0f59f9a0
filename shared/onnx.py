"""ONNX models: a folder with the graph and its description, run by ONNX Runtime."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from shared import tracing
from shared.binding import BoundRuns
from shared.providers import DEVICES, Providers
from shared.runtime import FAULTS, onnxruntime
from shared.sessions import ERRORS_ONLY, ProviderError, open_session

__all__ = ["FAULTS", "ModelError", "OnnxModel", "describe"]


class ModelError(RuntimeError):
    """A model's folder is missing, incomplete or not what its description says."""


class OnnxModel:
    """One graph in one session. `run` lets go of the GIL and may be called from several threads at once."""

    def __init__(
        self, name: str, version: str, sha256: str, session: onnxruntime.InferenceSession, device: str | None = None
    ) -> None:
        self.name = name
        self.version = version
        self.sha256 = sha256
        self.session = session
        self.outputs = [output.name for output in session.get_outputs()]
        self._bound = BoundRuns(session, self.outputs, device) if device else None

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        providers: Providers | Sequence[str] = (),
        threads: int = 1,
        device: str | None = None,
    ) -> "OnnxModel":
        """Reads `folder`/model.json (name, version, sha256) and `folder`/model.onnx, and checks the digest.

        `providers` by name in order of preference, the first that works is used; none means CUDA where it is, CPU else.
        `threads` are those of one `run`. `device`: where inputs are bound to memory, that of the provider where it has
        one of its own. Raises ModelError.
        """
        card = describe(folder)
        graph = folder / "model.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        before, digest = _stamp(graph), _sha256(graph)
        if digest != card["sha256"]:
            raise ModelError(f"{graph} has sha256 {digest}, its model.json says {card['sha256']}")
        chosen = providers if isinstance(providers, Providers) else Providers(tuple(providers))
        try:
            session = open_session(graph, options, chosen)
        except ProviderError as error:
            raise ModelError(str(error)) from None
        except FAULTS as error:
            raise ModelError(f"{graph} is no graph that can be run: {error}") from None
        if _stamp(graph) != before:
            raise ModelError(f"{graph} was changed while it was read")
        device = device or DEVICES.get(session.get_providers()[0])
        return cls(card["name"], card["version"], digest, session, device)

    def expect(self, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
        """Raises ModelError unless the graph has these inputs and outputs, each of the type given ("float"), and no
        other inputs."""
        for kind, wanted, there in (
            ("inputs", inputs, self.session.get_inputs()),
            ("outputs", outputs, self.session.get_outputs()),
        ):
            has = {each.name: each.type.removeprefix("tensor(").removesuffix(")") for each in there}
            if kind == "outputs":
                has = {name: type_ for name, type_ in has.items() if name in wanted}
            if has != dict(wanted):
                raise ModelError(
                    f"the graph of {self.name} {self.version} has the {kind} {_listed(has)}; it must have "
                    f"{_listed(wanted)}"
                )

    @property
    def provider(self) -> str:
        """The execution provider that leads the session."""
        return str(self.session.get_providers()[0])

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        with tracing.span("model", model=self.name, version=self.version) as span:
            if tracing.active is not None:
                span.set(provider=self.provider, batch_size=max(len(each) for each in feeds.values()))
            if self._bound is not None:
                return self._bound.run(feeds)
            outputs: list[np.ndarray[Any, Any]] = self.session.run(self.outputs, dict(feeds))
            return outputs


def describe(folder: Path) -> dict[str, Any]:
    """`folder`/model.json. Raises ModelError where it or the graph is missing or it lacks name, version or sha256."""
    try:
        card: Any = orjson.loads((folder / "model.json").read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ModelError(f"no model in {folder}: {error}") from None
    if not isinstance(card, dict):
        raise ModelError(f"{folder / 'model.json'} is no object")
    if missing := {"name", "version", "sha256"} - card.keys():
        raise ModelError(f"{folder / 'model.json'} lacks {', '.join(sorted(missing))}")
    if not (folder / "model.onnx").is_file():
        raise ModelError(f"{folder} has no model.onnx")
    return card


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _listed(types: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({type_})" for name, type_ in types.items()) or "none"
