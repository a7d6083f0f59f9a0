import pytest

from services.text import projection
from services.text.cluster_answers import prepare
from services.text.cluster_schemas import ClusterRequest
from shared.errors import Unprocessable


def test_umap_is_refused_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    body = ClusterRequest(texts=["a", "b"], projection="umap")
    assert prepare(body).body is body
    monkeypatch.setattr(projection, "find_spec", {}.get)
    with pytest.raises(Unprocessable, match="umap is not installed here") as refused:
        prepare(body)
    assert refused.value.errors[0].pointer == "/projection"
    assert prepare(ClusterRequest(texts=["a"], projection="tsne"))


def test_what_is_known_before_anything_is_embedded() -> None:
    body = ClusterRequest(
        texts=["one two", "[inaudible]", "three"], times=["00:10", None, "01:00"], method="gmm", k=2, seed=3
    )
    request = prepare(body)
    assert request.selection.indices == [0, 2]
    assert (request.options.method, request.options.k, request.options.seed) == ("gmm", 2, 3)
    assert request.timeline is not None
    assert request.timeline.seconds == [10, None, 60]
