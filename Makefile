# SPDX-License-Identifier: AGPL-3.0-or-later
# make demo · make test: both set up .venv/ by themselves, and touch nothing else of this machine.

SHELL := /bin/sh
PYTHON ?=
ARGS ?=
SECONDS ?= 60
BIN := .venv/bin
STAMP := .venv/.set-up
PEERS := .venv-peers
LOCK_FLAGS := --python-version 3.11 --all-extras --universal --generate-hashes --no-emit-index-url --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-filter bench-weeks fuzz kills setup lock

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -e 's/:.*## /\t/' | expand -t 14

demo: setup ## simulated and recorded machines in your browser; make demo ARGS="--machines 12"
	@$(BIN)/cybersyn demo $(ARGS)

test: setup ## all tests; make test ARGS="tests/unit -k settings"
	@PATH="$(CURDIR)/.ci/cache/bin:$$PATH" $(BIN)/pytest $(ARGS)

check: setup ## format, lint, types, imports, compose file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

bench: setup ## figures of this machine; nothing fails on time
	@for bench in tests/bench/bench_*.py; do echo "== $$bench"; $(BIN)/python -P "$$bench" || exit 1; done

bench-weeks: setup ## simulated weeks with their truth, ours beside the floors; make bench-weeks ARGS="--weeks 20"
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python tests/bench/weeks/run.py $(ARGS)

bench-filter: setup ## the filter against its peers; make bench-filter ARGS="--nab DIR --tcpd DIR --quick --json FILE"
	@$(MAKE) -s $(PEERS)/.set-up || echo "bench-filter: goes on without the peers from PyPI" >&2
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python tests/bench/filter/run.py --peers $(PEERS)/bin/python $(ARGS)

$(PEERS)/.set-up: tests/bench/peers.lock
	@rm -rf $(PEERS); $(BIN)/python -m venv $(PEERS)
	@echo "Setting up $(PEERS)/ with the peers' programs; this takes a minute, once." >&2
	@$(PEERS)/bin/python -m pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r tests/bench/peers.lock
	@touch $@

fuzz: setup ## mutated messages against everything that parses; make fuzz SECONDS=600
	@$(BIN)/python tests/fuzz/fuzz_run.py --seconds $(SECONDS) $(ARGS)

kills: setup ## 120,000 messages while broker, collector and database are killed; takes minutes
	@PATH="$(CURDIR)/.ci/cache/bin:$$PATH" ALL_KILLS=1 $(BIN)/pytest tests/recovery/test_kills.py $(ARGS)

lock: ## compile all lock files anew (needs uv); pins stay unless pyproject.toml forces them
	uv pip compile pyproject.toml --group dev $(LOCK_FLAGS) -o requirements.lock
	uv pip compile pyproject.toml --group build -c requirements.lock $(LOCK_FLAGS) -o deploy/requirements.lock
	uv pip compile --group peers $(filter-out --all-extras,$(LOCK_FLAGS)) -o tests/bench/peers.lock

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@set -eu; \
	python='$(PYTHON)'; \
	fine() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }; \
	if [ -n "$$python" ]; then \
	  fine "$$python" || { echo "PYTHON = $$python does not start or is older than 3.11" >&2; exit 1; }; \
	else \
	  for name in python3.14 python3.13 python3.12 python3.11 python3; do \
	    if fine "$$name"; then python=$$name; break; fi; \
	  done; \
	fi; \
	if [ -z "$$python" ]; then \
	  echo "No Python 3.11 or newer here. Debian, Ubuntu: apt install python3 python3-venv. macOS: brew install python." >&2; \
	  echo "Or install uv and run: uv python install 3.12. Or name yours: make demo PYTHON=/path/of/python3" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then \
	  echo "$$python has no venv. Debian, Ubuntu: apt install python3-venv. Or name another: make demo PYTHON=/path/of/python3" >&2; \
	  exit 1; \
	fi; \
	echo "Setting up .venv/ with $$($$python --version); this takes a minute or two, once."; \
	if [ ! -x $(BIN)/python ] || ! fine $(BIN)/python; then rm -rf .venv; "$$python" -m venv .venv; fi; \
	if command -v uv >/dev/null 2>&1; then \
	  uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock; \
	  uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock; \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi; \
	touch $(STAMP)
