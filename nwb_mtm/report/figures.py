"""The few small arrays that the pictures of a run need, and the file that keeps them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from nwb_mtm.errors import RunError
from nwb_mtm.landing import placing
from nwb_mtm.recording import frozen

NAME = "figures.safetensors"
NOTHING = 255  # the level of a map where nothing was predicted; 0 to 254 run from a unit's least to its most
FORMAT = "1"


@dataclass(frozen=True, eq=False)
class Example:
    """One test window: what was recorded, and what the model said about the block hidden from it."""

    score: str
    what: str  # the hidden block in words
    regions: tuple[str, ...]  # rows, in an order that keeps the block whole
    counts: UInt8[ndarray, "unit bin"]
    predicted: UInt8[ndarray, "unit bin"]  # maps: NOTHING outside the block
    block: Bool[ndarray, "unit bin"]  # hidden, and predicted here
    unseen: Bool[ndarray, "unit bin"]  # hidden too, but not predicted in this pass

    def __post_init__(self) -> None:
        for name in ("counts", "predicted", "block", "unseen"):
            object.__setattr__(self, name, frozen(getattr(self, name)))


@dataclass(frozen=True, eq=False)
class Psth:
    """Mean rate of one unit under each condition, recorded and predicted, in spikes/s."""

    unit: str
    region: str
    role: str  # best, median or worst on validation time
    valid_bps: float
    conditions: tuple[str, ...]
    trials: tuple[int, ...]
    recorded: Float[ndarray, "condition bin"]
    error: Float[ndarray, "condition bin"]
    predicted: Float[ndarray, "condition bin"]

    def __post_init__(self) -> None:
        for name in ("recorded", "error", "predicted"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))


@dataclass(frozen=True, eq=False)
class Trace:
    """A stretch of a decoded series beside what was measured; NaN between windows."""

    name: str
    bin_size: float
    measured: Float[ndarray, " bin"]
    decoded: Float[ndarray, " bin"]

    def __post_init__(self) -> None:
        for name in ("measured", "decoded"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))


@dataclass(frozen=True, eq=False)
class Figures:
    """Everything drawn for one session that scores.json does not hold."""

    session: str
    alignment: str
    averaged: bool  # maps are means over test windows; else one stretch of test time
    windows: int  # how many test windows the maps show
    start: float  # seconds from the event to the maps' first bin
    bin_size: float  # seconds in one column of the maps
    units: tuple[str, ...]  # shown rows, top to bottom
    regions: tuple[str, ...]
    recorded: UInt8[ndarray, "unit bin"]
    predicted: Mapping[str, UInt8[ndarray, "unit bin"]] = field(default_factory=dict)
    baselines: Mapping[str, UInt8[ndarray, "unit bin"]] = field(default_factory=dict)
    baseline_names: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    psths: tuple[Psth, ...] = ()
    traces: tuple[Trace, ...] = ()
    condition: str = ""  # the trial column behind the PSTHs
    every_unit: tuple[str, ...] = ()
    every_region: tuple[str, ...] = ()
    every_rate: Float[ndarray, " every"] = field(default_factory=lambda: np.zeros(0))  # training time, spikes/s

    def __post_init__(self) -> None:
        object.__setattr__(self, "recorded", frozen(self.recorded))
        object.__setattr__(self, "every_rate", frozen(self.every_rate, np.float32))
        for name in ("predicted", "baselines"):
            object.__setattr__(self, name, {k: frozen(v) for k, v in getattr(self, name).items()})


def save(figures: Sequence[Figures], path: Path) -> Path:
    """Write the figures of all sessions into one safetensors file in one move."""
    arrays: dict[str, ndarray] = {}
    header = [_flatten(one, str(index), arrays) for index, one in enumerate(figures)]
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with placing(path) as temporary:
        save_file(plain, temporary, {"format": FORMAT, "figures": json.dumps(header)})
    return path


def load(path: Path) -> tuple[Figures, ...]:
    """The figures of all sessions of a run."""
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get("figures", "[]")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path.name} cannot be read: {error}. Write it again with `fit`.", kind="not_a_run") from error
    return tuple(_figures(_restore(one, arrays)) for one in json.loads(header))


def _flatten(value: Any, name: str, arrays: dict[str, ndarray]) -> Any:
    """Plain JSON in which every array is replaced by {"array": its name}."""
    if isinstance(value, ndarray):
        arrays[name] = value
        return {"array": name}
    if isinstance(value, tuple):
        return [_flatten(v, f"{name}/{i}", arrays) for i, v in enumerate(value)]
    if isinstance(value, Mapping):
        return {k: _flatten(v, f"{name}/{k}", arrays) for k, v in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {k: _flatten(getattr(value, k), f"{name}/{k}", arrays) for k in value.__dataclass_fields__}
    return value


def _restore(value: Any, arrays: Mapping[str, ndarray]) -> Any:
    if isinstance(value, list):
        return tuple(_restore(v, arrays) for v in value)
    if isinstance(value, dict) and set(value) == {"array"}:
        return arrays[value["array"]]
    if isinstance(value, dict):
        return {k: _restore(v, arrays) for k, v in value.items()}
    return value


def _figures(fields: Mapping[str, Any]) -> Figures:
    parts = {
        "examples": tuple(Example(**one) for one in fields["examples"]),
        "psths": tuple(Psth(**one) for one in fields["psths"]),
        "traces": tuple(Trace(**one) for one in fields["traces"]),
    }
    return Figures(**{**fields, **parts})
