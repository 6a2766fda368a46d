"""One calm look for all pictures: the report's colours, light axes, no frames."""

from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap

MODEL, BASELINE, ORACLE, INK, SOFT = "#0b5fa5", "#b4500b", "#6a727c", "#1c2024", "#59616b"
SERIES = (MODEL, BASELINE, "#00795c", "#8f3f76", "#6a5a00", "#3f8fb5", "#6a727c")
DASHES = ("-", "--", ":", "-.", (0, (6, 1)), (0, (1, 1)), (0, (4, 2, 1, 2)))
LEVELS = ("#fdfcfa", "#dbe8ea", "#9cc8d3", "#4c9abd", "#1f6399", "#12306a", "#0b1640")


def levels() -> Colormap:
    """From paper to deep blue; reads in grey and to colour-blind eyes."""
    return LinearSegmentedColormap.from_list("nwb-mtm", LEVELS)


def own_or_new(axes: Axes | None, width: float, height: float) -> Axes:
    """The axes given, or new ones of a size in inches."""
    if axes is None:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(figsize=(width, height), layout="constrained")
    return calm(axes)


def calm(axes: Axes) -> Axes:
    """Take the frame away and soften what remains."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#8a929b")
    axes.tick_params(colors=SOFT, labelsize=8.5, length=3)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    return axes


def heading(axes: Axes, title: str, note: str = "") -> None:
    """A title at the left, with a softer note beside it."""
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", color=INK)
    if note:
        axes.set_title(note, loc="right", fontsize=8.5, color=SOFT)
