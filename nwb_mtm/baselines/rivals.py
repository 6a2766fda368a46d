"""Which baselines stand beside a model for each score."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from jaxtyping import Float
from numpy import ndarray

from nwb_mtm.baselines import linear, plain
from nwb_mtm.baselines.glm import glm
from nwb_mtm.baselines.linear import Design
from nwb_mtm.baselines.plain import BlindBaseline
from nwb_mtm.errors import ConfigError
from nwb_mtm.passes import Pass, Score

Rival = Callable[[Design, Score, Sequence[Pass]], Float[ndarray, "window bin unit"]]


def _blind(baseline: BlindBaseline) -> Rival:
    return lambda design, score, plan: baseline(design.evidence, score, plan)


RIVALS: Mapping[str, Rival] = MappingProxyType(
    {
        "constant": _blind(plain.constant),
        "psth": _blind(plain.psth),
        "psth-condition": _blind(plain.psth_condition),
        "drift": _blind(plain.drift),
        "smoothing": _blind(plain.smoothing),
        "coupling": linear.coupling,
        "ridge": linear.ridge,
        "reduced-rank": linear.reduced_rank,
        "glm": glm,
    }
)
ONLY_FORWARD = ("smoothing",)
NOT_FORWARD = ("coupling", "reduced-rank")
NAMES = tuple(RIVALS)


def rivals_of(score: Score, chosen: Sequence[str], *, conditions: Sequence[str]) -> tuple[str, ...]:
    """The chosen baselines that make sense for a score.

    >>> rivals_of("forward", ["psth", "coupling", "smoothing"], conditions=())
    ('psth', 'smoothing')
    """
    for name in chosen:
        if name not in RIVALS:
            raise ConfigError(f"Unknown baseline {name!r}; it is one of {', '.join(NAMES)}.", kind="bad_value")
    out = NOT_FORWARD if score == "forward" else ONLY_FORWARD
    return tuple(n for n in chosen if n not in out and (n != "psth-condition" or conditions))
