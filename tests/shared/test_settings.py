from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.providers import Providers
from shared.settings import ModelSettings, Settings
from tests.shared.echo import EchoSettings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)


def test_a_variable_of_the_process_wins_over_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERNIER_MAX_QUEUE", "7")
    assert EchoSettings().max_queue == 7
    monkeypatch.setenv("VERNIER_ECHO_MAX_QUEUE", "9")
    assert EchoSettings().max_queue == 9
    assert Settings().max_queue == 7


@pytest.mark.parametrize("name", ["REDIS_URL", "VERNIER_REDIS_URL"])
def test_redis_keeps_its_usual_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert EchoSettings().redis_url is None
    monkeypatch.setenv(name, "redis://example:1/2")
    assert EchoSettings().redis_url == "redis://example:1/2"


@pytest.mark.parametrize(("name", "value"), [("PORT", "70000"), ("THREADS", "-1"), ("LOG_LEVEL", "loud")])
def test_a_setting_out_of_range_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"VERNIER_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        EchoSettings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(EchoSettings(), "port", 1)  # noqa: B010


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in EchoSettings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("text", ["tensorrt,cuda", " tensorrt, cuda ,", '["tensorrt", "cuda"]'])
def test_providers_are_listed_by_commas_or_as_json(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("VERNIER_PROVIDERS", text)
    assert ModelSettings(models=Path()).execution.names == ("tensorrt", "cuda")


def test_what_a_provider_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert ModelSettings(models=Path()).execution == Providers()
    given = {
        "PROVIDER_REQUIRED": "1", "PROVIDER_OPTIONS": '{"cuda": {"device_id": "1"}}', "TENSORRT_CACHE": str(tmp_path),
        "TENSORRT_FP16": "true",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(f"VERNIER_PROCESS_{name}", value)
    expected = Providers(
        required=True, options={"cuda": {"device_id": "1"}}, tensorrt_cache=tmp_path, tensorrt_fp16=True
    )
    assert ModelSettings(models=Path()).execution == expected
