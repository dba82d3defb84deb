# Two commands: `make serve` and `make test`. `make help` lists the rest.
PORT      ?= 8000
PACS_PORT ?= 8142
HOST      ?= 127.0.0.1
TASK      ?= phantom_2d
STUDIES   ?=
DATABASE  ?=
REVIEWERS ?=
CONF      ?=
INSECURE  ?=
WORKERS   ?= auto
RUNS      ?=
MINUTES   ?=
ONLY      ?=

# The first that runs and can make an environment; Debian and Ubuntu keep that part in a package of its own.
ifndef PYTHON
PYTHON := $(shell for one in python3.11 python3.12; do $$one -c "import ensurepip" 2>/dev/null && echo $$one && break; done)
endif
KNOWN_PYTHON := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))

PY      := .venv/bin/python
PIP     := $(PY) -m pip --disable-pip-version-check --quiet
STAMP   := .venv/.installed
SLICER  := .venv-slicer/.installed
DOCS    := .venv-docs/.installed
BROWSER := .venv/.playwright
PAGE    := lib/xal/server/page/vendor/.installed
WEB     := web/node_modules/.installed

WEB_BIN  := web/node_modules/.bin
PRETTIER := $(WEB_BIN)/prettier --config web/.prettierrc.json --ignore-path .gitignore --ignore-path web/.prettierignore --log-level warn web 'lib/xal/server/page/*.js'

SLICER_CORE := slicer-core==5.13.31053.0
PLAYWRIGHT  := playwright==1.65.2
MKDOCS      := mkdocs==1.6.1 mkdocs-material==9.8.2

# The longest files first, so that no core is left with one at the end.
SPREAD := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help env page serve pacs demo pictures check test drills flaky test-all test-rest e2e-needs lint web-check web-format docs wheel lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## the Python environment in .venv, exactly as requirements.lock says

# pip, though uv installs all but torch in 3 s where pip takes 24: pip heeds pip.conf, where hospitals name mirrors and certificates.
# --no-deps: the lock is complete, and MONAI Label's own list would fetch gigabytes that are never imported.
# --no-compile: most of what lies there is never imported; what a server imports is compiled by the last line.
# Where the package index has no CPU torch, pip brings the CUDA build, whose libraries the lock leaves out: the last line but one adds them.
$(STAMP): requirements.lock pyproject.toml $(wildcard packaging/itk/*.toml packaging/itk/itk/*.py)
	@$(or $(PYTHON),false) -c "$(KNOWN_PYTHON)" 2>/dev/null || { echo "$(if $(PYTHON),$(PYTHON) is,There is) no Python 3.11 or 3.12 that can make environments: install one (apt-get install python3-venv where the system's is such), or say PYTHON=/path/to/it" >&2; exit 1; }
	@echo "Making .venv: $$(grep -c == requirements.lock) packages, about a minute on a fast network ..."
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PIP) install --no-compile --no-deps --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation ./packaging/itk --editable .
	@$(PY) -c "import torch" 2>/dev/null || { echo "This torch needs its CUDA libraries: adding them ..."; \
		$(PIP) install --constraint requirements.lock torch && $(PY) -c "import torch"; }
	@$(PY) -c "import xal.server.app" >/dev/null
	@touch $@

page: $(PAGE) ## what the page at /xal/ runs that others wrote; fetches Node.js where there is no npm

$(PAGE): package.json package-lock.json scripts/page.sh
	@echo "Installing what the page needs from npm ..."
	@scripts/page.sh $(or $(PYTHON),$(PY))
	@touch $@

serve: export XAL_STUDIES = $(STUDIES)
serve: $(STAMP) $(PAGE) ## serve the sample data; PORT, HOST, STUDIES, TASK, DATABASE, REVIEWERS, CONF override
	@$(PY) scripts/serve.py --host "$(HOST)" --port "$(PORT)" --task "$(TASK)" \
		$(if $(DATABASE),--database "$(DATABASE)") \
		$(if $(REVIEWERS),--reviewers "$(REVIEWERS)") $(foreach setting,$(CONF),--conf "$(setting)") $(if $(filter-out 0 no,$(INSECURE)),--insecure)

pacs: $(STAMP) $(PAGE) ## a local Orthanc full of DICOM phantoms, and the app on it; PORT, PACS_PORT, TASK override
	@$(PY) scripts/pacs.py --port "$(PORT)" --pacs-port "$(PACS_PORT)" --task "$(TASK)"

demo: $(STAMP) ## what a clinic would run, beside labels alone, with three seeds (under 6 minutes)
	@$(PY) -m xal.cli demo

pictures: $(STAMP) $(PAGE) $(BROWSER) e2e-needs ## the pictures of the page in docs/page, made anew
	$(PY) scripts/pictures.py

check: lint web-check ## what to run while working: style, types, and the tests that need no server and take no time
	OMP_NUM_THREADS=1 $(PY) -m pytest -m "not server and not slow and not e2e and not soak" -q $(SPREAD)

test: $(STAMP) ## all tests but those marked e2e or soak
	OMP_NUM_THREADS=1 $(PY) -m pytest -m "not e2e and not soak" $(SPREAD)

drills: $(STAMP) $(PAGE) ## kills, full disks, locks, damage, bombs and a crowd, for 20 minutes (as root); MINUTES, ONLY override
	$(PY) scripts/drills.py $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only $(ONLY))

flaky: $(STAMP) ## the quick tests ten times, in other orders and on other machines; RUNS, MINUTES, ONLY override
	$(PY) scripts/flaky.py $(if $(RUNS),--runs $(RUNS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only $(ONLY))

test-all: test test-rest ## every test; installs what they need (as root also with apt)

test-rest: $(STAMP) $(PAGE) $(SLICER) $(BROWSER) e2e-needs
	OMP_NUM_THREADS=1 $(PY) -m pytest -m "e2e or soak" $(SPREAD)

# 3D Slicer's core wants another numpy, hence an environment of its own.
$(SLICER): Makefile
	@test -x .venv-slicer/bin/python || $(or $(PYTHON),$(PY)) -m venv .venv-slicer
	@.venv-slicer/bin/python -m pip --disable-pip-version-check --quiet install "$(SLICER_CORE)"
	@touch $@

# Python's side of driving a browser; serving needs neither.
$(BROWSER): Makefile $(STAMP)
	@$(PIP) install "$(PLAYWRIGHT)"
	@touch $@

e2e-needs:
	@missing=""; ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="postgresql"; \
	command -v chromium >/dev/null || missing="$$missing chromium fonts-dejavu-core"; \
	ls /usr/sbin/Orthanc /usr/share/orthanc/plugins/libOrthancDicomWeb.so >/dev/null 2>&1 || missing="$$missing orthanc orthanc-dicomweb"; \
	command -v dciodvfy >/dev/null || missing="$$missing dicom3tools"; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else echo "missing, as root: apt-get install $$missing" >&2; exit 1; fi

lint: $(STAMP) ## style, types, and who may import whom
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports --no-logo

docs: $(STAMP) $(DOCS) ## the documentation as a site in var/docs; a broken link or an outdated reference page fails
	@$(PY) scripts/reference.py --check
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict
	@echo "The documentation is in var/docs: open var/docs/index.html"

# What builds the site is no part of the app, hence an environment of its own.
$(DOCS): Makefile
	@test -x .venv-docs/bin/python || $(or $(PYTHON),$(PY)) -m venv .venv-docs
	@.venv-docs/bin/python -m pip --disable-pip-version-check --quiet install $(MKDOCS)

# The page is served as it lies there: none of this is needed to serve it, and a machine without npm does without.
web-check: ## the page's form, types and units, where there is npm
	@command -v npm >/dev/null || { echo "The page is not checked: there is no npm here."; exit 0; }; $(MAKE) --no-print-directory web-checked

.PHONY: web-checked
web-checked: $(WEB)
	@$(PRETTIER) --check
	@$(WEB_BIN)/eslint --config web/eslint.config.js web lib/xal/server/page
	@$(WEB_BIN)/tsc --project web
	@node --test --test-reporter=tap web/tests/*.test.js >web/node_modules/.tests 2>&1 || { cat web/node_modules/.tests; exit 1; }
	@echo "The page: form, types and $$(sed -n 's/^# pass //p' web/node_modules/.tests) units are in order."

web-format: $(WEB) ## the page's modules in their form
	@$(PRETTIER) --write

$(WEB): web/package.json web/package-lock.json
	@npm ci --silent --prefix web
	@touch $@

wheel: $(STAMP) $(PAGE) ## the package as a wheel in var/wheel, with tasks and page inside
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir var/wheel .

lock: $(STAMP) ## resolve requirements.txt anew into requirements.lock
	$(PY) scripts/lock.py

clean: ## remove the environments and caches (never var/: it holds what readers handed in)
	rm -rf .venv .venv-slicer .venv-docs .venv-node node_modules web/node_modules lib/xal/server/page/vendor .pytest_cache .mypy_cache .ruff_cache lib/*.egg-info
