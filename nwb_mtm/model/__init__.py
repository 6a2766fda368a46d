"""The network, read from `mtm` down."""

from nwb_mtm.model.mtm import MtM, build

__all__ = ["MtM", "build"]
