"""Training on several processes, as `torchrun` starts them: each takes its share of every batch, and the gradients are
averaged."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

CPU = torch.device("cpu")
PATIENCE = timedelta(hours=6)
"""How long processes wait for the first to have the examples made."""


def best_device(local_rank: int = 0) -> torch.device:
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else CPU


@dataclass(frozen=True)
class World:
    """The processes of one run, and which of them this is."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This process's part of a batch [N]; the parts are of one length but for one."""
        return batch.tensor_split(self.size)[self.rank]

    def weight(self, batch: Tensor) -> float:
        """What the mean loss of the share is multiplied by, so that the mean over processes is the batch's mean."""
        return len(self.share(batch)) * self.size / len(batch)

    def spread(self, net: nn.Module) -> nn.Module:
        """The net with its gradients averaged over the processes."""
        if self.size == 1:
            return net
        return DistributedDataParallel(net, device_ids=[self.device.index] if self.device.type == "cuda" else None)

    def wait(self) -> None:
        """Returns when every process has come here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def world() -> Iterator[World]:
    """The processes that `torchrun` started (it sets RANK, WORLD_SIZE and LOCAL_RANK), else this one alone. NCCL where
    there are GPUs, Gloo where not."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    device = best_device(int(os.environ.get("LOCAL_RANK", "0")))
    if size == 1:
        yield World(device=device)
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield World(distributed.get_rank(), size, device)
    finally:
        distributed.destroy_process_group()
