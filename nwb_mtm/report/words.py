"""What the page says in words: questions, verdicts and captions for somebody who has not read the paper."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nwb_mtm.intervals import Value
from nwb_mtm.report.material import Overall, known

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
VERDICTS = {
    "better": "Better than the best baseline",
    "no better": "No better than the best baseline",
    "cannot tell": "Cannot tell",
    "not scored": "Not scored",
}
MARKS = {"better": "▲", "no better": "▼", "cannot tell": "◆", "not scored": "–"}
BASELINES = {  # in a chart, in a sentence
    "constant": ("constant rate", "each unit’s constant rate"),
    "psth": ("trial average", "the trial average"),
    "psth-condition": ("average by condition", "the trial average of each condition"),
    "drift": ("drifting average", "the trial average with slow drift"),
    "smoothing": ("own past", "each unit’s own past"),
    "coupling": ("population rate", "the population rate"),
    "ridge": ("ridge regression", "ridge regression"),
    "reduced-rank": ("reduced-rank map", "reduced-rank regression"),
    "glm": ("Poisson GLM", "a Poisson GLM"),
}
BLIND = ("constant", "psth", "psth-condition", "drift", "smoothing")  # see no simultaneous activity
SCHEMES = {
    "neuron": "neuron masking",
    "causal": "causal masking",
    "inter-region": "inter-region masking",
    "intra-region": "intra-region masking",
    "temporal": "temporal masking",
    "random-token": "random-token masking",
    "region-subset": "region-subset masking",
}
GUARDED = "units near by or flagged as twins hidden with the target"
FEATURES = {
    "rates": "predicted rates",
    "latents": "model latents",
    "counts": "counts",
    "clock": "the clock",
}
METRICS = {"balanced_accuracy": "balanced accuracy", "r2": "R² on single windows"}
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
    verdict: str
    sentence: str
    gain: Value


def answer(score: str, found: Overall) -> Answer:
    """The answer to the question behind one score."""
    against = in_sentence(found.against or best_blind(found))
    told = f"{signed(found.gain.value)} bits per spike over {against} ({interval(found.gain)})."
    if not known(found.gain):
        told = why_not(found)
    elif found.verdict == "cannot tell":
        told = f"{told[:-1]}: the interval includes 0. {windows_needed(found)}"
    return Answer(score, QUESTIONS.get(score, score), found.verdict, told.strip(), found.gain)


def why_not(found: Overall) -> str:
    """Why there is no gain, in the scores' own words when they have any."""
    said = next((note.removeprefix("not scored: ") for note in found.notes if note.startswith("not scored")), "")
    return f"{said[:1].upper()}{said[1:]}." if said else "There were too few regions, spikes or windows."


def windows_needed(found: Overall) -> str:
    """How many test windows would tell, when the scores say so."""
    if found.windows_to_tell:
        return f"About {found.windows_to_tell:,} test windows would tell."
    return "More test windows or sessions may tell."


def best_blind(found: Overall) -> str:
    """The best of the baselines that see no simultaneous activity."""
    seen = {name: t.bps_pooled.value for name, t in found.baselines.items() if is_blind(name) and known(t.bps_pooled)}
    return max(seen, key=lambda name: seen[name]) if seen else ""


def is_blind(name: str) -> bool:
    """Whether a baseline sees none of the activity it is compared at."""
    return name in BLIND


def baseline_label(name: str) -> str:
    """A baseline's name in a chart."""
    return BASELINES.get(name, (name.replace("_", " "),))[0]


def in_sentence(name: str) -> str:
    """A baseline's name in a sentence."""
    return BASELINES[name][1] if name in BASELINES else name.replace("_", " ") or "the best baseline"


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign, set with a true minus.

    >>> signed(-0.1234), signed(0.05)
    ('−0.123', '+0.050')
    """
    return f"{value:+.{digits}f}".replace("-", "\u2212") if math.isfinite(value) else "–"


def figure(value: float, digits: int = 3) -> str:
    """A number without a plus."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\u2212") if math.isfinite(value) else "–"


def interval(found: Value, digits: int = 3) -> str:
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
