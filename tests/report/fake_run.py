"""A run folder with plausible contents, made in a second without training anything."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nwb_mtm.recording import Intervals, Recording
from nwb_mtm.report import figures
from nwb_mtm.report.collecting import collect
from nwb_mtm.windows import Windows

SCORES = ("co-smoothing", "forward", "inter-region", "intra-region")
LEVEL = {"co-smoothing": 0.24, "forward": 0.12, "inter-region": 0.07, "intra-region": 0.19}
REGIONS = ("CA1", "VISp", "LP", "MOs", "SCm", "DG", "PO", "unknown")
BASELINES = {"constant": -0.04, "psth": 0.10, "drift": 0.13, "population-coupling": 0.09, "ridge": 0.20}
STEPS = 600


def recording(
    session: str, units: int, trials: int, rng: np.random.Generator
) -> tuple[Recording, np.ndarray]:
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
    table = Intervals(
        start, start + 1.5, {"choice": choice, "go": start}, events=("go",), targets=("choice",)
    )
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


def value(middle: float, width: float) -> dict[str, float]:
    """A value with its interval."""
    return {"value": round(middle, 4), "low": round(middle - width, 4), "high": round(middle + width, 4)}


def totals(level: float, units: int, width: float = 0.02) -> dict[str, object]:
    """One T of scores.json."""
    return {
        "bps_mean": value(level * 0.9, width * 1.6),
        "bps_median": value(level * 0.7, width),
        "bps_pooled": value(level, width),
        "bps_mean_train_null": value(level * 0.95, width * 1.5),
        "d2_mean": value(level * 0.3, width / 2),
        "share_positive": value(min(0.97, 0.5 + level), 0.03),
        "units": units,
    }


def scored(
    level: float, units: int, rng: np.random.Generator, rates: np.ndarray, width: float = 0.02
) -> dict[str, object]:
    """One S of scores.json."""
    spread = 0.35 / np.sqrt(1 + rates)
    bps = level * (0.4 + 0.6 * rng.gamma(2, 0.5, units)) + rng.normal(0, 1, units) * spread * 0.5
    return {
        "scored": totals(level, int(units * 0.8), width),
        "all": totals(level * 0.93, units, width),
        "per_unit": {
            "bps": [None if r < 0.15 else round(float(b), 4) for b, r in zip(bps, rates)],
            "bps_train_null": [round(float(b) + 0.01, 4) for b in bps],
            "d2": [round(float(b) * 0.3, 4) for b in bps],
            "spikes": [int(r * 240) for r in rates],
        },
    }


def score(
    name: str, units: int, rng: np.random.Generator, rates: np.ndarray, weaker: float = 0.0
) -> dict[str, object]:
    """Model, baselines, gain and oracle of one score."""
    level = LEVEL[name] - weaker
    baselines = {b: scored(LEVEL[name] * v / 0.22, units, rng, rates) for b, v in BASELINES.items()}
    gain = {"co-smoothing": 0.105, "forward": 0.034, "inter-region": -0.012, "intra-region": 0.009}[name]
    width = {"intra-region": 0.02}.get(name, 0.011)
    return {
        "model": scored(level, units, rng, rates),
        "baselines": baselines,
        "gain": {**value(gain - weaker, width), "baseline": "drift"},
        "oracle": scored(level * 1.5, units, rng, rates),
    }


def decoding() -> dict[str, object]:
    """One class and one series."""
    return {
        "choice": {
            "kind": "discrete",
            "metric": "balanced accuracy",
            "model": value(0.82, 0.05),
            "baselines": {"counts": value(0.78, 0.05), "clock": value(0.55, 0.06)},
            "chance": 0.5,
            "classes": ["left", "right"],
            "confusion": [[41, 8], [10, 37]],
        },
        "wheel_velocity": {
            "kind": "continuous",
            "metric": "R2",
            "model": value(0.46, 0.05),
            "baselines": {"counts": value(0.41, 0.05), "clock": value(0.22, 0.04)},
        },
    }


def region_scores(labels: Sequence[str]) -> dict[str, object]:
    """Scores of each region and the map of who predicts whom."""
    names = sorted(set(labels) - {"unknown"})
    rng = np.random.default_rng(1)
    table = {
        name: {
            "units": list(labels).count(name),
            "scores": {
                s: {"bps_pooled": value(LEVEL[s] * rng.uniform(0.4, 1.5), 0.03), "gain": value(0.03, 0.03)}
                for s in SCORES
            },
        }
        for name in names
    }
    matrix = rng.gamma(1.0, 0.05, (len(names), len(names)))
    return {"table": table, "map": {"regions": names, "value": matrix.round(4).tolist()}}


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


CHECKS = [
    {
        "name": "unseen test time",
        "status": "pass",
        "message": "No test window touches training or validation time.",
    },
    {"name": "duplicate recordings", "status": "pass", "message": "No recording occurs under two names."},
    {
        "name": "flagged pairs",
        "status": "warn",
        "message": "3 pairs of units on one electrode rise and fall together at zero lag; the guarded score leaves them out.",
    },
    {
        "name": "baseline wins",
        "status": "warn",
        "message": "inter-region: the drift baseline scores higher than the model.",
    },
    {
        "name": "drift",
        "status": "fail",
        "message": "14 units change their rate more than threefold over the session.",
    },
    {
        "name": "too few spikes",
        "status": "pass",
        "message": "Every region scored has at least 2,000 test spikes.",
    },
]


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
        "warnings": [
            {"kind": "clocks_disagree", "message": "The last trial ends 0.4 s after the last spike."}
        ],
    }


def make_session(
    key: str, units: int, trials: int, seed: int, weaker: float
) -> tuple[figures.Figures, dict[str, object], dict[str, object]]:
    """Figures, scores and source of one session."""
    rng = np.random.default_rng(seed)
    made, truth = recording(key.split("/")[1], units, trials, rng)
    train, _, test = Windows.around(made, "go").split()
    predicted = {s: predict(test, truth, strength, rng) for s, strength in zip(SCORES, (0.8, 0.5, 0.35, 0.7))}
    predicted["forward"][:, : -test.bins // 10] = np.nan
    flat = train.counts.mean(axis=0)[None].repeat(len(test), 0)
    rates = train.rates
    decoded = {
        "wheel_velocity": tuple(
            np.cumsum(rng.normal(0, 0.2, (len(test), test.bins)), 1) * k for k in (1.0, 0.7)
        )
    }
    found = collect(
        train,
        test,
        predicted,
        {s: ("psth", flat) for s in SCORES},
        valid_bps=rng.normal(0.2, 0.2, units),
        decoded=decoded,
    )
    scores = {s: score(s, units, rng, rates, weaker) for s in SCORES}
    entry = {
        "units": list(made.units.keys),
        "scores": scores,
        "decoding": decoding(),
        "regions": region_scores(made.units.regions),
    }
    return found, entry, source(key, made.units.regions)


def fake_run(
    folder: Path,
    *,
    sessions: int = 1,
    units: int = 90,
    trials: int = 120,
    weaker: float = 0.0,
    bin_size: float = 0.02,
) -> Path:
    """Write the folder; `weaker` lowers every score, for comparisons."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = [f"mouse-{1 + i // 2}/ses-{i + 1}" for i in range(sessions)]
    made = [make_session(key, units, trials, i, weaker) for i, key in enumerate(keys)]
    figures.save([m[0] for m in made], folder / "figures.safetensors")
    rng = np.random.default_rng(0)
    mean = {}
    for name in SCORES:
        one = score(name, 5, rng, np.ones(5), weaker)
        mean[name] = {
            "model": one["model"]["scored"],
            "baselines": {b: s["scored"] for b, s in one["baselines"].items()},
            "gain": one["gain"],
        }
    protocol = {
        "bins": 100,
        "bin": bin_size,
        "window": 2.0,
        "alignment": "trials.go [-0.5, +1.5] s",
        "split": "blocks",
        "null": "test mean",
        "units": "auto",
        "level": "raw",
        "folds": 10,
    }
    scores = {
        "format": 1,
        "model": {
            "name": "MtM",
            "width": 64,
            "layers": 1,
            "schemes": ["neuron", "causal", "inter-region", "intra-region"],
            "parameters": 412_000,
        },
        "protocol": protocol,
        "split": {"kind": "blocks", "shares": [0.7, 0.1, 0.2]},
        "seeds": {"train": 0, "split": 0, "bootstrap": 0},
        "versions": {"nwb-mtm": "0.1.0", "torch": "2.13.0", "numpy": "2.2.0", "python": "3.11.9"},
        "checks": CHECKS,
        "sessions": {key: m[1] for key, m in zip(keys, made)},
        "mean": mean,
    }
    (folder / "scores.json").write_text(json.dumps(scores))
    (folder / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in steps()))
    sources = {
        "sources": [m[2] for m in made],
        "command": "nwb-mtm fit 000409 --max-sessions 1 --budget 5m",
        "versions": scores["versions"],
    }
    (folder / "sources.json").write_text(json.dumps(sources))
    (folder / "config.toml").write_text(
        '[windows]\nalign = "trials.go"\nbin = 0.02\n\n[train]\nbudget = "5m"\nsteps = 600\nseed = 0\n'
    )
    return folder


if __name__ == "__main__":
    import sys

    fake_run(
        Path(sys.argv[1]),
        sessions=int(sys.argv[2]) if len(sys.argv) > 2 else 1,
        units=int(sys.argv[3]) if len(sys.argv) > 3 else 160,
    )
