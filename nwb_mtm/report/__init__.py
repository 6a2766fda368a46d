"""The page of a run: answers first, then the pictures behind them."""

from nwb_mtm.report.collecting import collect
from nwb_mtm.report.comparison import compare, is_comparison
from nwb_mtm.report.figures import Figures, load, save
from nwb_mtm.report.page import write

__all__ = ["Figures", "collect", "compare", "is_comparison", "load", "save", "write"]
