"""Models on disk, a folder a model and in it a folder a version, and those of them that are served."""

from shared.repository.repository import Repository
from shared.repository.servable import Servable

__all__ = ["Repository", "Servable"]
