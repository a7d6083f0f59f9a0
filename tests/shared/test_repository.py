"""The model repository: leases, loads beside the model that serves, and what is left when one fails."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from shared.context import RequestContext, current_context
from shared.errors import NotFound, NotReady
from shared.health import Health
from shared.inference.types import Array
from shared.metrics import Metrics
from shared.onnx import ModelError
from shared.repository import Repository
from shared.versions import VersionPolicy
from tests.polling import until
from tests.processes import ROOT, clean_environment
from tests.shared.reloads import WEIGHT_BYTES
from tests.shared.scaler import Scaler, write_model


class Kept(Scaler):
    """A model that says when it is closed."""

    closed = False

    def close(self) -> None:
        super().close()
        self.closed = True


class Bench:
    """A repository at `root`, its health, and everything that it has built."""

    def __init__(self, root: Path, policy: str = "latest") -> None:
        self.root = root
        self.metrics = Metrics()
        self.health = Health("bench")
        self.built: list[Kept] = []
        self.gate: Callable[[], object] = lambda: None
        self.repository = Repository(
            root, self._build, health=self.health, metrics=self.metrics, policy=VersionPolicy(policy)
        )

    def _build(self, folder: Path) -> Kept:
        self.gate()
        model = Kept(folder, self.metrics)
        self.built.append(model)
        return model

    def loaded(self) -> dict[str, list[str]]:
        return {name: list(versions) for name, versions in self.repository.loaded().items()}

    def series(self) -> str:
        return self.metrics.exposition().decode()


@asynccontextmanager
async def bench(root: Path, policy: str = "latest", required: tuple[str, ...] = ()) -> AsyncIterator[Bench]:
    each = Bench(root, policy)
    await each.repository.start(required)
    each.health.loaded()
    yield each
    await each.repository.aclose()
    assert all(model.closed for model in each.built)


@contextmanager
def request() -> Iterator[RequestContext]:
    context = RequestContext.of([], 60)
    token = current_context.set(context)
    try:
        yield context
    finally:
        current_context.reset(token)


async def test_the_newest_version_answers(tmp_path: Path) -> None:
    for version in ("9", "10"):
        write_model(tmp_path, "m", version)
    async with bench(tmp_path, "all") as it:
        assert it.loaded() == {"m": ["10", "9"]}
        with it.repository.use("m") as newest, it.repository.use("m", "9") as older:
            assert (newest.version, older.version) == ("10", "9")


@pytest.mark.parametrize(("policy", "served"), [("latest", ["3"]), ("all", ["3", "2", "1"]), ("1,2", ["2", "1"])])
async def test_the_policy_says_which_versions_are_served(tmp_path: Path, policy: str, served: list[str]) -> None:
    for version in ("1", "2", "3"):
        write_model(tmp_path, "m", version)
    async with bench(tmp_path, policy) as it:
        assert it.loaded() == {"m": served}
        states = {entry["version"]: entry["state"] for entry in it.repository.index()}
        assert states == {v: "READY" if v in served else "UNAVAILABLE" for v in ("3", "2", "1")}


async def test_a_lease_outlives_the_swap_and_the_old_one_closes_after_it(tmp_path: Path) -> None:
    write_model(tmp_path, "m", "1", scale=1)
    async with bench(tmp_path) as it:
        with it.repository.use("m") as old:
            write_model(tmp_path, "m", "2", scale=2)
            await it.repository.load("m")
            with it.repository.use("m") as new:
                assert (new.version, new.scale) == ("2", 2)
            assert not it.built[0].closed
            assert [y.tolist() for y in old.batcher.compute([_ones()])] == [[1.0]]
        until(lambda: it.built[0].closed, "the old model is closed")
        assert it.loaded() == {"m": ["2"]}
        assert 'version="1"' not in it.series()
        assert 'model_ready{model="m",version="2"} 1.0' in it.series()


async def test_reloading_the_same_version_builds_it_anew(tmp_path: Path) -> None:
    write_model(tmp_path, "m", "1", scale=1)
    async with bench(tmp_path) as it:
        identity = it.health.identity
        write_model(tmp_path, "m", "1", scale=5)
        await it.repository.load("m")
        with it.repository.use("m") as served:
            assert served.scale == 5
        assert it.health.identity != identity, "the sha256 counts, not only the version"
        until(lambda: it.built[0].closed, "the old model is closed")


async def test_identity_and_models_follow_every_change(tmp_path: Path) -> None:
    write_model(tmp_path, "a", "1")
    write_model(tmp_path, "b", "1")
    async with bench(tmp_path, required=("a",)) as it:
        seen = [it.health.identity]
        write_model(tmp_path, "a", "2")
        await it.repository.load("a")
        seen.append(it.health.identity)
        await it.repository.load("a", "1")
        seen.append(it.health.identity)
        assert it.health.versions["a"].keys() == {"2", "1"}
        await it.repository.unload("b")
        seen.append(it.health.identity)
        assert len(set(seen)) == len(seen)
        ready, report = it.health.report()
        assert (ready, report["models"], report["offers"]) == (True, {"a": "2"}, ["a", "b"])
        await it.repository.unload("a")
        ready, report = it.health.report()
        assert (ready, report["detail"]) == (False, "not loaded: a")
        await it.repository.load("a")
        assert it.health.report()[0]


async def test_the_same_models_have_the_same_identity_after_a_restart(tmp_path: Path) -> None:
    write_model(tmp_path, "a", "1")
    write_model(tmp_path, "b", "1")
    identities = set()
    for _ in range(2):
        async with bench(tmp_path) as it:
            identities.add(it.health.identity)
    assert len(identities) == 1


async def test_an_answer_bears_the_identity_of_its_lease(tmp_path: Path) -> None:
    write_model(tmp_path, "m", "1")
    async with bench(tmp_path) as it:
        before = it.health.identity
        with request() as early, it.repository.use("m"):
            write_model(tmp_path, "m", "2")
            await it.repository.load("m")
        with request() as late, it.repository.use("m"), it.repository.use("m"):
            pass
        with request() as both:
            with it.repository.use("m"):
                await it.repository.load("m", "1")
            with it.repository.use("m"):
                pass
        assert (early.identity, before) == (before, early.identity)
        assert late.identity not in {None, "", before}
        assert both.identity == "", "two models had their hand in it"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "model.onnx").write_bytes(b"other"), "sha256"),
        (lambda folder: (folder / "model.onnx").unlink(), "no model.onnx"),
        (lambda folder: (folder / "model.json").write_bytes(b'{"name": "m"'), "no model in"),
        (lambda folder: (folder / "model.json").write_bytes(b"[]"), "is no object"),
        (lambda folder: (folder / "model.json").write_bytes(b'{"name": "m", "version": "2"}'), "lacks sha256"),
        (lambda folder: folder.rename(folder.parent / "3"), "says of itself that it is m 2"),
    ],
    ids=["digest", "no graph", "truncated card", "no object", "no digest", "another version"],
)
async def test_a_folder_that_cannot_be_served_changes_nothing(
    tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    write_model(tmp_path, "m", "1")
    async with bench(tmp_path) as it:
        identity = it.health.identity
        damage(write_model(tmp_path, "m", "2"))
        with pytest.raises(ModelError, match=says):
            await it.repository.load("m")
        assert it.loaded() == {"m": ["1"]}
        assert it.health.identity == identity
        reasons = [entry["reason"] for entry in it.repository.index() if entry["state"] == "UNAVAILABLE"]
        assert len(reasons) == 1
        assert says in reasons[0]
        with it.repository.use("m") as served:
            assert served.version == "1"


async def test_a_load_is_whole_or_not_at_all(tmp_path: Path) -> None:
    write_model(tmp_path, "m", "1")
    async with bench(tmp_path, "all") as it:
        write_model(tmp_path, "m", "3")
        (write_model(tmp_path, "m", "2") / "model.onnx").write_bytes(b"other")
        with pytest.raises(ModelError, match="sha256"):
            await it.repository.load("m")
        assert it.loaded() == {"m": ["1"]}
        until(lambda: all(model.closed for model in it.built[1:]), "what was built in vain is closed")


async def test_at_the_start_a_broken_version_or_a_model_nobody_needs_is_left_out(tmp_path: Path) -> None:
    for version in ("1", "2"):
        write_model(tmp_path, "m", version)
    (tmp_path / "m" / "2" / "model.onnx").write_bytes(b"other")
    (write_model(tmp_path, "n", "1") / "model.onnx").unlink()
    async with bench(tmp_path, "all", required=("m",)) as it:
        assert it.loaded() == {"m": ["1"]}


async def test_without_a_model_that_is_needed_there_is_no_start(tmp_path: Path) -> None:
    for required in ("m", "n"):
        (write_model(tmp_path, "n", "1") / "model.onnx").write_bytes(b"other")
        it = Bench(tmp_path)
        with pytest.raises(ModelError, match=f"no model in {tmp_path}/m" if required == "m" else "sha256"):
            await it.repository.start((required,))
        await it.repository.aclose()


async def test_what_is_not_there_and_what_is_not_loaded(tmp_path: Path) -> None:
    for version in ("1", "2"):
        write_model(tmp_path, "m", version)
    write_model(tmp_path, "n", "1")
    async with bench(tmp_path) as it:
        await it.repository.unload("n")
        for name, wanted, error, says in (
            ("x", None, NotFound, "no model 'x'; there are: m, n"),
            ("../m", None, NotFound, "no model '../m'"),
            ("m", "1", NotFound, "version '1' of model m is not loaded; loaded: 2"),
            ("m", "7", NotFound, "version '7' of model m is not loaded"),
            ("n", None, NotReady, "n is not loaded; POST /v2/repository/models/n/load"),
            ("n", "1", NotReady, "n is not loaded"),
            ("n", "9", NotFound, "no version '9' of model n; there are: 1"),
        ):
            with pytest.raises(error, match=says), it.repository.use(name, wanted):
                pass
        with pytest.raises(NotFound, match="no model 'x'"):
            await it.repository.load("x")
        with pytest.raises(NotFound, match="no version '9' of model m; there are: 2, 1"):
            await it.repository.load("m", "9")
        for name, gone in (("n", None), ("x", None), ("m", "1")):
            with pytest.raises(NotFound):
                await it.repository.unload(name, gone)


async def test_one_version_is_loaded_and_unloaded_beside_the_others(tmp_path: Path) -> None:
    for version in ("1", "2"):
        write_model(tmp_path, "m", version)
    async with bench(tmp_path) as it:
        await it.repository.load("m", "1")
        assert it.loaded() == {"m": ["2", "1"]}
        await it.repository.unload("m", "2")
        assert it.loaded() == {"m": ["1"]}
        with it.repository.use("m") as served:
            assert served.version == "1"
        await it.repository.load("m")
        assert it.loaded() == {"m": ["2"]}, "the policy again"


async def test_loads_come_one_after_the_other_and_serving_goes_on(tmp_path: Path) -> None:
    write_model(tmp_path, "m", "1")
    async with bench(tmp_path) as it:
        entered, leave = threading.Semaphore(0), threading.Semaphore(0)

        def gate() -> None:
            entered.release()
            assert leave.acquire(timeout=60)

        it.gate = gate
        loads = [asyncio.create_task(it.repository.load("m")) for _ in range(3)]
        for turn in range(3):
            assert await asyncio.to_thread(entered.acquire, timeout=60)
            assert not entered.acquire(blocking=False), "two builds at once"
            with it.repository.use("m") as served:
                assert (await served.batcher.submit([_ones()]))[0].tolist() == [1.0]
                assert served is it.built[turn], "the one before serves until the next is ready"
            leave.release()
            await loads[turn]
        it.gate = lambda: None


async def test_a_load_whose_caller_leaves_is_finished(tmp_path: Path) -> None:
    write_model(tmp_path, "m", "1")
    async with bench(tmp_path) as it:
        entered, leave = threading.Event(), threading.Event()

        def gate() -> None:
            entered.set()
            assert leave.wait(60)

        it.gate = gate
        load = asyncio.create_task(it.repository.load("m"))
        assert await asyncio.to_thread(entered.wait, 60)
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load
        leave.set()
        await asyncio.to_thread(until, lambda: it.built[0].closed, "the new model has taken over")
        with it.repository.use("m") as served:
            assert served is it.built[1]


async def test_leases_may_be_taken_on_any_thread(tmp_path: Path) -> None:
    write_model(tmp_path, "m", "1")
    async with bench(tmp_path) as it:
        stop = threading.Event()
        seen: list[int] = []

        def work() -> None:
            while not stop.is_set():
                with it.repository.use("m") as served:
                    seen.append(len(served.batcher.compute([_ones()])))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            await it.repository.load("m")
        stop.set()
        for thread in threads:
            await asyncio.to_thread(thread.join, 60)
        assert set(seen) == {1}
        await asyncio.to_thread(until, lambda: sum(not model.closed for model in it.built) == 1, "one is left")


def _ones() -> Array:
    return np.ones(1, np.float32)


def test_memory_is_given_back(tmp_path: Path) -> None:
    """Models that come and go overlap, each with its weights and what reading them took, and the allocator keeps
    some: the resident memory may wander by six times the weights. Kept at each reload, they would add 35 times."""
    command = [sys.executable, "-m", "tests.shared.reloads", str(tmp_path), "40"]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    resident = [int(line) for line in done.stdout.splitlines() if line.isdigit()]
    assert len(resident) == 40
    assert max(resident[5:]) < min(resident[:5]) + 6 * WEIGHT_BYTES
