"""From recordings to windows a model can be trained on, with a sentence for everything left out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from nwb_mtm.alignment import cut
from nwb_mtm.config import Config, WindowConfig
from nwb_mtm.errors import NwbMtmError, RecordingError
from nwb_mtm.recording import Recording, overlap_share
from nwb_mtm.regions import GROUP, clean, lying_in, none_lies_in
from nwb_mtm.rotations import rotations
from nwb_mtm.sources.manifest import SourceSettings
from nwb_mtm.spilling import Spill, release
from nwb_mtm.splits import PARTS, Split
from nwb_mtm.vocabulary import Vocabulary, mask_groups
from nwb_mtm.windows import Windows

LEAST_TRAINING = 10  # windows; with fewer there is nothing to learn from
SAME_RECORDING = 0.5  # share of common units above which two recordings are one
NO_TIME, ALL_TIME = np.zeros((0, 2)), np.array([[-1e12, 1e12]])
ALL_VALID = Split("list", NO_TIME, ALL_TIME, NO_TIME, NO_TIME)
UNLISTED = SourceSettings()


@dataclass(frozen=True)
class LeftOut:
    """Something that was not used, and why."""

    what: str
    why: str
    count: int


@dataclass(frozen=True, eq=False)
class Session:
    """One recording, ready: its windows and what was left out on the way."""

    windows: Windows
    recording: Recording
    reason: str
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...] = ()
    targets: tuple[str, ...] | None = None  # what a reviewed list wants decoded
    splits: tuple[Split, ...] = ()  # one for every model of the run; the windows have the first one's parts

    def fold(self, number: int) -> "Session":
        """The same session with the parts that one of several models takes it in."""
        return replace(self, windows=self.windows.assigned(self.splits[number]))

    @property
    def is_tested(self) -> bool:
        """Whether any window is for testing."""
        assert self.windows.part is not None
        return bool(np.isin(PARTS.index("test"), self.windows.part))

    def to_json(self) -> dict[str, object]:
        """The entry of sources.json."""
        source, windows = self.recording.source, self.windows
        assert windows.part is not None
        return {
            "key": windows.session,
            "name": source.name,
            "dandiset": source.dandiset,
            "version": source.version,
            "etag": source.etag,
            "url": source.url,
            "doi": source.doi,
            "licence": source.licence,
            "species": source.species,
            "identifier": source.identifier,
            "object_id": source.object_id,
            "fingerprint": list(self.recording.fingerprint),
            "alignment": windows.alignment,
            "weight": windows.weight,
            "targets": self.targets,
            "reason": self.reason,
            "units": len(windows.units),
            "region_level": self.recording.region_level,
            "regions": dict(sorted(Counter(windows.units.regions).items())),
            "windows": {**_counted(windows), "left_out": windows.left_out},
            "folds": [_counted(self.fold(i).windows) for i in range(len(self.splits))] if len(self.splits) > 1 else [],
            "left_out": [{"what": item.what, "why": item.why, "count": item.count} for item in self.left_out],
            "warnings": [{"kind": kind, "message": message} for kind, message in source.warnings]
            + [{"kind": "preparation", "message": message} for message in self.warnings],
        }


def _counted(windows: Windows) -> dict[str, int]:
    assert windows.part is not None
    counts = np.bincount(windows.part, minlength=len(PARTS))
    return dict(zip(PARTS, counts.tolist()))


@dataclass(frozen=True, eq=False)
class Prepared:
    """All sessions of a run."""

    sessions: tuple[Session, ...]
    skipped: tuple[tuple[str, NwbMtmError], ...] = ()
    vocabulary: Vocabulary = field(default_factory=lambda: Vocabulary({}, {}))

    def fold(self, number: int) -> "Prepared":
        """The same sessions as one of several models takes them."""
        return replace(self, sessions=tuple(session.fold(number) for session in self.sessions))

    def part(self, name: str) -> tuple[Windows, ...]:
        """The windows of one part of every session that has any."""
        index = PARTS.index(name)
        cut_out = (s.windows.take(np.flatnonzero(s.windows.part == index)) for s in self.sessions)
        spill = Spill()
        return tuple(spill.keep(w) for w in cut_out if len(w))


def prepare(
    recordings: Iterable[Recording],
    config: Config,
    *,
    known: Mapping[str, Sequence[Split]] | None = None,
    listed: Mapping[str, SourceSettings] | None = None,
) -> Prepared:
    """Cut, split and choose units for every recording; one that cannot be used is skipped with its reason.

    `known` holds the splits of sessions that models were trained on, one for each model, which are kept; `listed`
    what a reviewed list says of sessions.
    """
    sessions: list[Session] = []
    skipped: list[tuple[str, NwbMtmError]] = []
    spill = Spill()
    for recording in _once(recordings, skipped):
        try:
            settings = (listed or {}).get(recording.key, UNLISTED)
            splits = (known or {}).get(recording.key, ())
            session = prepare_one(recording, config, splits=splits, settings=settings)
            sessions.append(replace(session, windows=spill.keep(session.windows)))
            release(recording.spikes.times)
        except NwbMtmError as error:
            skipped.append((recording.source.name, error))
    if not sessions:
        if len(skipped) == 1:
            name, why = skipped[0]
            raise type(why)(f"{name}: {why}", kind=why.kind)
        reasons = "; ".join(f"{name}: {why}" for name, why in skipped) or "no source was given"
        raise RecordingError(f"No recording can be used ({reasons}).", kind="nothing_to_do")
    level = sessions[0].recording.region_level
    vocabulary = Vocabulary.from_windows((s.windows for s in sessions), level)
    return Prepared(tuple(sessions), tuple(skipped), vocabulary)


def check_training(prepared: Prepared, folds: int = 1) -> None:
    """That there are enough windows to train every model of a run on."""
    for number in range(folds):
        chosen = prepared.fold(number) if folds > 1 else prepared
        count, cut_out = sum(map(len, chosen.part("train"))), sum(len(s.windows) for s in chosen.sessions)
        if count < LEAST_TRAINING:
            raise RecordingError(
                f"Of {cut_out} windows only {count} are for training, and a model needs at least {LEAST_TRAINING}. "
                "Choose more trials with --trials or --within, shorter windows with --before, --after or --tile, "
                "or another split with --split random.",
                kind="no_windows",
            )


def _once(recordings: Iterable[Recording], skipped: list[tuple[str, NwbMtmError]]) -> Iterator[Recording]:
    """Each recording once, however it is named, under keys that do not collide."""
    seen: dict[str, tuple[str, tuple[str, ...]]] = {}
    for recording in recordings:
        fingerprint = recording.fingerprint
        twin = next((n for n, (_, f) in seen.items() if overlap_share(fingerprint, f) > SAME_RECORDING), None)
        if twin is not None and fingerprint:
            text = f"holds the same units as {seen[twin][0]}, which is used already"
            skipped.append((recording.source.name, RecordingError(text, kind="bad_selection")))
            continue
        if recording.key in seen:
            recording = replace(
                recording, key=f"{recording.key}/{recording.source.identifier or recording.source.name}"
            )
        seen[recording.key] = (recording.source.name, fingerprint)
        yield recording


def prepare_one(
    recording: Recording, config: Config, *, splits: Sequence[Split] = (), settings: SourceSettings = UNLISTED
) -> Session:
    """Windows of one recording with their parts, and the units that are shown to a model."""
    asked: WindowConfig = replace(config.windows, align=settings.align) if settings.align else config.windows
    choice = cut(recording, asked)
    if not splits and settings.role == "valid":
        splits = (ALL_VALID,) * config.split.folds
    kept = tuple(splits) or _splits(choice.windows, config)
    measured = _splits(choice.windows, config) if config.split.folds > 1 and kept[0].kind != "list" else kept
    windows, left_out = _choose_units(replace(choice.windows, weight=settings.weight), measured, config)
    windows = windows.assigned(kept[0])
    warnings = (*([choice.warning] if choice.warning else []), *_warnings(windows))
    return Session(windows, recording, choice.reason, left_out, warnings, settings.targets, kept)


def _splits(windows: Windows, config: Config) -> tuple[Split, ...]:
    """One split, or one for every model of the run."""
    settings = config.split
    shares = (settings.train, settings.valid, settings.test)
    if settings.folds > 1:
        return rotations(
            settings.kind, windows.start, windows.stop, folds=settings.folds, shares=shares, seed=settings.seed
        )
    kind = settings.kind
    if kind == "blocks" and windows.trials is not None and "split" in windows.trials.columns:
        kind = "column:split"
    split = windows.with_split(kind, shares=shares, seed=settings.seed).partition
    assert split is not None
    return (split,)


def _slow(windows: Windows, split: Split, least: float) -> Bool[ndarray, " unit"]:
    """Units below a rate; it is measured on training time only."""
    train = windows.assigned(split).only("train")
    return np.asarray((train if len(train) else windows).rates < least)


def _choose_units(windows: Windows, splits: Sequence[Split], config: Config) -> tuple[Windows, tuple[LeftOut, ...]]:
    """Inputs above the rate floor in the training time of every model."""
    slow = np.any([_slow(windows, split, config.units.min_rate) for split in splits], axis=0)
    noise = ~windows.units.inputs
    elsewhere = _elsewhere(windows, config.units.regions)
    noise &= ~elsewhere  # the reader marks both alike
    lost = noise | elsewhere
    reasons = (
        LeftOut("units", "labelled as noise or artefact", int(noise.sum())),
        LeftOut("units", f"below {config.units.min_rate:g} spikes/s in training time", int((slow & ~lost).sum())),
        LeftOut("units", "outside the chosen regions", int(elsewhere.sum())),
    )
    keep = ~(slow | lost)
    if not keep.any():
        why = "; ".join(f"{r.count} {r.why}" for r in reasons if r.count)
        raise RecordingError(
            f"{windows.session}: none of its {len(keep)} units is left ({why}). {_more_units(reasons)}.",
            kind="nothing_to_do",
        )
    return windows.select(np.flatnonzero(keep)), tuple(r for r in reasons if r.count)


def _more_units(reasons: Sequence[LeftOut]) -> str:
    """What to do when no unit is left."""
    slow = any(item.count for item in reasons if item.why.startswith("below"))
    return "Lower --min-rate" if slow else "Choose other regions, or look at the labels with nwb-mtm inspect"


def _elsewhere(windows: Windows, wanted: Sequence[str]) -> Bool[ndarray, " unit"]:
    """Units outside the regions that were asked for; that all are is an error of its own."""
    units = windows.units
    if not wanted or tuple(wanted) == (GROUP,):
        return np.zeros(len(units), bool)
    inside = np.array(lying_in(wanted, units.regions, [clean(raw) for raw in units.raw_regions]), bool)
    if not inside.any():
        raise RecordingError(f"{windows.session}: {none_lies_in(wanted, units.regions)}", kind="bad_selection")
    return ~inside


def _warnings(windows: Windows) -> tuple[str, ...]:
    assert windows.part is not None
    said = []
    _, names = mask_groups(windows.units.regions)
    if len(names) < 2:
        said.append(f"{len(names)} region(s) with enough units: inter- and intra-region prediction are left out")
    dropped = int((windows.part == PARTS.index("dropped")).sum())
    if dropped:
        said.append(f"{dropped} of {len(windows)} windows lie between the parts of the split and are not used")
    return tuple(said)


def shared_regions(windows: Sequence[Windows]) -> set[str]:
    """Regions that at least two sessions have."""
    counts = Counter(region for one in windows for region in mask_groups(one.units.regions)[1])
    return {region for region, sessions in counts.items() if sessions > 1}
