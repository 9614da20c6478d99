# make       the main job: sets up what is missing, then measures, analyses and draws
# make env   the workflow's own software, in .venv
# make test  the checks and tests
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= 1
BIN := .venv/bin

.PHONY: all env dev test check benchmark docs
.DELETE_ON_ERROR:

all: env
	$(BIN)/snakemake --cores $(CORES)

env: .venv/ready

dev: .venv/dev-ready

# The stamp comes last: an installation that broke off starts from nothing the next time.
.venv/ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "error: Python 3.11 or newer is needed; this is " + sys.version.split()[0] + " (make PYTHON=...)")'
	@echo "installing the workflow's software into .venv"
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev-ready: .venv/ready requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

check: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

test: check
	$(BIN)/python -m pytest

benchmark: env
	$(BIN)/snakemake --cores 1 .software/pytorch/ready.json
	.software/pytorch/venv/bin/python tests/benchmarks/run.py
