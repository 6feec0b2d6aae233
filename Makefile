# Two commands do everything on a fresh Debian machine with Python 3.11, Node 20, npm, git and make:
#   make serve   start the server on its embedded default
#   make test    run every check and every test
# Both prepare what they need first, and are quick the second time.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMPS := .stamps
CLIENT := js-client

.PHONY: serve test check test-python test-js test-browser bundles version nightly soak bench bench-peers bench-results bench-page clean

serve: $(STAMPS)/serve
	$(BIN)/sharedstate-anyio $(ARGS)

test: check test-python test-js test-browser
	@echo "all checks and tests passed"

check: $(STAMPS)/dev $(STAMPS)/npm
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	npm --prefix $(CLIENT) run --silent lint
	npm --prefix $(CLIENT) run --silent types
	npm --prefix $(CLIENT) run --silent check-bundles

test-python: $(STAMPS)/dev $(STAMPS)/npm $(STAMPS)/debian
	$(BIN)/python -m pytest --ignore=tests/browser -n auto --maxprocesses 4 --dist worksteal

test-js: $(STAMPS)/npm $(STAMPS)/runtimes
	npm --prefix $(CLIENT) test

test-browser: $(STAMPS)/dev $(STAMPS)/npm $(STAMPS)/debian $(STAMPS)/runtimes
	$(BIN)/python -m pytest tests/browser -n auto --maxprocesses 2 --dist worksteal

bundles: $(STAMPS)/npm
	npm --prefix $(CLIENT) run build

# Another version, everywhere where it stands: make version VERSION=0.3.0
version: $(STAMPS)/npm
	@echo '$(VERSION)' | grep -Exq '[0-9]+\.[0-9]+\.[0-9]+' || { echo 'usage: make version VERSION=0.3.0'; exit 2; }
	sed -i 's/^__version__ = .*/__version__ = "$(VERSION)"/' sharedstate_core/_version.py
	sed -i 's/^export const version = .*/export const version = "$(VERSION)";/' $(CLIENT)/src/version.js
	cd $(CLIENT) && npm version --no-git-tag-version --allow-same-version '$(VERSION)'
	npm --prefix $(CLIENT) run build

# The long run: 20,000 histories in the simulation, Autobahn with compression, and every planted bug must be found.
nightly: $(STAMPS)/dev
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/simulation tests/core tests/client tests/autobahn
	$(BIN)/python -m tests.kill_list

# Clients in Node and Chromium for ten minutes (or SECONDS=...), while the server dies and links break.
SECONDS ?= 600
soak: $(STAMPS)/dev $(STAMPS)/npm $(STAMPS)/debian
	SOAK_SECONDS=$(SECONDS) $(BIN)/python -m pytest tests/browser/test_soak.py -s

bench: $(STAMPS)/dev $(STAMPS)/debian
	$(BIN)/python -m benchmarks

# The other servers of `python -m benchmarks peers`, in places of their own; a Node for some, a compiler for the yardstick.
PEERS := benchmarks/peers
bench-peers: $(STAMPS)/dev
	$(PYTHON) -m venv $(PEERS)/.venv
	$(PEERS)/.venv/bin/python -m pip install --quiet --requirement $(PEERS)/requirements.txt
	npm --prefix $(PEERS) ci --no-audit --no-fund
	$(BIN)/python -m benchmarks list

# All figures anew, on an idle machine, and the page that shows them.
bench-results: $(STAMPS)/dev $(STAMPS)/debian
	$(BIN)/python -m benchmarks all --json benchmarks/results.json

bench-page: $(STAMPS)/dev
	$(BIN)/python -m benchmarks report benchmarks/results.json benchmarks/README.md
	$(BIN)/python -m benchmarks chart benchmarks/results.json benchmarks/chart.svg

clean:
	rm -rf $(VENV) $(STAMPS) $(CLIENT)/node_modules tests/runtimes/node_modules $(PEERS)/node_modules $(PEERS)/.venv

$(STAMPS)/venv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/serve: $(STAMPS)/venv pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(STAMPS)/dev: $(STAMPS)/venv pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@ $(STAMPS)/serve

$(STAMPS)/npm: $(CLIENT)/package.json $(CLIENT)/package-lock.json
	npm --prefix $(CLIENT) ci --no-audit --no-fund
	@mkdir -p $(STAMPS) && touch $@

# Deno, Bun and an older TypeScript, about 90 MB to fetch. Not by a lock file: each package is for one kind of machine.
$(STAMPS)/runtimes: tests/runtimes/package.json
	npm --prefix tests/runtimes install --no-package-lock --no-audit --no-fund
	@mkdir -p $(STAMPS) && touch $@

# Debian packages that tests need; only root can install them.
$(STAMPS)/debian: Makefile
	@missing=; \
	command -v chromium >/dev/null || missing="chromium"; \
	PATH="$$PATH:/usr/sbin" command -v mariadbd >/dev/null || missing="$$missing mariadb-server"; \
	for program in nginx caddy sqlite3; do \
	    PATH="$$PATH:/usr/sbin" command -v $$program >/dev/null || missing="$$missing $$program"; \
	done; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; \
	else \
	    echo "The tests need Debian packages. As root: apt-get install --no-install-recommends" $$missing; exit 1; \
	fi
	@mkdir -p $(STAMPS) && touch $@
