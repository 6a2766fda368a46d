"""Multi-task-masking transformers for spikes in NWB files.

>>> import nwb_mtm as mtm
>>> recording = mtm.Recording.from_arrays([[0.1, 0.9], [0.4]], session="a")
>>> recording
Recording('subject/a': 2 units in 0 regions, 3 spikes, no trials)
"""

import importlib
from typing import Any

_PUBLIC = {
    "Behavior": "recording",
    "Checkpoint": "checkpoint",
    "Config": "config",
    "Intervals": "recording",
    "MtM": "model",
    "NwbMtmError": "errors",
    "Prediction": "prediction",
    "Recording": "recording",
    "Scores": "scores",
    "Split": "splits",
    "Training": "training",
    "Windows": "windows",
    "annotate": "annotation",
    "bits_per_spike": "metrics",
    "check": "annotation",
    "decode": "decoding.decoder",
    "evaluate": "road.calls",
    "fit": "road.calls",
    "inspect": "nwb.inspection",
    "map_regions": "regionmap.map",
    "predict": "road.calls",
    "read": "sources.reading",
    "read_predictions": "annotation",
    "simulate": "synthetic",
}
_ROOMS = ("plot", "report")

__all__ = sorted([*_PUBLIC, *_ROOMS, "__version__"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import nwb_mtm` is quick."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"nwb_mtm.{_PUBLIC[name]}"), name)
    if name in _ROOMS:
        return importlib.import_module(f"nwb_mtm.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("nwb-mtm")
    raise AttributeError(f"module 'nwb_mtm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
