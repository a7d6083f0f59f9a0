"""What a training run depends on, data aside."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """`variants` of each pair are drawn once. The learning rate anneals by a cosine over `period` epochs and restarts,
    `cycles` times; the weights at the end of each cycle are a member of the ensemble (Loshchilov & Hutter, ICLR 2017;
    Huang et al., ICLR 2017). `batch` is that of all processes together.

    `blots` is the share of cells that are blotted out at random, as traffic and shadows do; `pull` holds what is learnt
    to what needs no learning; `tilt_weight` is the auxiliary target's.
    """

    seed: int = 7
    variants: int = 4
    rendered: int = 48
    batch: int = 128
    period: int = 1
    cycles: int = 3
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    width: int = 8
    blots: float = 0.15
    tilt_weight: float = 0.3
    pull: float = 0.02
    outlier: float = 2.0

    @property
    def epochs(self) -> int:
        return self.period * self.cycles
