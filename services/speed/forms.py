"""Bodies of multipart/form-data: files to disk, fields as text."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.speed.uploads import Part, Upload, chunks, writing
from shared.errors import FieldError, Malformed, TooLarge, Unprocessable

MAX_FIELD_BYTES = 1 << 20
"""Text of all fields of a form."""


@asynccontextmanager
async def receive_form(request: Request, files: Mapping[str, int], fields: Sequence[str] = ()) -> AsyncIterator[Upload]:
    """A multipart/form-data body: the parts named in `files` go to disk, one after the other; `fields` are text.

    `files` says how many parts of a name there may be; one there must be. Raises Malformed for a body that is no such
    form, Unprocessable for a part of another name and for one that is missing, TooLarge for more than there may be.
    """
    with writing() as writer:
        form = _Form(writer.upload, files, tuple(fields))
        try:
            parser = MultipartParser(_boundary(request), form.callbacks())  # type: ignore[arg-type]
            async for chunk in chunks(request):
                parser.write(chunk)
                await writer.write(form.pending())
            parser.finalize()
        except FormParserError as error:
            raise Malformed(f"the body is no multipart/form-data: {error}") from None
        if not form.ended:
            raise Malformed("the form breaks off before its closing boundary")
        for name in files:
            if not any(part.name == name for part in writer.upload.parts):
                raise Unprocessable(f"the form has no part named {name}", errors=[FieldError(f"/{name}", "is missing")])
        yield await writer.finish()


def _boundary(request: Request) -> bytes:
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise Malformed("Content-Type multipart/form-data states no boundary")
    return boundary


class _Form:
    """What the parser calls while it reads a form."""

    def __init__(self, upload: Upload, files: Mapping[str, int], fields: tuple[str, ...]) -> None:
        self.upload = upload
        self.files = files
        self.fields = fields
        self.ended = False
        self._count: Counter[str] = Counter()
        self._data = bytearray()
        self._offset = 0
        self._header = [b"", b""]
        self._disposition = b""
        self._part: Part | None = None
        self._name = ""
        self._value = bytearray()
        self._text = 0

    def callbacks(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in dir(self) if name.startswith("on_")}

    def pending(self) -> bytes:
        """The files' bytes that came since the last call."""
        data, self._data = bytes(self._data), bytearray()
        return data

    def on_part_begin(self) -> None:
        self._disposition, self._part, self._value = b"", None, bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def on_header_end(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]
        self._header = [b"", b""]

    def on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise Malformed('a part of the form lacks Content-Disposition: form-data; name="..."')
        self._name = options[b"name"].decode("utf-8", "replace")
        most = self.files.get(self._name)
        if most is None:
            self._check_field()
            return
        self._count[self._name] += 1
        if self._count[self._name] > most:
            raise TooLarge(f"the form has more than {most:,} parts named {self._name}, the most that are taken")
        filename = options.get(b"filename", b"").decode("utf-8", "replace")
        self._part = Part(self._name, filename, self._offset)
        self.upload.parts.append(self._part)

    def _check_field(self) -> None:
        if self._name not in self.fields:
            known = " and ".join((*self.files, *self.fields))
            raise Unprocessable(
                f"the form has a part named {self._name[:100]!r}, which is not read here; {known} would be"
            )

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part is not None:
            self._data += data[start:end]
            self._part.size += end - start
            self._offset += end - start
            return
        self._value += data[start:end]
        self._text += end - start
        if self._text > MAX_FIELD_BYTES:
            raise TooLarge(
                f"the form's fields beside {' and '.join(self.files)} are larger than {MAX_FIELD_BYTES:,} bytes"
            )

    def on_part_end(self) -> None:
        if self._part is None:
            try:
                value = self._value.decode()
            except UnicodeDecodeError:
                raise Malformed(f"field {self._name!r} of the form is not UTF-8") from None
            self.upload.fields.setdefault(self._name, []).append(value)

    def on_end(self) -> None:
        self.ended = True
