# Shortcuts; each is one command that may be typed instead. `make check` is what CI runs.
ifeq ($(OS),Windows_NT)
BIN ?= .venv/Scripts/
else
BIN ?= .venv/bin/
endif
PYTHON = $(BIN)python

.PHONY: check format lint types contracts test test-slow chaos parity bench docs pages site demo notebooks pins

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

# Processes killed at every point of an order's life, against the fake venue's true ledger; goes on where it was.
chaos:
	AGV2_PLAIN_KERNELS=1 $(PYTHON) -m tests.chaos.run --out docs/studies/chaos.jsonl

parity:
	$(PYTHON) -m pytest -q tests/parity tests/properties

bench:
	$(PYTHON) benchmarks/speed.py --record
	$(PYTHON) benchmarks/resampling.py --record
	$(PYTHON) benchmarks/features.py --record
	$(PYTHON) benchmarks/bootstrap.py --record
	$(PYTHON) benchmarks/archive.py --record
	$(PYTHON) benchmarks/store.py
# With a bundle of yours: python benchmarks/serve.py --bundle RUN/bundle --record

docs:
	$(PYTHON) -m pytest -q tests/test_docs.py tests/test_site.py tests/test_page_commands.py tests/test_readme.py tests/test_surface.py

# The documentation site, in site/. Needs the extra: python bootstrap.py install --with docs
site: pages
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build

# Pages that are written from the sources.
pages:
	$(PYTHON) -m tools.cli_page
	$(PYTHON) -m tools.metrics_page
	$(PYTHON) -m tools.settings_page

demo:
	$(PYTHON) -m agv2.app.cli.main demo

# Needs the extra: python bootstrap.py install --with jupyterlab
notebooks:
	$(PYTHON) tools/run_notebooks.py

pins:
	$(PYTHON) tools/pin_requirements.py
