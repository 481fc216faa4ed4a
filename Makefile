# Every target sets the clone up first when that is needed; see CONTRIBUTING.md.

PYTHON ?= python3
VENV := .venv/bin
# Further arguments for pytest, the benchmarks or the page: make test ARGS="-k filter"
ARGS ?=
# Processes that run the tests, each file of tests in one of them; 0 runs them in pytest itself.
WORKERS ?= 2

# The demo's variables reach it through the environment, and `value` keeps make from expanding a $
# in them: no quote, space or dollar sign of a question ever meets make or the shell.
ifdef ASK
override ASK := $(value ASK)
export ASK
endif
ifdef DOCS
override DOCS := $(value DOCS)
export DOCS
endif

.DEFAULT_GOAL := help
.PHONY: help setup dev demo web test test-fast test-lowest test-newest soak check docs format bench constraints clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 14

setup:  ## create or update .venv with everything in it
	@command -v "$(PYTHON)" >/dev/null || { echo "elanus needs Python 3.11 or newer, but $(PYTHON) is not on PATH: install it (on Debian: apt install python3 python3-dev python3-pip) or name one with PYTHON=/path/to/python3." >&2; exit 1; }
	@"$(PYTHON)" -m tools.bootstrap

dev: setup  ## the same as setup

demo: setup  ## ask documents a question: DOCS=folder ASK="question", both optional
	@HF_HUB_OFFLINE=1 $(VENV)/python -m elanus_demo

web: setup  ## the same on a page in the browser: DOCS=folder ARGS="--port 8765 --open"
	@HF_HUB_OFFLINE=1 $(VENV)/python -m elanus_demo --web $(ARGS)

test: setup  ## run all tests
	@$(VENV)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-fast: setup  ## run the tests that are not marked slow
	@$(VENV)/python -m pytest -m "not slow and not soak" -n $(WORKERS) --dist loadfile $(ARGS)

test-lowest: setup  ## run the adapters' tests with the oldest frameworks they support
	@$(VENV)/python -m tools.versions lowest -- $(ARGS)

test-newest: setup  ## run the adapters' tests with the newest frameworks there are
	@$(VENV)/python -m tools.versions newest -- $(ARGS)

soak: setup  ## run the long fault tests: every step, hundreds of kills
	@$(VENV)/python -m pytest -m soak $(ARGS)

check: setup  ## run linters, type checks, layer and documentation checks
	@$(VENV)/python -m tools.checks

docs: setup  ## run the documentation checks only
	@$(VENV)/python -m tools.checks links architecture docstrings commands snippets

format: setup  ## format and sort imports in place
	@$(VENV)/python -m tools.format

bench: setup  ## run the benchmarks; ARGS says which
	@test -f benchmarks/__main__.py || { echo "benchmarks/README.md says how to run each benchmark." >&2; exit 1; }
	@$(VENV)/python -m benchmarks $(ARGS)

constraints: setup  ## write constraints.txt from what is installed
	@$(VENV)/python -m tools.constraints

clean:  ## remove .venv, builds and caches
	rm -rf .venv .stamps .mypy_cache .ruff_cache .pytest_cache .hypothesis core/build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
