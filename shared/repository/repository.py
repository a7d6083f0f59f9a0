"""Loads and unloads models while others are being asked.

A version that is loaded anew is built and warmed beside the one that serves, then takes its place in one step. Who has
begun with the old one ends with it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic

import structlog

from shared.context import current_context
from shared.cores import step_back
from shared.errors import NotFound, NotReady
from shared.health import Health
from shared.memory import give_back
from shared.metrics import Metrics
from shared.onnx import ModelError
from shared.repository.folders import Folders
from shared.repository.leases import Leases, M, Slot
from shared.versions import VersionPolicy, newest_first

log = structlog.get_logger()


class Repository(Generic[M]):
    """`root`/<model>/<version>/ holds model.onnx, model.json and the card. `build` loads and warms such a folder; it
    runs on a thread and raises ModelError. Loads come one after the other. Models, identity and readiness of
    `health` follow every change at once."""

    def __init__(
        self,
        root: Path,
        build: Callable[[Path], M],
        *,
        health: Health,
        metrics: Metrics,
        policy: VersionPolicy | None = None,
    ) -> None:
        self.folders = Folders(root)
        self.policy = policy or VersionPolicy()
        self._build = build
        self._health = health
        self._metrics = metrics
        self._leases: Leases[M] = Leases(self._close)
        self._faults: dict[tuple[str, str], str] = {}
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="repository", initializer=step_back)
        health.offers = self.folders.names

    async def start(self, required: Iterable[str], *, others: bool = True) -> None:
        """Loads `required`, and with `others` whatever else is there, as the policy says.

        Raises ModelError when a model of `required` has no version that loads; what is wrong with any other is logged
        and stands in the index.
        """
        for name in sorted({*(self.folders.names() if others else ()), *required}):
            try:
                await self._run(self._load(name, None, strict=False))
            except (NotFound, ModelError) as error:
                if name not in required:
                    continue
                if isinstance(error, ModelError):
                    raise
                where = self.folders.root / name
                there = ", ".join(self.folders.names()) or "none"
                raise ModelError(
                    f"no model in {where}: no version folder with a model.json; the models there are: {there}"
                ) from None
        self._health.expects = tuple(required)

    @contextmanager
    def use(self, name: str, version: str | None = None) -> Iterator[M]:
        """A lease of the version, or of the newest one; from any thread. The request's answer is stamped with the
        identity of this moment. Raises NotFound for what is not there and NotReady for a model that is not loaded."""
        slot = self._leases.take(name, version, self._stamp)
        if slot is None:
            raise self._absent(name, version)
        try:
            yield slot.served
        finally:
            self._leases.give(slot)

    async def load(self, name: str, version: str | None = None) -> None:
        """Builds the version, or without one those that the policy selects, and puts them in the place of what is
        served: of that version, or of the whole model. Goes on to its end when the caller is cancelled.

        Raises NotFound for a folder that is not there and ModelError for one that cannot be served; then nothing has
        changed.
        """
        await self._run(self._load(name, version, strict=True))

    async def unload(self, name: str, version: str | None = None) -> None:
        """Takes the version, or all of the model, out of service. Raises NotFound when it is not loaded."""
        await self._run(self._unload(name, version))

    def loaded(self) -> dict[str, dict[str, M]]:
        """By name and version, newest first: what is served at this moment, to be looked at and not to be run."""
        return {name: {v: slot.served for v, slot in slots.items()} for name, slots in self._leases.table.items()}

    def index(self) -> list[dict[str, str]]:
        """Every version, on disk or served: `name`, `version`, `state` (READY or UNAVAILABLE) and `reason`."""
        loaded = self.loaded()
        return [
            self._entry(name, version, version in loaded.get(name, {}))
            for name in sorted({*self.folders.names(), *loaded})
            for version in newest_first({*self.folders.versions(name), *loaded.get(name, {})})
        ]

    async def aclose(self) -> None:
        """Waits for loads under way and closes everything."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._leases.retire_all()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    def _entry(self, name: str, version: str, ready: bool) -> dict[str, str]:
        reason = "" if ready else self._faults.get((name, version), "not loaded")
        return {"name": name, "version": version, "state": "READY" if ready else "UNAVAILABLE", "reason": reason}

    def _stamp(self) -> None:
        if (context := current_context.get()) is not None:
            context.answered_by(self._health.identity)

    def _absent(self, name: str, version: str | None) -> NotFound | NotReady:
        if slots := self._leases.table.get(name):
            return NotFound(f"version {version!r:.100} of model {name} is not loaded; loaded: {', '.join(slots)}")
        not_loaded = NotReady(f"model {name} is not loaded; POST /v2/repository/models/{name}/load loads it")
        return self.folders.missing(name, version) or not_loaded

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def _load(self, name: str, version: str | None, *, strict: bool) -> None:
        async with self._turn:
            if missing := self.folders.missing(name, version):
                raise missing
            there = self.folders.versions(name)
            wanted = self.policy.select(there) if version is None else [version]
            if not wanted:
                log.warning("model not loaded", model=name, there=there, policy=self.policy.text)
                raise ModelError(f"of the versions of {name}, {', '.join(there)}, none is one of {self.policy.text}")
            built, faults = await self._build_all(name, wanted, strict=strict)
            if not built:
                raise faults[0]
            self._swap(name, built if version is None else {**self._leases.table.get(name, {}), **built})

    async def _build_all(
        self, name: str, versions: Sequence[str], *, strict: bool
    ) -> tuple[dict[str, Slot[M]], list[ModelError]]:
        """Those that can be served, and what is wrong with the others; `strict`: all or none."""
        loop = asyncio.get_running_loop()
        built: dict[str, Slot[M]] = {}
        faults = []
        for version in versions:
            try:
                built[version] = Slot(await loop.run_in_executor(self._thread, self._build_one, name, version))
                self._faults.pop((name, version), None)
            except ModelError as error:
                self._faults[name, version] = str(error)
                log.warning("model not loaded", model=name, version=version, reason=str(error))
                faults.append(error)
        if strict and faults:
            for slot in built.values():
                self._close(slot)
            built = {}
        return built, faults

    def _build_one(self, name: str, version: str) -> M:
        folder = self.folders.root / name / version
        try:
            served = self._build(folder)
        except ModelError:
            raise
        except Exception as error:
            log.exception("building a model failed", folder=str(folder))
            raise ModelError(f"{folder} cannot be served: {type(error).__name__}: {error}") from error
        if (served.name, served.version) != (name, version):
            served.close()
            raise ModelError(f"{folder} says of itself that it is {served.name} {served.version}")
        return served

    async def _unload(self, name: str, version: str | None) -> None:
        async with self._turn:
            slots = self._leases.table.get(name, {})
            if not slots or version not in {None, *slots}:
                absent = NotFound(f"model {name[:100]} is not loaded")
                raise self.folders.missing(name, version) or (self._absent(name, version) if slots else absent)
            self._swap(name, {each: slots[each] for each in slots if version not in {None, each}})

    def _swap(self, name: str, slots: dict[str, Slot[M]]) -> None:
        before = list(self._leases.table.get(name, {}))
        for version in self._leases.swap(name, slots, self._announce):
            self._metrics.unloaded(name, version)
        for version, served in self.loaded().get(name, {}).items():
            self._metrics.loaded(name, version, served.sha256, served.provider)
        log.info("models", model=name, versions=newest_first(slots), before=before)

    def _announce(self) -> None:
        facts = {name: {v: served.sha256 for v, served in each.items()} for name, each in self.loaded().items()}
        self._health.serve(facts)

    def _close(self, slot: Slot[M]) -> None:
        try:
            self._thread.submit(self._finish, slot)
        except RuntimeError:  # the process ends
            self._finish(slot)

    def _finish(self, slot: Slot[M]) -> None:
        try:
            slot.served.close()
        except Exception:
            log.exception("closing a model failed", model=slot.served.name, version=slot.served.version)
        del slot.served
        give_back()
