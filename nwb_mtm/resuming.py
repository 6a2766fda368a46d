"""Everything that changes in training, as named tensors: to put it back, or to write it down."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def pack(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Weights as `model.NAME`, and what the optimizer keeps of them as `optimizer.KEY.NAME`."""
    state = {f"model.{name}": tensor.detach().clone() for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, tensor in optimizer.state.get(parameter, {}).items():
            state[f"optimizer.{key}.{name}"] = tensor.detach().clone()
    return state


def unpack(state: Mapping[str, Tensor], model: nn.Module, optimizer: Optimizer) -> None:
    """Put back what was packed."""
    model.load_state_dict(part(state, "model"))
    for name, parameter in model.named_parameters():
        optimizer.state.pop(parameter, None)
        moments = {key: f"optimizer.{key}.{name}" for key in ("step", "exp_avg", "exp_avg_sq")}
        kept = {key: state[full].clone() for key, full in moments.items() if full in state}
        if kept:
            fused = optimizer.param_groups[0].get("fused")
            places = {"step": parameter.device if fused else torch.device("cpu")}
            optimizer.state[parameter] = {k: t.to(places.get(k, parameter.device)) for k, t in kept.items()}


def part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, by their own names."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor.clone() for name, tensor in state.items() if name.startswith(start)}


def weight_of(name: str) -> str:
    """The weight that a packed tensor belongs to.

    >>> weight_of("optimizer.exp_avg.linear.decode.rows"), weight_of("best.bias"), weight_of("rng")
    ('linear.decode.rows', 'bias', 'rng')
    """
    prefix, _, rest = name.partition(".")
    return (rest.partition(".")[2] if prefix == "optimizer" else rest) or name
