"""Traps in how units are linked to electrodes and regions; the answers a careful reader gives."""

from pathlib import Path
from typing import Any

import numpy as np
from zoo_bricks import Ragged, Refs, Region, counts, electrode_groups, electrodes, start, trains, units

ELECTRODES = "/general/extracellular_ephys/electrodes"
Expected = dict[str, Any]


def one_each(rows: list[int]) -> Ragged:
    return Ragged([[row] for row in rows], region=ELECTRODES)


def ids_are_no_rows(path: Path) -> Expected:
    """Electrode ids in reverse order: `electrodes` are rows, `peak_channel_id` are ids."""
    with start(path) as f:
        electrodes(f, ["A1", "B1", "C1", "D1"], ["g"] * 4, ids=[3, 2, 1, 0])
        units(f, trains(4), electrodes=one_each([0, 1, 2, 3]))
    return {"units": {"regions": ["A1", "B1", "C1", "D1"], "region_rule": ["electrodes"] * 4}}


def peak_ids(path: Path) -> Expected:
    with start(path) as f:
        electrodes(f, ["A1", "B1", "C1", "D1"], ["g"] * 4, ids=[3, 2, 1, 0])
        units(f, trains(3), peak_channel_id=[0, 3, 99])
    return {"units": {"regions": ["D1", "A1", "unknown"], "region_rule": ["peak_channel_id"] * 2 + ["none"]}}


def ambiguous_ids(path: Path) -> Expected:
    """Electrode ids that occur twice name nothing."""
    with start(path) as f:
        electrodes(f, ["A1", "B1", "C1"], ["g"] * 3, ids=[7, 7, 8])
        units(f, trains(2), peak_channel_id=[7, 8])
    return {"units": {"regions": ["unknown"] * 2, "region_rule": ["none"] * 2}}


def two_regions(path: Path) -> Expected:
    """No peak is named: most electrodes decide, then the largest waveform, then the first; none at all is unknown."""
    waves = np.zeros((4, 10, 4))
    waves[1, 0] = [1, 2, 9, 3]  # the third of its electrodes is the loudest
    with start(path) as f:
        electrodes(f, ["A1", "A1", "B1", "B1", "B1"], ["g"] * 5)
        lists = [[0, 2, 3, 4], [0, 1, 2, 3], [1, 4], []]
        units(f, trains(4), electrodes=Ragged(lists, region=ELECTRODES, dtype="int64"), waveform_mean=waves)
    return {
        "units": {"regions": ["B1", "B1", "A1", "unknown"], "region_rule": ["electrodes"] * 3 + ["none"]},
        "warnings": ["ambiguous_units"],
    }


def region_strings(path: Path) -> Expected:
    given = [
        "CA1",
        " CA1 ",
        "nan",
        "None",
        "N/A",
        "",
        "unknown",
        "Unresolved",
        "void",
        "out-of-atlas",
        "no description",
    ]
    given += ["See electrode locations", "-", "root", "fiber tracts", "VISp2/3", "left ALM", '{"brain_region": "M1"}']
    given += ['{"brain_regions": "M1, S1"}', "brain_region: Thalamus; hemisphere: left", "hippocampus_left"]
    with start(path) as f:
        electrodes(f, given, ["g"] * len(given))
        units(f, trains(len(given), each=10), electrodes=one_each(list(range(len(given)))))
    regions = ["CA1", "CA1", *["unknown"] * 11, "root", "fiber tracts", "VISp2/3", "left ALM", "M1", "unknown"]
    return {"units": {"regions": [*regions, "Thalamus", "hippocampus_left"]}}


def byte_strings(path: Path) -> Expected:
    """Fixed-length bytes, a (n, 1) column, ids as floats, an index of unsigned bytes past 127."""
    made = trains(4, each=60)
    with start(path) as f:
        electrodes(f, None, ["g"] * 2)
        f[ELECTRODES].create_dataset("location", data=np.array([b"CA1  ", b"CA3"]))
        table = units(f, made, ids=[1.0, 2.0, 3.0, 4.0], electrodes=one_each([0, 1, 1, 0]), index_dtype="uint8")
        table.create_dataset("quality", data=np.array([[b"good"], [b"mua"], [b"good"], [b"noise"]]))
    return {
        "units": {
            "ids": [1, 2, 3, 4],
            "regions": ["CA1", "CA3", "CA3", "CA1"],
            "spike_counts": counts(made),
            "quality": [True, False, True, False],
        }
    }


def own_column(path: Path) -> Expected:
    """The units' own column goes before their electrodes, and lets them answer where it says nothing."""
    with start(path) as f:
        electrodes(f, ["E1", "E2", "E3"], ["g"] * 3)
        units(f, trains(3), electrodes=one_each([0, 1, 2]), brain_area=["U1", "nan", "U3"])
    return {"units": {"regions": ["U1", "E2", "U3"], "region_rule": ["unit_column", "electrodes", "unit_column"]}}


def shanks_from_zero(path: Path) -> Expected:
    """Units count shanks from 0, groups are named from 1."""
    with start(path) as f:
        electrode_groups(f, {"shank1": "CA1", "shank2": "CA3"})
        electrodes(f, ["unknown"] * 2, ["shank1", "shank2"])
        units(f, trains(3), shank_id=[0, 1, 1])
    return {"units": {"regions": ["CA1", "CA3", "CA3"], "region_rule": ["probe"] * 3}}


def groups_by_number(path: Path) -> Expected:
    with start(path) as f:
        electrode_groups(f, {"Group 1": "CA1", "Group 2": "EC"})
        electrodes(f, ["unknown"] * 2, ["Group 1", "Group 2"])
        units(f, trains(3), ids=[1.5, 2.0, 3.0], group_id=["2", "1", "2"])
    return {"units": {"ids": [1.5, 2, 3], "regions": ["EC", "CA1", "EC"], "region_rule": ["probe"] * 3}}


def index_for_one(path: Path) -> Expected:
    """The link between units and electrodes by group alone, and one electrode group for all."""
    with start(path) as f:
        electrode_groups(f, {"array": "M1"})
        units(f, trains(2), electrode_group=Refs(["/general/extracellular_ephys/array"] * 2))
    return {"units": {"regions": ["M1"] * 2, "region_rule": ["electrode_group"] * 2}}


def peak_row(path: Path) -> Expected:
    """A named peak electrode goes before all; one without a region lets the next rule answer."""
    with start(path) as f:
        electrodes(f, ["A1", "", "C1"], ["g"] * 3)
        units(f, trains(2), peak_electrode=Region([2, 1]), region=["own", "own"])
    return {"units": {"regions": ["C1", "own"], "region_rule": ["peak_electrode", "unit_column"]}}


ANIMALS = (
    ids_are_no_rows,
    peak_ids,
    ambiguous_ids,
    two_regions,
    region_strings,
    byte_strings,
    own_column,
    shanks_from_zero,
    groups_by_number,
    index_for_one,
    peak_row,
)
