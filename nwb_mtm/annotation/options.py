"""What of a model is written into a file, and how."""

from dataclasses import dataclass
from typing import Literal

from nwb_mtm.errors import ConfigError

Mode = Literal["auto", "copy", "sidecar", "in-place"]
WHAT = ("rates", "latents", "behavior", "labels")


@dataclass(frozen=True)
class Options:
    """What is written, and how."""

    mode: Mode = "auto"
    """`copy` or `sidecar` as fits the source (`auto`), one of them, or `in-place`."""
    what: tuple[str, ...] = ("rates", "behavior", "labels")
    """`rates` always; `behavior` and `labels` unless left out; `latents` on request."""
    scheme: str = "neuron"
    """How units are hidden: `neuron`, `causal`, `inter-region` or `intra-region`."""
    folds: int = 10
    """Folds of units; 0 hides one unit at a time."""
    include_trained: bool = False
    """Also write rates of training time, into a series of their own."""
    extrapolate: bool = False
    """Also predict time of another kind than the model was trained on."""
    existing: str = "error"
    """What to do when the output exists: `error`, `skip` or `overwrite`."""
    targets: tuple[str, ...] | None = None
    """Trial columns and behaviours to decode; all when None."""
    command: str = ""
    """The command line to state, file names only."""

    def __post_init__(self) -> None:
        for name in self.what:
            if name not in WHAT:
                raise ConfigError(f"{name!r} cannot be written; choose among {', '.join(WHAT)}.", kind="bad_value")
