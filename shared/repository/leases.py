"""Who holds which version of a model: counted, so that one that has been replaced is closed after its last lease."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.repository.servable import Servable
from shared.versions import newest_first

M = TypeVar("M", bound=Servable)


@dataclass(slots=True, eq=False)
class Slot(Generic[M]):
    served: M
    leases: int = 0
    retired: bool = False


class Leases(Generic[M]):
    """Safe from any thread. `close` gets each slot that nobody holds and nobody can take any more, once."""

    def __init__(self, close: Callable[[Slot[M]], None]) -> None:
        self._close = close
        self._lock = threading.Lock()
        self.table: Mapping[str, Mapping[str, Slot[M]]] = {}
        """By name and version, newest first. Replaced as a whole, so it may be read at any time."""

    def take(self, name: str, version: str | None, taken: Callable[[], None]) -> Slot[M] | None:
        """The version, or the newest; None where it is not there. `taken` is called while nothing can be swapped."""
        with self._lock:
            slots = self.table.get(name, {})
            slot = slots.get(version) if version is not None else next(iter(slots.values()), None)
            if slot is not None:
                slot.leases += 1
                taken()
            return slot

    def give(self, slot: Slot[M]) -> None:
        with self._lock:
            slot.leases -= 1
            last = slot.retired and slot.leases == 0
        if last:
            self._close(slot)

    def swap(self, name: str, slots: Mapping[str, Slot[M]], swapped: Callable[[], None]) -> list[str]:
        """The one step: from here on new leases of the model are of `slots`. Returns the versions that are gone or
        replaced. `swapped` is called while nothing can be taken."""
        ordered = {version: slots[version] for version in newest_first(slots)}
        with self._lock:
            before = self.table.get(name, {})
            table = {**self.table, name: ordered}
            self.table = table if ordered else {each: table[each] for each in table if each != name}
            gone = {version: slot for version, slot in before.items() if slot not in ordered.values()}
            idle = _retire(gone.values())
            swapped()
        for slot in idle:
            self._close(slot)
        return list(gone)

    def retire_all(self) -> None:
        with self._lock:
            idle = _retire([slot for slots in self.table.values() for slot in slots.values()])
            self.table = {}
        for slot in idle:
            self._close(slot)


def _retire(slots: Iterable[Slot[M]]) -> list[Slot[M]]:
    """Those that nobody holds."""
    idle = []
    for slot in slots:
        slot.retired = True
        if slot.leases == 0:
            idle.append(slot)
    return idle
