"""The command line of nwb-mtm."""

from .main import main

__all__ = ["main"]
