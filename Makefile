# Two commands: `make serve` and `make test`. `make help` lists the rest.
PYTHON   ?= python3.11
PORT     ?= 8000
HOST     ?= 127.0.0.1
TASK     ?= phantom_2d
STUDIES  ?=
DATABASE ?=
INSECURE ?=

PY      := .venv/bin/python
PIP     := $(PY) -m pip --disable-pip-version-check --quiet
STAMP   := .venv/.installed
SLICER  := .venv-slicer/.installed

SLICER_CORE := slicer-core==5.13.31053.0

.DEFAULT_GOAL := help
.PHONY: help env serve demo test test-all test-rest e2e-needs lint lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## the Python environment in .venv, exactly as requirements.lock says

# --no-deps: the lock is complete, and MONAI Label's own list would fetch gigabytes that are never imported.
# Where the package index has no CPU torch, pip brings the CUDA build, whose libraries the lock leaves out: the last line adds them.
$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11, or say PYTHON=/path/to/it" >&2; exit 1; }
	@echo "Making .venv: $$(grep -c == requirements.lock) packages, about two minutes on a fast network ..."
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PIP) install --no-deps --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PY) -c "import torch" 2>/dev/null || { echo "This torch needs its CUDA libraries: adding them ..."; \
		$(PIP) install --constraint requirements.lock torch && $(PY) -c "import torch"; }
	@touch $@

serve: $(STAMP) ## serve the sample data; PORT, HOST, STUDIES, TASK, DATABASE override
	@$(PY) scripts/serve.py --host "$(HOST)" --port "$(PORT)" --task "$(TASK)" \
		$(if $(STUDIES),--studies "$(STUDIES)") $(if $(DATABASE),--database "$(DATABASE)") $(if $(filter-out 0 no,$(INSECURE)),--insecure)

demo: $(STAMP) ## a simulated reader in five rounds, beside uniform sampling (under 6 minutes)
	@$(PY) -m xal.cli demo

test: $(STAMP) ## all tests but those marked e2e or soak
	$(PY) -m pytest -m "not e2e and not soak"

test-all: test test-rest ## every test; installs what they need (as root also with apt)

test-rest: $(STAMP) $(SLICER) e2e-needs
	$(PY) -m pytest -m "e2e or soak"

# 3D Slicer's core wants another numpy, hence an environment of its own.
$(SLICER): Makefile
	@test -x .venv-slicer/bin/python || $(PYTHON) -m venv .venv-slicer
	@.venv-slicer/bin/python -m pip --disable-pip-version-check --quiet install "$(SLICER_CORE)"
	@touch $@

e2e-needs:
	@if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; \
	else echo "PostgreSQL's server is missing; as root: apt-get install postgresql" >&2; exit 1; fi

lint: $(STAMP) ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

lock: $(STAMP) ## resolve requirements.txt anew into requirements.lock
	$(PY) scripts/lock.py

clean: ## remove the environments and caches (never var/: it holds what readers handed in)
	rm -rf .venv .venv-slicer .pytest_cache .mypy_cache .ruff_cache lib/*.egg-info
