# Every target sets up what it needs: a virtual environment from a committed lock file.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help demo test test-long lint docs bench lock clean

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUNTIME := .venv/requirements.installed
DEV := .venv/requirements-dev.installed

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME)  ## simulate a small observation and take it from Level 1 to Level 4
	$(BIN)/aqueduct demo --out demo

test: lint docs  ## what CI runs: lint, docs, tests
	$(BIN)/python -m pytest

test-long: $(DEV)  ## the heavy tests
	$(BIN)/python -m pytest -m long

lint: $(DEV)  ## ruff, mypy, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(DEV)  ## build the documentation into site/
	$(BIN)/mkdocs build --strict

bench: $(DEV)  ## compare with romancal: make bench FRAME=x_uncal.asdf KIT=folder of the peer kit
	$(BIN)/python benchmarks/level2_against_romancal.py $(FRAME) $(if $(KIT),--kit $(KIT))

lock: | $(BIN)/pip  ## write the lock files anew; UPGRADE=--upgrade takes newer versions
	@$(BIN)/python -m venv build/lock
	build/lock/bin/pip install --quiet uv
	compile() {
	  build/lock/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	    --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command "make lock" $(UPGRADE) "$$@"
	}
	compile --group build --output-file requirements.lock
	compile --group dev --constraint requirements.lock --output-file requirements-dev.lock

clean:  ## remove everything made by other targets
	rm -rf .venv build demo site .mypy_cache .pytest_cache .ruff_cache .hypothesis \
	  .import_linter_cache src/*.egg-info
	find src tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/%.installed: %.lock pyproject.toml | $(BIN)/pip
	$(PIP) install --require-hashes --requirement $<
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

# Debian's python3 can make no virtual environment before python3-venv is installed.
$(BIN)/pip:
	@find_python() {
	  for python in python3 python3.11 python3.12 python3.13 python3.14; do
	    if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	      2> /dev/null; then echo "$$python"; return; fi
	  done
	  return 1
	}
	as_root() { if [ "$$(id -u)" = 0 ]; then "$$@"; else sudo -n "$$@"; fi; }
	if ! find_python > /dev/null && command -v apt-get > /dev/null; then
	  echo "No Python >= 3.11 with venv found: installing python3-venv"
	  as_root apt-get update -qq &&
	    as_root apt-get install -qq -y --no-install-recommends python3-venv || true
	fi
	python=$$(find_python) || {
	  echo "Python 3.11 or later with venv is needed; on Debian: apt-get install python3-venv" >&2
	  exit 1
	}
	"$$python" -m venv --clear .venv
