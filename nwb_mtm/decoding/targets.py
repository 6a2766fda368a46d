"""What can be decoded: labels from trial columns, series worth the time, events that give a label away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nwb_mtm.errors import RecordingError
from nwb_mtm.recording import Intervals
from nwb_mtm.windows import BinnedBehavior, Windows

MOST_CLASSES = 12
LEAST_WINDOWS = 8  # windows that a label needs to be decoded at all
MOST_SERIES = 5
MOST_COLUMNS = 5
LEAST_COVERAGE = 0.2  # of the bins must hold a sample
LEAST_INSIDE = 0.05  # of the windows must hold an event before it is worth a warning
# Words in a series' name, best first: what moves, then how aroused, then where.
SERIES_WORDS = (
    "wheel", "hand", "finger", "cursor", "running", "speed", "whisker", "motion_energy", "pupil", "lick", "head",
    "emg", "force", "vel", "position", "pos", "eye",
)  # fmt: skip
COLUMN_WORDS = (
    "choice", "response", "outcome", "feedback", "correct", "rewarded", "stim", "side", "cue", "instruction", "target",
    "contrast", "block", "probability", "condition", "type",
)  # fmt: skip
# Which events follow from, or give away, a label whose name holds the key.
GIVEAWAYS: Mapping[str, tuple[str, ...]] = {
    "choice": ("choice", "response", "movement", "move", "lick", "feedback", "reward", "reaction"),
    "response": ("response", "movement", "move", "lick", "feedback", "reward", "choice"),
    "outcome": ("outcome", "feedback", "reward", "response"),
    "feedback": ("feedback", "reward", "outcome"),
    "correct": ("feedback", "reward", "outcome", "response"),
    "reward": ("reward", "feedback"),
    "accuracy": ("response", "feedback"),
}
EMPTY = ("", "nan", "n/a", "null")


@dataclass(frozen=True, eq=False)
class Labels:
    """One label for every window, as a row of `classes`; -1 where there is none."""

    name: str
    codes: Int[ndarray, " window"]
    classes: tuple[str, ...]
    missing: int = 0
    rare: Mapping[str, int] = field(default_factory=dict)  # left out: too few windows

    @classmethod
    def of(cls, name: str, values: Sequence[object] | ndarray, *, most: int = MOST_CLASSES) -> "Labels":
        """Labels from a column of text, numbers or booleans.

        >>> l = Labels.of("choice", ["left", "right", ""] * 8 + ["none"])
        >>> l.classes, l.missing, dict(l.rare)
        (('left', 'right'), 8, {'none': 1})
        """
        text = np.array([_text(value) for value in values])
        names, counts = np.unique(text[text != ""], return_counts=True)
        if len(names) > most:
            raise RecordingError(
                f"Column {name!r} has {len(names)} different values, more than the {most} labels that can be decoded; "
                "group them in a column of fewer, or decode a series.",
                kind="bad_selection",
            )
        kept = tuple(str(n) for n, c in zip(names, counts) if c >= LEAST_WINDOWS)
        rare = {str(n): int(c) for n, c in zip(names, counts) if c < LEAST_WINDOWS}
        codes = np.array([kept.index(t) if t in kept else -1 for t in text], np.int64)
        return cls(name, codes, kept, int((text == "").sum()), rare)

    @property
    def known(self) -> Bool[ndarray, " window"]:
        """Windows with a label."""
        return self.codes >= 0

    def counts(self, chosen: Bool[ndarray, " window"]) -> dict[str, int]:
        """How many of the chosen windows have each label."""
        return {name: int(((self.codes == row) & chosen).sum()) for row, name in enumerate(self.classes)}


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:g}"
    text = str(value).strip()
    return "" if text.casefold() in EMPTY else text


def labels_of(windows: Windows, column: str) -> Labels:
    """The labels of one trial column, one for every window; windows without a trial have none."""
    values = windows.trial_column(column)
    if values.ndim != 1:
        raise RecordingError(f"Column {column!r} holds arrays, not one label a trial.", kind="bad_selection")
    assert windows.trial is not None
    return Labels.of(column, [v if t >= 0 else "" for v, t in zip(values.tolist(), windows.trial)])


@dataclass(frozen=True)
class Choice:
    """What will be decoded, and what will not, with the reason."""

    columns: tuple[str, ...]
    series: tuple[str, ...]
    left: Mapping[str, str]


def choose(windows: Windows, targets: Sequence[str] | None = None) -> Choice:
    """The named targets, or up to five columns and five series by the words in their names."""
    if targets is not None:
        return _named(windows, targets)
    columns, left = _columns(windows)
    series, other = _series(windows)
    return Choice(columns, series, {**left, **other})


def _named(windows: Windows, targets: Sequence[str]) -> Choice:
    columns, series = [], []
    for target in targets:
        found = [n for n in windows.behaviors if target in (n, n.rsplit("/", 1)[-1])]
        if windows.trials is not None and target in windows.trials.columns:
            columns.append(target)
        elif len(found) == 1:
            series.append(found[0])
        else:
            raise RecordingError(_no_target(windows, target, found), kind="bad_selection")
    return Choice(tuple(columns), tuple(series), {})


def _no_target(windows: Windows, target: str, found: Sequence[str]) -> str:
    if found:
        return f"{target!r} names several series: {', '.join(found)}. Give the whole path of one."
    columns = ", ".join(windows.trials.columns) if windows.trials is not None else "none"
    series = ", ".join(windows.behaviors) or "none"
    return f"{windows.session} has no target {target!r}. Trial columns: {columns}. Series: {series}."


def _columns(windows: Windows) -> tuple[tuple[str, ...], dict[str, str]]:
    if windows.trials is None or not len(windows):
        return (), {}
    usable, left, seen = [], dict[str, str](), dict[bytes, str]()
    for name in sorted(_offered(windows.trials), key=lambda n: _rank(n, COLUMN_WORDS)):
        try:
            labels = labels_of(windows, name)
        except RecordingError as error:
            left[name] = str(error)
            continue
        twin = seen.setdefault(_partition(labels), name)
        if len(labels.classes) < 2:
            left[name] = f"only one label has {LEAST_WINDOWS} windows or more"
        elif twin != name:
            left[name] = f"it says the same as {twin}"
        else:
            usable.append(name)
    left |= {n: f"not among the first {MOST_COLUMNS}; add it with --target {n}" for n in usable[MOST_COLUMNS:]}
    return tuple(usable[:MOST_COLUMNS]), left


def _offered(table: Intervals) -> tuple[str, ...]:
    """The table's targets; of a table for which none were named, every column that holds no event."""
    return table.targets or tuple(n for n in table.columns if n not in (*table.events, "id"))


def _partition(labels: Labels) -> bytes:
    """The same for columns that tell the same windows apart, whatever they call them."""
    order = {code: i for i, code in enumerate(dict.fromkeys(labels.codes.tolist()))}
    return bytes(order[code] for code in labels.codes.tolist())


def _series(windows: Windows) -> tuple[tuple[str, ...], dict[str, str]]:
    usable, left = [], dict[str, str]()
    for name, series in windows.behaviors.items():
        reason = unusable(series)
        if reason:
            left[name] = reason
        else:
            usable.append(name)
    ranked = sorted(usable, key=lambda n: _rank(n, SERIES_WORDS))
    left |= {n: f"not among the first {MOST_SERIES}; add it with --target {n}" for n in ranked[MOST_SERIES:]}
    return tuple(ranked[:MOST_SERIES]), left


def unusable(series: BinnedBehavior) -> str:
    """Why a series cannot be decoded, or nothing."""
    coverage = float(series.valid.mean()) if series.valid.size else 0.0
    if coverage < LEAST_COVERAGE:
        return f"only {coverage:.0%} of the bins hold a sample"
    if float(np.nanstd(series.values[series.valid], axis=0).max(initial=0.0)) <= 1e-9:
        return "it never changes in these windows"
    return ""


def _rank(name: str, words: Sequence[str]) -> int:
    """Position of the first word that the name holds.

    >>> _rank("/processing/behavior/Wheel/wheel_velocity", SERIES_WORDS), _rank("zzz", ("a", "b"))
    (0, 2)
    """
    text = name.casefold()
    return next((row for row, word in enumerate(words) if word in text), len(words))


@dataclass(frozen=True)
class EventInWindow:
    """An event of the trials that falls inside windows."""

    name: str
    share: float  # of the windows that hold it
    offset: float  # median, in seconds from the window's event (or start)


def events_inside(windows: Windows) -> tuple[EventInWindow, ...]:
    """Which events of the trials lie in the windows, in order of their median time."""
    if windows.trials is None or windows.trial is None:
        return ()
    found = []
    for name in windows.trials.events:
        times = windows.trials.times(name)[windows.trial]
        inside = (times >= windows.start) & (times < windows.stop) & (windows.trial >= 0)
        if inside.any():
            offset = float(np.median(times[inside] - windows.start[inside] - windows.before))
            found.append(EventInWindow(name, float(inside.mean()), offset))
    return tuple(sorted(found, key=lambda e: e.offset))


def giveaway(column: str, events: Sequence[EventInWindow]) -> str:
    """A warning when an event that follows from the label lies in the windows; else nothing."""
    words = next((w for key, w in GIVEAWAYS.items() if key in column.casefold()), ())
    own = [e for e in events if e.share >= LEAST_INSIDE and any(w in e.name.casefold() for w in words)]
    if not own:
        return ""
    told = ", ".join(f"{e.name} (in {e.share:.0%} of the windows, median {e.offset:+.2f} s)" for e in own)
    return (
        f"The windows hold events that follow {column!r}: {told}. Decoding may read the movement or the reward; "
        "see the sliding windows, or end the windows earlier with --after."
    )


def derived_velocity(series: BinnedBehavior, bin_size: float) -> BinnedBehavior:
    """How fast a position changes, from the bins on either side."""
    values = np.full_like(series.values, np.nan)
    valid = np.zeros_like(series.valid)
    if series.values.shape[1] > 2:
        values[:, 1:-1] = (series.values[:, 2:] - series.values[:, :-2]) / np.float32(2 * bin_size)
        valid[:, 1:-1] = series.valid[:, 2:] & series.valid[:, :-2]
    return BinnedBehavior(f"{series.name} (velocity)", values, valid)


def is_position(name: str, known: Sequence[str]) -> bool:
    """Whether a series is a position whose velocity nobody recorded."""
    last = name.rsplit("/", 1)[-1].casefold()
    if not any(word in last.split("_") or last.endswith(word) for word in ("pos", "position")):
        return False
    stem = last.replace("position", "").replace("pos", "").strip("_")
    return not any("vel" in k.casefold() and stem in k.casefold() for k in known)


def targets_for(series: BinnedBehavior) -> Float[ndarray, "window bin dim"]:
    """The values to decode: an angle as its cosine and sine."""
    if not series.circular:
        return series.values
    return np.concatenate([np.cos(series.values), np.sin(series.values)], axis=-1)
