"""Pictures for a notebook: every function draws on matplotlib axes and returns them.

>>> import nwb_mtm as mtm
>>> "raster" in dir(mtm.plot)
True
"""

import importlib
from typing import Any

_PLACES = {
    "curves": "numbers",
    "psth": "activity",
    "raster": "activity",
    "regions": "numbers",
    "scores": "numbers",
}

__all__ = sorted(_PLACES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Load a drawing, and matplotlib with it, when it is first used."""
    if name in _PLACES:
        return getattr(importlib.import_module(f"nwb_mtm.plot.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'nwb_mtm.plot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
