"""Simulated sessions whose rates are known, so that every score has a known ceiling."""

from nwb_mtm.synthetic.dandiset import Truth, read_facts, read_truth, write_dandiset
from nwb_mtm.synthetic.flaws import FLAWS
from nwb_mtm.synthetic.session import Simulated, simulate

__all__ = ["FLAWS", "Simulated", "Truth", "read_facts", "read_truth", "simulate", "write_dandiset"]
