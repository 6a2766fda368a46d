"""Starting from another model: its trunk, its rows for units it knows, and likely rows for others."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nwb_mtm.config import Config, ModelConfig
from nwb_mtm.model.mtm import MtM
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

OWN = (
    "bias",
    "rate",
    "tokenizer.rate",
    "tokenizer.deviation",
    "decode.rows",
    "encode.rows",
)  # start from the new session's own spikes
TUNING_RATE = 1.5e-3  # of a linear path that another model began: few trials would lead it astray
SPREAD = 0.1  # noise around a region's mean row, as a share of the rows' spread


def is_fresh(windows: Sequence[Windows], known: Vocabulary) -> bool:
    """Whether all sessions are new to a model."""
    return not any(one.session in known.units for one in windows)


def tuned(config: Config, model: ModelConfig, freeze: str | None = None, *, fresh: bool) -> Config:
    """Settings of a run that starts from another model: its sizes, and small steps of what comes from it.

    Where all sessions are fresh, its linear path is carried along beside one that starts from their own spikes.
    """
    config = config if freeze is None else config.changed({"train.freeze": freeze})
    rate = config.train.tuning_rate or TUNING_RATE
    carried = model.carried or (fresh and model.latents > 0 and config.train.freeze != "trunk")
    own = config.model.own_region if model.preset == "default" else model.own_region
    return replace(
        config, model=replace(model, carried=carried, own_region=own), train=replace(config.train, tuning_rate=rate)
    )


def carried_over(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights whose linear path is the one that is carried along; what it was itself carried over from comes first."""
    source = "carried." if any(name.startswith("carried.") for name in weights) else "linear."
    paths = {f"carried.{name.removeprefix(source)}": t for name, t in weights.items() if name.startswith(source)}
    rest = {name: t for name, t in weights.items() if not name.startswith(("linear.", "carried.", "bias"))}
    return {**rest, **paths}


@torch.no_grad()
def transfer(weights: Mapping[str, Tensor], old: Vocabulary, model: MtM, new: Vocabulary) -> None:
    """Copy a model's trunk; units it knows keep their rows, others start near the mean row of their region.

    In the linear path the rows of new sessions wait to be aligned with the trunk.
    """
    known, rows = _matches(old, new)
    state = model.state_dict()
    for name, tensor in weights.items():
        if is_row(name):
            if own(name) not in OWN:
                state[name].copy_(likely_rows(tensor, old, new))
            state[name][rows] = tensor[known]
        elif own(name) == "session.weight":
            state[name][:] = tensor.mean(0)
        elif name in state and state[name].shape == tensor.shape:
            state[name].copy_(tensor)


def is_row(name: str) -> bool:
    """Whether a weight has one row for every unit."""
    return own(name) in OWN or name.endswith(".rows")


def own(name: str) -> str:
    """A weight's name inside its voice.

    >>> own("transformers.2.tokenizer.rate"), own("linear.rate"), own("bias")
    ('tokenizer.rate', 'rate', 'bias')
    """
    return re.sub(r"^(linear|carried|transformers\.\d+)\.", "", name)


def freeze_trunk(model: MtM) -> None:
    """Let only the units' rows be trained."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_row(name))


def likely_rows(table: Tensor, old: Vocabulary, new: Vocabulary) -> Tensor:
    """For every new unit the mean row of its region (of all units where the region is new), slightly spread."""
    before = [region for labels in old.regions.values() for region in labels]
    means = {name: table[[i for i, r in enumerate(before) if r == name]].mean(0) for name in set(before)}
    wanted = [region for labels in new.regions.values() for region in labels]
    rows = torch.stack([means.get(region, table.mean(0)) for region in wanted])
    noise = torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
    return rows + noise * table.std(0, correction=0) * SPREAD


def _matches(old: Vocabulary, new: Vocabulary) -> tuple[Tensor, Tensor]:
    """Rows of units that both know: in the old table, in the new one."""
    known: list[int] = []
    rows: list[int] = []
    for session in new.sessions:
        if session in old.units:
            here = set(old.units[session])
            shared = [key for key in new.units[session] if key in here]
            known.extend(old.unit_rows(session, shared).tolist())
            rows.extend(new.unit_rows(session, shared).tolist())
    return torch.tensor(known, dtype=torch.long), torch.tensor(rows, dtype=torch.long)
