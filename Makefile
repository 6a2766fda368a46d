# Everything here works with Python 3.11+ (with venv) and make alone; `install` fetches the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
FAST   := not slow and not network and not browser and not gpu and not docs

.PHONY: help install docs-install demo test test-all check format bench docs clean

help:                    ## Show what can be made.
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/:/' | column -t -s ':'

install: $(VENV)/installed  ## Make .venv with all extras, at the tested versions.

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt $$(grep '^torch==' constraints.txt)
	$(PIP) install -q -c constraints.txt -e '.[zarr,atlas,pandas,dev]'
	touch $@

demo: install            ## The whole road on simulated recordings, in minutes.
	$(BIN)/nwb-mtm demo

test: install            ## The fast suite: tests, ruff, mypy, walls, wheel.
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "$(FAST)"

test-all: install docs-install  ## Everything, also what needs a network, a browser, a GPU or minutes.
	$(BIN)/python -m pytest -rs

check: install           ## What a pull request must pass before its tests.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p .typing && ln -sfn ../cli .typing/nwb_mtm_cli
	MYPYPATH=.typing $(BIN)/python -m mypy -p nwb_mtm -p nwb_mtm_cli
	$(BIN)/lint-imports

format: install          ## Put the code into its one format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install           ## One table of what everything costs, each beside its reference.
	$(BIN)/python benchmarks/table.py

docs-install: install
	$(PIP) install -q -c constraints.txt -e '.[docs]'

docs: docs-install       ## Build docs/_build/html; a warning is an error.
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

clean:                   ## Remove what was built.
	rm -rf build dist docs/_build .typing .mypy_cache .ruff_cache .import_linter_cache
