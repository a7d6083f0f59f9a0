"""Answers kept for requests that are alike: key recipe, two layers (process, Redis), single flight."""

from shared.cache.entry import Entry, EntryError, decode, encode
from shared.cache.flight import Flight, Flights
from shared.cache.key import HEADERS, body_digest, cache_key
from shared.cache.memory import MemoryCache
from shared.cache.remote import NoRemote, RedisCache, RemoteCache
from shared.cache.store import Cache

__all__ = [
    "HEADERS",
    "Cache",
    "Entry",
    "EntryError",
    "Flight",
    "Flights",
    "MemoryCache",
    "NoRemote",
    "RedisCache",
    "RemoteCache",
    "body_digest",
    "cache_key",
    "decode",
    "encode",
]
