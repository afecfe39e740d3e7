# Two commands matter: `make run` (everything, from nothing to registered models) and `make test`.
# Settings are given as variables: make run SOURCE=tlc MONTHS=2024-01,2024-02 (each is explained in .env).

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

UV_VERSION := 0.13.8
VENV := .venv
PYTHON := $(VENV)/bin/python
STACK := $(PYTHON) -m include.embedded
# On two cores, two processes take two thirds of what one takes. The slow tests wait for servers and for limits of time:
# a third process works meanwhile. Idle OpenMP threads of one would otherwise spin on the cores that another needs.
PYTEST := OMP_WAIT_POLICY=PASSIVE $(PYTHON) -m pytest tests --ignore tests/containers --dist loadfile --no-loadscope-reorder --numprocesses
STAMP := $(VENV)/.requirements
STAMP_DEV := $(VENV)/.requirements-dev
STAMP_NOTEBOOK := $(VENV)/.requirements-notebook
SOURCES := include dags plugins
CHECKED := $(SOURCES) tests benchmarks

# What a shell holds for another project's Python must not decide what is imported here.
unexport $(filter-out PYTHON PYTHON3,$(filter PYTHON%,$(.VARIABLES))) VIRTUAL_ENV
# A `$` in a value that is given to make is the value's own: recipes and programs get it as it was written.
MLTRAIN_GIVEN := $(strip $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))
$(foreach name,$(MLTRAIN_GIVEN),$(eval override $(name) := $$(value $(name))))
export MLTRAIN_GIVEN $(MLTRAIN_GIVEN)

.PHONY: help run problem up down status logs airflow psql notebook rollback reproduce fail reset venv venv-dev test test-fast test-containers coverage check format docs lock bench screenshots backup restore deploy-check

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: venv ## start the stack, prepare data, train and register models, then print where everything is
	@$(STACK) run

problem: venv ## declare a table of yours: NAME=cars SOURCE=file:///data/cars.csv TARGET=selling_price
	@$(PYTHON) -m include.declaring

up: venv ## start the stack: Postgres, MLflow, mail sink, Airflow
	@$(STACK) up

down: ## stop the stack
	@if [ -x $(PYTHON) ]; then $(STACK) down; fi

status: venv ## show the state of each program and all addresses
	@$(STACK) status

logs: venv ## follow all logs, or those of one program with PROGRAM=scheduler
	@$(STACK) logs $${PROGRAM:+"$$PROGRAM"}

rollback: venv ## make the previous model the champion again
	@$(STACK) rollback

reproduce: venv ## build a registered version again and compare every byte: VERSION=7
	@$(STACK) reproduce $${VERSION:+"$$VERSION"}

fail: venv ## make a task of the running stack fail on purpose and print the alert mail; other ways to fail: HOW=mapped, killed or late
	@$(STACK) fail $${HOW:+"$$HOW"}

airflow: venv ## run Airflow's command line on this stack: ARGS='dags list'
	@$(STACK) airflow -- "$$ARGS"

psql: venv ## open the warehouse in psql
	@$(STACK) psql

notebook: $(STAMP_NOTEBOOK) ## open docs/inference.ipynb in JupyterLab, connected to the running stack
	@$(STACK) notebook

backup: venv ## back up databases, artifacts and the encryption key of the running stack to a new directory: TO=/backups/monday
	@$(PYTHON) -m include.deployment backup $${TO:+"$$TO"}

restore: venv ## create a stack from a backup, where there is none yet: FROM=/backups/monday
	@$(PYTHON) -m include.deployment restore $${FROM:+"$$FROM"}

deploy-check: venv ## list what the first deployment needs and what is missing; TARGET=ecs (or helm)
	@$(PYTHON) -m include.deployment check $${TARGET:+"$$TARGET"}

reset: venv ## stop the stack and delete its data, models and secrets; databases on a server of your own (WAREHOUSE_URL) stay
	@$(STACK) reset

test: venv-dev ## run all tests, including the end-to-end test on its own stack
	$(PYTEST) $(or $(TEST_PROCESSES),3)

test-fast: venv-dev ## run the tests of the domain that need no server and no more than a few seconds each
	$(PYTEST) $(or $(TEST_PROCESSES),2) $(addprefix --ignore tests/,e2e dags deployment embedded team) -m "not slow and not server"

# On an engine of its own, in one process; ARGS='-m "not slow"' leaves out the upgrade and the worker that is cut off.
test-containers: venv-dev ## run the team's stack in real containers, where root and Debian's docker.io are to be had
	$(PYTHON) -m pytest tests/containers $(ARGS)

# Measuring slows the tests down, so that it is not part of them.
coverage: venv-dev ## run the tests that need no stack, and fail if they reach too little of the code
	$(PYTEST) $(or $(TEST_PROCESSES),2) --ignore tests/e2e -m "not slow" --cov --cov-report=term:skip-covered

check: venv-dev ## check lint, format, types, spelling, style and the links of the documentation
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m codespell_lib
	$(PYTHON) -m proselint check --config scripts/proselint.json $(wildcard *.md docs/*.md docs/decisions/*.md)
	$(PYTHON) -m mkdocs build --quiet --strict

format: venv-dev ## fix lint and format the code
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

docs: venv ## write docs/settings.md and the comments of .env from the code
	$(PYTHON) -m scripts.settings_reference

bench: venv-dev ## run the benchmarks and write their tables to benchmarks/results
	$(PYTHON) -m benchmarks

screenshots: venv-dev ## save screenshots of the running stack's dashboards to docs/images (needs Chromium)
	$(PYTHON) -m tests.e2e.screenshots

lock: venv ## resolve pyproject.toml again and write requirements.txt, requirements-team.txt, requirements-dev.txt and requirements-notebook.txt
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--custom-compile-command "make lock" --quiet pyproject.toml -o requirements.txt
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--custom-compile-command "make lock" --quiet --group team -c requirements.txt pyproject.toml -o requirements-team.txt
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--custom-compile-command "make lock" --quiet --group dev -c requirements.txt -c requirements-team.txt \
		pyproject.toml -o requirements-dev.txt
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--custom-compile-command "make lock" --quiet --group notebook -c requirements.txt -c requirements-dev.txt \
		pyproject.toml -o requirements-notebook.txt

venv: $(STAMP) ## install the locked packages into .venv; the targets above do this on their own
venv-dev: $(STAMP_DEV) ## also install the packages for tests and checks

# The interpreter is looked for when it is needed: `make run PYTHON3=/usr/bin/python3.12` names one.
$(VENV)/bin/uv:
	@set -e; found=; \
	for candidate in $(PYTHON3) python3 python3.13 python3.12 python3.11; do \
		if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
		then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Python 3.11, 3.12 or 3.13 is required and none was found; name one: make run PYTHON3=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	"$$found" -m venv $(VENV) || { echo "The venv module of $$found does not work (Debian: apt install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# uv shows what it downloads, but says nothing while it compiles.
define install
echo "Installing $(1) into $(VENV); after the download, compiling to bytecode takes up to a few minutes without any output" && \
$(VENV)/bin/uv pip install --python $(PYTHON) --compile-bytecode --require-hashes $(addprefix -r ,$(1))
endef

# Byte code is written now: otherwise every first import of a process compiles, which takes longer than the import.
$(STAMP): requirements.txt | $(VENV)/bin/uv
	@$(call install,requirements.txt)
	@$(PYTHON) -m compileall -q $(wildcard $(SOURCES))
	@touch $@

# At once: whenever something is installed, uv goes through the whole environment to compile it.
$(STAMP_DEV): requirements.txt requirements-team.txt requirements-dev.txt | $(VENV)/bin/uv
	@$(call install,$^)
	@$(PYTHON) -m compileall -q $(wildcard $(SOURCES))
	@touch $(STAMP) $@

$(STAMP_NOTEBOOK): requirements-notebook.txt $(STAMP)
	@$(call install,requirements-notebook.txt)
	@touch $@
