# Two commands set everything up on a fresh machine: `make run` and `make test`.
# PYTHON chooses the interpreter: 3.10, 3.11 or 3.12.
PYTHON ?= python3
VENV   ?= .venv
RUN    ?= runs/doom
SEED   ?= 0
BIN    := $(VENV)/bin
# Where notebooks go with their outputs; `make notebooks NOTEBOOKS=notebooks` stores them.
NOTEBOOKS ?= $(RUN)/notebooks

.PHONY: help run notebooks agents ray static browser xvfb test cluster-test lint bench clean

help:
	@echo "make run    record Doom, learn to dream it, evolve an agent in the dream, score it"
	@echo "make notebooks   run the notebooks on what make run wrote"
	@echo "make agents   install Stable-Baselines3, whose agents can learn in dreams"
	@echo "make ray   install Ray, for games on several machines"
	@echo "make static   install what writes a dream as a page without a server"
	@echo "make test   run the tests"
	@echo "make cluster-test   run stages on Slurm and Ray clusters that it starts here, as root"
	@echo "make lint   check format and style"
	@echo "make bench  measure, and write the tables of docs/"

run: $(VENV)/.run
	$(BIN)/python -m reverie.quickstart --folder "$(RUN)" --seed $(SEED)

notebooks: $(VENV)/.notebooks
	$(BIN)/python -m reverie.reports.notebooks --run "$(RUN)" --output_folder "$(NOTEBOOKS)"

agents: $(VENV)/.agents

ray: $(VENV)/.ray

static: $(VENV)/.static

# The tests of the page drive a real browser; where there is none they are skipped, and say so.
browser:
	@command -v chromium > /dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "== installing Chromium for the tests of the page"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium > /dev/null; \
	fi || true

# The tests of recorded screens start an X server without one.
xvfb:
	@command -v Xvfb > /dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "== installing Xvfb for the tests of recorded screens"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends xvfb > /dev/null; \
	fi || true

# In the order of their names: by number of tests, the few long ones would come last and alone.
test: $(VENV)/.dev $(VENV)/.static browser xvfb
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

cluster-test: $(VENV)/.dev $(VENV)/.ray
	@tests/cluster/install.sh
	$(BIN)/python -m pytest tests/cluster

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

bench: $(VENV)/.dev $(VENV)/.agents
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) runs

$(VENV)/.run: requirements.lock pyproject.toml
	@echo "== creating $(VENV) and installing what Reverie needs (a minute or two)"
	@$(PYTHON) -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))" \
		|| { echo "Reverie needs Python 3.10, 3.11 or 3.12; say which: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile \
		-r requirements.lock -e .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null 2>&1 || true  # on all cores
	@touch $@

$(VENV)/.notebooks: $(VENV)/.run requirements-notebooks.lock
	@echo "== installing what notebooks need"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-notebooks.lock
	@touch $@

$(VENV)/.agents: $(VENV)/.run requirements-agents.lock
	@echo "== installing Stable-Baselines3 and PyTorch"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-agents.lock
	@touch $@

$(VENV)/.ray: $(VENV)/.run requirements-ray.lock
	@echo "== installing Ray"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-ray.lock
	@touch $@

$(VENV)/.static: $(VENV)/.run requirements-static.lock
	@echo "== installing what writes networks as ONNX"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-static.lock
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@echo "== installing what tests, lint and benchmarks need"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@
