# make demo and make test are all that a new user needs; make help lists the rest.
# Everything is installed into .venv, nothing outside of this folder.

VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --require-virtualenv
# A third of the time of the tests is waiting for processes, leases and clocks: more workers than cores.
CORES := $(shell getconf _NPROCESSORS_ONLN)
WORKERS ?= $(shell expr $(CORES) + 4)
PYTEST_ARGS ?=
BENCH ?=
MINUTES ?= 10
# the tests that call the pure core in their own process, and those that start other processes
SIMULATED := apply held odd_answers order outage overtaken parents refused room waiting
PROCESSES := distribution docs fork_server release requirements third_api
CORE_TESTS := tests/plan tests/render tests/state \
  $(filter-out $(PROCESSES:%=tests/test_%.py),$(wildcard tests/test_*.py)) \
  $(SIMULATED:%=tests/lifecycle/test_%.py)
# Coverage leaves the property tests out: whether a branch is tested must not depend on chance.
FIXED := not hypothesis and not conformance and not thorough

# Each worker would compile all tests, and each time, if nothing was kept; in a new clone they are compiled once.
unexport PYTHONDONTWRITEBYTECODE
# One process for each core is dealt its share of the files, from the largest to the smallest.
TESTS := tests/test_*.py tests/*/test_*.py tests/*/*/test_*.py
COMPILE := test -d tests/__pycache__ || { for part in `seq $(CORES)`; do $(RUN) -m pytest -q --collect-only \
  `ls -S $(TESTS) | awk "NR % $(CORES) + 1 == $$part"` >/dev/null 2>&1 & done; wait; }

.DEFAULT_GOAL := help
.PHONY: help demo test test-all coverage lint style types imports bench fuzz conformance schema build sdist release-check requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/run.stamp ## apply manifests/ on the emulator and ask a tuned model
	@sh .ci/demo

test: $(VENV)/dev.stamp ## run the tests, in some minutes
	@$(COMPILE)
	$(RUN) -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

test-all: $(VENV)/dev.stamp ## run the long tests that make test leaves out
	EXAMPLES=all $(RUN) -m pytest -n $(WORKERS) --dist worksteal -m '(thorough or hypothesis) and not conformance' $(PYTEST_ARGS)

coverage: $(VENV)/dev.stamp ## hold the pure core to 100 % of its branches, see [tool.coverage] in pyproject.toml
	@rm -f $(VENV)/coverage*
	$(RUN) -m coverage run -m pytest -q -n $(CORES) --dist worksteal -m '$(FIXED)' $(CORE_TESTS)
	$(RUN) -m coverage combine --quiet
	$(RUN) -m coverage report

lint: style types imports ## check style, types and the import contracts

style: $(VENV)/dev.stamp ## ruff: rules and formatting
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: $(VENV)/dev.stamp ## mypy --strict
	$(RUN) -m mypy

imports: $(VENV)/dev.stamp ## who may import whom
	$(RUN) -c 'from importlinter.cli import lint_imports_command as run; run()' --no-cache

bench: $(VENV)/dev.stamp ## measure beside a floor and Terraform; BENCH=--quick for development
	@$(RUN) -m tests.bench $(BENCH)

fuzz: $(VENV)/dev.stamp ## run the property tests again and again, for MINUTES=10
	@WORKERS=$(WORKERS) sh .ci/fuzz $(MINUTES)

conformance: $(VENV)/dev.stamp ## run what needs npm: Google's Node client, state in azurite
	@sh .ci/conformance/run
	@sh .ci/azurite
	$(RUN) -m pytest -n $(WORKERS) --dist worksteal -m conformance $(PYTEST_ARGS)

schema: $(VENV)/run.stamp ## print the JSON Schema of the manifests
	@$(RUN) -m reconciler schema

build: $(VENV)/dev.stamp ## build the wheel into dist/
	$(RUN) -m hatchling build -t wheel

sdist: $(VENV)/dev.stamp ## build the source distribution into dist/
	$(RUN) -m hatchling build -t sdist

release-check: $(VENV)/dev.stamp ## say whether TAG=vX.Y.Z, the package and CHANGELOG.md name one version
	@$(RUN) .ci/release_check.py '$(TAG)'

requirements: $(VENV)/dev.stamp ## pin and hash the dependencies anew (Python 3.11)
	@PATH="$(VENV)/bin:$$PATH" sh .ci/lock

clean: ## remove the virtual environment and everything generated
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find reconciler tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The virtual environment. A stamp says that what it names is installed; `make demo` needs less than `make test`.

$(VENV)/bin/python:
	@python=$$(PYTHON='$(PYTHON)' sh .ci/python) && echo "Making $(VENV) with $$python" && \
	  "$$python" -m venv --clear $(VENV)

# The files of pins are complete, so pip is not to look for more (--no-deps); `pip check` says whether they are.

$(VENV)/run.stamp: $(VENV)/bin/python .ci/requirements-run.txt pyproject.toml
	@echo "Installing what the demo needs"
	@$(PIP) install --quiet --no-deps --require-hashes -r .ci/requirements-run.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp .ci/requirements.txt .ci/requirements-newest-genai.txt
	@echo "Installing what the tests need"
	@$(PIP) install --quiet --no-deps --require-hashes -r .ci/requirements.txt
	@$(PIP) check
	@rm -rf $(VENV)/newest-genai
	@$(PIP) install --quiet --no-deps --require-hashes --target $(VENV)/newest-genai \
	  -r .ci/requirements-newest-genai.txt
	@touch $@
