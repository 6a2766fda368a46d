"""What the page says in words: questions, verdicts and captions for somebody who has not read the paper."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nwb_mtm.report.material import Span, span

Verdict = Literal["better", "no better", "cannot tell"]
SCORES = ("co-smoothing", "forward", "inter-region", "intra-region")
QUESTIONS = {
    "co-smoothing": "Does the rest of the population tell what a hidden unit does?",
    "forward": "Does the past tell what comes next?",
    "inter-region": "Do the other regions tell what a hidden region does?",
    "intra-region": "Does a unit’s own region tell what the unit does?",
}
HIDDEN = {
    "co-smoothing": "some units hidden, all others shown",
    "forward": "the last tenth of the window hidden",
    "inter-region": "a whole region hidden",
    "intra-region": "every other region hidden, and some units of this one",
}
VERDICTS: Mapping[Verdict, str] = {
    "better": "Better than the best baseline",
    "no better": "No better than the best baseline",
    "cannot tell": "Cannot tell",
}
MARKS: Mapping[Verdict, str] = {"better": "▲", "no better": "▼", "cannot tell": "◆"}
BASELINES = {
    "constant": "constant rate",
    "psth": "trial average",
    "drift": "trial average, drifting",
    "smoothing": "the unit’s own past",
    "exponential": "the unit’s own past",
    "exponential-smoothing": "the unit’s own past",
    "population-coupling": "population coupling",
    "coupling": "population coupling",
    "ridge": "ridge regression",
    "rrr": "reduced-rank regression",
    "reduced-rank": "reduced-rank regression",
    "reduced-rank-regression": "reduced-rank regression",
    "glm": "Poisson GLM",
    "poisson-glm": "Poisson GLM",
}
BLIND = (
    "constant",
    "psth",
    "drift",
    "smoothing",
    "exponential",
    "exponential-smoothing",
)  # see no simultaneous activity
SCHEMES = {
    "neuron": "neuron masking",
    "causal": "causal masking",
    "inter-region": "inter-region masking",
    "intra-region": "intra-region masking",
    "temporal": "temporal masking",
    "random-token": "random-token masking",
    "region-subset": "region-subset masking",
}
TOTALS = {
    "bps_pooled": ("Pooled bits per spike", "all units’ spikes in one sum: quiet units weigh little"),
    "bps_mean": ("Published mean", "mean over units, against each unit’s mean rate in the test windows"),
    "bps_mean_train_null": (
        "Mean, training null",
        "the same mean, against mean rates known from training alone",
    ),
    "bps_median": ("Median over units", "the unit in the middle"),
    "d2_mean": ("Deviance explained", "D², mean over units"),
    "share_positive": ("Units above 0", "share of units predicted better than by their mean rate"),
}


@dataclass(frozen=True)
class Answer:
    """One question of the first page, with what the numbers say."""

    score: str
    question: str
    verdict: Verdict
    sentence: str
    gain: Span


def verdict(gain: Span) -> Verdict:
    """What an interval of the gain allows to say.

    >>> verdict(Span(0.1, 0.05, 0.2)), verdict(Span(0.0, -0.1, 0.1)), verdict(Span(-0.1, -0.2, 0.0))
    ('better', 'cannot tell', 'no better')
    """
    if gain.low > 0:
        return "better"
    return "no better" if gain.high <= 0 else "cannot tell"


def answer(score: str, entry: Mapping[str, Any]) -> Answer:
    """The answer to the question behind one score."""
    gain = span(entry, "gain")
    said = verdict(gain)
    against = baseline_label(str(entry.get("gain", {}).get("baseline") or best_blind(entry)))
    told = f"{signed(gain.value)} bits per spike over {against} ({interval(gain)})."
    if not gain:
        told = "There were too few spikes or windows to compare."
    elif said == "cannot tell":
        told = f"{told[:-1]}: the interval includes 0. {windows_needed(entry)}"
    return Answer(score, QUESTIONS.get(score, score), said, told.strip(), gain)


def windows_needed(entry: Mapping[str, Any]) -> str:
    """How many test windows would tell, when the scores say so."""
    found = entry.get("gain", {}).get("windows_needed") or entry.get("windows_needed")
    return f"About {int(found):,} test windows would tell." if found else ""


def best_blind(entry: Mapping[str, Any]) -> str:
    """The best of the baselines that see no simultaneous activity."""
    pooled = {name: span(total, "bps_pooled").value for name, total in entry.get("baselines", {}).items()}
    known = {name: v for name, v in pooled.items() if is_blind(name) and math.isfinite(v)}
    return max(known, key=lambda name: known[name]) if known else "the best baseline"


def is_blind(name: str) -> bool:
    """Whether a baseline sees none of the activity it is compared at."""
    return name.replace("_", "-").split(":")[0] in BLIND


def baseline_label(name: str) -> str:
    """A baseline's name in words."""
    return BASELINES.get(name.replace("_", "-"), name.replace("_", " "))


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign, set with a true minus.

    >>> signed(-0.1234), signed(0.05)
    ('−0.123', '+0.050')
    """
    return f"{value:+.{digits}f}".replace("-", "\u2212") if math.isfinite(value) else "–"


def figure(value: float, digits: int = 3) -> str:
    """A number without a plus."""
    return f"{value:.{digits}f}".replace("-", "\u2212") if math.isfinite(value) else "–"


def interval(found: Span, digits: int = 3) -> str:
    """`low to high`."""
    if not math.isfinite(found.low):
        return "no interval"
    return f"{figure(found.low, digits)} to {figure(found.high, digits)}"


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "unit"), count(1200, "unit"), count(2, "recording")
    ('1 unit', '1,200 units', '2 recordings')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def ordered(names: Mapping[str, Any]) -> list[str]:
    """The scores that are there, in the page's order."""
    return [s for s in SCORES if s in names] + [s for s in names if s not in SCORES]
