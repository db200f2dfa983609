# `make demo` and `make test` are all a newcomer needs; both build .venv first, with the newest Python that fits. Another one:
# make demo PYTHON=python3.11 VENV=.venv-3.11
VENV := .venv
BIN := $(VENV)/bin
# pip would compile every file of every package: half of its time. What is imported is compiled then, once.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# From Python 3.11 on pip refuses Lava unless it is forced; before, it is there by then, and nothing happens.
FORCE := $(PIP_INSTALL) --no-deps --ignore-requires-python

.PHONY: demo install test smoke lava-tests results chosen docs check lint types imports clean

demo: $(VENV)/.base
	$(BIN)/lava-nbp train run_configs/digits.toml --set target=lava --out runs/demo --overwrite --plot

# Every extra.
install: $(VENV)/.all

# The files in the order of tests/conftest.py. If a worker dies, end: xdist would replace it, and wait for ever for its tests.
test: $(VENV)/.all
	$(BIN)/python -m pytest -n auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# Without extras, in two minutes: the demo, what is repaired of Lava, whole trainings bit for bit, and ways to end a run.
smoke: demo
	$(PIP_INSTALL) pytest pytest-timeout pytest-xdist hypothesis
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/base/test_lava_repair.py tests/training/test_same_bits.py \
		tests/on_lava/test_runtime.py tests/on_lava/test_one_process.py tests/on_lava/test_separate_processes.py \
		tests/processes/test_with_plain_lava.py

# Lava's own tests, in one process; scripts/lava-tests says what else it can do.
lava-tests: $(VENV)/.all
	$(BIN)/python scripts/lava-tests

# Tables of results in README and docs, from results/*.json; scripts/results says how those are made.
results: $(VENV)/.base
	$(BIN)/python scripts/results

# Pages and reference, into site/; a warning is an error. The page of the command line is made from its own help. The
# variable silences advertising of the theme's.
docs: $(VENV)/.all
	$(BIN)/python -m typer lava_nbp/cli/commands.py utils docs --name lava-nbp --title "Command line" --output docs/cli.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# Lint, types and import rules; with `make docs` and `make test` this is what CI runs.
check: lint types imports

lint: $(VENV)/.all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.all
	$(BIN)/mypy

imports: $(VENV)/.all
	$(BIN)/lint-imports

# The stamps make installing a step of its own: without changes to the
# requirements nothing asks for the network again.
$(VENV)/bin/python:
	@python=$$(PYTHON='$(PYTHON)' ./scripts/find-python) && echo "building $(VENV) with $$python" && "$$python" -m venv $(VENV)

# An environment stays with its Python: another one that is asked for is not taken silently, nor ignored.
chosen: | $(VENV)/bin/python
	@[ -z '$(PYTHON)' ] || [ "$$('$(PYTHON)' -V 2>&1)" = "$$($(BIN)/python -V)" ] || { echo "error: $(VENV) is of \
	$$($(BIN)/python -V), but PYTHON=$(PYTHON) is $$('$(PYTHON)' -V 2>&1 | tail -1); name another folder, VENV=.venv-mine, or run \
	make clean first" >&2; exit 1; }

$(VENV)/.base: pyproject.toml constraints.txt | chosen
	$(PIP_INSTALL) --editable .
	$(FORCE) lava-nc
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt | chosen
	$(PIP_INSTALL) --editable '.[all]'
	$(FORCE) lava-nc lava-dl
	@touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) .venv-* build dist site *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
