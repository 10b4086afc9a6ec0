"""The processes of one training under ``torchrun``: what a rank does of the work, and what only one does."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["Processes", "launched"]


@dataclass(frozen=True)
class Processes:
    """The processes that train one network together, each with its own copy.

    Args:
        rank: of this one.
        count: how many there are, 1 without ``torch.distributed``.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> "Processes":
        """Those of the process group, if one was initialised."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    def share(self, indices: Tensor) -> Tensor:
        """This rank's part of a batch."""
        return torch.tensor_split(indices, self.count)[self.rank] if self.count > 1 else indices

    def summed(self, values: Tensor) -> Tensor:
        """The sum over all ranks."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def of_first(self, measure: Callable[[], float]) -> float:
        """What the first rank measures; the others wait."""
        if self.count == 1:
            return measure()
        value = torch.tensor(float("nan"), dtype=torch.float64)
        try:
            if self.rank == 0:
                value.fill_(measure())
        finally:  # also after an error, so that nobody waits for ever
            values = [value]
            dist.broadcast_object_list(values, src=0)
        return float(values[0])

    def distributed(self, network: nn.Module) -> nn.Module:
        """The network as it is called in training, its gradients averaged over the ranks."""
        if self.count == 1:
            return network
        # Cells hold operations that do not reach the output: their parameters get no gradient.
        return nn.parallel.DistributedDataParallel(network, find_unused_parameters=True)

    def synchronized(self, network: nn.Module) -> None:
        """Gives all ranks the weights and statistics of the first."""
        if self.count > 1:
            for tensor in network.state_dict().values():
                dense = tensor.contiguous()  # weights may be channels last
                dist.broadcast(dense, src=0)
                tensor.copy_(dense)


@contextmanager
def launched() -> Iterator[str | None]:
    """Joins the process group when the process was started by ``torchrun``; gives its device, None without torchrun.

    In the end the group and its threads are gone: a thread of gloo's that is still letting go of a tensor when Python
    shuts down aborts the process.
    """
    if "LOCAL_RANK" not in os.environ or dist.is_initialized():
        yield None
        return
    on_gpu = torch.cuda.is_available()
    device = f"cuda:{os.environ['LOCAL_RANK']}" if on_gpu else "cpu"
    if on_gpu:
        torch.cuda.set_device(device)
    import_module("torch.distributed.nn.functional")  # imported later, its default arguments would keep the group
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield device
    finally:
        gc.collect()  # DistributedDataParallel, which refers to itself
        dist.destroy_process_group()
