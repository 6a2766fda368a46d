"""Which columns of the trials can be decoded, with their classes, and why the others cannot."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Shaped
from numpy import ndarray

from nwb_mtm.expressions import evaluate
from nwb_mtm.nwb.columns import Table
from nwb_mtm.recording import Intervals

MOST_CLASSES = 20
FEWEST = 5
SHARE = 0.05
FEWEST_OF_FEW = 2  # in a short table, of which these are 5 %
COVER = 0.9  # classes that are common enough must make up this share of the labelled trials
MISSING = frozenset(["", "nan", "n/a", "na", "null", "<na>", "not applicable"])
UNPERTURBED = frozenset([None, "0", "False", "none", "no", "off"])
TIMES = re.compile(r"(_times?|_onsets?|_offsets?|timestamps?|_dur(ation)?)$|^timestamps_", re.IGNORECASE)
PERTURBED = re.compile(r"photo_?stim|laser|opto|inactivat|perturb|led_on", re.IGNORECASE)
CONFOUNDED = 0.9
RARE = 0.1  # -1 so much rarer than both 0 and 1 is no class of its own


@dataclass(frozen=True)
class Target:
    """A column worth decoding: its classes, how many trials each has, and whether time alone would tell them."""

    name: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    confounded: bool = False


def judge_columns(table: Table, trials: Intervals) -> tuple[tuple[Target, ...], dict[str, str]]:
    """Targets, and for every other column the reason."""
    targets: list[Target] = []
    reasons: dict[str, str] = {}
    for name in table.names:
        if name in ("start_time", "stop_time"):
            continue
        found = _why_not(table, trials, name) or judge_column(name, trials.columns[name])
        if isinstance(found, str):
            reasons[name] = found
        else:
            targets.append(found)
    return tuple(targets), reasons


def twins(targets: Sequence[Target], trials: Intervals) -> Mapping[str, str]:
    """Targets that say the same as an earlier one, which alone is decoded."""
    seen: dict[tuple[int, ...], str] = {}
    found = {t.name: seen.setdefault(_partition(class_labels(trials.columns[t.name])), t.name) for t in targets}
    return {name: twin for name, twin in found.items() if twin != name}


def _partition(labels: list[str | None]) -> tuple[int, ...]:
    """The same for columns that tell the same trials apart, whatever they call them.

    >>> _partition(["0", "1", "0"]) == _partition(["b", "a", "b"])
    True
    """
    order = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    return tuple(order[label] for label in labels)


def _why_not(table: Table, trials: Intervals, name: str) -> str:
    """What the name or the shape of a column says against it."""
    array = table.members[name]
    if table.is_ragged(name):
        return "holds a list in every row"
    if array.holds_references or array.dtype.names:
        return "holds references"
    if name not in trials.columns:
        return f"has {len(array.shape)} dimensions" if len(array.shape) > 1 else "has another length than the table"
    if name.casefold() == "split":
        return "says how trials were split"
    if TIMES.search(name.removesuffix(".npy")):
        return "is a time" if name in trials.events else "is named as a time"
    return "is a time" if name in trials.events else ""


def judge_column(name: str, values: Shaped[ndarray, " row"]) -> Target | str:
    """The target that a column makes, or why it makes none."""
    labels = class_labels(values)
    known = [label for label in labels if label is not None]
    classes, counts = np.unique(np.array(known, dtype=np.str_), return_counts=True)
    if not known:
        return "has no values"
    if len(classes) == 1:
        return f"is constant ({classes[0]})"
    if is_counter(values):
        return "is a counter"
    if len(classes) == len(known):
        return "has another value in every trial"
    if len(classes) > MOST_CLASSES:
        return f"has {len(classes)} values; at most {MOST_CLASSES} classes are decoded"
    enough = (counts >= FEWEST) | (counts >= max(FEWEST_OF_FEW, SHARE * len(known)))
    if enough.sum() < 2 or counts[enough].sum() < COVER * len(known):
        return f"has classes with fewer than {FEWEST} trials"
    names = tuple(classes[enough].tolist())
    return Target(name, names, tuple(counts[enough].tolist()), _follows_time(labels, names))


def class_labels(values: Shaped[ndarray, " row"]) -> list[str | None]:
    """Every value as a class name; None where it is missing.

    >>> class_labels(np.array([1.0, 0.5, np.nan])), class_labels(np.array(["hit", "N/A"]))
    (['1', '0.5', None], ['hit', None])
    """
    if values.dtype.kind == "U":
        labels = [_text_label(v) for v in values.tolist()]
    elif values.dtype.kind == "f":
        labels = [None if np.isnan(v) else str(int(v)) if float(v).is_integer() else str(v) for v in values]
    else:
        labels = [str(v) for v in values.tolist()]
    return _without_code(labels)


def _text_label(text: str) -> str | None:
    """Strings that are numbers lose their spelling, so that '1', '1.0' and 1 are one class."""
    text = text.strip()
    if text.casefold() in MISSING:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def _without_code(labels: list[str | None]) -> list[str | None]:
    """-1 is a class beside 0 and 1 (left and right), and the code of a missing answer beside larger numbers.

    >>> _without_code(["-1", "0", "1"]), _without_code(["-1", "1", "2"])
    (['-1', '0', '1'], [None, '1', '2'])
    """
    numbers = {_as_float(label) for label in labels if label is not None}
    if -1.0 not in numbers or None in numbers:
        return labels
    others = {n for n in numbers if n is not None} - {-1.0}
    rare = labels.count("-1") < RARE * min(labels.count("0"), labels.count("1"))
    if not others or min(others) < 0 or (max(others) <= 1 and not rare):
        return labels
    return [None if label == "-1" else label for label in labels]


def _as_float(label: str) -> float | None:
    try:
        return float(label)
    except ValueError:
        return None


def is_counter(values: Shaped[ndarray, " row"]) -> bool:
    """Whether numbers only ever go up, through three values or more."""
    numbers = values.astype(np.float64) if values.dtype.kind in "iuf" else np.zeros(0)
    numbers = numbers[np.isfinite(numbers)]
    return len(np.unique(numbers)) > 2 and bool(np.all(np.diff(numbers) >= 0))


def _follows_time(labels: list[str | None], classes: tuple[str, ...]) -> bool:
    """Whether the class changes so seldom that the time of the trial tells it."""
    known = [label for label in labels if label in classes]
    changes = sum(a != b for a, b in zip(known[:-1], known[1:]))
    return changes <= (1 - CONFOUNDED) * (len(known) - 1)


def perturbations(trials: Intervals) -> Mapping[str, int]:
    """Columns that look like a perturbation of some trials and not of others, with the number of those that have it."""
    found = {name: int(on.sum()) for name, on in perturbed(trials).items()}
    return {name: count for name, count in found.items() if 0 < count < len(trials)}


def perturbed(trials: Intervals) -> Mapping[str, Bool[ndarray, " trial"]]:
    """Columns that look like a perturbation, with the trials that have one."""
    return {
        name: np.array([label not in UNPERTURBED for label in class_labels(values)], bool)
        for name, values in trials.columns.items()
        if PERTURBED.search(name)
    }


def unperturbed(trials: Intervals) -> str:
    """A condition that leaves out the trials which look perturbed; empty when there are none."""
    on = perturbed(trials)
    return " and ".join(dict.fromkeys(_spared(name, trials.columns[name], ~on[name]) for name in perturbations(trials)))


def _spared(name: str, values: Shaped[ndarray, " row"], spared: Bool[ndarray, " row"]) -> str:
    """The shortest condition on one column that chooses what is not perturbed."""
    column = name if name.isidentifier() else f"column({name!r})"
    plain = list(dict.fromkeys(str(value) for value in values[spared].tolist()))
    tried = [f"{column} == 0", f"isnull({column})", f"isnull({column}) or {column} == 0", f"{column} in {plain}"]
    for text in tried:
        if np.array_equal(evaluate(text, {name: values}, where=name), spared):
            return f"({text})" if " or " in text else text
    return f"not {column}"
