"""The services' operations, learnt from their OpenAPI documents, and the table that finds one for a request."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from shared.cache import HEADERS
from shared.errors import MethodNotAllowed, NotFound, NotReady, UpgradeRequired, VernierError

CACHEABLE = "x-vernier-cacheable"
JOB = "x-vernier-job"
WEBSOCKETS = "x-vernier-websockets"
HANDSHAKE = "WEBSOCKET"
"""The handshake of a WebSocket, as if it were a method of its own."""
ERRORS = "x-vernier-errors"
EFFECT = "x-vernier-effect"
MODEL_PARAMETERS = ("model", "model_name", "m")
"""Path parameters that name a model: where several services offer one path, the one that has the model is asked."""

_METHODS = frozenset({"get", "put", "post", "delete", "patch", "options", "head"})
_PARAMETER = re.compile(r"\{([^}/]+)\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path of one service. `headers`: lower-case names of those that its answer depends on;
    `job`: the kind of job that it makes where it may be one, else ""; `negotiated`: its answer depends on Accept;
    `effects`: query parameters that make it do something beside its answer."""

    service: str
    method: str
    route: str
    cacheable: bool = False
    headers: frozenset[bytes] = HEADERS
    job: str = ""
    negotiated: bool = False
    errors: str = ""
    effects: frozenset[str] = frozenset()

    def has_effect(self, query: bytes) -> bool:
        """Whether a request with this query does something beside being answered, so that no kept answer will do."""
        if not self.effects or not query:
            return False
        return not self.effects.isdisjoint(name for name, _ in parse_qsl(query.decode("latin-1"), True))

    @property
    def replayable(self) -> bool:
        """Asking twice does no more than asking once (RFC 9110, 9.2.2; a cacheable POST is a pure function)."""
        return self.cacheable or self.method in {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}


def operations(service: str, document: Mapping[str, Any]) -> Iterator[Operation]:
    for route, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if method in _METHODS:
                parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
                yield Operation(
                    service,
                    method.upper(),
                    route,
                    cacheable=operation.get(CACHEABLE) is True,
                    headers=HEADERS | set(_header_names(parameters)),
                    job=str(operation.get(JOB, "")),
                    negotiated=_negotiated(operation),
                    errors=str(operation.get(ERRORS, "")),
                    effects=frozenset(_effects(parameters)),
                )
    for route in document.get(WEBSOCKETS, ()):
        yield Operation(service, HANDSHAKE, route)


def _negotiated(operation: Mapping[str, Any]) -> bool:
    fine = (response for status, response in operation.get("responses", {}).items() if str(status).startswith("2"))
    return any(len(response.get("content", ())) > 1 for response in fine)


def list_websockets(documents: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What a document of them all says of WebSockets."""
    paths = sorted({route for document in documents for route in document.get(WEBSOCKETS, ())})
    return {WEBSOCKETS: paths} if paths else {}


def _header_names(parameters: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    for parameter in parameters:
        if parameter.get("in") == "header":
            yield parameter["name"].lower().encode()


def _effects(parameters: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for parameter in parameters:
        schema = parameter.get("schema", {})
        if parameter.get("in") == "query" and any(each.get(EFFECT) for each in (schema, *schema.get("anyOf", ()))):
            yield parameter["name"]


@dataclass(slots=True)
class _Path:
    """What one path offers: for each method the services that have it, in the order of the settings."""

    route: str
    pattern: re.Pattern[str]
    methods: dict[str, list[Operation]] = field(default_factory=dict)

    @classmethod
    def of(cls, route: str) -> "_Path":
        parts = _PARAMETER.split(route)
        literals = [re.escape(part) for part in parts[::2]]
        groups = [f"(?P<{re.sub(r'[^0-9A-Za-z_]', '_', name)}>[^/]+)" for name in parts[1::2]]
        pattern = "".join(a + b for a, b in zip(literals, [*groups, ""], strict=True))
        return cls(route, re.compile(pattern))


class Table:
    """Operations by method and path. `unknown` names the services whose document has not been read yet;
    `models` maps a model's name to the service that has it."""

    def __init__(
        self,
        found: Iterable[Operation] = (),
        *,
        unknown: Collection[str] = (),
        models: Mapping[str, str] | None = None,
    ) -> None:
        self.unknown = tuple(unknown)
        self.models = dict(models or {})
        paths: dict[str, _Path] = {}
        for operation in found:
            path = paths.setdefault(operation.route, _Path.of(operation.route))
            path.methods.setdefault(operation.method, []).append(operation)
        self._exact = {route: path for route, path in paths.items() if "{" not in route}
        self._templates: dict[int, list[_Path]] = {}
        for route in sorted(paths.keys() - self._exact.keys(), key=_literal_first):
            self._templates.setdefault(route.count("/"), []).append(paths[route])

    def find(self, method: str, path: str) -> Operation:
        """Raises NotFound, MethodNotAllowed, UpgradeRequired, and NotReady while a service that is not known yet might
        offer the path."""
        exact = self._exact.get(path)
        if exact is not None:
            candidates = exact.methods.get(method)
            if candidates is not None:
                return candidates[0]
            raise self._not_allowed(method, exact)
        for template in self._templates.get(path.count("/"), ()):
            match = template.pattern.fullmatch(path)
            if match is not None:
                candidates = template.methods.get(method)
                if candidates is None:
                    raise self._not_allowed(method, template)
                return candidates[0] if len(candidates) == 1 else self._by_model(candidates, match)
        if self.unknown:
            raise NotReady(f"not known yet which paths these services offer: {', '.join(self.unknown)}")
        raise NotFound(f"there is nothing at {path}; GET /openapi.json lists what is")

    def _not_allowed(self, method: str, path: _Path) -> VernierError:
        allowed = sorted(path.methods.keys() - {HANDSHAKE})
        if method == HANDSHAKE:
            return NotFound(f"there is no WebSocket at {path.route}")
        if not allowed:
            return UpgradeRequired(f"at {path.route} there is a WebSocket (RFC 6455) and nothing else")
        return MethodNotAllowed(f"{method} is not offered at {path.route}; {', '.join(allowed)} is", allow=allowed)

    def _by_model(self, candidates: list[Operation], match: re.Match[str]) -> Operation:
        named = [match[name] for name in MODEL_PARAMETERS if name in match.groupdict()]
        if not named:
            return candidates[0]
        service = self.models.get(named[0])
        for operation in candidates:
            if operation.service == service:
                return operation
        offering = {operation.service for operation in candidates}
        known = ", ".join(sorted(model for model, each in self.models.items() if each in offering)) or "none"
        raise NotFound(f"there is no model {named[0]!r}; there are: {known}")


def _literal_first(route: str) -> list[tuple[bool, str]]:
    """Sorts `/a/b/{x}` before `/a/{y}/c`: the earliest literal part wins."""
    return [("{" in segment, segment) for segment in route.split("/")]
