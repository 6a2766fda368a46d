"""Where, with how many threads and at what rates a model is trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from nwb_mtm.config import TrainConfig
from nwb_mtm.model.mtm import MtM


def choose_device(name: str) -> torch.device:
    """The device of a run."""
    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def few_threads(model: MtM) -> Iterator[None]:
    """One thread for a model with a smoother, whose small matrices several threads only wait for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if model.linear is not None else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def make_optimizer(model: MtM, train: TrainConfig) -> torch.optim.AdamW:
    """One rate for the linear path, another and decay for the transformer."""
    linear: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        (linear if name.startswith(("linear.", "bias")) else rest).append(parameter)
    groups = [
        {"params": linear, "lr": train.linear_rate, "weight_decay": 0.0},
        {"params": rest, "lr": train.learning_rate, "weight_decay": train.weight_decay},
    ]
    groups = [{**group, "peak": group["lr"]} for group in groups if group["params"]]
    return torch.optim.AdamW(groups, betas=(0.9, 0.99), eps=1e-11)
