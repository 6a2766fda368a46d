"""Columns are read once and whole, whatever their types."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from zoo_bricks import Ragged, electrodes, start, trains, units

from nwb_mtm.errors import RecordingError
from nwb_mtm.nwb.columns import check_offsets, plain
from nwb_mtm.nwb.view_hdf5 import Hdf5Array
from nwb_mtm.sources.reading import read


def test_no_column_is_read_twice_or_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trains(60, each=5)
    texts = {f"text_{i:02d}": [f"value {u % 7}" for u in range(60)] for i in range(20)}
    with start(tmp_path / "s.nwb") as f:
        electrodes(f, ["CA1"] * 10, ["g"] * 10)
        rows = Ragged([[u % 10] for u in range(60)], region="/general/extracellular_ephys/electrodes")
        units(f, made, electrodes=rows, **texts)
    reads: Counter[str] = Counter()
    whole = Hdf5Array.read

    def counted(self: Hdf5Array, start: int = 0, stop: int | None = None) -> np.ndarray:
        reads[self.path] += 1
        return whole(self, start, stop)

    monkeypatch.setattr(Hdf5Array, "read", counted)
    recording = read(tmp_path / "s.nwb")
    assert recording.units.columns["text_19"][8] == "value 1"
    large = {
        path: times for path, times in reads.items() if path.startswith(("/units", "/general/extracellular_ephys"))
    }
    assert set(large.values()) == {1}
    assert len(large) >= 24


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([b"a ", b"b"]), ["a", "b"]),
        (np.array(["a", None], dtype=object), ["a", ""]),
        (np.array([1, 2.5], dtype=object), [1.0, 2.5]),
        (np.array([True, False], dtype=object), [True, False]),
        (np.array(["a", 1], dtype=object), ["a", "1"]),
        (np.array([1, 2], dtype="uint8"), [1, 2]),
        (np.zeros(0, dtype=object), []),
    ],
)
def test_values_become_plain(values: np.ndarray, expected: list[object]) -> None:
    assert plain(values).tolist() == expected


@pytest.mark.parametrize(
    ("ends", "told"), [([3, 2, 5], "decreases at row 1"), ([1, 2, 9], "ends at 9"), ([1, 2], "2 entries")]
)
def test_an_index_that_cannot_be_is_refused(ends: list[int], told: str) -> None:
    with pytest.raises(RecordingError, match=told):
        check_offsets(np.array(ends), 5, count=3, where="/units/spike_times_index")
