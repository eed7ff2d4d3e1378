# Anxin. `make demo` and `make test` need Python >= 3.11 and nothing else that they do not bring or name.
SHELL := /bin/bash
PY := .venv/bin/python
ARGS ?=
# Most of what the tests do is waiting: one worker more than there are cores. `make test WORKERS=0` runs them one after another.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 7 ? n + 1 : 8)))
# A test has 5 s unless it says otherwise; where others run beside it, enough that only what hangs is ended.
BESIDE := -n $(WORKERS) --no-loadscope-reorder --timeout 30
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check-all lint bench soak test-bluez evaluate web lock clean setup-run setup-dev system

help: ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

demo: setup-run ## Simulated ward, broker, gateway and screens; prints links and passwords; Ctrl-C ends it (ARGS="--port 9000")
	@.ci/setup web || echo "anxin: going on without the scripted screens; /m/ works" >&2
	@exec .venv/bin/anxin demo $(ARGS)

test: lint web system ## Linters, types and all tests (ARGS="-k alerts")
	@$(PY) -m pytest $(BESIDE) --durations=8 --durations-min=2 $(ARGS)

check-all: lint web system ## `make test` with ten times the kills, power cuts and random inputs
	@ANXIN_FUZZ_COUNT=100000 ANXIN_POWER_CUTS=1000 ANXIN_HISTORY_CUTS=100 ANXIN_STORE_KILLS=50 ANXIN_KILLS=20 ANXIN_LADDER_KILLS=25 \
		$(PY) -m pytest --durations=20 --durations-min=2 --timeout 3600 -m "" $(ARGS)

lint: setup-dev ## ruff and mypy --strict
	@$(PY) -m ruff check .
	@$(PY) -m mypy

bench: web system ## Throughput, latency and engine speed, as a printed report (ARGS="name ...")
	@$(PY) -m tests.bench $(ARGS)

test-bluez: setup-dev ## The Bluetooth door on the real BlueZ, in a virtual machine in software (about 3 minutes; says what is missing)
	@$(PY) -m tests.bluez_vm $(ARGS)

soak: web system ## Crash, power-loss and fuzz tests at full count, as a printed report (ARGS="name ...")
	@$(PY) -m tests.soak $(ARGS)

evaluate: setup-dev ## Trains by subject split on real recordings (ANXIN_DATA) and prints what is reached (ARGS="fall --json report.json")
	@$(PY) -m tests.evaluate $(ARGS)

web: setup-dev ## The front end: dashboards/web -> dashboards/static
	@.ci/setup web

lock: ## Resolve the dependencies again and write the lock files (ARGS=--upgrade); needs uv
	@.ci/lock $(ARGS)

clean: ## Everything that was built or downloaded here; not ./anxin-data
	rm -rf .venv .make build dist dashboards/static dashboards/.static-* dashboards/web/node_modules tests/ehr/node/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find analytics dashboards devices firmware_sim gateway tests -name __pycache__ -prune -exec rm -rf {} +

setup-run:
	@.ci/setup run

setup-dev:
	@.ci/setup dev

system:
	@.ci/setup system
