"""Predictions into NWB files, out of them again, and their claims recomputed."""

from nwb_mtm.annotation.checking import Checked, Claim, check
from nwb_mtm.annotation.options import Options
from nwb_mtm.annotation.provenance import belongs
from nwb_mtm.annotation.reading import read_predictions
from nwb_mtm.annotation.writing import Annotated, annotate

__all__ = ["Annotated", "Checked", "Claim", "Options", "annotate", "belongs", "check", "read_predictions"]
