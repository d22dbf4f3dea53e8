# The project's commands. The first one sets everything up in .venv; after that no network is needed.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
TASK ?= notebooks/tasks/user_login.md
WORKERS ?= 2
PORT ?= 8123
N ?= 0
SEED ?= 1
ARGS ?=

# No tracing, analytics or look-ups for a newer version, whatever the shell around us has set.
QUIET := LANGSMITH_TRACING=false LANGCHAIN_TRACING_V2=false LANGGRAPH_CLI_NO_ANALYTICS=1 LANGGRAPH_NO_VERSION_CHECK=true

# An environment that was made for another folder does not find the project here: it is made again.
ifneq ($(CURDIR),$(shell cat $(VENV)/.folder 2>/dev/null))
.PHONY: $(VENV)/.made
endif

.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow test-all crash lint types layers check bench bench-memory bench-schedules growth corpus analysis-score notify model demo-model studio clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
	  while IFS='|' read -r target text; do printf '%-22s %s\n' "$$target" "$$text"; done

setup: $(VENV)/.base ## make .venv and install what the application needs

run: $(VENV)/.base ## run the squad on an example task; TASK=file for another one
	@$(BIN)/squad run $(TASK)

test: $(VENV)/.dev ## run the tests and print the coverage
	@$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --cov --cov-report=term:skip-covered $(ARGS)

test-slow: $(VENV)/.dev $(VENV)/.studio ## run the tests that take long: many processes, a real server
	@$(BIN)/python -m pytest -m slow -n $(WORKERS) --dist worksteal $(ARGS)

test-all: export SQUAD_CRASH := all
test-all: export SQUAD_EXAMPLES ?= 500
test-all: test test-slow ## run all tests, with more random orders of operations

crash: $(VENV)/.base ## kill runs with SIGKILL at each of their points and resume them; N=200 for random kills besides
	@$(BIN)/python tests/graph/crash_matrix.py --random $(N) --seed $(SEED) $(ARGS)

lint: $(VENV)/.dev ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict
	@$(BIN)/mypy

layers: $(VENV)/.dev ## import-linter: which package may import which
	@$(BIN)/lint-imports

check: lint types layers ## lint, types and layers

bench: $(VENV)/.base ## time a whole run against a bare LangGraph graph; ARGS=--profile says where the time goes
	@$(BIN)/python tests/benchmarks/spine.py $(ARGS)

growth: $(VENV)/.base ## whether an execution grows: bytes and time of a rework round, the 10th and the 1,000th
	@$(BIN)/python tests/benchmarks/growth.py $(ARGS)

bench-memory: $(VENV)/.dev ## time the search among 100,000 past tasks of a squad; ARGS="--tasks 10000" for fewer
	@$(BIN)/python tests/benchmarks/memory.py $(ARGS)

bench-schedules: $(VENV)/.base ## time the scheduling of large plans, and changes to plans; ARGS=--large for 100,000
	@$(BIN)/python tests/benchmarks/schedules.py $(ARGS)

corpus: $(VENV)/.base ## run every report of CSV=path to an end
	@$(if $(CSV),,$(error which file? make corpus CSV=path, with the columns repo, created_at, label, title, body))
	@$(BIN)/python tests/benchmarks/corpus.py $(CSV) $(ARGS)

analysis-score: $(VENV)/.base ## score how well the rules tell bugs, features and questions in CSV=path apart
	@$(if $(CSV),,$(error which file? make analysis-score CSV=path, with the columns repo, label, title, body))
	@$(BIN)/python tests/benchmarks/analysis_score.py $(CSV)

notify: $(VENV)/.notify ## install what notifications need

model: $(VENV)/.model ## install what model-backed agents need, with the client of OpenAI-compatible providers

demo-model: $(VENV)/.model ## have a model work in a small repository of its own; MODEL=openai:name, the key in the environment
	@$(if $(MODEL),,$(error which model? make demo-model MODEL=openai:gpt-5, with its key in the environment))
	@$(BIN)/python notebooks/demo_model.py $(MODEL) $(ARGS)

studio: $(VENV)/.studio ## serve the graph for LangGraph Studio on 127.0.0.1; PORT=number for another port
	@$(QUIET) $(BIN)/langgraph dev --host 127.0.0.1 --port $(PORT) --no-browser --no-reload

clean: ## remove .venv and everything that tools left; .squad/, where executions are kept, stays
	@rm -rf $(VENV) build dist .coverage .coverage.* .hypothesis .import_linter_cache .langgraph_api .mypy_cache \
	  .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A name on the path may be a stand-in that does not run, so each is tried.
$(VENV)/.made:
	@for python in python3.11 python3.12 python3; do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "setting up $(VENV) with $$($$python --version), once"; \
	    $$python -m venv --clear $(VENV) && echo "$(CURDIR)" > $(VENV)/.folder && touch $@; exit; \
	  fi; \
	done; echo "no Python 3.11 or 3.12 with venv was found: install one (on Debian also python3-venv)" >&2; exit 1

$(VENV)/.base: requirements.txt pyproject.toml $(VENV)/.made
	@$(PIP) install -r requirements.txt
	@$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.model
	@echo "installing what the tests and the checks need, once"
	@$(PIP) install -r requirements-dev.txt
	@touch $@

$(VENV)/.model: requirements-model.txt $(VENV)/.base
	@$(PIP) install -r requirements-model.txt
	@touch $@

$(VENV)/.notify: requirements-notify.txt $(VENV)/.base
	@$(PIP) install -r requirements-notify.txt
	@touch $@

$(VENV)/.studio: requirements-studio.txt $(VENV)/.base
	@echo "installing LangGraph Studio's server, once"
	@$(PIP) install -r requirements-studio.txt
	@touch $@
