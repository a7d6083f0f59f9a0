"""Requests broken as careless, unlucky and ill-meaning clients break them; the same for the same seed."""

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

import orjson

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, 2**31, 2**63, -(2**63), "", " ", "auto", "a", "\x00", "\ufeff",
    "x" * 5000, "\u202e\u200d\U0001f44d", "e\u0301" * 50, [], [[]], {}, {"a": {"b": []}}, [None], ["a"] * 300,
    [1, 2, 3], ["..."], "NaN", "unigram", "spoken",
]  # fmt: skip
PIECES = [
    *(b"\\udfff", b"\\ud800", b"\xff", b"\xc3", b"\x00"),
    *(b"NaN", b"1e999", b"-", b"[[[[", b"}}", b'"', b"\\", b"//", b" " * 99),
]
FIELDS: dict[str, list[Any]] = {
    "background": ["spoken"],
    "background_weight": [0, 1, 1e-300],
    "estimator": ["ngram", "compression"],
    "smoothing": [1e-300, 100],
    "per_token": [True],
    "corpus": [["the rate will fall"], ["..."], ["a"] * 500],
    "corpus_id": ["known", "unknown"],
    "top": [1, 1000],
    "k": [1, 3, 50, "auto"],
    "min_words": [5, 10**9],
    "projection": ["tsne", "pca", None],
    "seed": [1, 2**32 - 1],
    "dimensions": [1, 384, 385],
    "encoding_format": ["base64"],
    "keep_s": [1, 1e300],
    "odd": [1],
}
"""That an operation may know, and values that it may take."""
HEADERS: list[dict[str, str]] = [
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/json, text/csv"},
    {"Content-Encoding": "gzip"},
    {"Accept": "image/png"},
    {"Accept": "*/*;q=0"},
    {"X-Request-Timeout-Ms": "-1"},
    {"X-Request-Timeout-Ms": "1e9"},
    {"X-Request-ID": "é" * 10},
    {"traceparent": "00-zz-zz-01"},
    {"Idempotency-Key": "k"},
]


class Case(NamedTuple):
    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Sample = tuple[str, str, Any]
"""Method, path with {parameters}, and a body that is taken."""


def mutated(samples: list[Sample], count: int, seed: int) -> Iterator[Case]:
    """`count` requests, each an odd thing or two away from a good one."""
    draw = Random(seed)
    for index in range(count):
        method, path, body = samples[index % len(samples)]
        headers: dict[str, str] = {"Content-Type": "application/json"}
        value, done = copy.deepcopy(body), []
        for _ in range(draw.choice([1, 1, 2])):
            mutation = draw.choice(OF_VALUES)
            value = mutation(value, draw)
            done.append(mutation.__name__)
        data = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
        if draw.random() < 0.15:
            raw = draw.choice(OF_BYTES)
            data = raw(data, draw)
            done.append(raw.__name__)
        if draw.random() < 0.1:
            headers |= draw.choice(HEADERS)
            done.append("odd header")
        filled = path.replace("{id}", draw.choice(["known", "unknown", "%00", "a" * 200, "..%2f", "known"]))
        yield Case(f"{index}: {method} {filled[:60]}, {' and '.join(done)}", method, filled, headers, data)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value within."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places(each, (*at, key))


def changed(value: Any, draw: Random, change: Callable[[Any], Any]) -> Any:
    """With one of the values within changed."""
    way = draw.choice(list(places(value)))
    if not way:
        return change(value)
    holder = value
    for key in way[:-1]:
        holder = holder[key]
    holder[way[-1]] = change(holder[way[-1]])
    return value


def replace(value: Any, draw: Random) -> Any:
    return changed(value, draw, lambda _: copy.deepcopy(draw.choice(ODD)))


def wrap(value: Any, draw: Random) -> Any:
    return changed(value, draw, lambda it: draw.choice([[it], {"texts": it}, [it, it], str(it)[:2000]]))


def remove(value: Any, draw: Random) -> Any:
    if isinstance(value, dict) and value:
        del value[draw.choice(list(value))]
    elif isinstance(value, list) and value:
        del value[draw.randrange(len(value))]
    return value


def add_field(value: Any, draw: Random) -> Any:
    if isinstance(value, dict):
        name = draw.choice([*value, *FIELDS])
        value[name] = copy.deepcopy(draw.choice(FIELDS.get(name, ODD)))
    return value


def repeat(value: Any, draw: Random) -> Any:
    return changed(value, draw, lambda it: it * draw.choice([0, 2, 40]) if isinstance(it, str | list) else it)


def scramble(value: Any, draw: Random) -> Any:
    """Characters of a text, any of Unicode's but surrogates, which JSON's own bytes cannot have."""

    def change(it: Any) -> Any:
        if not isinstance(it, str) or not it:
            return it
        letters = list(it)
        for _ in range(draw.randint(1, 5)):
            number = draw.choice([draw.randrange(0x20), draw.randrange(0xD800), draw.randrange(0xE000, 0x110000)])
            letters[draw.randrange(len(letters))] = chr(number)
        return "".join(letters)

    return changed(value, draw, change)


def flip(data: bytes, draw: Random) -> bytes:
    out = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        out[draw.randrange(len(out))] ^= 1 << draw.randrange(8)
    return bytes(out)


def cut_off(data: bytes, draw: Random) -> bytes:
    return data[: draw.randrange(len(data))]


def insert(data: bytes, draw: Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.choice(PIECES) + data[at:]


OF_VALUES = [replace, wrap, remove, add_field, repeat, repeat, scramble, scramble]
OF_BYTES = [flip, cut_off, insert, insert]
