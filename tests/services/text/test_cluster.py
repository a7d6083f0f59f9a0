"""/v1/text/cluster over a real socket."""

from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from services.text.cluster_examples import CLUSTER, TRANSCRIPT
from services.text.cluster_schemas import ClusterRequest
from tests.services.text.served import MODEL_VERSION

TEXTS = CLUSTER["Three topics"]["texts"]


def post(client: httpx.Client, url: str, **body: Any) -> httpx.Response:
    return client.post(f"{url}/v1/text/cluster", json=body)


METHODS = ["kmeans", "agglomerative", "gmm", "hdbscan"]
CSV = {"Content-Type": "text/csv"}


def post_csv(client: httpx.Client, url: str, table: str, **query: Any) -> httpx.Response:
    return client.post(f"{url}/v1/text/cluster", params=query, content=table, headers=CSV)


def test_topics_are_told_apart(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=TEXTS, k=3, seed=1).json()
    assert answer["model"] == {"name": "text-embedding", "version": MODEL_VERSION}
    assert answer["labels"] == [0, 0, 0, 1, 1, 1, 2, 2, 2, -1]
    assert [cluster["size"] for cluster in answer["clusters"]] == [3, 3, 3]
    assert "pin" in answer["clusters"][1]["terms"]
    assert "transfer" in answer["clusters"][2]["terms"]
    nearest = answer["clusters"][1]["representatives"]
    assert {each["index"] for each in nearest} == {3, 4, 5}
    assert all(TEXTS[each["index"]] == each["text"] for each in nearest)
    assert answer["silhouette"] > 0.2
    assert answer["curve"] is None
    assert answer["projection"]["method"] == "pca"
    assert answer["projection"]["x"][9] is answer["projection"]["y"][9] is None
    assert None not in answer["projection"]["x"][:9]


def test_auto_answers_its_curve(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=TEXTS, k="auto", projection=None).json()
    assert answer["k"] == 3
    assert [point["k"] for point in answer["curve"]] == [2, 3, 4]
    assert answer["projection"] is None


def test_the_same_request_has_the_same_answer(client: httpx.Client, text_url: str) -> None:
    body = {
        "texts": [f"{text} {number}" for number in range(3) for text in TEXTS],
        "k": 4,
        "projection": "tsne",
        "seed": 5,
    }
    assert post(client, text_url, **body).content == post(client, text_url, **body).content


def test_stage_directions_and_short_texts_are_left_out(client: httpx.Client, text_url: str) -> None:
    texts = ["one two three", "[crosstalk 00:58:01] one two", "four five six seven"]
    answer = post(client, text_url, texts=texts, k=1, min_words=3).json()
    assert answer["labels"] == [0, -1, 0]
    assert answer["clusters"][0]["size"] == 2


def test_long_texts_are_grouped_by_their_beginnings(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["word " * 400, "other"], k=1).json()
    assert answer["warnings"] == ["texts longer than 256 tokens, grouped by their beginnings: 1"]


def test_texts_all_alike_are_one_cluster(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["the same thing"] * 30, k=5, projection="tsne").json()
    assert answer["labels"] == [0] * 30
    assert any("one cluster" in warning for warning in answer["warnings"])


def test_debate(client: httpx.Client, text_url: str, debate: list[str]) -> None:
    answer = post(client, text_url, texts=debate, k=10, min_words=11, projection="tsne", seed=0).json()
    assert len(answer["labels"]) == len(debate)
    assert answer["labels"].count(-1) > 300
    terms = [set(cluster["terms"]) for cluster in answer["clusters"]]
    assert any({"ballots", "vote"} <= each for each in terms)
    assert any({"tax"} <= each for each in terms)
    assert not any({"crosstalk"} & each for each in terms)
    # Statements of one conversation hardly part: .066 to .099 at every k, by an independent count for one speaker.
    assert 0.03 < answer["silhouette"] < 0.15
    assert answer["projection"]["method"] == "tsne"


@pytest.mark.parametrize("method", ["kmeans", "agglomerative", "gmm"])
def test_every_method_tells_the_topics_apart(client: httpx.Client, text_url: str, method: str) -> None:
    answer = post(client, text_url, texts=TEXTS, method=method, k=3, projection=None).json()
    assert answer["method"] == method
    assert answer["labels"] == [0, 0, 0, 1, 1, 1, 2, 2, 2, -1]
    assert (answer["tree"] is not None) == (method == "agglomerative")
    assert (answer["probability"] is not None) == (method == "gmm")
    assert answer["distance"][9] is None
    assert all(0 < distance < 1 for distance in answer["distance"][:9])


def test_hdbscan_leaves_noise(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=TEXTS, method="hdbscan", min_cluster_size=2).json()
    assert answer["curve"] is None
    assert answer["k"] == len(answer["clusters"])
    noise = [index for index, label in enumerate(answer["labels"][:9]) if label == -1]
    assert set(noise) <= set(answer["outliers"])
    assert [answer["probability"][index] for index in noise] == [0] * len(noise)


def test_a_merge_tree_can_be_cut_by_its_reader(client: httpx.Client, text_url: str) -> None:
    body = {"method": "agglomerative", "linkage": "average", "distance_threshold": 0.6}
    answer = post(client, text_url, texts=TEXTS, **body).json()
    tree = answer["tree"]
    assert tree["leaves"] == list(range(9))
    assert sorted(tree["order"]) == tree["leaves"]
    groups = {node: {leaf} for node, leaf in enumerate(tree["leaves"])}
    for row, (left, right, height) in enumerate(zip(tree["left"], tree["right"], tree["height"], strict=True)):
        if height < 0.6:
            groups[9 + row] = groups.pop(left) | groups.pop(right)
            assert len(groups[9 + row]) == tree["size"][row]
    by_label = [{index for index, label in enumerate(answer["labels"]) if label == k} for k in range(answer["k"])]
    assert sorted(map(sorted, groups.values())) == sorted(map(sorted, by_label))
    assert answer["curve"] is None


def test_a_mixture_answers_its_bic(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=TEXTS, method="gmm", projection=None).json()
    assert [point["k"] for point in answer["curve"]] == [1, 2, 3, 4]
    assert min(answer["curve"], key=lambda point: point["bic"])["k"] == answer["k"]
    assert answer["dimensions"] == 8


def test_an_odd_one_out_is_an_outlier(client: httpx.Client, text_url: str) -> None:
    texts = [f"My bank card has not arrived after {number} days." for number in range(2, 14)]
    answer = post(client, text_url, texts=[*texts, "Penguins cannot fly."], k=1).json()
    assert 12 in answer["outliers"]
    assert len(answer["outliers"]) <= 2
    assert answer["distance"][12] == max(answer["distance"])


def test_speakers_and_times_are_carried_through(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, **CLUSTER["Who says what, and when"], projection=None).json()
    assert answer["time_s"] == [5, 40, 70, 90, 120, 140, 180, 210, 240, None]
    assert answer["speakers"][:2] == ["Ann", "Bob"]
    assert answer["by_speaker"] == {"speakers": ["Ann", "Bob"], "counts": [[2, 1], [1, 2], [2, 1]]}
    assert answer["over_time"]["start_s"] == pytest.approx([5, 63.75, 122.5, 181.25])
    assert answer["over_time"]["counts"] == [[2, 1, 0, 0], [0, 2, 1, 0], [0, 0, 1, 2]]
    first = answer["clusters"][0]["representatives"][0]
    assert first["time_s"] == answer["time_s"][first["index"]]
    assert first["speaker"] == answer["speakers"][first["index"]]


def test_a_transcript_goes_in_as_it_is(client: httpx.Client, text_url: str) -> None:
    answer = post_csv(client, text_url, TRANSCRIPT, k=2, method="agglomerative", projection="none", bins=2).json()
    assert answer["labels"] == [0, 0, 1, 1]
    assert answer["time_s"] == [5, 40, 70, 90]
    assert answer["over_time"]["counts"] == [[2, 0], [0, 2]]
    assert answer["by_speaker"]["counts"] == [[1, 1], [1, 1]]
    assert answer["projection"] is None
    gap = post_csv(client, text_url, TRANSCRIPT + "Ann,01:40,\n", k=2, method="agglomerative").json()
    assert gap["labels"] == [0, 0, 1, 1, -1]
    body = {"texts": [line.split(",", 2)[2] for line in TRANSCRIPT.splitlines()[1:]]}
    columns = {"speakers": ["Ann", "Bob"] * 2, "times": ["00:05", "00:40", "01:10", "01:30"]}
    parameters = {"k": 2, "method": "agglomerative", "projection": None, "bins": 2}
    assert post(client, text_url, **body, **columns, **parameters).json() == answer


def test_its_columns_may_have_other_names(client: httpx.Client, text_url: str) -> None:
    table = "who,when,said\nAnn,0,one two\nBob,10,three four\n"
    answer = post_csv(client, text_url, table, text="said", speaker="who", time="when", k=1).json()
    assert answer["time_s"] == [0, 10]
    assert answer["by_speaker"]["speakers"] == ["Ann", "Bob"]
    assert post_csv(client, text_url, "text\none two\n", k=1).json()["by_speaker"] is None


@pytest.mark.parametrize(
    ("table", "query", "status", "pointer"),
    [
        ("who,said\nAnn,hello\n", {}, 400, ""),
        ("text\n", {}, 400, ""),
        ("text\n \n", {}, 422, "/min_words"),
        ('text\n"open\n', {}, 400, ""),
        ("text,speaker\nhello\n", {}, 400, ""),
        ("text\nhello\n", {"text": "said"}, 400, "/text"),
        ("text\nhello\n", {"texts": "hello"}, 400, "/texts"),
        ("text\nhello\n", {"words": 1}, 400, "/words"),
        ("text\nhello\n", {"k": "many"}, 422, "/k"),
        ("text\nhello\n", {"k": 2}, 422, "/k"),
        ("text\nhello\n", {"method": "dbscan"}, 422, "/method"),
        ("text,time\nhello,noon\n", {}, 422, "/times/0"),
    ],
)
def test_transcripts_that_cannot_be_read(
    client: httpx.Client, text_url: str, table: str, query: dict[str, Any], status: int, pointer: str
) -> None:
    answer = post_csv(client, text_url, table, **query)
    assert answer.status_code == status, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


def test_parameters_of_json_do_not_stand_in_the_query(client: httpx.Client, text_url: str) -> None:
    answer = client.post(f"{text_url}/v1/text/cluster?k=2", json={"texts": TEXTS})
    assert answer.status_code == 400
    assert "query k" in answer.json()["detail"]
    twice = client.post(f"{text_url}/v1/text/cluster?k=2&k=3", content="text\nhi", headers=CSV)
    assert twice.status_code == 400
    assert (
        client.post(f"{text_url}/v1/text/cluster", content="a", headers={"Content-Type": "text/html"}).status_code
        == 415
    )


def test_the_debate_as_a_transcript(client: httpx.Client, text_url: str, data: Path) -> None:
    path = data / "text" / "debate_2020_1.csv"
    if not path.is_file():
        pytest.skip(f"lacks {path}")
    query: dict[str, Any] = {"k": "auto", "min_words": 11, "projection": "none", "method": "agglomerative"}
    answer = client.post(f"{text_url}/v1/text/cluster", params=query, content=path.read_bytes(), headers=CSV).json()
    assert len(answer["labels"]) == 789
    assert [len(set(answer["by_speaker"]["speakers"])), len(answer["over_time"]["counts"][0])] == [3, 12]
    kept = sum(label >= 0 and time is not None for label, time in zip(answer["labels"], answer["time_s"], strict=True))
    assert sum(map(sum, answer["over_time"]["counts"])) == kept
    # The second part of the recording has a clock of its own, at row 180; the last words are spoken at 01:10:50 of it.
    assert answer["time_s"][-1] == 24 * 60 + 25 + 3600 + 10 * 60 + 50
    assert "the clock begins anew at text 180" in " ".join(answer["warnings"])
    assert "no k stands out" in " ".join(answer["warnings"])


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 400, "/texts"),
        ({"texts": []}, 422, "/texts"),
        ({"texts": "a"}, 400, "/texts"),
        ({"texts": ["a", 1]}, 400, "/texts/1"),
        ({"texts": ["a", " \n"]}, 422, "/texts/1"),
        ({"texts": ["a", "b"], "k": 3}, 422, "/k"),
        ({"texts": ["a"], "k": 0}, 422, "/k"),
        ({"texts": ["a"], "k": "some"}, 422, "/k"),
        ({"texts": ["a"], "k": 1.5}, 400, "/k"),
        ({"texts": ["a"], "k": True}, 400, "/k"),
        ({"texts": ["a"], "method": "dbscan"}, 422, "/method"),
        ({"texts": ["a"], "projection": "isomap"}, 422, "/projection"),
        ({"texts": ["a"], "min_words": 0}, 422, "/min_words"),
        ({"texts": ["a b"], "min_words": 3}, 422, "/min_words"),
        ({"texts": ["[inaudible]", "..."]}, 422, "/min_words"),
        ({"texts": ["a"], "seed": -1}, 422, "/seed"),
        ({"texts": ["a"], "linkage": "ward"}, 422, "/linkage"),
        ({"texts": ["a"], "method": "agglomerative", "linkage": "median"}, 422, "/linkage"),
        ({"texts": ["a"], "method": "gmm", "distance_threshold": 1}, 422, "/distance_threshold"),
        ({"texts": ["a"], "method": "agglomerative", "distance_threshold": 0}, 422, "/distance_threshold"),
        ({"texts": ["a"], "method": "agglomerative", "k": 1, "distance_threshold": 1}, 422, "/distance_threshold"),
        ({"texts": ["a"], "covariance": "tied"}, 422, "/covariance"),
        ({"texts": ["a"], "min_cluster_size": 5}, 422, "/min_cluster_size"),
        ({"texts": ["a"], "method": "hdbscan", "min_cluster_size": 1}, 422, "/min_cluster_size"),
        ({"texts": ["a"], "method": "hdbscan", "k": 1}, 422, "/k"),
        ({"texts": ["a"], "k_max": 101}, 422, "/k_max"),
        ({"texts": ["a", "b"], "speakers": ["Ann"]}, 422, "/speakers"),
        ({"texts": ["a", "b"], "times": [1, 2, 3]}, 422, "/times"),
        ({"texts": ["a", "b"], "times": ["00:10", "noon"]}, 422, "/times/1"),
        ({"texts": ["a", "b"], "times": [1, "00:10"]}, 422, "/times/1"),
        ({"texts": ["a"], "bins": 0}, 422, "/bins"),
        ({"texts": ["a"], "words": 0}, 400, "/words"),
    ],
)
def test_refusals_point_at_the_field(client: httpx.Client, text_url: str, body: Any, status: int, pointer: str) -> None:
    answer = client.post(f"{text_url}/v1/text/cluster", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


def test_more_texts_than_the_limit_are_413(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["a"] * 100_000, k=1)
    assert answer.status_code == 413
    assert "100,000 texts, more than the 5,000" in answer.json()["detail"]


ODD = [None, True, -1, 0, 1.5, 2**31, 10**30, 1e308, "", "a", "auto", "\x00", "\u202e", [], ["a"], [None], {}, {"a": 1}]


def mutated(body: dict[str, Any], random: Random) -> dict[str, Any]:
    """`body` with one of its parts dropped, doubled, or replaced by something odd."""
    body = {name: list(value) if isinstance(value, list) else value for name, value in body.items()}
    name = random.choice([*body, *ClusterRequest.model_fields])
    value = body.get(name)
    if isinstance(value, list) and value and random.random() < 0.7:
        place = random.randrange(len(value))
        value[place : place + random.randrange(2)] = [random.choice([*ODD, value[place]])]
    elif random.random() < 0.2:
        body.pop(name, None)
    else:
        body[name] = random.choice([*ODD, *METHODS])
    return body


def test_mutated_requests_are_answered_or_refused(client: httpx.Client, text_url: str) -> None:
    random = Random(1)
    statuses = set()
    for number in range(240):
        body = mutated(random.choice([*CLUSTER.values()]), random)
        if number % 2:
            body = mutated({**body, "method": random.choice(METHODS), "k": random.choice(["auto", 2])}, random)
        answer = client.post(f"{text_url}/v1/text/cluster", json={**body, "projection": None})
        assert answer.status_code in (200, 400, 413, 422), (body, answer.text)
        assert "NaN" not in answer.text
        statuses.add(answer.status_code)
    assert statuses >= {200, 400, 422}


def test_mutated_transcripts_are_answered_or_refused(client: httpx.Client, text_url: str) -> None:
    random = Random(2)
    for _ in range(120):
        raw = bytearray(TRANSCRIPT.encode())
        for _ in range(random.randrange(1, 6)):
            place = random.randrange(len(raw))
            raw[place : place + random.randrange(3)] = random.choice(
                [b"", b",", b"\n", b'"', b"\xff", b"\x00", b":", b"9"]
            )
        answer = client.post(f"{text_url}/v1/text/cluster?projection=none", content=bytes(raw), headers=CSV)
        assert answer.status_code in (200, 400, 422), (bytes(raw), answer.text)


@pytest.mark.parametrize("method", METHODS)
def test_texts_all_alike_have_no_nan(client: httpx.Client, text_url: str, method: str) -> None:
    answer = post(client, text_url, texts=["the same thing"] * 12, method=method).json()
    assert answer["labels"] == [0] * 12
    assert (answer["k"], answer["silhouette"], answer["outliers"]) == (1, None, [])
    assert answer["distance"] == pytest.approx([0] * 12, abs=1e-6)
    assert answer["projection"]["x"] == answer["projection"]["y"] == [0] * 12
    assert "one cluster" in answer["warnings"][0]


@pytest.mark.parametrize("raw", [b'{"texts": ["\\ud800"]}', b'{"texts": ["\xff"]}', b'{"texts": [', b"null"])
def test_bodies_that_are_no_json_are_400(client: httpx.Client, text_url: str, raw: bytes) -> None:
    answer = client.post(f"{text_url}/v1/text/cluster", content=raw)
    assert answer.status_code == 400, answer.text
