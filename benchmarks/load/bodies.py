"""Many request bodies in one file: each after its length, 4 bytes little-endian."""

from collections.abc import Iterable
from pathlib import Path


def write_bodies(path: Path, bodies: Iterable[bytes]) -> str:
    """The path, as `Load.bodies` wants it."""
    with path.open("wb") as file:
        for body in bodies:
            file.write(len(body).to_bytes(4, "little") + body)
    return str(path)


def read_bodies(path: Path) -> list[bytes]:
    """Raises ValueError where the file ends within a body."""
    data, at = path.read_bytes(), 0
    bodies: list[bytes] = []
    while at < len(data):
        start = at + 4
        at = start + int.from_bytes(data[at:start], "little")
        if at > len(data):
            raise ValueError(f"{path} ends within body {len(bodies)}")
        bodies.append(data[start:at])
    return bodies
