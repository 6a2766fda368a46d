"""How the documentation is built: `make docs`."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import generate

project = "nwb-mtm"
author = "The nwb-mtm developers"
copyright = f"2026, {author}"  # noqa: A001
release = version = installed("nwb-mtm")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autoclass_content = "class"
toc_object_entries = False

html_theme = "pydata_sphinx_theme"
html_title = "nwb-mtm"
html_static_path = ["_static"]
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}

linkcheck_ignore = [r"http://127\.0\.0\.1.*"]
linkcheck_anchors = False

generate.write(Path(__file__).parent / "reference" / "generated")
