"""The repository's folders: ROOT/<model>/<version>/model.json and what belongs to it."""

from pathlib import Path

from shared.errors import NotFound
from shared.versions import is_name, newest_first


class Folders:
    """What is on disk at this moment; a folder without model.json is no version."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        return sorted(path.name for path in _within(self.root) if self.versions(path.name))

    def versions(self, name: str) -> list[str]:
        """Newest first; none for a name that is none."""
        there = _within(self.root / name) if is_name(name) else []
        return newest_first(path.name for path in there if (path / "model.json").is_file())

    def missing(self, name: str, version: str | None) -> NotFound | None:
        """What to say of a model or a version that has no folder; None where there is one."""
        there = self.versions(name)
        if not there:
            return NotFound(f"there is no model {name[:100]!r}; there are: {', '.join(self.names()) or 'none'}")
        if version is not None and version not in there:
            return NotFound(f"there is no version {version[:100]!r} of model {name}; there are: {', '.join(there)}")
        return None


def _within(parent: Path) -> list[Path]:
    try:
        return [path for path in parent.iterdir() if is_name(path.name) and path.is_dir()]
    except OSError:
        return []
