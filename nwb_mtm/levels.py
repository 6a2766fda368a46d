"""Levels of region names: as written, merged, two of the Allen ontology, or a table; and which names are kin."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from nwb_mtm.errors import ConfigError
from nwb_mtm.recording import Recording
from nwb_mtm.regions import LATERAL, is_context, is_null, merge, without_layer, without_side

LEVELS = ("raw", "merged", "beryl", "cosmos")
ENOUGH_LABELLED = 0.8
ENOUGH_UNITS = 10
ENOUGH_OF_FEW = 5
FEW_UNITS = 100


@dataclass(frozen=True)
class Atlas:
    """The Allen ontology, as far as names need it: acronyms, full names, parents and two coarser levels."""

    acronyms: Mapping[str, str]  # acronym or folded full name -> acronym
    parents: Mapping[str, str]
    beryl: Mapping[str, str]
    cosmos: Mapping[str, str]

    def acronym(self, label: str) -> str | None:
        """The acronym of a label that is an acronym or a full name of the ontology; laterality does not matter."""
        bare = without_side(label)
        return self.acronyms.get(bare) or self.acronyms.get(_folded(bare))

    def ancestors(self, label: str) -> tuple[str, ...]:
        """The acronyms above a label, nearest first."""
        out: list[str] = []
        at = self.acronym(label)
        while at is not None and at in self.parents and self.parents[at] not in out:
            at = self.parents[at]
            out.append(at)
        return tuple(out)


def _folded(name: str) -> str:
    return " ".join(name.replace(",", " ").split()).casefold()


@cache
def load_atlas() -> Atlas:
    """The Allen ontology through iblatlas, which the extra `atlas` installs."""
    try:
        from iblatlas.regions import BrainRegions
    except ImportError as error:
        raise ConfigError(
            "The levels beryl and cosmos need the Allen ontology: pip install 'nwb-mtm[atlas]'.", kind="missing_extra"
        ) from error
    ontology = BrainRegions()
    rows = [row for row, number in enumerate(ontology.id.tolist()) if number > 0]
    acronym, names = ontology.acronym.tolist(), ontology.name.tolist()
    of_id = {int(ontology.id[row]): acronym[row] for row in rows}
    found = {_folded(names[row]): acronym[row] for row in rows} | {acronym[row]: acronym[row] for row in rows}
    parent = ontology.parent.tolist()
    above = {
        acronym[row]: of_id[int(parent[row])]
        for row in rows
        if parent[row] == parent[row] and int(parent[row]) in of_id
    }
    levels = {
        name: {acronym[row]: acronym[int(ontology.mappings[name][row])] for row in rows} for name in ("Beryl", "Cosmos")
    }
    return Atlas(found, above, levels["Beryl"], levels["Cosmos"])


def at_level(labels: Sequence[str], level: str) -> tuple[str, ...]:
    """Labels at `raw`, `merged`, `beryl`, `cosmos`, or as a CSV file of two columns (from, to) has them."""
    distinct = {label: _one_at_level(label, level) for label in dict.fromkeys(labels)}
    return tuple(distinct[label] for label in labels)


def _one_at_level(label: str, level: str) -> str:
    if level == "raw" or is_null(label):
        return label
    if level == "merged":
        return merge(label)
    if level in ("beryl", "cosmos"):
        atlas = load_atlas()
        acronym = atlas.acronym(label)
        if acronym is None:
            return merge(label)
        coarse = (atlas.beryl if level == "beryl" else atlas.cosmos)[acronym]
        return acronym if coarse in ("root", "void") else coarse  # a label above the level stays what it is
    return _table_of_names(level).get(label, label)


@cache
def _table_of_names(path: str) -> Mapping[str, str]:
    """A CSV file: the label as read, and the name it is to have."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except OSError as error:
        raise ConfigError(
            f"Region level {path!r} is none of raw, merged, beryl, cosmos, auto, and no file that can be read.",
            kind="bad_value",
        ) from error
    if any(len(row) < 2 for row in rows):
        raise ConfigError(f"{Path(path).name} needs two columns: the label as read, and its name.", kind="bad_value")
    return {row[0].strip(): row[1].strip() for row in rows}


def choose_level(recordings: Sequence[Sequence[str]]) -> str:
    """The finest level at which most labelled units lie in groups that are large enough; one for all recordings."""
    levels = [level for level in LEVELS if level in ("raw", "merged") or _mostly_allen(recordings)]
    shares = {level: _share_in_groups([at_level(labels, level) for labels in recordings]) for level in levels}
    good = [level for level in levels if shares[level] >= ENOUGH_LABELLED]
    return good[0] if good else max(levels, key=lambda level: (round(shares[level], 3), -levels.index(level)))


def _share_in_groups(recordings: Sequence[Sequence[str]]) -> float:
    labelled = grouped = 0
    for labels in recordings:
        enough = ENOUGH_UNITS if len(labels) >= FEW_UNITS else ENOUGH_OF_FEW
        known = Counter(label for label in labels if not is_context(label))
        labelled += known.total()
        grouped += sum(count for count in known.values() if count >= enough)
    return grouped / labelled if labelled else 1.0


def _mostly_allen(recordings: Sequence[Sequence[str]]) -> bool:
    """Whether the Allen levels say anything: iblatlas is there, and most labels are in its ontology."""
    labels = [label for labels in recordings for label in labels if not is_context(label)]
    try:
        atlas = load_atlas()
    except ConfigError:
        return False
    known = {label: atlas.acronym(label) is not None for label in set(labels)}
    return bool(labels) and sum(known[label] for label in labels) >= ENOUGH_LABELLED * len(labels)


def with_level(recording: Recording, level: str) -> Recording:
    """The recording with its regions at another level; the raw names stay beside them."""
    chosen = choose_level([recording.units.regions]) if level == "auto" else level
    units = replace(recording.units, regions=at_level(recording.units.regions, chosen))
    return replace(recording, units=units, region_level=chosen)


def related(label: str, others: Sequence[str], *, atlas: Atlas | None = None) -> frozenset[str]:
    """Parents, children and layers of a label among the others: what must be hidden with it.

    >>> sorted(related("VISp", ["VIS", "VISp2/3", "VISl", "CA1"]))
    ['VIS', 'VISp2/3']
    """
    return frozenset(o for o in others if o != label and not is_context(o) and are_related(label, o, atlas=atlas))


def are_related(first: str, second: str, *, atlas: Atlas | None = None) -> bool:
    """Whether two labels may name overlapping tissue: parent and child, or layers of one area.

    >>> are_related("VIS", "VISp5"), are_related("VISp2/3", "VISp5"), are_related("PO", "POL")
    (True, True, False)
    """
    a, b = without_layer(first), without_layer(second)
    if a.casefold() == b.casefold() or _extends(a, b) or _extends(b, a):
        return True
    if atlas is None or (LATERAL.search(first) and LATERAL.search(second) and _side(first) != _side(second)):
        return False
    one, two = atlas.acronym(first), atlas.acronym(second)
    if one is None or two is None:
        return False
    return one == two or one in atlas.ancestors(second) or two in atlas.ancestors(first)


def _side(label: str) -> str:
    return "left" if "left" in label.casefold() else "right"


def _extends(short: str, long: str) -> bool:
    """Acronyms grow from parent to child: VIS, VISp; LGd, LGd-sh; CA, CA1."""
    if not (short.isalpha() and short[:2].isupper()) or not long.startswith(short):
        return False
    rest = long[len(short) :]
    return rest[:1] in ("-",) or (short.isupper() and (rest[:1].islower() or rest.isdigit()))


def with_one_level(recordings: Sequence[Recording], level: str) -> tuple[Recording, ...]:
    """All recordings at one level; `auto` chooses it for all of them together."""
    chosen = choose_level([r.units.regions for r in recordings]) if level == "auto" else level
    return tuple(with_level(recording, chosen) for recording in recordings)
