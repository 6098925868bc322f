# The two commands: `make demo` runs the main job, `make test` runs the tests. Each sets itself up from nothing:
# an environment in .venv, with the exact versions of constraints.txt. Nothing outside this folder is changed, but for
# the model cache (see README, "Models").

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# One thread for each of two processes; the tests of a file stay together, since they share what it has trained, and
# files keep their order, in which the longest is first.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# With COVERED=1 every process of the tests notes which lines of src it runs; `make coverage` counts them. The variables
# reach the processes that tests start, wherever these run: coverage's own .pth file reads them. From Python 3.12 on it
# watches lines through sys.monitoring, at next to no cost; before, a test takes about half as long again.
COVERED ?=
NOTES := $(CURDIR)/.coverage-notes
ifneq ($(COVERED),)
PYTEST := COVERAGE_CORE=sysmon COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml COVERAGE_FILE=$(NOTES)/all $(PYTEST)
endif

.PHONY: help demo test test-slow test-all check coverage audit format docs clean
.DELETE_ON_ERROR:

help:
	@echo "make demo       fine-tune the starter encoder on messages that come with Affina"
	@echo "make test       the quick tests, some minutes in all"
	@echo "make test-slow  the tests that train real models, many minutes"
	@echo "make test-all   both"
	@echo "make check      lint, formatting, types, import rules"
	@echo "make coverage   which lines of src the tests ran, after them with COVERED=1; fails below 92%"
	@echo "make audit      look for known holes in the libraries; needs a network"
	@echo "make format     put the code into the house's format"
	@echo "make docs       write the generated pages in docs/ again"
	@echo "make clean      remove $(VENV) and what coverage noted"

demo: $(VENV)/.for-use
	$(BIN)/affina demo

test: $(VENV)/.for-development
	@mkdir -p $(NOTES)
	$(PYTEST) -m "not slow and not gpu"

test-slow: $(VENV)/.for-development
	@mkdir -p $(NOTES)
	$(PYTEST) -m "slow and not gpu"

test-all: test test-slow

check: $(VENV)/.for-development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The limit is in pyproject.toml (fail_under). What was noted is put together and done with, so that it counts once.
coverage: $(VENV)/.for-development
	COVERAGE_FILE=$(NOTES)/all $(BIN)/coverage combine --quiet $(NOTES)
	COVERAGE_FILE=$(NOTES)/all $(BIN)/coverage report

# pip-audit asks a service on the network about every pinned version, so it is no part of .ci/run, which must pass without.
audit: $(VENV)/.for-development
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit
	$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

format: $(VENV)/.for-development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.for-development
	$(BIN)/python scripts/recipe_docs.py

clean:
	rm -rf $(VENV) $(NOTES)

# A stamp lies inside the environment, so that removing the environment removes it too.
$(VENV)/.for-development: pyproject.toml constraints.txt | $(VENV)/.made
	$(PIP) install --quiet -c constraints.txt -e ".[dev]"
	@touch $@ $(VENV)/.for-use

$(VENV)/.for-use: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "installing Affina and what it needs into $(VENV) (some minutes, once)"
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Affina needs Python 3.11 or newer. '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 || echo not there)."; \
	  echo "Name a newer one: make PYTHON=python3.12 $(or $(MAKECMDGOALS),demo)"; exit 1; } >&2
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make environments: its modules venv and ensurepip are missing."; \
	  echo "Install them (on Debian and Ubuntu: the package python3-venv), then run the same command again."; \
	  exit 1; } >&2
	$(PYTHON) -m venv $(VENV)
	@touch $@
