"""Write SETTINGS.md from the settings classes: `make settings`."""

from collections.abc import Iterator

from pydantic.fields import FieldInfo

from scripts.settings import MODULES, ROOT, RunSettings
from shared.settings import Settings

PAGE = ROOT / "SETTINGS.md"
HEAD = """\
# Settings

All settings come from the environment. `VERNIER_<NAME>` speaks to every process, `VERNIER_<PROCESS>_<NAME>` to one
and wins over the former: `VERNIER_LOG_LEVEL=debug`, `VERNIER_SPEED_LOG_LEVEL=debug`. This page is written by
`make settings` from the settings classes.
"""


def page() -> str:
    blocks = [HEAD, block("Every process", "", Settings, set())]
    common = set(Settings.model_fields)
    kinds: list[type[Settings]] = [*MODULES.values(), RunSettings]
    for kind in kinds:
        title = f"The process `{kind.process}`" if kind is not RunSettings else "The launcher, `make run`"
        blocks.append(block(title, f"{kind.process.upper()}_", kind, common))
    return "\n".join(blocks)


def block(title: str, prefix: str, kind: type[Settings], common: set[str]) -> str:
    """A table of the fields of `kind` that are its own or whose default it changes."""
    rows = [
        row(f"VERNIER_{prefix}{name.upper()}", field)
        for name, field in kind.model_fields.items()
        if name not in common or field.default != Settings.model_fields[name].default
    ]
    return "\n".join([f"## {title}\n", "| variable | default | what |", "|---|---|---|", *rows, ""])


def row(variable: str, field: FieldInfo) -> str:
    names = " or ".join(f"`{name}`" for name in variables(variable, field))
    what = " ".join((field.description or "").split()).replace("|", "\\|")
    return f"| {names} | {default(field.default)} | {what} |"


def variables(variable: str, field: FieldInfo) -> Iterator[str]:
    choices = getattr(field.validation_alias, "choices", None)
    yield from (str(each) for each in choices if str(each).isupper()) if choices else (variable,)


def default(value: object) -> str:
    if value is None or value in ("", ()):
        return "none"
    text = str(value).replace(f"{ROOT}/", "")
    return f"`{text.lower() if isinstance(value, bool) else text}`"


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
