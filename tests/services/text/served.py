"""Which of the sentence model's versions is served on this machine."""

from services.text.build_model import folder_of
from services.text.model import MODELS
from services.text.precision import fastest
from shared.providers import Providers

FOLDER = folder_of(MODELS, fastest(Providers()))
MODEL_VERSION = FOLDER.name
NEAR = 5e-3
"""Between vectors of one text that ran in different company: a cosine of 0.99999. In eight bits the last digit of a sum
may move a value to the next level; in float32 it is 1e-6."""
