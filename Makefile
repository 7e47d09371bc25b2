# The habits of this project. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
OLDEST := .venv-oldest
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SITE := $(VENV)/.site
FIRST := notebooks/00_first_ten_minutes.ipynb
# One thread a test worker: two workers share the cores without getting in each other's way.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help lab check lint unit test test-long test-oldest test-odd pictures doctor notebooks exercises ledger site clean

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "flatten_edu needs Python 3.11 or newer, and this is %d.%d. Name a newer one: make PYTHON=python3.12 lab" % v[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python has no venv module here. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[lab,train,dev]"
	@touch $@

$(SITE): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[site]"
	@touch $@

lab: $(STAMP)  ## make the environment and open the first page in JupyterLab
	@$(BIN)/jupyter trust notebooks/*.ipynb >/dev/null
	$(BIN)/jupyter lab --ServerApp.root_dir=. $(LAB_OPTIONS) $(FIRST)

check: lint unit  ## lint, types and unit tests, under 3 minutes

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

unit: $(STAMP)
	$(PYTEST) -n $(WORKERS) -m "not browser and not notebook and not slow and not long"

test: lint  ## units, notebooks, browser
	$(PYTEST) -n $(WORKERS) -m "not browser and not long"
	$(PYTEST) -m "browser and not long"

test-long: test $(SITE)  ## the tests that take minutes as well
	$(PYTEST) -m long --timeout 3600

test-oldest: $(OLDEST)/.installed  ## the units with the oldest versions allowed, in an environment of its own
	@$(OLDEST)/bin/python -m pip list --disable-pip-version-check | grep -iE '^(torch|einops|numpy|ipywidgets|jupyterlab|matplotlib) '
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n $(WORKERS) -m "not browser and not notebook and not slow and not long"

test-odd: $(STAMP)  ## the units in odd homes: other order or folder, a wheel, no HOME, nowhere to write
	$(BIN)/python -m tools.odd_homes --workers $(WORKERS)

$(OLDEST)/.installed: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt torch
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt -e ".[lab,train,dev]"
	@touch $@

pictures: $(STAMP)  ## draw the pictures of the README and of docs/
	$(BIN)/python -m tools.pictures

doctor: $(STAMP)  ## look at this machine: is everything there that the course needs?
	$(BIN)/flatten-edu doctor

notebooks: $(STAMP)  ## execute the notebooks again and keep their outputs
	$(BIN)/python tools/notebooks.py

exercises: $(STAMP)  ## make the students' copies and the teacher's key from the solved exercises
	$(BIN)/python tools/exercises.py

ledger: $(STAMP)  ## write the ledger of the paper's claims into the README
	$(BIN)/python -m tools.ledger

site: $(SITE)  ## build the course as a static site that needs no network, in site/
	$(BIN)/python -m tools.website

clean:  ## remove the environment and what tests leave behind
	rm -rf $(VENV) $(OLDEST) .pytest_cache .ruff_cache .hypothesis build dist site *.egg-info
