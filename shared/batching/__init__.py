"""One scheduler for models: a run is what queued while the model was busy."""

from shared.batching.batcher import Batcher
from shared.batching.queue import plan
from shared.batching.statistics import Statistics

__all__ = ["Batcher", "Statistics", "plan"]
