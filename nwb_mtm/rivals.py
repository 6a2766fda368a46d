"""Which baselines stand beside a model for each score."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from jaxtyping import Float
from numpy import ndarray

from nwb_mtm import baselines, baselines_linear
from nwb_mtm.baselines import BlindBaseline
from nwb_mtm.baselines_glm import glm
from nwb_mtm.baselines_linear import Design
from nwb_mtm.errors import ConfigError
from nwb_mtm.passes import Pass, Score

Rival = Callable[[Design, Score, Sequence[Pass]], Float[ndarray, "window bin unit"]]


def _blind(baseline: BlindBaseline) -> Rival:
    return lambda design, score, plan: baseline(design.evidence, score, plan)


RIVALS: Mapping[str, Rival] = MappingProxyType(
    {
        "constant": _blind(baselines.constant),
        "psth": _blind(baselines.psth),
        "psth-condition": _blind(baselines.psth_condition),
        "drift": _blind(baselines.drift),
        "smoothing": _blind(baselines.smoothing),
        "coupling": baselines_linear.coupling,
        "ridge": baselines_linear.ridge,
        "reduced-rank": baselines_linear.reduced_rank,
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
