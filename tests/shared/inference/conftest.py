from collections.abc import Iterator

import pytest
import tritonclient.http as triton

from tests.processes import Process, running
from tests.shared.scaler import write_model


@pytest.fixture(scope="module")
def scaler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Models that multiply: `double` in versions 1 and 10, the latter tenfold; `words` hands BYTES back, `count` takes
    whole numbers of 64 bits."""
    root = tmp_path_factory.mktemp("models")
    write_model(root, "double", "1", scale=2)
    write_model(root, "double", "10", scale=20)
    write_model(root, "words", "1", datatype="BYTES", shape=(-1,))
    write_model(root, "count", "1", datatype="UINT64", shape=(-1,))
    write_model(root, "away", "1")
    settings = {"MODELS": str(root), "MODEL_VERSIONS": "all", "REPOSITORY_CONTROL": "1"}
    with running("tests.shared.scaler", **{f"VERNIER_SCALER_{name}": value for name, value in settings.items()}) as it:
        yield it


@pytest.fixture
def client(scaler: Process) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(scaler.address.removeprefix("http://"), concurrency=4) as it:
        yield it
