"""Takes secrets out of what is written down: the values of telling names, passwords in addresses, bearer tokens."""

import re
from typing import Any

NAMES = frozenset(
    {
        "authorization", "proxy_authorization", "x_api_key", "api_key", "api_keys", "apikey", "cookie", "set_cookie",
        "password", "passwd", "secret", "token", "access_token", "refresh_token",
    }
)  # fmt: skip
MASK = "***"

_IN_TEXT = (
    (re.compile(rb"(://[^\s/:@\"']*):[^\s/@\"']+@"), rb"\1:***@"),
    (re.compile(rb"(?i)\b(bearer|basic) +[\w.~+/=-]{4,}"), rb"\1 ***"),
    (
        re.compile(
            rb"(?i)\b((?:x-)?api[_-]?keys?|authorization|access_token|token|password|secret)(=|: ?)[^\s&\"'\\,;]+"
        ),
        rb"\1\2***",
    ),
    (re.compile(rb"(?i)([?&]key=)[^\s&\"'\\]+"), rb"\1***"),
)


def without_secrets(text: bytes) -> bytes:
    for pattern, mask in _IN_TEXT:
        text = pattern.sub(mask, text)
    return text


def masked(value: Any) -> Any:
    """A copy of what is nested, without the values of secret names; those may stand in dicts or in lists of pairs."""
    if isinstance(value, dict):
        return {name: MASK if is_secret(name) else masked(each) for name, each in value.items()}
    if isinstance(value, tuple) and len(value) == 2 and is_secret(value[0]):
        return (value[0], MASK)
    if isinstance(value, list | tuple):
        return [masked(each) for each in value]
    return value


def is_secret(name: object) -> bool:
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    return isinstance(name, str) and name.lower().replace("-", "_") in NAMES
