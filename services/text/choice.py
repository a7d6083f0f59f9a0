"""Which models folder the service serves from, and which version of it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from services.text.adopted import adopt
from services.text.model import MODEL_NAME
from services.text.precision import OfPrecision, fastest
from services.text.settings import TextSettings
from services.text.weights import WrongFile
from shared.onnx import ModelError, describe
from shared.repository.folders import Folders
from shared.versions import VersionPolicy


@dataclass(frozen=True)
class Choice:
    folder: Path
    policy: VersionPolicy
    made: tempfile.TemporaryDirectory[str] | None = None
    """Where another model is described."""

    def close(self) -> None:
        if self.made is not None:
            self.made.cleanup()


def choose(settings: TextSettings) -> Choice:
    """Raises ModelError, which says what is missing and how it is built."""
    if settings.model is not None:
        made = tempfile.TemporaryDirectory(prefix="vernier-text-")
        try:
            adopt(settings.model, Path(made.name))
        except WrongFile as error:
            made.cleanup()
            raise ModelError(str(error)) from None
        return Choice(Path(made.name), VersionPolicy(), made)
    policy = _policy(settings)
    there = Folders(settings.models).versions(MODEL_NAME)
    chosen = policy.select(there)
    command = f"build it by `python -m services.text.build_model --out {settings.models}`"
    if not chosen:
        listed = ", ".join(there) or "none"
        raise ModelError(f"no version of {MODEL_NAME} in {settings.models} is {policy.text}: {listed}; {command}")
    try:
        for version in chosen:
            describe(settings.models / MODEL_NAME / version)
    except ModelError as error:
        raise ModelError(f"{error}; {command}") from None
    return Choice(settings.models, policy)


def _policy(settings: TextSettings) -> VersionPolicy:
    if settings.model_versions != "latest":
        return VersionPolicy(settings.model_versions)
    if settings.precision == "auto":
        return OfPrecision(fastest(settings.execution), otherwise=True)
    return OfPrecision(settings.precision, otherwise=False)
