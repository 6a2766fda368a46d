"""Where, in what arithmetic, with how many threads and at what rates a model is trained."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from subprocess import SubprocessError
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from nwb_mtm.config import Config, TrainConfig
from nwb_mtm.model.blocks import Block, View
from nwb_mtm.model.mtm import MtM
from nwb_mtm.model.transformer import Transformer

LEAST_WIDTH = 256  # of a transformer that could gain from bfloat16 on a CPU; decided without a clock below
LEAST_COMPILED_GAIN = 1.1  # of a compiled block
COMPILER_ERRORS = (RuntimeError, ImportError, OSError, SubprocessError)  # no compiler, no Triton, a graph that fails
LEAST_GAIN = 1.5  # of a matrix product in bfloat16, for it to be used on a CPU


def choose_device(name: str) -> torch.device:
    """The device of a run."""
    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_precision(config: Config, device: torch.device) -> str:
    """`float32` or `bfloat16`: what was asked for, or what is faster here."""
    asked, model = config.train.precision, config.model
    if asked != "auto":
        return asked
    if model.layers == 0:
        return "float32"
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type != "cpu" or model.width < LEAST_WIDTH or not computes_bfloat16():
        return "float32"
    return "bfloat16" if gain_of_bfloat16(model.width, model.mlp) > LEAST_GAIN else "float32"


def computes_bfloat16() -> bool:
    """Whether this CPU has arithmetic for bfloat16 (AVX-512 BF16 or AMX)."""
    probes: list[Callable[[], bool]] = [
        getattr(torch.cpu, name, lambda: False) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    ]
    return any(probe() for probe in probes)


@cache
def gain_of_bfloat16(width: int, mlp: int, tokens: int = 512) -> float:
    """How many times faster a block's widest product is in bfloat16, casts included; best of five each."""
    entries, weight = torch.ones(tokens, width), torch.ones(mlp, width)
    best = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    with torch.no_grad():
        for _ in range(6):  # the first of each warms up and is hardly ever the best
            for kind in best:
                began = time.perf_counter()
                linear(entries.to(kind), weight.to(kind)).float()
                best[kind] = min(best[kind], time.perf_counter() - began)
    return best[torch.float32] / best[torch.bfloat16]


def set_precision(model: MtM, precision: str, device: torch.device) -> None:
    """Let the transformer's matrices compute in it; the smoother and the likelihood stay in float32.

    A model trained in bfloat16 computes in float32 on a CPU that has no arithmetic for bfloat16.
    """
    reduced = precision == "bfloat16" and (device.type != "cpu" or computes_bfloat16())
    for one in model.voices:
        if isinstance(one, Transformer):
            one.reduced = torch.bfloat16 if reduced else None


def compile_blocks(model: MtM, device: torch.device) -> str:
    """Compile wide transformers' blocks on a GPU, where that works and pays; what to say about it."""
    transformers = [one for one in model.voices if isinstance(one, Transformer)]
    if device.type != "cuda" or not transformers or transformers[0].norm.normalized_shape[0] < LEAST_WIDTH:
        return ""
    blocks = [block for one in transformers for block in one.blocks if isinstance(block, Block)]
    try:
        gain = gain_of_compiling(blocks[0], transformers[0].reduced, device)
    except COMPILER_ERRORS as error:
        return f"Blocks are not compiled: {type(error).__name__}."
    if gain <= LEAST_COMPILED_GAIN:
        return f"Blocks are not compiled: that would be {gain:.2f} times as fast."
    for block in blocks:
        block.compile()
    return f"Blocks are compiled: {gain:.2f} times as fast."


def gain_of_compiling(block: Block, reduced: torch.dtype | None, device: torch.device) -> float:
    """How many times faster a compiled block goes forward and back; an error where it cannot be compiled."""
    width = block.before.normalized_shape[0]
    tokens = torch.zeros(64, 100, width, device=device)
    compiled = torch.compile(block)

    def seconds(work: Callable[..., Tensor], times: int) -> float:
        began = time.perf_counter()
        for _ in range(times):
            with torch.autocast(device.type, reduced or torch.bfloat16, enabled=reduced is not None):
                torch.autograd.backward(work(tokens, None, View(None)).sum())
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    for work in (block, compiled):
        seconds(work, 3)
    gain = seconds(block, 10) / seconds(compiled, 10)
    block.zero_grad()
    return gain


@contextmanager
def few_threads(model: MtM) -> Iterator[None]:
    """One thread for a model with a smoother, whose small matrices several threads only wait for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if model.linear is not None else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(model: MtM) -> Callable[..., Iterator[Any]]:
    """How to map over voices: each in a thread of its own where `few_threads` leaves cores idle.

    Every weight then gets at most two gradients a step, those of later bins and those of all, and two numbers
    have one sum whichever comes first: how many threads there are changes nothing.
    """
    count = torch.get_num_threads()
    if model.linear is None or model.bias.device.type != "cpu" or count == 1:
        return map
    return ThreadPoolExecutor(count, "voice", torch.set_num_threads, (1,)).map


def make_optimizer(model: MtM, train: TrainConfig) -> torch.optim.AdamW:
    """One rate for the linear path, another and decay for the transformer."""
    linear: list[nn.Parameter] = []
    carried: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        (linear if name.startswith(("linear.", "bias")) else carried if name.startswith("carried.") else rest).append(
            parameter
        )
    gentle = train.tuning_rate or train.linear_rate
    groups = [
        {"params": linear, "lr": gentle if model.carried is None else train.linear_rate, "weight_decay": 0.0},
        {"params": carried, "lr": gentle, "weight_decay": 0.0},
        {"params": rest, "lr": train.learning_rate, "weight_decay": train.weight_decay},
    ]
    groups = [{**group, "peak": group["lr"]} for group in groups if group["params"]]
    fused = True if model.bias.device.type in ("cpu", "cuda") else None
    return torch.optim.AdamW(groups, betas=(0.9, 0.99), eps=1e-11, fused=fused)
