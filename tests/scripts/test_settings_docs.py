"""SETTINGS.md says what the classes say."""

from scripts import settings_docs
from scripts.settings import MODULES, RunSettings
from shared.settings import Settings


def test_the_page_is_the_one_that_the_classes_make() -> None:
    assert settings_docs.PAGE.read_text() == settings_docs.page(), "run `make settings`"


def test_every_field_of_every_process_is_explained() -> None:
    kinds: list[type[Settings]] = [Settings, *MODULES.values(), RunSettings]
    assert [name for kind in kinds for name, field in kind.model_fields.items() if not field.description] == []


def test_a_changed_default_of_a_common_setting_is_told_again() -> None:
    assert "`VERNIER_SPEED_MAX_BODY_BYTES`" in settings_docs.page()
    assert "`VERNIER_SPEED_LOG_LEVEL` |" not in settings_docs.page()
