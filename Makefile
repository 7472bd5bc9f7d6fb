# Everything here sets itself up first: see tools/setup.py. `make help` lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin

# Neither another environment that is active nor its modules may reach ours.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
# pyright: node from the environment, never a download; no look-up of newer versions.
export PYRIGHT_PYTHON_GLOBAL_NODE := off
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# The first Python on PATH that runs and is new enough (a name may be there and not run: pyenv's shims).
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)

PROMPT ?= In one sentence, why is the sky blue?

define set-up
@[ -n "$(PYTHON)" ] || { echo "dragoman needs Python 3.11 or newer on PATH (or: make PYTHON=/path/to/python3.11 ...)" >&2; exit 1; }
@"$(PYTHON)" -I -S tools/setup.py $(1)
endef

.PHONY: help
help:  ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

.PHONY: demo
demo:  ## an embedded model answers in this terminal (make demo PROMPT="...")
	$(call set-up,demo)
	@$(BIN)/python -m llm.cli.demo "$$PROMPT"
demo: export PROMPT := $(PROMPT)

.PHONY: test
test: lint types  ## linters, type checks, then all tests with coverage (make test ARGS="-k word" for some)
	@$(BIN)/python -m pytest --cov --cov-report=term $(if $(filter true 1,$(CI)),--cov-fail-under=95) $(ARGS)

.PHONY: lint
lint:  ## ruff: rules and format
	$(call set-up,dev)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types:  ## mypy and pyright
	$(call set-up,dev)
	@$(BIN)/mypy
	@$(BIN)/pyright --pythonpath $(BIN)/python

.PHONY: format
format:  ## rewrite the code as the formatter wants it
	$(call set-up,dev)
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

.PHONY: bench
bench:  ## measure us beside others, in an environment of its own
	$(call set-up,bench)
	@PYTHONPATH=src .bench-venv/bin/python benchmarks/run.py $(ARGS)

.PHONY: docs
docs:  ## run the examples of the documentation
	$(call set-up,dev)
	@$(BIN)/python -m pytest tests/test_docs.py $(ARGS)

.PHONY: lock
lock:  ## pin the newest versions of everything in requirements/ (from the package index)
	@[ -x .lock-venv/bin/uv ] || { "$(PYTHON)" -m venv .lock-venv && .lock-venv/bin/pip install --quiet uv; }
	@for kind in dev demo bench; do \
		.lock-venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
			$$([ $$kind = demo ] && echo --constraint requirements/dev.txt) \
			requirements/$$kind.in --output-file requirements/$$kind.txt || exit 1; done

.PHONY: clean
clean:  ## remove what was made here: environments, caches, builds
	rm -rf .venv .bench-venv .lock-venv .setup.lock .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov dist build
	find src tests tools benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
