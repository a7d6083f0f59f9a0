"""The layer inside the process: least recently used out first, bounded in bytes."""

from collections import OrderedDict

from shared.cache.entry import Entry


class MemoryCache:
    """At most `max_bytes` of entries, each at most `max_entry_bytes` and `ttl_s` old. `now` is Unix time."""

    def __init__(self, *, max_bytes: int, max_entry_bytes: int, ttl_s: float) -> None:
        self.max_bytes = max_bytes
        self.max_entry_bytes = min(max_entry_bytes, max_bytes)
        self.ttl_s = ttl_s
        self.bytes = 0
        self.evictions = 0
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, now: float) -> Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry.stored_at + self.ttl_s:
            self.discard(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def set(self, key: bytes, entry: Entry) -> None:
        self.discard(key)
        if entry.size > self.max_entry_bytes:
            return
        self._entries[key] = entry
        self.bytes += entry.size
        while self.bytes > self.max_bytes:
            _, evicted = self._entries.popitem(last=False)
            self.bytes -= evicted.size
            self.evictions += 1

    def discard(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size
