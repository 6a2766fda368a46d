"""Which region every unit is in: rules in a fixed order, and which of them answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Int
from numpy import ndarray

from nwb_mtm.nwb.columns import Table
from nwb_mtm.nwb.electrodes import Electrodes
from nwb_mtm.nwb.links import Links
from nwb_mtm.nwb.warned import Warnings
from nwb_mtm.recording import UNKNOWN
from nwb_mtm.regions import clean, is_outside

OWN = ("location", "region", "brain_region", "brain_area", "anno_name", "structure", "area")
OWN_LATER = ("ecephys_structure_acronym", "structure_acronym", "soma_location", "unit_location")
OWN_PREFIX = "brainLocationAcronyms"
PROBES = ("shank_id", "group_id", "probe_name", "probe_id", "probe", "shank", "group_name", "electrode_group_name")

Labels = dict[int, str]  # unit row -> raw label


@dataclass(frozen=True, eq=False)
class Placement:
    """Region, rule, electrode and group of every unit."""

    regions: tuple[str, ...]
    raw: tuple[str, ...]
    rules: tuple[str, ...]
    electrodes: Int[ndarray, " unit"]
    groups: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Placer:
    """The rules, over one table of units and the electrodes of its file."""

    table: Table
    electrodes: Electrodes
    links: Links
    given: Mapping[int, str]  # rule 0: labels from a table of the user's

    def place(self, warnings: Warnings) -> Placement:
        """Ask the rules in order; the first that names a region, or says outside the brain, decides."""
        count = self.table.count
        raw, rules = [""] * count, ["none"] * count
        open_rows = set(range(count))
        for name, rule in self._rules():
            if not open_rows:
                break
            for row, label in rule().items():
                if row not in open_rows:
                    continue
                raw[row] = raw[row] or label
                if clean(label) != UNKNOWN:
                    raw[row], rules[row] = label, name
                    open_rows.discard(row)
                elif is_outside(label):
                    open_rows.discard(row)
        if self.links.ambiguous:
            warnings.add("ambiguous_units", self.links.ambiguity())
        regions = tuple(clean(label) if rule != "none" else UNKNOWN for label, rule in zip(raw, rules))
        return Placement(regions, tuple(raw), tuple(rules), self.links.best_rows, self.groups)

    def _rules(self) -> tuple[tuple[str, Callable[[], Labels]], ...]:
        links = self.links
        return (
            ("regions_from", lambda: dict(self.given)),
            ("peak_electrode", lambda: self._at(links.peak_electrode)),
            ("unit_column", self._own_columns),
            ("electrodes", lambda: self._at(links.single)),
            ("peak_channel_id", lambda: self._at(links.peak_channel_id)),
            ("peak_channel", lambda: self._at(links.peak_channel)),
            ("electrodes", lambda: self._at(links.majority)),
            ("electrode_group", self._own_group),
            ("probe", self._probe),
            ("constant", self._constant),
        )

    def _at(self, rows: Mapping[int, int]) -> Labels:
        return {unit: self.electrodes.labels[row] for unit, row in rows.items()}

    def _own_columns(self) -> Labels:
        later = tuple(name for name in self.table.names if name.startswith(OWN_PREFIX))
        out: Labels = {}
        for name in (*OWN, *OWN_LATER, *later):
            for row, label in enumerate(self.table.text(name) or ()):
                if clean(out.get(row, "")) == UNKNOWN:
                    out[row] = label
        return out

    def _own_group(self) -> Labels:
        """The group a unit names; or its electrode's group, when no electrode of that group has a label."""
        out: Labels = {}
        for row, group in enumerate(self.groups):
            through_electrode = row in self.links.electrode_groups and group in self._blank_groups
            if row in self.links.named_groups or through_electrode:
                out[row] = self._group_label(group)
        return out

    @cached_property
    def _blank_groups(self) -> frozenset[str]:
        """Groups none of whose electrodes has a label of its own."""
        told = {group for group, region in zip(self.electrodes.groups, self.electrodes.regions) if region != UNKNOWN}
        return frozenset(self.electrodes.groups) - told

    def _group_label(self, group: str) -> str:
        return self._labels_by_group.get(group, "")

    @cached_property
    def _labels_by_group(self) -> dict[str, str]:
        names = dict.fromkeys([*self.electrodes.group_labels, *self.electrodes.groups])
        return {name: self.electrodes.label_of_group(name) for name in names}

    def _probe(self) -> Labels:
        return {row: self._group_label(group) for row, group in self.links.probe_groups.items()}

    def _constant(self) -> Labels:
        labels = self.electrodes.labels or tuple(self.electrodes.group_labels.values())
        if len({clean(label) for label in labels}) != 1:
            return {}
        return dict.fromkeys(range(self.table.count), labels[0])

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Probe, shank or array of every unit."""
        only = list(dict.fromkeys([*self.electrodes.group_labels, *self.electrodes.groups]))
        rest = only[0] if len(only) == 1 else UNKNOWN
        links = self.links
        return tuple(
            links.named_groups.get(row)
            or links.electrode_groups.get(row)
            or links.probe_groups.get(row)
            or links.probe_values.get(row)
            or rest
            for row in range(self.table.count)
        )


def place_units(
    table: Table, electrodes: Electrodes, warnings: Warnings, *, given: Mapping[int, str] | None = None
) -> Placement:
    """The region of every unit, with the rule that gave it."""
    return Placer(table, electrodes, Links(table, electrodes, PROBES), given or {}).place(warnings)
