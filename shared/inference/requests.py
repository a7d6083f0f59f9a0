"""An inference request as it stands in a body: JSON, and after it the binary tensors in the order of the inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.errors import FieldError, Malformed, TooLarge
from shared.inference.tensors import from_binary, from_json, known_datatype
from shared.inference.types import DATATYPES, Array, TensorSpec

MAX_TENSORS = 64
MAX_JSON_BYTES = 16 << 20
"""JSON values take many times their bytes in memory; larger tensors travel in binary."""
MAX_DIMENSION = 1 << 31


@dataclass(frozen=True, slots=True)
class Input:
    datatype: str
    array: Array


@dataclass(frozen=True, slots=True)
class Requested:
    """An output that is asked for, in binary or as JSON."""

    name: str
    binary: bool


@dataclass(frozen=True, slots=True)
class InferRequest:
    """`outputs` None: all of them, in binary where `binary` says so."""

    inputs: Mapping[str, Input]
    id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: Sequence[Requested] | None = None
    binary: bool = False


Admit = Callable[[int, str, str, tuple[int, ...]], None]
"""Raises for an input that is not wanted: its index, name, datatype and shape."""


def read_request(body: bytes, header_length: int | None = None, admit: Admit = lambda *_: None) -> InferRequest:
    """`header_length`: how many of the bytes are JSON, None for all. `admit` is asked before an input's data are read.
    Raises Malformed, which names what is at fault, and TooLarge."""
    length = len(body) if header_length is None else header_length
    if length > len(body):
        raise Malformed(f"Inference-Header-Content-Length is {length:,}, the body has {len(body):,} bytes")
    if length > MAX_JSON_BYTES:
        raise TooLarge(f"{length:,} bytes of JSON; {MAX_JSON_BYTES:,} are the most, send larger tensors in binary")
    view = memoryview(body)
    document = read_object(view[:length])
    parameters = _object(document, "parameters", "")
    _refuse(parameters, ("sequence_id", "sequence_start", "sequence_end"), "the models here keep no sequences")
    binary = _flag(parameters, "binary_data_output", "parameters")
    return InferRequest(
        inputs=_Tensors(view[length:], admit).read(_list(document, "inputs", required=True)),
        id=_id(document),
        parameters=parameters,
        outputs=_outputs(_list(document, "outputs", required=False), binary),
        binary=binary,
    )


def raw_request(body: bytes, specs: Sequence[TensorSpec]) -> InferRequest:
    """A body that is the one tensor that the model needs, `Inference-Header-Content-Length: 0`; answered in binary.

    BYTES are one element without its length. Raises Malformed where the model needs more than one input.
    """
    needed = [spec for spec in specs if not spec.optional]
    if len(needed) != 1:
        names = ", ".join(spec.name for spec in needed) or "none"
        raise Malformed(f"a raw body is the data of one input, the model needs {len(needed)}: {names}")
    spec = needed[0]
    what = f"input {spec.name!r}"
    if spec.datatype == "BYTES":
        array = from_binary("BYTES", (1,), memoryview(len(body).to_bytes(4, "little") + body), what)
        return InferRequest({spec.name: Input(spec.datatype, array.reshape([1] * len(spec.shape)))}, binary=True)
    if spec.shape.count(-1) > 1:
        raise Malformed(f"{what} has shape {list(spec.shape)}: a raw body cannot tell how large which dimension is")
    flat = from_binary(spec.datatype, (_elements(body, spec),), memoryview(body), what)
    try:
        return InferRequest({spec.name: Input(spec.datatype, flat.reshape(spec.shape))}, binary=True)
    except ValueError:
        raise Malformed(f"{what} has {flat.size:,} elements; shape {list(spec.shape)} does not take them") from None


def _elements(body: bytes, spec: TensorSpec) -> int:
    return len(body) // DATATYPES[spec.datatype].itemsize


class _Tensors:
    """Reads inputs in their order; `rest` is what their binary data have left of the body."""

    def __init__(self, rest: memoryview, admit: Admit) -> None:
        self.rest = rest
        self._admit = admit

    def read(self, entries: list[Any]) -> dict[str, Input]:
        if not entries:
            raise _at("/inputs", "inputs is empty; a request has at least one")
        found: dict[str, Input] = {}
        for index, entry in enumerate(entries):
            name = _name(entry, f"/inputs/{index}")
            if name in found:
                raise _at(f"/inputs/{index}/name", f"input {name!r} is given twice")
            try:
                found[name] = self._input(entry, name, index)
            except (Malformed, TooLarge) as error:
                pointer = f"/inputs/{index}"
                raise type(error)(error.detail, errors=[FieldError(pointer, error.detail)]) from None
        if self.rest:
            raise Malformed(f"{len(self.rest):,} bytes follow the JSON that no input's binary_data_size accounts for")
        return found

    def _input(self, entry: dict[str, Any], name: str, index: int) -> Input:
        what = f"input {name[:100]!r}"
        datatype = known_datatype(entry.get("datatype"), what)
        shape = _shape(entry.get("shape"), what)
        self._admit(index, name, datatype, shape)
        parameters = _object(entry, "parameters", f"{what}: ")
        _refuse(parameters, ("shared_memory_region",), f"{what}: there is no shared memory here")
        size = parameters.get("binary_data_size")
        if size is None:
            if "data" not in entry:
                raise Malformed(f"{what} has neither data nor the parameter binary_data_size")
            encoded = parameters.get("content_type") == "base64"
            return Input(datatype, from_json(datatype, shape, entry["data"], what, base64_bytes=encoded))
        if "data" in entry:
            raise Malformed(f"{what} has both data and the parameter binary_data_size")
        if type(size) is not int or size < 0:
            raise Malformed(f"{what}: binary_data_size is a number of bytes, not {size!r:.60}")
        if size > len(self.rest):
            raise Malformed(f"{what} says it has {size:,} bytes of binary data, {len(self.rest):,} are left")
        data, self.rest = self.rest[:size], self.rest[size:]
        return Input(datatype, from_binary(datatype, shape, data, what))


def read_object(text: bytes | memoryview) -> dict[str, Any]:
    """Raises Malformed for what is no JSON object."""
    if not text:
        raise Malformed("the body is empty; it is an inference request, at least an object with inputs")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the request is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise Malformed("the request is no JSON object")
    return document


def _outputs(entries: list[Any] | None, binary: bool) -> list[Requested] | None:
    if not entries:
        return None
    found: dict[str, Requested] = {}
    for index, entry in enumerate(entries):
        name = _name(entry, f"/outputs/{index}")
        parameters = _object(entry, "parameters", f"output {name!r}: ")
        _refuse(parameters, ("classification",), f"output {name!r}: classification is not offered")
        _refuse(parameters, ("shared_memory_region",), f"output {name!r}: there is no shared memory here")
        if name in found:
            raise _at(f"/outputs/{index}/name", f"output {name!r} is asked for twice")
        found[name] = Requested(name, _flag(parameters, "binary_data", f"output {name!r}", binary))
    return list(found.values())


def _list(document: dict[str, Any], name: str, *, required: bool) -> list[Any]:
    value = document.get(name, None if required else [])
    if not isinstance(value, list):
        raise _at(f"/{name}", f"{name} is missing" if value is None else f"{name} is a list")
    if len(value) > MAX_TENSORS:
        raise _at(f"/{name}", f"{len(value):,} {name}; {MAX_TENSORS} are the most")
    return value


def _name(entry: Any, pointer: str) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name:
        raise _at(pointer, f"{pointer[1:].replace('/', ' ')} is no object with a name")
    return name[:200]


def _shape(value: Any, what: str) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(size) is int and 0 <= size < MAX_DIMENSION for size in value):
        raise Malformed(f"{what}: shape is a list of whole numbers from 0, not {value!r:.100}")
    return tuple(value)


def _id(document: dict[str, Any]) -> str | None:
    value = document.get("id")
    if value is not None and not isinstance(value, str):
        raise _at("/id", "id is a string")
    return value


def _object(entry: dict[str, Any], name: str, before: str) -> dict[str, Any]:
    value = entry.get(name)
    if value is not None and not isinstance(value, dict):
        raise Malformed(f"{before}{name} is an object")
    return value or {}


def _flag(parameters: Mapping[str, Any], name: str, what: str, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise Malformed(f"{what}: {name} is true or false, not {value!r:.60}")
    return value


def _refuse(parameters: Mapping[str, Any], names: Sequence[str], why: str) -> None:
    for name in names:
        if parameters.get(name):
            raise Malformed(f"{why}; leave the parameter {name} out")


def _at(pointer: str, detail: str) -> Malformed:
    return Malformed(detail, errors=[FieldError(pointer, detail)])
