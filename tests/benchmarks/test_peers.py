import base64
import json
import re
from email import message_from_bytes
from pathlib import Path

import numpy as np
import pytest

from benchmarks import convnet
from benchmarks.checks import WrongAnswer
from benchmarks.parts import peers, transcript
from benchmarks.parts.peers import Figure, goals, row
from benchmarks.peers import catalog
from benchmarks.peers.catalog import PEERS, Ask
from benchmarks.peers.environments import requirements, versions
from benchmarks.peers.work import Frame
from benchmarks.servers import ROOT
from tests.benchmarks.load.test_outcome import NOTHING


@pytest.mark.parametrize("name", [*(each.name for each in PEERS), transcript.PEER, "profile"])
def test_every_package_of_an_environment_is_pinned(name: str) -> None:
    lines = requirements(name).read_text().split()
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!_-]+", line) for line in lines)


def test_peers_run_the_same_libraries_as_vernier() -> None:
    """Same models on the same runtime: what differs is the server."""
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split("\n") if "==" in line)
    for name in ("litserve", "bentoml", "mlserver", "ray"):
        found = versions(name)
        for package in ("onnxruntime", "numpy", "opencv-python-headless", "tokenizers"):
            assert found[package] == pinned[package], f"{name}: {package}"


@pytest.mark.parametrize("peer", PEERS, ids=lambda each: each.name)
def test_a_peer_has_a_server_a_version_and_a_setting_for_what_it_is_asked(peer: catalog.Peer) -> None:
    assert re.fullmatch(rf"{peer.title} \d+\.\d+.*", peer.version)
    assert peer.name == "infinity" or (ROOT / "benchmarks" / "peers" / peer.name / "server.py").is_file()
    assert all(peer.settings[work] for work in peer.asks)


def test_bodies_are_what_each_server_reads() -> None:
    image, texts = b"\xff\xd8\r\n\x00", ["a", "b"]
    form = catalog.upload(image)
    head = f"Content-Type: multipart/form-data; boundary={catalog.FORM}\r\n\r\n".encode()
    part = message_from_bytes(head + form).get_payload()[0]  # type: ignore[index]
    assert 'name="request"' in part["Content-Disposition"]  # type: ignore[index]
    assert image in form
    assert catalog.raw(image) == image
    assert json.loads(catalog.texts(texts)) == {"texts": texts}
    assert json.loads(catalog.openai("m")(texts)) == {"model": "m", "input": texts, "encoding_format": "base64"}
    (tensor,) = json.loads(catalog.protocol(image))["inputs"]
    assert base64.b64decode(tensor["data"][0]) == image
    assert json.loads(catalog.protocol(texts))["inputs"][0]["shape"] == [2]


def test_the_convnet_is_the_same_every_time_and_tells_its_pictures_apart(tmp_path: Path) -> None:
    first, second = convnet.build(tmp_path / "a"), convnet.build(tmp_path / "b")
    assert (first / "model.onnx").read_bytes() == (second / "model.onnx").read_bytes()
    pictures = convnet.pictures(2)
    assert pictures == convnet.pictures(2)
    scores = [Frame(first)(each)["scores"] for each in pictures]
    assert len(scores[0]) == convnet.CLASSES
    assert np.std(scores[0]) > 1e-3
    assert not np.allclose(scores[0], scores[1], atol=1e-3)
    check = peers.scores(first, pictures)
    check(0, json.dumps({"scores": scores[0]}).encode())
    with pytest.raises(WrongAnswer):
        check(0, json.dumps({"scores": scores[1]}).encode())


def test_the_best_of_the_peers_sets_the_goal(tmp_path: Path) -> None:
    def figure(rate: float) -> Figure:
        return Figure([rate] * 3, NOTHING, True, 1e6 / rate, "2 workers")

    model, nobody = tmp_path, Ask("/", {}, catalog.raw)
    work = peers.Work("frame", "small convnet", "frames/s", 1, 8, [], lambda *_: None, model, nobody, None)  # type: ignore[arg-type]
    mine = figure(300.0)
    table = goals(work, [row(work, mine, name, each) for name, each in (
        ("A", figure(200.0)), ("B", figure(250.0)), ("C", "not installed"),
    )])  # fmt: skip
    assert [each.goal.value if each.goal else None for each in table] == [1.0, 1.4, None]
    assert [each.reached for each in table] == [True, False, None]
    assert table[1].note == "the best of the peers"
    assert table[2].missing == "not installed"
