"""All services' operations in one OpenAPI document."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gateway.conditional import describe
from gateway.operations import CACHEABLE

Document = Mapping[str, Any]
Component = tuple[str, str]
"""Section and name, as `("schemas", "Problem")`."""

_PREFIX = "#/components/"


def merge(own: Document, documents: Mapping[str, Document], hidden: Collection[str]) -> dict[str, Any]:
    """`own` is the gateway's document, whose paths win; `hidden` are paths that it answers without listing them.

    A component that services define alike stands once. Where they differ it takes the service's name as a prefix,
    and so does every component that refers to it.
    """
    everyone = {"": own, **documents}
    clashing = _clashing(everyone)
    merged: dict[str, Any] = {key: value for key, value in own.items() if key not in {"servers", "paths"}}
    paths: dict[str, Any] = dict(own.get("paths", {}))
    components: dict[str, dict[str, Any]] = {}
    used: set[str] = {str(op["operationId"]) for _, op in _operations(own) if "operationId" in op}
    for service, document in everyone.items():
        for (section, name), value in _components(document):
            renamed = _renamed(service, (section, name), clashing)
            components.setdefault(section, {})[renamed] = _rewrite(value, service, clashing)
        if service:
            for path, item in document.get("paths", {}).items():
                if path not in own.get("paths", {}) and path not in hidden:
                    rewritten = _rewrite(item, service, clashing)
                    _settle(rewritten, service, used)
                    paths[path] = {**rewritten, **paths.get(path, {})}
    merged["paths"] = paths
    merged["components"] = components
    merged["tags"] = _tags(everyone, paths)
    return merged


def _components(document: Document) -> Iterator[tuple[Component, Any]]:
    for section, entries in document.get("components", {}).items():
        for name, value in entries.items():
            yield (section, name), value


def _clashing(everyone: Mapping[str, Document]) -> set[Component]:
    """Components that two documents define differently, and those that refer to such a one."""
    seen: dict[Component, Any] = {}
    clashing: set[Component] = set()
    for document in everyone.values():
        for component, value in _components(document):
            if component in seen and seen[component] != value:
                clashing.add(component)
            seen.setdefault(component, value)
    users = {component: set(_references(value)) for component, value in seen.items()}
    grown = True
    while grown:
        more = {component for component, used in users.items() if used & clashing} - clashing
        clashing |= more
        grown = bool(more)
    return clashing


def _references(value: Any) -> Iterator[Component]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith(_PREFIX):
            section, _, name = reference[len(_PREFIX) :].partition("/")
            yield section, name
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _renamed(service: str, component: Component, clashing: set[Component]) -> str:
    _, name = component
    return f"{service.capitalize()}{name}" if service and component in clashing else name


def _rewrite(value: Any, service: str, clashing: set[Component]) -> Any:
    if isinstance(value, list):
        return [_rewrite(each, service, clashing) for each in value]
    if not isinstance(value, dict):
        return value
    rewritten = {key: _rewrite(each, service, clashing) for key, each in value.items()}
    for reference in _references({"$ref": value.get("$ref")}):
        rewritten["$ref"] = f"{_PREFIX}{reference[0]}/{_renamed(service, reference, clashing)}"
    return rewritten


def _operations(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document.get("paths", {}).items():
        for value in item.values():
            if isinstance(value, dict):
                yield path, value


def _settle(item: dict[str, Any], service: str, used: set[str]) -> None:
    """Every operation gets a tag, and an id that no other has."""
    for operation in (value for value in item.values() if isinstance(value, dict)):
        operation.setdefault("tags", [service])
        if operation.get(CACHEABLE) is True:
            describe(operation)
        identity = operation.get("operationId")
        if identity is not None:
            if identity in used:
                identity = operation["operationId"] = f"{service}_{identity}"
            used.add(identity)


def _tags(everyone: Mapping[str, Document], paths: Mapping[str, Any]) -> list[dict[str, Any]]:
    described = {tag["name"]: tag for document in everyone.values() for tag in document.get("tags", ())}
    names = [tag for _, operation in _operations({"paths": paths}) for tag in operation.get("tags", ())]
    order = [*(name for name in dict.fromkeys(names) if name != "health"), "health"]
    return [described.get(name, {"name": name}) for name in order if name in names]
