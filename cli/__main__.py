"""`python -m nwb_mtm_cli`."""

from .main import main

main()
