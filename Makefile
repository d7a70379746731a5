# Everything a developer types. `make help` lists it; the first run sets the machine up, later runs download nothing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# uv from PATH, else one of our own under .cache. No uv variable of the environment is needed or changed.
UV := $(or $(shell command -v uv 2>/dev/null),.cache/uv/bin/uv)
# The first of these that is 3.11 or newer; empty when there is none.
PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$name"; break; }; done)
# --no-sync: `setup` has installed what uv.lock says, so that running a command never waits for a resolver.
RUN := $(UV) run --no-sync
CACHE := $(or $(PAYWARDEN_CACHE_DIR),$(HOME)/.cache/paywarden)
READY := .venv/.ready
AIRFLOW_READY := .cache/airflow/.ready
QUIX_READY := .cache/quix/.ready
# Idle threads of XGBoost sleep instead of spinning: on a shared machine training is three times faster.
export OMP_WAIT_POLICY ?= passive

.PHONY: help demo setup jars airflow-env airflow-lock test test-faults test-slow lint types contracts check format bench bench-api bench-stream quix-env soak clean stack-init stack stack-down stack-logs stack-reset stack-test

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup jars ## The whole pipeline on this machine, from history to live decisions (ARGS="..." for its options)
	$(RUN) paywarden demo $(ARGS)

setup: $(READY) ## Install Paywarden and its dependencies into .venv

jars: $(READY) ## Fetch the jars of the Kafka broker and of Spark's connector (needs Java 17+)
	@$(RUN) python -m paywarden.adapters.local.ivy "$(CACHE)"

airflow-env: $(AIRFLOW_READY) ## Install Airflow into .cache/airflow, an environment of its own (deploy/airflow/requirements.lock)

airflow-lock: $(READY) ## Pin Airflow's environment again after a change of deploy/airflow/requirements.in
	$(UV) pip compile --quiet --universal --no-header --generate-hashes --python-version 3.11 \
		deploy/airflow/requirements.in -o deploy/airflow/requirements.lock

# By file, since a file shares its servers; in the order of names, which leaves the many short unit tests for the end.
test: setup jars airflow-env ## Run the tests, two files at a time (ARGS="tests/unit -k name" for some, WORKERS=0 for one at a time)
	$(RUN) pytest --numprocesses $(or $(WORKERS),2) --dist loadfile --no-loadscope-reorder $(ARGS)

test-faults: setup jars ## Do faults to a running stream, and see that nothing is lost (ARGS="-k name" for some; slow)
	$(RUN) pytest tests/faults --timeout 1800 $(ARGS)

test-slow: setup jars ## Run the variants of tests that `make test` leaves out (ARGS as there)
	$(RUN) pytest -m slow --timeout 1800 $(ARGS)

lint: setup ## Check style and formatting
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: setup ## Check types, strictly
	$(RUN) mypy

contracts: setup ## Check which room imports which
	$(RUN) lint-imports --no-logo

check: lint types contracts test ## All checks, as in continuous integration

format: setup ## Format the code and fix what can be fixed safely
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

bench: setup jars ## Measure speed, size, exactness (ARGS="--only peers" for some, ARGS=--help to learn)
	@$(UV) sync --frozen --inexact --group bench --quiet
	@$(RUN) python -m benchmarks.bench $(ARGS)

bench-stream: setup jars quix-env ## Measure the stream beside its peers, and what its speed depends on (ARGS="--only latency" for some)
	@$(RUN) python -m benchmarks.stream.run $(ARGS)

quix-env: $(QUIX_READY) ## Install Quix Streams into .cache/quix, an environment of its own (benchmarks/stream/quix.lock)

soak: setup jars ## Producer, stream and archive for MINUTES (30): memory must stay flat and nothing be lost
	$(RUN) python -m benchmarks.soak $(or $(MINUTES),30)

bench-api: setup jars ## Measure the scoring API: times, saturation, workers (ARGS="--seconds 3" for less)
	@$(UV) sync --frozen --inexact --group bench --quiet
	@$(RUN) python -m benchmarks.api.bench $(ARGS)

clean: ## Remove what tools leave behind; keeps .venv, downloads and data
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# In its own folder, so that Compose finds .env there, and in it COMPOSE_FILE and COMPOSE_PROFILES.
COMPOSE := cd deploy/compose && docker compose

stack-init: $(READY) ## Write deploy/compose/.env: generated secrets for the stack (ARGS="--profile full" for all of it)
	@$(RUN) paywarden init $(ARGS)

stack: stack-init ## Build and start the whole platform in Docker, wait until it is healthy, print its URLs
	$(COMPOSE) build setup
	$(COMPOSE) up --detach --wait --wait-timeout 600
	@$(COMPOSE) ps --format 'table {{.Service}}\t{{.Status}}\t{{.Ports}}'

stack-down: ## Stop the platform; its data stay
	$(COMPOSE) down --remove-orphans

stack-logs: ## Follow the platform's logs (ARGS="stream" for some services)
	$(COMPOSE) logs --follow --tail 100 $(ARGS)

stack-reset: ## Stop the platform and delete all its data
	$(COMPOSE) down --remove-orphans --volumes

stack-test: setup ## Bring a second platform up from nothing, test it from Kafka to a served model, take it down
	$(RUN) python tests/stack/run.py $(ARGS)

# Removed with .venv, and older than uv.lock after an upgrade: either way it is made again.
$(READY): uv.lock pyproject.toml | $(UV)
	@if [ -n "$(PYTHON)" ]; then \
		$(UV) sync --frozen --python "$(PYTHON)"; \
	else \
		echo "No Python 3.11 or newer found; uv fetches one. (To use your own, install it and run make again.)"; \
		$(UV) sync --frozen --python '>=3.11'; \
	fi
	@touch $@

# The lock is for Python 3.11 and newer, whatever the product runs on.
$(AIRFLOW_READY): deploy/airflow/requirements.lock | $(READY) $(UV)
	@$(UV) venv --quiet --allow-existing --python '>=3.11,<3.14' .cache/airflow
	@$(UV) pip sync --quiet --require-hashes --python .cache/airflow/bin/python deploy/airflow/requirements.lock
	@touch $@

# Quix Streams needs an older pydantic than Paywarden has.
$(QUIX_READY): benchmarks/stream/quix.lock | $(READY) $(UV)
	@$(UV) venv --quiet --allow-existing --python '>=3.11,<3.14' .cache/quix
	@$(UV) pip sync --quiet --require-hashes --python .cache/quix/bin/python benchmarks/stream/quix.lock
	@touch $@

.cache/uv/bin/uv:
	@command -v python3 >/dev/null || { echo "No python3 on PATH. Install Python 3.11 or newer." >&2; exit 1; }
	@python3 -m venv .cache/uv || { \
		echo "python3 cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@.cache/uv/bin/python -m pip install --quiet uv
