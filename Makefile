# Everything below needs Python 3.11 or later and make, and nothing else: each target prepares its own
# virtual environment. PYTHON and DJANGO choose the ends of the matrix:
#     make test PYTHON=python3.11 DJANGO='~=5.2.0'

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

ARGS ?=
# Random cases per property in `make check-time`.
EXAMPLES ?= 20000
# Random stories of each kind in `make check-model`.
STORIES ?= 1000
# Sessions that are cut in `make check-atomic`.
CUTS ?= 1000

# A name on PATH proves nothing (a version manager's shim may stand behind it), so each is run.
is_recent = "$(1)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1

ifdef PYTHON
of_python := -$(shell $(PYTHON) -c 'import sys; print("py%d%d" % sys.version_info[:2])' 2>/dev/null)
else
PYTHON := $(shell for each in python3.13 python3.12 python3.11 python3; do \
    if $(call is_recent,$$each); then echo $$each; break; fi; done)
endif
ifdef DJANGO
of_django := -django$(shell printf %s '$(DJANGO)' | tr -cd '0-9.')
endif

environment := .venv$(of_python)$(of_django)
installed := $(environment)/installed
python := $(environment)/bin/python

behind_pooler := $(addprefix tests/conformance/,worker/sessions/test_pooler.py schedules/leader worker/queue/test_queue_claims.py \
    worker/process/test_worker.py worker/wakeup model)

define no_python
Carillon needs Python 3.11 or later, and $(if $(PYTHON),$(PYTHON) is not that or does not run,finds none on PATH). \
Name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3
endef

.PHONY: help demo test test-pooler check audit bench bench-peers conformance check-time check-model check-atomic chaos soak screenshots clean

help: ## List these targets
	@grep -E '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: $(installed) ## Show it: a small Django project at work (ARGS=--until-idle ends by itself)
	@$(python) manage_example/demo.py $(ARGS)

test: $(installed) ## Run the tests on SQLite, PostgreSQL and MySQL/MariaDB (ARGS goes to pytest)
	@$(python) -m tests.run --side-by-side --install-drivers $(ARGS)

test-pooler: $(installed) ## Run the tests of leader and workers behind PgBouncer in transaction mode
	@$(python) -m tests.run --database pgbouncer $(behind_pooler) $(ARGS)

check: $(installed) ## Lint (bandit's rules too), format, types, migrations, and the docs and the wheel against the code
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(python) -m pytest -q -m of_files
	$(python) -m pytest -q tests/test_migrations.py tests/test_docs.py tests/test_doors.py tests/test_undocumented.py

audit: $(installed) ## Ask the Python Packaging Advisory Database about what is installed (needs the network)
	@$(python) -m pip install --quiet --disable-pip-version-check --group audit
	@$(python) -m pip freeze --all --exclude-editable \
	    | $(python) -m pip_audit --strict --no-deps --disable-pip --progress-spinner off -r /dev/stdin

bench: $(installed) ## Measure, beside what the machine allows (ARGS='drain --database postgresql --runs 5')
	@$(python) -m tests.benchmarks $(ARGS)

bench-peers: $(installed) ## Measure other queues beside ours (ARGS='PgQueuer Oban --measure drain --runs 5')
	@$(python) -m tests.benchmarks.peers $(ARGS)

conformance: $(installed) ## Judge backends of TASKS, ours and those of others, for the page of the docs (ARGS='--only Dummy')
	@$(python) -m tests.backends $(ARGS)

check-time: $(installed) ## Try the rules of time against the oracles, at length (EXAMPLES=20000 per property)
	@CARILLON_TIME_EXAMPLES=$(EXAMPLES) $(python) -m pytest tests/schedules -k recurrence $(ARGS)

check-model: $(installed) ## Drive jobs and schedules at random beside a model, at length (STORIES=1000)
	@CARILLON_MODEL_EXAMPLES=$(STORIES) $(python) -m tests.run --install-drivers -o faulthandler_timeout=0 tests/conformance/model/test_model.py $(ARGS)

check-atomic: $(installed) ## Cut the sessions of atomic jobs at every step, at length (CUTS=1000)
	@CARILLON_ATOMIC_CUTS=$(CUTS) $(python) -m tests.run --install-drivers tests/conformance/worker/running/test_atomic_severed.py $(ARGS)

chaos: $(installed) ## Kill, stop and cut off processes, and count what was lost or done twice
	@$(python) -m tests.run --install-drivers tests/chaos $(ARGS)

soak: $(installed) ## Everything for an hour, whatever befalls it meanwhile (SECONDS=3600)
	@CARILLON_SOAK_SECONDS=$(or $(SECONDS),3600) $(python) -m tests.run --install-drivers -o faulthandler_timeout=0 tests/chaos/test_soak.py $(ARGS)

screenshots: $(installed) ## Make the pictures of the documentation anew (needs Chromium)
	@$(python) manage_example/screenshots.py

clean: ## Remove what the targets above have made
	rm -rf .venv .venv-* .archives build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installed anew when the project's dependencies may have changed.
$(installed): pyproject.toml
	@$(call is_recent,$(PYTHON)) || { echo "$(no_python)" >&2; exit 1; }
	@echo "Preparing $(environment) with $(PYTHON) …"
	@$(call is_recent,$(python)) || $(PYTHON) -m venv --clear $(environment)
	@$(python) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(python) -m pip install --quiet --disable-pip-version-check --editable '.[postgresql]' --group dev 'Django$(DJANGO)'
	@touch $@
