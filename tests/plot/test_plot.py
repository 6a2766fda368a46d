"""Pictures on axes: what is on them, and that matplotlib waits until it is needed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from report.fake_run import fake_run, predict, recording

import nwb_mtm as mtm
from nwb_mtm import plot
from nwb_mtm.errors import RecordingError, RunError
from nwb_mtm.prediction import Prediction
from nwb_mtm.scores import Scores
from nwb_mtm.windows import Windows


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def made() -> tuple[Windows, Windows, Prediction]:
    """Training and test windows of a made-up session, and a prediction of the latter."""
    rng = np.random.default_rng(0)
    session, truth = recording("s", 40, 60, rng)
    train, _, test = Windows.around(session, "go").split()
    rates = predict(test, truth, 0.8, rng) / test.bin_size
    seen = np.zeros(rates.shape[:2], bool)
    return train, test, Prediction(test.session, test.units, test.start, test.bin_size, rates, "neuron", seen)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_run(tmp_path_factory.mktemp("run"), units=40, trials=60)


def test_a_raster_has_a_row_for_every_unit_and_names_the_regions(made: tuple[Windows, Windows, Prediction]) -> None:
    train, test, prediction = made
    axes = plot.raster(test, prediction, order=train, reference=test)
    assert axes.images[0].get_array().shape == (len(test.units), test.bins)
    assert {t.get_text() for t in axes.get_yticklabels()} == set(test.units.regions)
    assert "neuron" in axes.get_title(loc="left")


def test_a_raster_shows_the_same_rows_whatever_is_drawn_in_them(made: tuple[Windows, Windows, Prediction]) -> None:
    train, test, _ = made
    same = Prediction(
        test.session, test.units, test.start, test.bin_size, test.counts / test.bin_size, "neuron", test.valid[..., 0]
    )
    one = plot.raster(test, order=train, reference=test).images[0].get_array()
    other = plot.raster(test, same, order=train, reference=test).images[0].get_array()
    np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=0.05)


def test_a_psth_has_a_line_for_every_condition(made: tuple[Windows, Windows, Prediction]) -> None:
    _, test, prediction = made
    axes = plot.psth(test, test.units.keys[3], prediction, by="choice")
    assert [t.get_text().split(" (")[0] for t in axes.get_legend().get_texts()] == ["left", "right"]
    assert len(axes.collections) == 2


def test_an_unknown_unit_is_said_plainly(made: tuple[Windows, Windows, Prediction]) -> None:
    _, test, _ = made
    with pytest.raises(RecordingError, match="no unit 'nobody'"):
        plot.psth(test, "nobody")


def test_a_prediction_of_other_windows_is_refused(made: tuple[Windows, Windows, Prediction]) -> None:
    _, test, prediction = made
    with pytest.raises(RecordingError, match="39"):
        plot.raster(test.select(np.arange(39)), prediction)


def test_scores_stand_beside_their_baselines(run: Path) -> None:
    axes = plot.scores(Scores.load(run), "forward")
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert names[0] == "model"
    assert names[-1] == "true rates"
    assert names.index("drift") < names.index("ridge")


def test_regions_are_sorted_by_their_score(run: Path) -> None:
    axes = plot.regions(Scores.load(run))
    heights = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1]
    assert heights == sorted(heights, reverse=True)


def test_a_score_that_is_not_there_is_said_plainly(run: Path) -> None:
    with pytest.raises(RunError, match="no score 'backward'"):
        plot.scores(Scores.load(run), "backward")


def test_curves_are_drawn_for_every_scheme(run: Path, tmp_path: Path) -> None:
    assert len(plot.curves(run).lines) == 4
    assert len(plot.curves(run, "loss").lines) == 4
    with pytest.raises(RunError, match=r"no steps\.jsonl"):
        plot.curves(tmp_path)


def test_pictures_are_drawn_on_the_axes_given(run: Path) -> None:
    _, axes = plt.subplots()
    assert plot.scores(Scores.load(run), ax=axes) is axes


def test_matplotlib_waits_until_a_picture_is_wanted() -> None:
    code = "import sys, nwb_mtm; nwb_mtm.plot; import nwb_mtm.report; print('matplotlib' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_every_name_is_there() -> None:
    assert sorted(plot.__all__) == ["curves", "psth", "raster", "regions", "scores"]
    assert all(callable(getattr(mtm.plot, name)) for name in plot.__all__)
    with pytest.raises(AttributeError):
        plot.nothing  # noqa: B018
