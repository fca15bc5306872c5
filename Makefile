# Everything runs in .venv, which is made from requirements.lock on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The suite and the demos start the command hundreds of times: without cached bytecode each compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo demo-drift demo-monitor demo-guard demo-review tools test check fmt bench clean
.DEFAULT_GOAL := help

help: ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $(READY)

demo: $(READY) ## Start the gym, apply examples/web-tier, then: iacagent apply "make vm spot"
	@$(BIN)/python examples/demo.py

demo-drift: $(READY) ## Change Azure behind Terraform's back in a browser, with az and an SDK; find it and reconcile it
	@$(BIN)/python examples/demo_drift.py

demo-monitor: $(READY) ## Ask what runs: CPU, health, a failed boot, who stopped it, and an alert that fires
	@$(BIN)/python examples/demo_monitor.py

demo-guard: $(READY) ## What no model talks round: an opening, a policy in plain words, a budget, a tampered audit
	@$(BIN)/python examples/demo_guard.py

demo-review: $(READY) ## A pull request, reviewed by the bot; exactly the reviewed plan is applied; one that moved is refused
	@$(BIN)/python examples/demo_review.py

tools: ## Install what the tests and demos use where it is there: az, Chromium, PostgreSQL, GitHub's API description
	@bash .ci/tools

test: $(READY) ## Run the whole suite (two processes)
	@$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(READY) ## Format, lint, strict types, import contracts
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .importlinter.log 2>&1 || (cat .importlinter.log; exit 1)
	@rm -f .importlinter.log

fmt: $(READY) ## Format the code
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

bench: $(READY) ## Measure, each figure beside its budget
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench_drift
	@$(BIN)/python -m tests.bench_monitor
	@$(BIN)/python -m tests.bench_guard
	@$(BIN)/python -m tests.bench_review
	@$(BIN)/iacagent bench run || [ $$? = 2 ]

clean: ## Remove the environment and what was built
	@rm -rf $(VENV) .tools .demo .bench build dist *.egg-info
