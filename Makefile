# Everything runs in .venv, made from requirements.lock on first use. `make` lists the targets.
PYTHON ?= python3
JOBS ?=
SEEDS ?=
PROFILE ?= laptop
STRATEGY ?=
SET ?=

KERASREF := .venv/bin/kerasref
OPTIONS = --profile $(PROFILE) $(if $(JOBS),--jobs $(JOBS)) $(if $(SEEDS),--seeds $(SEEDS)) \
  $(if $(STRATEGY),--strategy $(STRATEGY)) $(foreach pair,$(SET),--set "$(pair)")

.DEFAULT_GOAL := help
.PHONY: help setup test test-backends lint list reproduce reproduce-smoke report ui bench clean

help: ## list the targets
	@sed -n 's/^\([a-z%<>-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 24
	@echo
	@echo 'Variables: PROFILE=smoke|laptop|paper JOBS=2 SEEDS=3 STRATEGY=mirrored SET="train.epochs=20"'

.venv/ready: requirements.lock setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo 'kerasref needs Python 3.11 to 3.13; name one: make PYTHON=python3.12'; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet -r requirements.lock
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

setup: .venv/ready ## make .venv from requirements.lock

test: setup ## run all tests
	.venv/bin/python -m pytest -n 2 --dist loadgroup -m 'not timing and not backends'
	.venv/bin/python -m pytest -m timing

.venv-backends/ready: requirements.lock requirements-backends.lock
	$(PYTHON) -m venv .venv-backends
	.venv-backends/bin/python -m pip install --quiet -c requirements.lock -r requirements-backends.lock keras
	@touch $@

test-backends: setup .venv-backends/ready ## compare builders and layers on JAX and PyTorch with TensorFlow
	.venv/bin/python -m pytest -m backends tests/backends

lint: setup ## check style and formatting
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

list: setup ## list the experiments
	@$(KERASREF) list

# Report what has finished even where a run failed (status 1), but not after bad input or Ctrl-C.
define run_and_report
	@status=0; $(KERASREF) run $(1) $(OPTIONS) || status=$$?; \
	if [ $$status -le 1 ]; then $(KERASREF) report $(1) --profile $(PROFILE) || status=$$?; fi; \
	exit $$status
endef

reproduce: setup ## run and report everything
	$(call run_and_report,all)

reproduce-smoke: PROFILE := smoke
reproduce-smoke: setup ## run everything once, in seconds, on tiny data
	$(call run_and_report,all)

reproduce-%: setup ## reproduce-<book>-<section or chapter>: run and report a part, such as reproduce-dlnotes-1.1
	$(call run_and_report,$(shell echo $* | sed 's:-:/:'))

report: setup ## write the reports from finished runs
	@$(KERASREF) report

ui: setup ## open MLflow's UI on the runs
	@$(KERASREF) ui

bench: setup ## measure builders and harness, write reports/bench.md
	@$(KERASREF) bench

clean: ## remove caches and build products; runs, data and .venv stay
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find kerasref tests -name __pycache__ -prune -exec rm -rf {} +
