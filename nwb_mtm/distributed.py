"""Several processes that train one model: each owns whole sessions, and only the trunk's gradients travel."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from nwb_mtm.errors import ConfigError

PATIENCE = timedelta(days=2)  # one rank may read, or evaluate, while the others wait


@dataclass(eq=False)
class World:
    """The processes of a run; one that is alone sends nothing."""

    rank: int = 0
    size: int = 1
    sent: int = field(default=0, repr=False)  # bytes that were all-reduced

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and shows."""
        return self.rank == 0

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
            self.sent += tensor.numel() * tensor.element_size()
        return tensor

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether any rank raises it; asked on the host, so that no device is waited for."""
        raised = self.total(torch.tensor([float(flag) for flag in flags]))
        return tuple(bool(flag) for flag in raised.tolist())

    def agree(self, number: float) -> float:
        """The first rank's number."""
        return float(self.total(torch.tensor([number if self.first else 0.0], dtype=torch.float64)))

    def say(self, text: str) -> str:
        """The first rank's text."""
        return self.spread(text.encode()).decode()

    def spread(self, data: bytes) -> bytes:
        """The first rank's bytes."""
        if self.size == 1:
            return data
        length = torch.tensor([len(data)])
        dist.broadcast(length, 0)
        flat = _flat(data) if self.first and data else torch.zeros(int(length), dtype=torch.uint8)
        if len(flat):
            dist.broadcast(flat, 0)
        return flat.numpy().tobytes()

    def gather(self, pieces: Sequence[bytes]) -> tuple[bytes, ...]:
        """All ranks' pieces on the first one, rank by rank; none on the others."""
        if self.first:
            others = (piece for rank in range(1, self.size) for piece in _received(rank))
            return (*pieces, *others)
        dist.send(torch.tensor([len(pieces)]), 0)
        if pieces:
            dist.send(torch.tensor([len(piece) for piece in pieces]), 0)
        for piece in pieces:
            if piece:
                dist.send(_flat(piece), 0)
        return ()

    @contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """The first rank does the block alone, then the others: what it fetches, they find in the cache."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def wait(self) -> None:
        """Go on when all ranks are here."""
        if self.size > 1:
            dist.barrier()

    def leave(self) -> None:
        """Part from the others, when all are done with each other: the first may go on for long."""
        if self.size > 1 and dist.is_initialized():
            dist.barrier()
            dist.destroy_process_group()

    def collect(self, rows: Mapping[str, Tensor], places: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Whole tables on the first rank, from every rank's rows; `places` says where each rank's rows belong."""
        if not self.first:
            if rows:
                dist.send(torch.cat([_bytes(rows[name]) for name in sorted(rows)]), 0)
            return dict(rows)
        whole = {}
        for name, own in rows.items():
            count = sum(len(place[name]) for place in places)
            whole[name] = own.new_zeros(count, *own.shape[1:]).index_copy_(0, places[0][name], own)
        for rank in range(1, self.size if rows else 1):
            each = {name: own[:0].new_empty(own.shape[1:]).nbytes for name, own in rows.items()}
            sizes = {name: len(places[rank][name]) * each[name] for name in sorted(rows)}
            flat = torch.zeros(sum(sizes.values()), dtype=torch.uint8)
            dist.recv(flat, rank)
            for name, part in zip(sizes, torch.split(flat, list(sizes.values()))):
                shape = (len(places[rank][name]), *rows[name].shape[1:])
                sent = part.clone().view(rows[name].dtype).view(shape)  # a part may begin between two numbers
                whole[name].index_copy_(0, places[rank][name], sent)
        return whole


def _bytes(rows: Tensor) -> Tensor:
    """Numbers of any type as bytes, to travel side by side."""
    return rows.contiguous().reshape(-1).view(torch.uint8)


def _flat(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _received(rank: int) -> Iterator[bytes]:
    """The pieces that a rank sends."""
    count = torch.zeros(1, dtype=torch.int64)
    dist.recv(count, rank)
    sizes = torch.zeros(int(count), dtype=torch.int64)
    if len(sizes):
        dist.recv(sizes, rank)
    for size in sizes.tolist():
        flat = torch.zeros(size, dtype=torch.uint8)
        if size:
            dist.recv(flat, rank)
        yield flat.numpy().tobytes()


ALONE = World()


def place() -> tuple[int, int, int]:
    """Rank, number of ranks and rank on this machine, as torchrun or srun say; (0, 1, 0) without either."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if "WORLD_SIZE" not in os.environ and "SLURM_STEP_NUM_TASKS" in os.environ:
        names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
    rank, size, local = (int(os.environ.get(name, default)) for name, default in zip(names, "010"))
    return rank, size, local


@contextmanager
def start(device: str = "auto") -> Iterator[World]:
    """Join the other ranks for the length of the block, when there are others."""
    rank, size, local = place()
    if size == 1:
        yield ALONE
        return
    address = os.environ.get("MASTER_ADDR") or os.environ.get("SLURM_LAUNCH_NODE_IPADDR")
    if address is None:
        raise ConfigError(
            f"This is process {rank} of {size}, but MASTER_ADDR does not say where the first one is. "
            "Start with torchrun, or export MASTER_ADDR and MASTER_PORT.",
            kind="bad_value",
        )
    os.environ.setdefault("MASTER_ADDR", address)
    os.environ.setdefault("MASTER_PORT", str(20_000 + int(os.environ.get("SLURM_JOB_ID", 9_500)) % 20_000))
    on_gpu = device in ("auto", "cuda") and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(local % torch.cuda.device_count())
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    dist.init_process_group(backend, rank=rank, world_size=size, timeout=PATIENCE)
    try:
        yield World(rank, size)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def owners(costs: Sequence[float], size: int) -> tuple[int, ...]:
    """The rank that owns each session: the dearest first, always to the rank that has least to do.

    >>> owners([1.0, 5.0, 2.0, 2.0], 2)
    (1, 0, 1, 1)
    """
    loads = [0.0] * size
    owner = [0] * len(costs)
    for index in sorted(range(len(costs)), key=lambda i: -costs[i]):
        owner[index] = min(range(size), key=lambda rank: loads[rank])
        loads[owner[index]] += costs[index]
    return tuple(owner)
