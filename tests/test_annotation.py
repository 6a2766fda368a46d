"""Annotated files: what is written, what is left alone, and whether the claims hold."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pynwb
import pytest

from nwb_mtm import synthetic
from nwb_mtm.annotation import annotate, check, read_predictions
from nwb_mtm.annotation.blending import Grid, blend
from nwb_mtm.annotation.making import from_prediction, make
from nwb_mtm.annotation.naming import plain_command
from nwb_mtm.annotation.options import Options
from nwb_mtm.annotation.overlaps import before_and_after
from nwb_mtm.annotation.predicting import from_model
from nwb_mtm.binning import bin_spikes
from nwb_mtm.errors import ConfigError, NwbMtmError, RecordingError, RunError
from nwb_mtm.metrics import bits_per_spike
from nwb_mtm.nwb import annotations as names
from nwb_mtm.prediction import Prediction
from nwb_mtm.recording import Recording, Spikes
from nwb_mtm.sources.reading import read
from nwb_mtm.windows import Windows

OURS = {name for group in names.NAMES.values() for name in group}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = next(synthetic.simulate(sessions=1, units=24, trials=40))
    (path,) = synthetic.write_dandiset(tmp_path_factory.mktemp("simulated"), [session])
    return path


@pytest.fixture
def source(simulated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(simulated, tmp_path / simulated.name))


def stand_in(recording: Recording, *, seed: int = 0) -> Prediction:
    """Smoothed spikes instead of a model: good rates, and no claim that they were predicted."""
    from scipy.ndimage import gaussian_filter1d

    if recording.trials is not None and len(recording.trials) > 10:
        windows = Windows.around(recording, recording.trials.start + 0.6).with_split("random", seed=seed)
    else:
        windows = Windows.tile(recording, 2.0, step=1.5).with_split("blocks", seed=seed)
    rates = gaussian_filter1d(windows.counts.astype(np.float32), 3.0, axis=1) / windows.bin_size + 0.2
    seen = np.repeat((windows.part != 2)[:, None], windows.bins, axis=1)
    return Prediction(windows.session, windows.units, windows.start, windows.bin_size, rates, "neuron", seen, reach=2.0)


@pytest.fixture(scope="module")
def prediction(simulated: Path) -> Prediction:
    return stand_in(read(simulated))


@pytest.fixture(scope="module")
def whole(simulated: Path, prediction: Prediction, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("annotated") / "whole.nwb"
    return annotate(simulated, prediction, include_trained=True, out=out).path


@pytest.fixture
def annotated(whole: Path, tmp_path: Path) -> Path:
    """A fresh copy of an annotated file."""
    return Path(shutil.copy(whole, tmp_path / "annotated.nwb"))


def hashes(path: Path) -> dict[str, str]:
    """A hash of every dataset that is not ours."""
    found: dict[str, str] = {}

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and not set(name.split("/")) & OURS:
            content = node[()]
            raw = content.tobytes() if isinstance(content, np.ndarray) and content.dtype != object else repr(content)
            found[name] = hashlib.sha256(raw if isinstance(raw, bytes) else raw.encode()).hexdigest()

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# blending


def test_overlapping_windows_agree_on_what_they_agree_on() -> None:
    grid = Grid(0.0, 0.1, 30)
    level = np.full((20, 2), 5.0)
    series = blend(grid, [(0.0, level), (1.0, level)], 2)
    assert np.allclose(series, 5.0)


def test_time_without_windows_is_nan() -> None:
    series = blend(Grid(0.0, 0.1, 30), [(1.0, np.ones((10, 1)))], 1)
    assert np.isnan(series[:10]).all()
    assert np.isfinite(series[10:20]).all()
    assert np.isnan(series[20:]).all()


def test_a_window_between_bins_is_shared_out() -> None:
    series = blend(Grid(0.0, 0.1, 4), [(0.05, np.array([[2.0], [2.0]]))], 1)
    assert np.allclose(series[:3], 2.0)
    assert np.isnan(series[3])


def test_a_bin_nobody_predicted_has_no_weight() -> None:
    late = np.array([[np.nan], [np.nan], [7.0]])
    series = blend(Grid(0.0, 0.1, 3), [(0.0, late)], 1)
    assert np.isnan(series[:2]).all()
    assert series[2] == 7.0


def test_a_causal_window_counts_more_the_longer_it_has_been_going_on() -> None:
    late, early = np.full((10, 1), 1.0), np.full((10, 1), 0.0)
    series = blend(Grid(0.0, 0.1, 20), [(0.0, early), (0.5, late)], 1, causal=True)
    shared = series[5:10, 0]
    assert (np.diff(shared) > -1e-6).all()
    assert shared[0] < 0.1


# what is written


def test_the_copy_is_valid_and_the_rest_is_untouched(source: Path, prediction: Prediction) -> None:
    before = digest(source)
    done = annotate(source, prediction)
    assert done.path.name == "sub-sim01_ses-a_desc-mtm_ecephys.nwb"
    assert digest(source) == before
    assert {name: value for name, value in hashes(done.path).items() if name in hashes(source)} == hashes(source)
    with pynwb.NWBHDF5IO(str(done.path), "r") as io:
        assert pynwb.validate(io=io) == []


def test_what_is_read_back_is_what_was_written(annotated: Path, prediction: Prediction) -> None:
    read_back = read_predictions(annotated)
    with h5py.File(annotated, "r") as file:
        unseen = file["processing/ecephys/ReconstructedRates/data"][:]
        trained = file["processing/ecephys/ReconstructedRatesTrained/data"][:]
    stored = np.where(read_back.seen[0][:, None], trained, unseen)
    assert read_back.rates[0].tobytes() == stored.tobytes()
    assert read_back.units.keys == prediction.units.keys
    assert read_back.session == prediction.session
    first = int(round((prediction.start[0] - read_back.start[0]) / 0.02))
    assert np.allclose(read_back.rates[0, first + 40], prediction.rates[0, 40], equal_nan=True, rtol=1e-5)


def test_trained_time_is_nan(source: Path, prediction: Prediction) -> None:
    done = annotate(source, prediction)
    read_back = read_predictions(done.path)
    centers = read_back.centers[0]
    for start, seen in zip(prediction.start, prediction.seen[:, 0]):
        inside = (centers > start + 0.02) & (centers < start + 1.98)
        filled = np.isfinite(read_back.rates[0, inside]).all()
        assert filled != seen
    assert 0 < done.share < 0.25
    assert not read_back.seen.any()


def test_trained_time_is_a_series_of_its_own(annotated: Path, prediction: Prediction) -> None:
    with h5py.File(annotated, "r") as file:
        group = file["processing/ecephys"]
        unseen = np.isfinite(group["ReconstructedRates/data"][:]).any(axis=1)
        trained = np.isfinite(group["ReconstructedRatesTrained/data"][:]).any(axis=1)
    assert unseen.any()
    assert trained.any()
    assert not (unseen & trained).any()


def test_unobserved_time_is_nan(source: Path, prediction: Prediction) -> None:
    from nwb_mtm.recording import Observed

    recording = read(source)
    at = float(prediction.start[~prediction.seen[:, 0]][0])
    low, high = recording.span
    gap = np.array([[low, at + 0.5], [at + 1.0, high]])
    units = len(recording.units)
    index = np.array([1] + [0] * (units - 1))
    watched = replace(recording, observed=Observed((np.array([[low, high]]), gap), index))
    done = annotate(watched, prediction, out=source.parent / "side.nwb")
    read_back = read_predictions(done.path)
    inside = (read_back.centers[0] > at + 0.52) & (read_back.centers[0] < at + 0.98)
    assert np.isnan(read_back.rates[0, inside, 0]).all()
    assert np.isfinite(read_back.rates[0, inside, 1]).all()


def test_every_series_begins_with_what_it_is_not_for(source: Path, prediction: Prediction) -> None:
    causal = replace(prediction, causal=True)
    for given, first in ((prediction, "Acausal (each value uses spikes up to 2 s later)"), (causal, "Causal")):
        done = annotate(source, given, existing="overwrite")
        with h5py.File(done.path, "r") as file:
            text = str(file["processing/ecephys/ReconstructedRates"].attrs["description"])
        assert text.startswith(first)
        assert "connectivity" in text.split(".")[0]


def test_inspector_finds_nothing_new(source: Path, prediction: Prediction) -> None:
    from nwbinspector import inspect_nwbfile, load_config

    def messages(path: Path) -> set[tuple[str, str]]:
        found = inspect_nwbfile(nwbfile_path=str(path), config=load_config("dandi"))
        return {(m.check_function_name, m.location or "") for m in found if m is not None}

    copy = annotate(source, prediction).path
    side = annotate(source, prediction, mode="sidecar", out=source.parent / "side.nwb").path
    assert messages(copy) <= messages(source)
    assert messages(side) <= messages(source)


def test_pynapple_opens_the_rates(annotated: Path, prediction: Prediction) -> None:
    nap = pytest.importorskip("pynapple", reason="needs the pandas extra")
    opened = nap.NWBFile(str(annotated))
    frame = opened["ReconstructedRates"]
    assert isinstance(frame, nap.TsdFrame)
    assert frame.shape[1] == len(prediction.units)
    spikes = opened["units"]
    assert np.array_equal(spikes[0].t, read(annotated).spikes[0])
    read_back = read_predictions(annotated)
    unseen = ~read_back.seen[0]
    assert np.allclose(read_back.to_pynapple().d[unseen], frame.d[unseen], equal_nan=True)


def test_no_folder_or_person_is_in_the_file(simulated: Path, tmp_path: Path) -> None:
    home = tmp_path / "home-of-marked-person"
    home.mkdir()
    path = Path(shutil.copy(simulated, home / simulated.name))
    command = plain_command(["nwb-mtm", "annotate", str(home / "run"), str(path), "-o", str(home)])
    done = annotate(path, stand_in(read(path)), command=command, mode="sidecar")
    assert b"marked-person" in command.encode() or b"marked-person" not in done.path.read_bytes()
    content = done.path.read_bytes()
    for word in (str(tmp_path).encode(), os.uname().nodename.encode(), b"/root/"):
        assert word not in content


def test_rows_not_ids_name_the_units(tmp_path: Path) -> None:
    session = next(synthetic.simulate(sessions=1, units=20, trials=20)).recording
    same = replace(session.units, ids=(0,) * 20, keys=tuple(f"row:{i}" for i in range(20)))
    (path,) = [replace(session, units=same).to_nwb(tmp_path / "same.nwb")]
    done = annotate(path, stand_in(read(path)))
    with h5py.File(done.path, "r") as file:
        assert file["processing/ecephys/ReconstructedUnits/unit"][:].tolist() == list(range(20))
    assert check(done.path).passed


def test_a_far_clock_stays_exact(tmp_path: Path) -> None:
    recording = next(synthetic.simulate(sessions=1, units=20, trials=20)).recording
    far = shifted(recording, 1.5e9)
    path = far.to_nwb(tmp_path / "far.nwb")
    given = stand_in(read(path))
    done = annotate(path, given)
    read_back = read_predictions(done.path)
    place = (given.start - read_back.start[0]) / 0.02
    assert read_back.start[0] <= given.start.min() + 1e-6
    assert read_back.start[0] > given.start.min() - 0.021
    assert np.isfinite(place).all()
    assert check(done.path).passed


def shifted(recording: Recording, by: float) -> Recording:
    """The same recording on a clock that began long ago."""
    assert recording.trials is not None
    spikes = replace(recording.spikes, times=recording.spikes.times + by)
    events = {n: v + by if n.endswith("_time") else v for n, v in recording.trials.columns.items()}
    trials = replace(
        recording.trials, start=recording.trials.start + by, stop=recording.trials.stop + by, columns=events
    )
    return replace(
        recording, spikes=spikes, trials=trials, intervals={trials.path: trials}, behaviors={}, observed=None
    )


def test_a_file_without_trials_is_annotated(tmp_path: Path) -> None:
    recording = next(synthetic.simulate(sessions=1, units=20, trials=20)).recording
    path = replace(recording, trials=None, intervals={}, behaviors={}).to_nwb(tmp_path / "bare.nwb")
    done = annotate(path, stand_in(read(path)))
    assert check(done.path).passed


# scores


def test_written_scores_are_those_of_the_written_rates(annotated: Path, prediction: Prediction) -> None:
    recording, read_back = read(annotated), read_predictions(annotated)
    counts = bin_spikes(recording.spikes, read_back.start, bins=read_back.rates.shape[1], bin_size=0.02)[0]
    scored = np.isfinite(read_back.rates[0, :, 0]) & ~read_back.seen[0]
    x, r = counts[scored].astype(float), read_back.rates[0][scored].astype(float) * 0.02
    mean = x.mean(axis=0)
    gained = (x * np.log(r) - r).sum(axis=0) - (x * np.log(np.maximum(mean, 1e-9)) - mean).sum(axis=0)
    spikes = x.sum(axis=0)
    fires = spikes > 0
    stated = read_back.units.columns["bps"]
    assert np.allclose(stated[fires], (gained / np.maximum(spikes, 1) / np.log(2))[fires], atol=1e-6)
    assert read_back.units.columns["spikes"].tolist() == spikes.astype(int).tolist()


def test_true_claims_hold(annotated: Path, prediction: Prediction) -> None:
    checked = check(annotated)
    assert checked.passed
    assert {"bps", "gain_low", "reliable"} <= {claim.name for claim in checked.claims}


@pytest.mark.parametrize("column", ["bps", "gain", "d2", "reliable"])
def test_a_tampered_score_is_found(annotated: Path, prediction: Prediction, column: str) -> None:
    with h5py.File(annotated, "r+") as file:
        stored = file[f"processing/ecephys/ReconstructedUnits/{column}"]
        stored[3] = not stored[3] if column == "reliable" else stored[3] + 0.01
    checked = check(annotated)
    assert [claim.name for claim in checked.claims if not claim.holds] == [column]
    assert checked.claims[[c.name for c in checked.claims].index(column)].wrong[0][0] == "3"


def test_tampered_rates_are_found(annotated: Path, prediction: Prediction) -> None:
    with h5py.File(annotated, "r+") as file:
        data = file["processing/ecephys/ReconstructedRates/data"]
        row = int(np.flatnonzero(np.isfinite(data[:]).any(axis=1))[5])
        data[row] = data[row] * 3
    assert not check(annotated).passed


def test_rates_smuggled_into_trained_time_are_found(annotated: Path, prediction: Prediction) -> None:
    with h5py.File(annotated, "r+") as file:
        data = file["processing/ecephys/ReconstructedRates/data"]
        row = int(np.flatnonzero(np.isnan(data[:]).all(axis=1))[5])
        data[row] = 1.0
    assert not check(annotated).passed


def test_check_needs_no_torch(annotated: Path, prediction: Prediction) -> None:
    script = (
        "import sys\n"
        "import nwb_mtm as mtm\n"
        f"assert mtm.check({str(annotated)!r}).passed\n"
        f"mtm.read_predictions({str(annotated)!r})\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_rates_close_to_the_truth_correlate_with_it(annotated: Path, simulated: Path, prediction: Prediction) -> None:
    from nwb_mtm.annotation.truth import correlation_with_truth

    truth = synthetic.read_truth(simulated)
    assert truth is not None
    values = correlation_with_truth(annotated, truth.rates, truth.t0)
    assert len(values) == len(prediction.units)
    assert np.nanmedian(values) > 0.3


def test_units_that_share_spikes_are_not_reliable(tmp_path: Path) -> None:
    session = next(synthetic.simulate(sessions=1, units=24, trials=60, flaws=("duplicates",)))
    path = session.recording.to_nwb(tmp_path / "twice.nwb")
    back = read_predictions(annotate(path, stand_in(read(path))).path)
    for first, second in session.truth["flaws"]["duplicates"]["pairs"]:
        assert back.units.columns["flagged"][[first, second]].all()
        assert not back.units.columns["reliable"][[first, second]].any()
    assert back.units.columns["reliable"].any()
    assert not back.units.columns["flagged"].all()


# copy, sidecar, in place


def test_a_sidecar_is_checked_against_its_source(source: Path, prediction: Prediction) -> None:
    done = annotate(source, prediction, mode="sidecar")
    assert done.mode == "sidecar"
    assert done.path.stat().st_size < source.stat().st_size
    assert check(done.path, source=source).passed
    with pytest.raises(RecordingError, match="is a sidecar"):
        check(done.path)


def test_a_source_sorted_again_is_noticed(source: Path, prediction: Prediction) -> None:
    done = annotate(source, prediction, mode="sidecar")
    recording = read(source)
    order = np.arange(len(recording.units))[::-1]
    turned = replace(recording.select(order), units=replace(recording.units.take(order), rows=np.arange(len(order))))
    assert not check(done.path, source=turned).passed


def test_a_sidecar_carries_the_subject(source: Path, prediction: Prediction) -> None:
    done = annotate(source, prediction, mode="sidecar")
    with pynwb.NWBHDF5IO(str(done.path), "r") as io:
        file = io.read()
        assert file.subject.subject_id == "sim01"
        assert file.subject.species == "Mus musculus"
        assert file.session_id == "a"
        assert file.units is None


def test_in_place_keeps_everything_else(source: Path, prediction: Prediction) -> None:
    before, mode = hashes(source), source.stat().st_mode
    done = annotate(source, prediction, mode="in-place")
    assert done.path == source
    assert {n: v for n, v in hashes(source).items() if n in before} == before
    assert source.stat().st_mode == mode
    assert check(source).passed


def test_overwriting_in_place_replaces_only_ours(source: Path, prediction: Prediction) -> None:
    before = hashes(source)
    annotate(source, prediction, mode="in-place")
    with pytest.raises(RunError, match="exists already"):
        annotate(source, prediction, mode="in-place")
    again = replace(prediction, rates=prediction.rates * 2)
    assert annotate(source, again, mode="in-place", existing="skip").skipped
    annotate(source, again, mode="in-place", existing="overwrite")
    assert {n: v for n, v in hashes(source).items() if n in before} == before
    assert set(hashes(source)) - set(before) <= {"processing/ecephys"}
    middle = int(np.flatnonzero(np.isfinite(read_predictions(source).rates[0, :, 0]))[50])
    assert np.isfinite(read_predictions(source).rates[0, middle]).all()


def test_existing_outputs_are_kept_unless_told(source: Path, prediction: Prediction) -> None:
    done = annotate(source, prediction)
    before = digest(done.path)
    with pytest.raises(RunError) as caught:
        annotate(source, prediction)
    assert caught.value.kind == "exists"
    assert annotate(source, prediction, existing="skip").skipped
    assert digest(done.path) == before
    assert not annotate(source, prediction, existing="overwrite").skipped


def test_a_file_of_somebody_else_is_never_replaced(source: Path, prediction: Prediction) -> None:
    other = Path(shutil.copy(source, source.parent / "other.nwb"))
    before = digest(other)
    with pytest.raises(RunError, match="not written by nwb-mtm"):
        annotate(source, prediction, out=other, existing="overwrite")
    with pytest.raises(RunError, match="the source itself"):
        annotate(source, prediction, out=source, existing="overwrite")
    assert digest(other) == before


def test_an_object_with_our_name_is_not_taken_for_ours(source: Path, prediction: Prediction) -> None:
    with pynwb.NWBHDF5IO(str(source), "r+") as io:
        file = io.read()
        module = file.create_processing_module("ecephys", "their own")
        series = pynwb.TimeSeries(name="Latents", data=np.zeros(9), unit="1", rate=1.0, starting_time=0.0)
        module.add(series)
        io.write(file)
    with pytest.raises(RunError, match="did not write"):
        annotate(source, prediction)
    assert list(source.parent.glob("*mtm*")) == []


def test_an_annotated_file_can_be_annotated_again(source: Path, prediction: Prediction) -> None:
    first = annotate(source, prediction).path
    second = annotate(first, prediction, out=source.parent / "again.nwb").path
    assert hashes(second) == hashes(first)
    assert check(second).passed


def test_a_read_only_source_is_copied(source: Path, prediction: Prediction) -> None:
    source.chmod(0o444)
    done = annotate(source, prediction)
    assert check(done.path).passed


def test_a_prediction_of_another_session_is_refused(source: Path, prediction: Prediction) -> None:
    with pytest.raises(RunError) as caught:
        annotate(source, replace(prediction, session="other/session"))
    assert caught.value.kind == "does_not_fit"


def test_a_file_without_our_tables_is_said_plainly(source: Path) -> None:
    for function in (check, read_predictions):
        with pytest.raises(NwbMtmError) as caught:
            function(source)
        assert caught.value.kind == "not_annotated"


def test_what_cannot_be_written_is_said_plainly(source: Path, prediction: Prediction) -> None:
    with pytest.raises(ConfigError, match="'spikes' cannot be written"):
        annotate(source, prediction, what=("spikes",))


# layouts


QUICK = ("ibl_000409", "duplicate_ids", "unknown_extension")
OTHERS = ("allen_000021", "nlb_000128_train", "steinmetz_000017", "map_000363", "perich_000688", "turner_000947",
          "human_000207", "far_clock", "byte_strings", "two_regions", "watched_in_parts", "region_strings")  # fmt: skip


def test_overlapping_windows_are_scored_before_and_after_they_are_blended(simulated: Path) -> None:
    recording = read(simulated)
    grid, bins = Grid(0.0, 0.1, 200), 20
    start = np.arange(0.0, 18.0, 1.0)
    true = np.full((grid.bins, len(recording.units)), 10.0)
    counts = bin_spikes(recording.spikes, np.array([0.0]), bins=grid.bins, bin_size=0.1)[0]
    wrong = np.where(np.arange(len(start)) % 2, 1.8, 0.2)  # every other window expects far too much

    def predict(rows: Any) -> list[Any]:
        return [true[round(start[row] / 0.1) :][:bins] * wrong[row] for row in rows]

    rates = blend(grid, ((start[row], predict([row])[0]) for row in range(len(start))), true.shape[1])
    n = len(start)
    table = names.WindowTable(start, start + 2.0, ("test",) * n, np.zeros(n, np.int64), np.zeros(n, bool))
    found = before_and_after(recording.spikes, grid, table, predict, rates)
    assert found["score.windows_compared"] == "17"
    single, blended = float(found["score.bps_mean_single_windows"]), float(found["score.bps_mean_blended_there"])
    there = np.concatenate([counts[round(t / 0.1) :][:bins] for t in start[1:]])
    assert single == pytest.approx(np.nanmean(bits_per_spike(there, np.concatenate(predict(range(1, n))) * 0.1)))
    assert blended > single + 0.1
    apart = replace(table, start=start * 2, stop=start * 2 + 2.0)
    assert before_and_after(recording.spikes, grid, apart, predict, rates) == {}


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in OTHERS)])
@pytest.mark.filterwarnings("ignore")
def test_every_layout_is_annotated(name: str, tmp_path: Path) -> None:
    import zoo

    path, _ = zoo.build(name, tmp_path)
    before = digest(path)
    done = annotate(path, stand_in(read(path)))
    assert check(done.path, source=path).passed
    assert digest(path) == before
    with pynwb.NWBHDF5IO(str(done.path), "r") as io:
        assert [e for e in pynwb.validate(io=io) if "Reconstruct" in str(e)] == []
    if done.mode == "copy":
        assert {n: v for n, v in hashes(done.path).items() if n in hashes(path)} == hashes(path)


def test_a_zarr_store_with_references_gets_a_sidecar(tmp_path: Path) -> None:
    pytest.importorskip("zarr", reason="needs the zarr extra")
    import zoo_zarr

    store = tmp_path / "store.nwb.zarr"
    zoo_zarr.make_store(store)
    done = annotate(store, stand_in(read(store)))
    assert done.mode == "sidecar"
    assert done.path.name == "store_desc-mtm.nwb"
    assert check(done.path, source=store).passed


@pytest.mark.filterwarnings("ignore")
def test_rates_go_into_a_zarr_store_in_stripes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zarr", reason="needs the zarr extra")
    from nwb_mtm.nwb import writer_zarr

    recording = next(synthetic.simulate(sessions=1, units=20, trials=20)).recording
    made = make(from_prediction(stand_in(recording), recording))
    monkeypatch.setattr(writer_zarr, "CHUNK_BYTES", 20 * 4 * 50)
    pieces = list(writer_zarr.Stripes(made, names.UNSEEN))
    assert max(piece.data.shape[0] for piece in pieces) <= 50
    whole = np.concatenate([piece.data for piece in pieces])
    wanted = np.where((made.kind == names.UNSEEN)[:, None], made.rates, np.nan)
    assert np.array_equal(whole, wanted, equal_nan=True)


@pytest.mark.filterwarnings("ignore")
def test_a_zarr_store_without_references_is_copied(tmp_path: Path) -> None:
    backend = pytest.importorskip("hdmf_zarr", reason="needs the zarr extra")
    from datetime import UTC, datetime

    file = pynwb.NWBFile("about", "identifier", datetime(2020, 1, 1, tzinfo=UTC), session_id="s")
    rng = np.random.default_rng(0)
    for _ in range(4):
        file.add_unit(spike_times=np.sort(rng.uniform(0, 100, 400)))
    store = tmp_path / "store.nwb.zarr"
    with backend.NWBZarrIO(str(store), "w") as io:
        io.write(file)
    done = annotate(store, stand_in(read(store)))
    assert done.mode == "copy"
    assert check(done.path).passed
    annotate(store, stand_in(read(store)), existing="overwrite")
    assert check(done.path).passed
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store.nwb.zarr", "store_desc-mtm.nwb.zarr"]


# with a model


@pytest.fixture(scope="module")
def model(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that learnt nothing, but knows which time it would have learnt from."""
    import torch

    from nwb_mtm.checkpoint import Checkpoint
    from nwb_mtm.config import Config
    from nwb_mtm.model import build
    from nwb_mtm.model.sizes import sized
    from nwb_mtm.road.preparation import prepare
    from nwb_mtm.vocabulary import Vocabulary

    config = Config().changed({"windows.align": "stim_on_time", "model.layers": 1, "model.voices": 1})
    windows = prepare([read(simulated)], config).sessions[0].windows
    config = sized(config, [windows])
    vocabulary = Vocabulary.from_windows([windows])
    torch.manual_seed(0)
    network = build(config, vocabulary, windows.bins)
    assert windows.partition is not None
    checkpoint = Checkpoint(
        config=config,
        vocabulary=vocabulary,
        weights=network.state_dict(),
        bins=windows.bins,
        bin_size=windows.bin_size,
        splits={windows.session: windows.partition},
        fingerprints={windows.session: windows.fingerprint},
        schemes=("neuron", "causal", "inter-region", "intra-region"),
        provenance={"command": "nwb-mtm fit /home/ann/session.nwb"},
    )
    return checkpoint.save(tmp_path_factory.mktemp("model") / "model.safetensors")


def test_a_model_writes_everything_asked_for(source: Path, model: Path) -> None:
    what = ("rates", "latents", "behavior", "labels")
    done = annotate(source, model, what=what)
    checked = check(done.path)
    assert checked.passed
    claims = {claim.name for claim in checked.claims}
    assert {"score.decoded.stim_side.accuracy", "score.decoded.wheel_velocity.r2"} <= claims
    back = read_predictions(done.path)
    assert back.provenance["model.command"] == "nwb-mtm fit session.nwb"
    assert back.provenance["split.kind"] == "blocks"
    assert "wheel_velocity" in back.behaviors
    assert back.latents is not None
    with pynwb.NWBHDF5IO(str(done.path), "r") as io:
        assert pynwb.validate(io=io) == []
        trials = io.read().processing["behavior"]["DecodedTrials"].to_dataframe()
    chances = trials[["stim_side_p_left", "stim_side_p_right"]].sum(axis=1)
    assert np.allclose(chances[chances.notna() & (chances > 0)], 1.0)
    assert {"start_time", "stop_time", "trial_row", "stim_side_decoded", "split", "fold"} <= set(trials.columns)


def test_a_tampered_decoding_score_is_found(source: Path, model: Path) -> None:
    path = annotate(source, model, what=("rates", "behavior")).path
    with h5py.File(path, "r+") as file:
        data = file["processing/behavior/DecodedBehavior/wheel_velocity/data"]
        data[:] = data[:] * 1.5
    wrong = [claim.name for claim in check(path).claims if not claim.holds]
    assert wrong == ["score.decoded.wheel_velocity.r2"]


def test_only_test_windows_of_the_model_are_filled(source: Path, model: Path) -> None:
    from nwb_mtm.checkpoint import Checkpoint

    split = next(iter(Checkpoint.load(model).splits.values()))
    back = read_predictions(annotate(source, model).path)
    filled = back.centers[0][np.isfinite(back.rates[0]).all(axis=1)]
    inside = ((filled[:, None] > split.test[:, 0]) & (filled[:, None] < split.test[:, 1])).any(axis=1)
    assert len(filled)
    assert inside.all()


def test_extrapolated_time_is_marked(source: Path, model: Path) -> None:
    usual = annotate(source, model).path
    more = annotate(source, model, extrapolate=True, out=source.parent / "more.nwb").path
    with h5py.File(usual, "r") as a, h5py.File(more, "r") as b:
        kinds = [file["processing/ecephys/ReconstructedSamples/data"][:] for file in (a, b)]
        rates = [np.isfinite(f["processing/ecephys/ReconstructedRates/data"][:]).any(axis=1) for f in (a, b)]
    assert not (kinds[0] & names.EXTRAPOLATED).any()
    assert np.array_equal((kinds[1] & names.EXTRAPOLATED) > 0, rates[1] & ~rates[0])
    assert rates[1].sum() > rates[0].sum()


def test_causal_rates_say_so(source: Path, model: Path) -> None:
    back = read_predictions(annotate(source, model, scheme="causal").path)
    assert back.causal
    assert back.reach == 0.0


def test_causal_rates_use_no_later_spike(simulated: Path, model: Path) -> None:
    """With every spike after some moment taken away, no rate up to that moment changes."""
    recording = read(simulated)
    plan = from_model(model, recording, Options(scheme="causal"))
    row = plan.windows.rows("test")[:1]
    middle = float(plan.windows.start[row[0]]) + 50 * plan.grid.bin_size
    trains = [times[times < middle] for times in (recording.spikes[i] for i in range(len(recording.units)))]
    cut_off = replace(recording, spikes=Spikes.from_trains(trains))
    before, after = (p.predict(row)[0] for p in (plan, from_model(model, cut_off, Options(scheme="causal"))))
    assert np.array_equal(before[:51], after[:51])
    assert not np.array_equal(before[51:], after[51:])


def test_a_session_the_model_does_not_know_is_refused(model: Path, tmp_path: Path) -> None:
    other = next(synthetic.simulate(sessions=1, units=20, trials=20, seed=9)).recording.to_nwb(tmp_path / "other.nwb")
    with pytest.raises(RunError) as caught:
        annotate(other, model)
    assert caught.value.kind == "does_not_fit"


def test_a_folder_becomes_a_dandiset(simulated: Path, model: Path, tmp_path: Path) -> None:
    from nwb_mtm.annotation.many import annotate_all

    folder = tmp_path / "in"
    shutil.copytree(simulated.parents[1], folder)
    (folder / "broken.nwb").write_bytes(b"")
    found = list(annotate_all(model, [str(folder)], out=tmp_path / "out"))
    assert sorted(one.kind for one in found) == ["", "empty_file"]
    assert (tmp_path / "out" / "sub-sim01" / "sub-sim01_ses-a_desc-mtm_ecephys.nwb").is_file()
    card = (tmp_path / "out" / "dandiset.yaml").read_text()
    assert "schemaKey" in card
    again = list(annotate_all(model, [str(folder)], out=tmp_path / "out"))
    assert sorted(one.kind for one in again) == ["empty_file", "exists"]


def test_a_derivative_names_what_it_comes_from() -> None:
    from nwb_mtm.annotation.dandisets import describe
    from nwb_mtm.recording import Source

    licences = ("spdx:CC-BY-4.0", "spdx:CC0-1.0")
    sources = [
        Source("a.nwb", dandiset=f"00000{i}", version="0.1", doi=f"10.48324/dandi.00000{i}/0.1", licence=licence)
        for i, licence in enumerate(licences)
    ]
    card = describe(sources)
    assert [r["relation"] for r in card["relatedResource"]] == ["dcite:IsDerivedFrom"] * 2
    assert card["relatedResource"][0]["url"] == "https://doi.org/10.48324/dandi.000000/0.1"
    assert card["license"] == list(licences)
    assert "different licences" in card["description"]


# failing and being killed


@pytest.mark.parametrize("moment", ["strip", "append_hdf5", "check_valid"])
def test_a_failed_write_leaves_no_trace(
    source: Path, prediction: Prediction, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise OSError(28, "No space left on device")

    before, files = digest(source), sorted(source.parent.iterdir())
    monkeypatch.setattr(f"nwb_mtm.nwb.writer_targets.{moment}", fail)
    for mode in ("copy", "in-place"):
        with pytest.raises(RunError, match="No space left"):
            annotate(source, prediction, mode=mode)
    assert digest(source) == before
    assert sorted(source.parent.iterdir()) == files


KILLED = """
import os, signal, sys
import numpy as np
from nwb_mtm.nwb import writer_targets
from nwb_mtm.annotation import annotate
sys.path.insert(0, {tests!r})
from test_annotation import stand_in
from nwb_mtm.sources.reading import read
def die(*given): os.kill(os.getpid(), signal.SIGKILL)
if {moment!r} != "now": setattr(writer_targets, {moment!r}, die)
prediction = stand_in(read({source!r}))
print("ready", flush=True)
annotate({source!r}, prediction, mode={mode!r})
"""


def killed(source: Path, mode: str, moment: str) -> "subprocess.Popen[str]":
    script = KILLED.format(tests=str(Path(__file__).parent), source=str(source), mode=mode, moment=moment)
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("mode", "moment"), [("in-place", "append_hdf5"), pytest.param("copy", "check_valid", marks=pytest.mark.slow)]
)
def test_a_killed_write_leaves_the_source_whole(source: Path, prediction: Prediction, mode: str, moment: str) -> None:
    before = digest(source)
    with killed(source, mode, moment) as process:
        assert process.wait() == -signal.SIGKILL
    assert digest(source) == before
    done = annotate(source, prediction, mode=mode)
    assert check(done.path).passed
    assert not [p for p in source.parent.iterdir() if p.name.startswith(".part")]


@pytest.fixture
def moments() -> Iterator[float]:
    return iter(np.random.default_rng(0).uniform(0, 2.0, 50))


@pytest.mark.slow
def test_fifty_random_kills_leave_the_source_as_it_was_or_done(source: Path, moments: Iterator[float]) -> None:
    before, kept = digest(source), source.read_bytes()
    for delay in moments:
        with killed(source, "in-place", "now") as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(float(delay))
            process.kill()
        if digest(source) != before:  # it had been moved into place, whole
            assert check(source).passed
            source.write_bytes(kept)
