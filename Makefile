# Shortcuts; each is one command that may be typed instead. `make check` is what CI runs.
ifeq ($(OS),Windows_NT)
BIN ?= .venv/Scripts/
else
BIN ?= .venv/bin/
endif
PYTHON = $(BIN)python

.PHONY: check format lint types contracts test test-slow parity bench docs demo notebooks pins

check: lint types contracts test

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) tools/pin_requirements.py --check

types:
	$(PYTHON) -m mypy

contracts:
	$(BIN)lint-imports --no-logo

test:
	$(PYTHON) -m pytest -q -n 2

# AGV2_REAL_BARS and AGV2_RAW_SAMPLES name directories of bars and vendors' files of your own to hold it against.
test-slow:
	$(PYTHON) -m pytest -q -n 2 -m slow

parity:
	$(PYTHON) -m pytest -q tests/parity tests/properties

bench:
	$(PYTHON) benchmarks/speed.py --record
	$(PYTHON) benchmarks/resampling.py --record
	$(PYTHON) benchmarks/features.py --record
	$(PYTHON) benchmarks/archive.py --record
	$(PYTHON) benchmarks/store.py

docs:
	$(PYTHON) -m pytest -q tests/test_docs.py tests/test_readme.py tests/test_surface.py

demo:
	$(PYTHON) -m agv2.app.cli.main demo

# Needs the extra: python bootstrap.py install --with jupyterlab
notebooks:
	$(PYTHON) tools/run_notebooks.py

pins:
	$(PYTHON) tools/pin_requirements.py
