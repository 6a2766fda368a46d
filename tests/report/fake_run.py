"""A run folder with plausible contents, made in a second without training anything."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from nwb_mtm.evaluation.tallies import verdict, windows_to_tell
from nwb_mtm.intervals import Value
from nwb_mtm.recording import Intervals, Recording
from nwb_mtm.report import figures
from nwb_mtm.report.collecting import collect
from nwb_mtm.scores import Activity, Check, MeanScore, PerUnit, Scores, ScoreSet, SessionScores, Table
from nwb_mtm.windows import Windows

SCORES = ("co-smoothing", "forward", "inter-region", "intra-region")
LEVEL = {"co-smoothing": 0.24, "forward": 0.12, "inter-region": 0.07, "intra-region": 0.19}
REGIONS = ("CA1", "VISp", "LP", "MOs", "SCm", "DG", "PO", "unknown")
BASELINES = {"constant": -0.04, "psth": 0.10, "drift": 0.13, "coupling": 0.09, "ridge": 0.20, "reduced-rank": 0.18}
STEPS = 600


def recording(session: str, units: int, trials: int, rng: np.random.Generator) -> tuple[Recording, np.ndarray]:
    """Poisson units driven by a stimulus, a choice and a shared slow state; with each unit's loadings."""
    labels = [
        REGIONS[int(i)]
        for i in np.sort(rng.choice(len(REGIONS), units, p=[0.24, 0.2, 0.15, 0.13, 0.1, 0.08, 0.06, 0.04]))
    ]
    choice = rng.choice(["left", "right"], trials)
    start = 20 + np.arange(trials) * 3.0 + rng.uniform(0, 0.4, trials)
    time = np.arange(0, start[-1] + 10, 0.02)
    drive = np.zeros((3, len(time)))
    for onset, side in zip(start, choice):
        phase = time - onset
        drive[0] += np.where((phase > 0.05) & (phase < 1.2), np.exp(-np.abs(phase - 0.25) / 0.25), 0)
        drive[1] += np.where((phase > 0.1) & (phase < 1.4), np.exp(-(((phase - 0.8) / 0.3) ** 2)), 0) * (
            1 if side == "left" else -1
        )
    drive[2] = np.convolve(rng.normal(size=len(time)), np.exp(-np.arange(200) / 40), "same") / 6
    center = rng.normal(0, 1, (len(REGIONS), 3))
    loadings = np.array([center[REGIONS.index(r)] * 0.5 for r in labels]) + rng.normal(0, 0.6, (units, 3))
    base = np.exp(rng.normal(1.1, 0.9, units))
    trains = []
    for loading, rate in zip(loadings, base):
        lam = np.clip(rate * np.exp(loading @ drive - 0.3), 0, 120) * 0.02
        counts = rng.poisson(lam)
        trains.append(np.repeat(time, counts) + rng.uniform(0, 0.02, counts.sum()))
    table = Intervals(start, start + 1.5, {"choice": choice, "go": start}, events=("go",), targets=("choice",))
    made = Recording.from_arrays(trains, session=session, subject="mouse-1", regions=labels, trials=table)
    return made, np.clip(base[:, None] * np.exp(loadings @ drive - 0.3), 0, 120)


def predict(windows: Windows, truth: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Expected counts: the true rate drawn towards each unit's mean, with some smooth error."""
    bins = np.clip(
        np.round((windows.start[:, None] / 0.02) + np.arange(windows.bins)).astype(int), 0, truth.shape[1] - 1
    )
    rate = truth[:, bins].transpose(1, 2, 0) * 0.02
    mean = rate.mean(axis=(0, 1))
    return mean * (rate / mean) ** strength * np.exp(rng.normal(0, 0.05, rate.shape))


def value(middle: float, width: float) -> Value:
    """A value with its interval."""
    return Value(round(middle, 4), round(middle - width, 4), round(middle + width, 4))


def plain(found: Value) -> dict[str, float]:
    """The same as scores.json holds it."""
    return {"value": found.value, "low": found.low, "high": found.high}


def totals(level: float, units: int, width: float = 0.02) -> Table:
    """One row of scores."""
    return Table(
        bps_mean=value(level * 0.9, width * 1.6),
        bps_median=value(level * 0.7, width),
        bps_pooled=value(level, width),
        bps_mean_train_null=value(level * 0.95, width * 1.5),
        d2_mean=value(level * 0.3, width / 2),
        share_positive=value(min(0.97, 0.5 + level), 0.03),
        units=units,
    )


def scored(level: float, rng: np.random.Generator, rates: np.ndarray, regions: Sequence[str] = ()) -> ScoreSet:
    """One predictor's scores."""
    spread = 0.35 / np.sqrt(1 + rates)
    bps = level * (0.4 + 0.6 * rng.gamma(2, 0.5, len(rates))) + rng.normal(0, 0.5, len(rates)) * spread
    bps[rates < 0.15] = np.nan
    per_unit = PerUnit(tuple(bps), tuple(bps + 0.01), tuple(bps * 0.3), tuple(rates * 240))
    names = sorted(set(regions) - {"unknown"})
    tables = {n: totals(level * rng.uniform(0.4, 1.5), list(regions).count(n), 0.03) for n in names}
    return ScoreSet(totals(level, int(len(rates) * 0.8)), totals(level * 0.93, len(rates)), per_unit, tables)


def activity(name: str, rng: np.random.Generator, rates: np.ndarray, regions: Sequence[str], weaker: float) -> Activity:
    """Model, baselines, gain and oracle of one score."""
    level = LEVEL[name] - weaker
    gain = {"co-smoothing": 0.105, "forward": 0.034, "inter-region": -0.012, "intra-region": 0.009}[name]
    found = value(gain - weaker + rng.normal(0, 0.004), {"intra-region": 0.02}.get(name, 0.011))
    return Activity(
        model=scored(level, rng, rates, regions),
        baselines={b: scored(LEVEL[name] * v / 0.22, rng, rates) for b, v in BASELINES.items()},
        gain=found,
        oracle=scored(level * 1.5, rng, rates),
        against="drift",
        verdict=verdict(found),
        windows=64,
        windows_to_tell=windows_to_tell(found, 64),
        guarded={"model": scored(level * 0.96, rng, rates)} if name in ("co-smoothing", "intra-region") else {},
        extra=beside(name),
    )


def beside(name: str) -> dict[str, object]:
    """Horizons, classes and distances, as an evaluation writes them when asked."""
    gains = {side: {"windows": 32, "gain": plain(value(g, 0.02))} for side, g in (("left", 0.08), ("right", 0.12))}
    found: dict[str, object] = {"by": {"choice": {"classes": gains, "differences": {}}}}
    if name == "forward":
        levels = {"model": 0.2, "drift": 0.1, "smoothing": 0.15, "ridge": 0.17}
        found["curve"] = [
            {"horizon": h, **{n: plain(value(v * 0.9**i, 0.02)) for n, v in levels.items()}}
            for i, h in enumerate((0.02, 0.04, 0.1, 0.2))
        ]
    if name == "co-smoothing":
        radii = (0.0, 50.0, 100.0, 200.0, 400.0)
        found["distance"] = [{"radius": r, "bps_pooled": 0.22 - i * 0.01, "hidden": i} for i, r in enumerate(radii)]
    return found


def decoding() -> dict[str, object]:
    """One class and one series, as the decoders write them."""

    def label(level: float) -> dict[str, object]:
        right = round(45 * level)
        matrix = [[right, 45 - right], [50 - round(50 * level), round(50 * level)]]
        return {
            "balanced_accuracy": plain(value(level, 0.05)),
            "auc": plain(value(level + 0.05, 0.04)),
            "confusion": matrix,
        }

    labels = {"rates": label(0.82), "latents": label(0.84), "counts": label(0.78), "clock": label(0.55)}
    series = {name: {"r2": plain(value(v, 0.05))} for name, v in {"rates": 0.46, "counts": 0.41, "clock": 0.22}.items()}
    return {
        "choice": {
            "classes": ["left", "right"],
            "status": "tested",
            "features": labels,
            "warnings": [],
            "events": {"go_time": {"share": 1.0, "time": 0.0}, "response_time": {"share": 1.0, "time": 0.6}},
            "sliding": {name: sliding(top) for name, top in (("latents", 0.9), ("counts", 0.85))},
            "regions": {region: {"rates": label(0.6 + 0.05 * i)} for i, region in enumerate(REGIONS[:4])},
        },
        "/processing/behavior/wheel_velocity": {"status": "tested", "features": series, "warnings": []},
        "block": {"classes": ["A", "B"], "status": "not tested: 3 runs of one label, 8 are needed", "features": {}},
    }


def sliding(top: float) -> dict[str, object]:
    """Decoding that rises after the event."""
    time = [round(-0.3 + 0.1 * i, 2) for i in range(19)]
    auc = [plain(value(0.5 + (top - 0.5) * float(np.clip((t - 0.1) / 0.5, 0, 1)), 0.05)) for t in time]
    return {"width": 0.2, "time": time, "auc": auc, "balanced_accuracy": auc, "p": 0.01, "first": 0.2}


def region_map(labels: Sequence[str]) -> dict[str, object]:
    """The map of who predicts whom."""
    names = sorted(set(labels) - {"unknown"})
    rng = np.random.default_rng(1)
    squares = {m: np.round(rng.gamma(1.0, 0.05, (len(names), len(names))), 4) for m in ("alone", "left_out", "lead")}
    listed = {
        m: [[None if i == j else float(v) for j, v in enumerate(row)] for i, row in enumerate(square)]
        for m, square in squares.items()
    }
    edges = [
        {"source": a, "target": b, "same_group": (i + j) % 5 == 0, **{m: {"q": rng.uniform(0, 0.3)} for m in squares}}
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if a != b
    ]
    return {"map": {"regions": names, "values": listed["alone"], **listed}, "edges": edges}


def steps() -> list[dict[str, object]]:
    """Loss falls, validation rises and levels off."""
    rng = np.random.default_rng(3)
    lines: list[dict[str, object]] = []
    for step in range(5, STEPS + 1, 5):
        fall = np.exp(-step / 120)
        loss = {
            s: 0.3 + i * 0.012 + 0.1 * fall + rng.normal(0, 0.004)
            for i, s in enumerate(("neuron", "causal", "inter-region", "intra-region"))
        }
        line: dict[str, object] = {"step": step, "seconds": step * 0.4, "loss": loss, "windows_per_s": 40.0}
        if step % 50 == 0:
            line["valid"] = {s: LEVEL[s] * (1 - fall * 1.3) + rng.normal(0, 0.004) for s in SCORES}
        lines.append(line)
    return lines


CHECKS = (
    Check("unseen test time", "pass", "No test window touches training or validation time."),
    Check("duplicate recordings", "pass", "No recording occurs under two names."),
    Check(
        "flagged pairs",
        "warn",
        "3 pairs of units on one electrode fire together at zero lag; the guarded score hides them.",
    ),
    Check("baseline wins", "warn", "inter-region: the drift baseline scores higher than the model."),
    Check("drift", "fail", "14 units change their rate more than threefold over the session."),
    Check("too few spikes", "pass", "Every region scored has at least 2,000 test spikes."),
)


def source(key: str, labels: Sequence[str]) -> dict[str, object]:
    """What sources.json says of one session."""
    return {
        "key": key,
        "name": f"sub-{key.split('/')[0]}/sub-{key.split('/')[0]}_ses-{key.split('/')[1]}_ecephys.nwb",
        "dandiset": "000409",
        "version": "0.230101.1234",
        "etag": "d41d8cd98f00b204e9800998ecf8427e-12",
        "doi": "10.48324/dandi.000409/0.230101.1234",
        "licence": "spdx:CC-BY-4.0",
        "species": "Mus musculus",
        "units": len(labels),
        "regions": {r: list(labels).count(r) for r in sorted(set(labels))},
        "windows": {"train": 224, "valid": 32, "test": 64, "dropped": 9, "left_out": 3},
        "left_out": [
            {"what": "units", "why": "below 0.1 spikes/s in training time", "count": 17},
            {"what": "units", "why": "labelled noise", "count": 42},
            {"what": "trials", "why": "nan_time", "count": 3},
        ],
        "warnings": [{"kind": "clocks_disagree", "message": "The last trial ends 0.4 s after the last spike."}],
    }


def make_session(
    key: str, units: int, trials: int, seed: int, weaker: float
) -> tuple[figures.Figures, SessionScores, dict[str, object]]:
    """Figures, scores and source of one session."""
    rng = np.random.default_rng(seed)
    made, truth = recording(key.split("/")[1], units, trials, rng)
    train, _, test = Windows.around(made, "go").split()
    train, test = replace(train, session=key), replace(test, session=key)
    predicted = {s: predict(test, truth, strength, rng) for s, strength in zip(SCORES, (0.85, 0.5, 0.4, 0.75))}
    predicted["forward"][:, : -test.bins // 10] = np.nan
    flat = train.counts.mean(axis=0)[None].repeat(len(test), 0)
    smooth = gaussian_filter1d(flat, 3, axis=1)
    wheel = np.cumsum(rng.normal(0, 0.2, (len(test), test.bins)), 1)
    decoded = {"/processing/behavior/wheel_velocity": (wheel, wheel * 0.7 + rng.normal(0, 0.25, wheel.shape))}
    found = collect(
        train,
        test,
        predicted,
        dict.fromkeys(SCORES, ("drift", smooth)),
        valid_bps=rng.normal(0.2, 0.2, units),
        decoded=decoded,
    )
    labels = made.units.regions
    columns = {"key": made.units.keys, "region": labels, "rate": train.rates.tolist()}
    scores = SessionScores(
        units=columns,
        scores={s: activity(s, rng, train.rates, labels, weaker) for s in SCORES},
        subject=key.split("/")[0],
        decoding=decoding(),
        regions=region_map(labels),
        guards={"pairs": [{"units": ["3", "4"], "reason": "zero-lag spikes", "excess": 7.2}]},
    )
    return found, scores, source(key, labels)


def mean_score(sessions: Sequence[SessionScores], name: str) -> MeanScore:
    """The mean over sessions, with made-up intervals."""
    each = [s.scores[name] for s in sessions]
    level = float(np.mean([a.model.scored.bps_pooled.value for a in each if a.model]))
    gain = value(float(np.mean([a.gain.value for a in each])), 0.008)
    return MeanScore(totals(level, 5), {b: each[0].baselines[b].scored for b in BASELINES}, gain, len(each), 2)


def fake_run(
    folder: Path, *, sessions: int = 1, units: int = 90, trials: int = 120, weaker: float = 0.0, bin_size: float = 0.02
) -> Path:
    """Write the folder; `weaker` lowers every score, for comparisons."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = [f"mouse-{1 + i // 2}/ses-{i + 1}" for i in range(sessions)]
    made = [make_session(key, units, trials, i, weaker) for i, key in enumerate(keys)]
    figures.save([m[0] for m in made], folder / "figures.safetensors")
    scores = Scores(
        model="run",
        protocol={
            "bins": 100,
            "bin": bin_size,
            "window": 2.0,
            "alignment": "trials.go [-0.5, +1.5] s",
            "split": "blocks",
            "null": "test mean",
            "units": "auto",
            "level": "raw",
            "folds": 10,
        },
        split="blocks",
        sessions={key: m[1] for key, m in zip(keys, made)},
        mean={name: mean_score([m[1] for m in made], name) for name in SCORES},
        checks=CHECKS,
        seeds={"train": 0, "split": 0, "bootstrap": 0},
        versions={"nwb-mtm": "0.1.0", "torch": "2.13.0", "numpy": "2.2.0", "python": "3.11.9"},
    )
    content = {
        "scores.json": json.dumps(scores.to_json(), allow_nan=False),
        "steps.jsonl": "".join(json.dumps(line) + "\n" for line in steps()),
        "sources.json": json.dumps({"sources": [m[2] for m in made], "command": "nwb-mtm fit 000409 --budget 5m"}),
        "config.toml": '[windows]\nalign = "trials.go"\nbin = 0.02\n\n[train]\nbudget = "5m"\nsteps = 600\n',
    }
    for name, text in content.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    count, size = (int(v) for v in (sys.argv[2:] + ["1", "160"][len(sys.argv) - 2 :]))
    fake_run(Path(sys.argv[1]), sessions=count, units=size, trials=360)
