"""What both sides of jobs have to be told is told once."""

import pytest
from pydantic import ValidationError

from gateway.jobs.settings import JobsSettings
from gateway.settings import GatewaySettings


def test_the_bytes_that_jobs_may_hold_are_told_to_both_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert JobsSettings().max_bytes == GatewaySettings().jobs_max_bytes
    monkeypatch.setenv("VERNIER_JOBS_MAX_BYTES", "5")
    assert JobsSettings().max_bytes == GatewaySettings().jobs_max_bytes == 5


def test_where_the_services_are_may_be_told_to_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERNIER_TEXT_URL", "http://text/")
    monkeypatch.setenv("VERNIER_JOBS_SPEED_URL", "")
    assert GatewaySettings().services["text"] == JobsSettings().services["text"] == "http://text"
    assert "speed" not in JobsSettings().services


def test_a_lease_outlasts_a_late_sign_of_life() -> None:
    with pytest.raises(ValidationError, match="three times beat_s"):
        JobsSettings(lease_s=1.0, beat_s=0.5)
