# make            the main job: sets up what is missing, then measures, analyses and draws
# make env        the workflow's own software, in .venv
# make smoke      what a change is tried with: checks, tests without a framework, one small session
# make test       the checks and all tests
# make benchmark  what the harness costs, after the main job
# make docs       the tables of keys in config/README.md
# make statistics the table of docs/statistics.md: how often intervals hold the truth
# make truth      the tables of docs/metering.md: energies and other tools against known powers
# make cite       the figures of README and docs, from the published tables
# make republish  tables, figures and pages of the published campaigns, from their raw data
# make check-published  whether they are what this code makes, byte for byte (it prints the digests
#                 of their tables), and the texts what they say
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= 1
WORKERS ?= 2
BIN := .venv/bin
ANALYSIS := .software/analysis/venv/bin/python
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUNTIMES := pytorch tensorflow mxnet onnxruntime openvino jax
# Those that the tests use; a provider of ONNX Runtime has one of its own.
SOFTWARE := $(patsubst %,.software/%/ready.json,analysis $(RUNTIMES) onnxruntime-openvino)

# A file's tests stay together: they share what was measured for them. Slow files come first (see
# tests/conftest.py), and not those with the most tests.
PARALLEL := --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
# Markers of pyproject.toml; tests/conftest.py sets the first by the fixtures that a test takes.
QUICK := -m "not framework and not slow"
# Folders with an environment or a pace of their own.
APART := $(addprefix --ignore=tests/,analysis pytorch metering session workflow)

.PHONY: all env dev check smoke announced test benchmark docs statistics truth cite republish check-published
.DELETE_ON_ERROR:

all: env
	$(BIN)/snakemake --cores $(CORES)
	@echo "done: open results/quickstart/runtimes.html and results/quickstart/report.html"

env: .venv/ready

dev: .venv/dev-ready

# The stamp comes last: an installation that broke off starts from nothing the next time.
.venv/ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "error: Python 3.11 is needed; this is " + sys.version.split()[0] + " (make PYTHON=...)")'
	@echo "installing the workflow's software into .venv"
	$(PYTHON) -m venv --clear .venv
	$(PIP) install --quiet -r requirements.txt
	@touch $@

# pytest once more, alone: the frameworks' environments borrow it and nothing else.
.venv/dev-ready: .venv/ready requirements-dev.txt
	@echo "installing the tools of the tests into .venv"
	$(PIP) install --quiet -r requirements-dev.txt
	$(PIP) install --quiet --upgrade --no-deps --target .venv/borrowed \
	    $$($(PIP) freeze | grep -iE '^(pytest|pytest-xdist|execnet|iniconfig|pluggy|packaging|pygments)==')
	@touch $@

check: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules workflow
	$(BIN)/snakemake --lint

smoke: check .software/analysis/ready.json
	PYTHONPATH=.venv/borrowed $(ANALYSIS) -m pytest $(PARALLEL) $(QUICK) tests/analysis
	$(BIN)/python -m pytest $(PARALLEL) $(QUICK) tests/metering tests/session
	$(BIN)/python -m pytest $(PARALLEL) $(QUICK) $(APART)
	$(BIN)/python -m pytest -m smoke tests/workflow

# Said before the checks, which say nothing of their own.
announced:
	@echo "make test: half an hour to 45 minutes on two quiet cores, with the software at hand"
	@echo "  formats and lint; tests of the analysis; of PyTorch's; of the meters; then all others,"
	@echo "  of which those of the whole workflow take longest. make smoke: five minutes"

test: announced check
	$(BIN)/snakemake --cores $(CORES) $(SOFTWARE)
	PYTHONPATH=.venv/borrowed $(ANALYSIS) -m pytest $(PARALLEL) tests/analysis
	PYTHONPATH=.venv/borrowed .software/pytorch/venv/bin/python -m pytest $(PARALLEL) tests/pytorch
	$(BIN)/python -m pytest tests/metering tests/session
	$(BIN)/python -m pytest $(PARALLEL) $(addprefix --ignore=tests/,analysis pytorch metering session)

docs: env
	$(BIN)/python scripts/document.py

.software/analysis/ready.json: envs/analysis.yaml | env
	$(BIN)/snakemake --cores $(CORES) $@

statistics: .software/analysis/ready.json
	$(ANALYSIS) tests/benchmarks/coverage/bench.py --page docs/statistics.md

cite: .software/analysis/ready.json
	$(ANALYSIS) scripts/cite.py

republish: .software/analysis/ready.json
	$(ANALYSIS) scripts/republish.py
	$(ANALYSIS) scripts/cite.py

check-published: .software/analysis/ready.json
	$(ANALYSIS) scripts/republish.py --check
	$(ANALYSIS) scripts/cite.py --check

# Zeus, CodeCarbon and pyRAPL in an environment of their own.
.software/truth/ready: tests/benchmarks/truth/requirements.txt
	$(PYTHON) -m venv --clear .software/truth/venv
	.software/truth/venv/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

truth: .software/truth/ready
	.software/truth/venv/bin/python tests/benchmarks/truth/bench.py --page docs/metering.md --json docs/data/truth.json

benchmark: env
	$(BIN)/snakemake --cores $(CORES) $(SOFTWARE) resources/models/smollm2-135m-instruct/model.json resources/workloads/humaneval.jsonl resources/networks/mobilenetv2-init/pytorch/verified.json
	.software/pytorch/venv/bin/python tests/benchmarks/phases.py
	.software/pytorch/venv/bin/python tests/benchmarks/overhead.py
	for name in $(RUNTIMES); do .software/$$name/venv/bin/python tests/benchmarks/runtimes.py --backend $$name || exit 1; done
