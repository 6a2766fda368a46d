"""A prediction keeps its rates, its clock, and what was seen."""

import numpy as np
import pytest

from nwb_mtm.prediction import Prediction
from nwb_mtm.recording import Recording


def prediction() -> Prediction:
    units = Recording.from_arrays([[0.1], [0.2]], session="s").units
    rates = np.arange(12.0, dtype=np.float32).reshape(2, 3, 2)
    rates[1, 0, 0] = np.nan
    return Prediction("subject/s", units, np.array([5.0, 1.0]), 0.5, rates, "neuron", np.zeros((2, 3), bool))


def test_centers_are_on_the_session_clock() -> None:
    assert prediction().centers.tolist() == [[5.25, 5.75, 6.25], [1.25, 1.75, 2.25]]


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        prediction().rates[0] = 0


def test_it_shows_what_it_is() -> None:
    assert repr(prediction()) == "Prediction('subject/s': 2 x 3 bins, 2 units, neuron, 92% filled)"


def test_pynapple_gets_it_in_the_order_of_time() -> None:
    pytest.importorskip("pynapple", reason="needs the pandas extra")
    frame = prediction().to_pynapple()
    assert list(frame.columns) == ["0", "1"]
    assert frame.t.tolist() == [1.25, 1.75, 2.25, 5.25, 5.75, 6.25]
    assert frame.d[3].tolist() == [0.0, 1.0]
