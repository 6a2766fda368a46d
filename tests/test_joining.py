"""Two files of one recording become one; two of the same units, or two clocks, do not."""

from dataclasses import replace

import numpy as np
import pytest

from nwb_mtm.errors import RecordingError
from nwb_mtm.joining import join_probes
from nwb_mtm.recording import Recording


def part(name: str, seed: int, *, begin: float = 0.0, group: str = "p", start: str = "2020-01-01") -> Recording:
    rng = np.random.default_rng(seed)
    trains = [np.sort(rng.uniform(begin, begin + 100, 60)) for _ in range(3)]
    made = Recording.from_arrays(trains, session="s", regions=["A", "B", "B"], groups=[group] * 3)
    return replace(made, source=replace(made.source, name=name, session_start_time=start))


def test_probes_of_one_session_are_joined() -> None:
    (joined,) = join_probes([part("a.nwb", 1), part("b.nwb", 2)])
    assert len(joined.units) == 6
    assert len(set(joined.units.keys)) == 6
    assert len(set(joined.units.groups)) == 2
    np.testing.assert_array_equal(joined.spikes[3], part("b.nwb", 2).spikes[0])
    assert joined.observed is not None
    assert joined.source.name == "a.nwb+b.nwb"


def test_other_sessions_stay_apart() -> None:
    assert len(join_probes([part("a.nwb", 1), part("b.nwb", 2, start="2020-01-02")])) == 2


def test_clocks_that_do_not_meet_are_refused() -> None:
    with pytest.raises(RecordingError, match="do not overlap") as caught:
        join_probes([part("a.nwb", 1), part("b.nwb", 2, begin=5000.0)])
    assert caught.value.kind == "clocks_disagree"


def test_the_same_units_twice_are_refused() -> None:
    with pytest.raises(RecordingError, match="same units"):
        join_probes([part("a.nwb", 1), part("b.nwb", 1)])
