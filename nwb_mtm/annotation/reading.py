"""Predictions as they were written."""

from pathlib import Path

import numpy as np
from numpy import ndarray

from nwb_mtm.nwb import annotations as names
from nwb_mtm.nwb.annotations_read import Written, open_written
from nwb_mtm.prediction import Prediction
from nwb_mtm.recording import UNKNOWN, Units


def read_predictions(file: str | Path) -> Prediction:
    """The continuous prediction that a file holds, bit for bit; needs neither the model nor torch."""
    with open_written(file) as written:
        return _prediction(written)


def _prediction(written: Written) -> Prediction:
    rates = written.rates().read()
    seen = (written.kind & names.SEEN) > 0
    if written.has_trained:
        rates = np.where(seen[:, None], written.rates(names.TRAINED).read(), rates)
    latents = written.latents()
    facts = written.facts
    return Prediction(
        session=facts.get("session", ""),
        units=written_units(written),
        start=np.array([written.t0]),
        bin_size=written.bin_size,
        rates=rates[None],
        scheme=facts.get("scheme", ""),
        seen=seen[None],
        causal=facts.get("causal") == "true",
        reach=float(facts.get("reach", "0")),
        latents=None if latents is None else latents[None],
        behaviors={name: _two(values)[None] for name, values in written.behaviors().items()},
        provenance=facts,
    )


def _two(values: ndarray) -> ndarray:
    return values.reshape(len(values), -1)


def written_units(written: Written) -> Units:
    """The units as far as the file tells about them."""
    columns, count = written.units, len(written.rows)

    def text(name: str) -> tuple[str, ...]:
        return tuple(str(v) for v in columns.get(name, np.full(count, UNKNOWN)))

    return Units(
        keys=text("unit_key"),
        ids=tuple(_number(i) for i in text("unit_id")),
        regions=text("region"),
        raw_regions=text("region"),
        region_rules=text("region_rule"),
        groups=text("group"),
        rows=written.rows,
        electrodes=np.full(count, -1),
        positions=np.full((count, 3), np.nan),
        quality=(None,) * count,
        inputs=np.ones(count, bool),
        columns=columns,
    )


def _number(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text
