# Two commands do everything on a fresh Debian machine with Python 3.11, Node 20, npm, git and make:
#   make serve   start the server on its embedded default
#   make test    run every check and every test
# Both prepare what they need first, and are quick the second time.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMPS := .stamps
CLIENT := js-client
TOOLS  := .tools

.PHONY: serve dev test check test-python test-js test-browser bundles version requirements lowest release nightly soak bench bench-peers bench-results bench-page clean

serve: $(STAMPS)/serve
	$(BIN)/sharedstate-anyio $(ARGS)

# What most tests need, to run some of them by hand.
dev: $(STAMPS)/dev $(STAMPS)/npm

test: check test-python test-js test-browser
	@echo "all checks and tests passed"

check: $(STAMPS)/dev $(STAMPS)/npm
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	npm --prefix $(CLIENT) run --silent lint
	npm --prefix $(CLIENT) run --silent types
	npm --prefix $(CLIENT) run --silent check-bundles

test-python: $(STAMPS)/dev $(STAMPS)/npm $(STAMPS)/runtimes $(STAMPS)/debian
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

# Exact versions with hashes: of what a server may need, of what the tests need beside it, and of the tools below.
LOCK = $(TOOLS)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
    --custom-compile-command 'make requirements' pyproject.toml
requirements: $(STAMPS)/tools
	$(LOCK) --all-extras -o requirements/server.txt
	$(LOCK) --all-extras --group dev --constraint requirements/server.txt -o requirements/dev.txt
	$(TOOLS)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --custom-compile-command 'make requirements' --group tools -o requirements/tools.txt

# The lowest versions that pyproject.toml allows, in an environment of their own, with today's test tools.
lowest: $(STAMPS)/tools $(STAMPS)/npm $(STAMPS)/debian $(STAMPS)/runtimes
	$(TOOLS)/bin/uv venv --quiet --clear --python $(PYTHON) build/lowest
	$(TOOLS)/bin/uv pip compile --quiet --resolution lowest-direct --python-version 3.11 --all-extras pyproject.toml -o build/lowest.txt
	$(TOOLS)/bin/uv pip install --quiet --python build/lowest --requirement build/lowest.txt --group dev --editable .
	build/lowest/bin/python -m pytest $(LOWEST_TESTS) -n auto --maxprocesses 4 --dist worksteal
LOWEST_TESTS ?= tests/core tests/client tests/adapters tests/backends tests/python_client tests/client_command

# What a release consists of, in dist/: see docs/releasing.md.
release: $(STAMPS)/dev $(STAMPS)/tools $(STAMPS)/npm
	rm -rf dist build/release
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(TOOLS)/bin/python -m build --outdir dist .
	cd $(CLIENT) && npm pack --silent --pack-destination ../dist
	$(TOOLS)/bin/uv venv --quiet --python $(PYTHON) build/release
	$(TOOLS)/bin/uv pip install --quiet --python build/release --require-hashes --requirement requirements/server.txt
	$(TOOLS)/bin/uv pip install --quiet --python build/release --no-deps dist/*.whl
	sed "s/^dynamic = .*/version = \"$$($(BIN)/sharedstate --version | cut -d' ' -f2)\"/" pyproject.toml > build/release/pyproject.toml
	$(TOOLS)/bin/cyclonedx-py environment --pyproject build/release/pyproject.toml --output-reproducible \
	    --mc-type application -o dist/sharedstate.cdx.json build/release/bin/python
	cd dist && sha256sum * > SHA256SUMS
	$(BIN)/python -m tests.release dist

# The long run: 20,000 histories in the simulation, Autobahn with compression, every planted bug must be found; no cost
# grows faster than it may; a crowd
# that means harm; a Galera cluster whose nodes fail, and databases that are set back; every fault of storage, and every browser engine, on both
# loops; the lowest versions, and a release as it would be made now.
nightly: $(STAMPS)/dev $(STAMPS)/debian $(STAMPS)/unpacked lowest release
	$(BIN)/python -m pytest tests/docs/test_monitoring.py
	ALL_TESTS=1 $(BIN)/python -m pytest --ignore=tests/browser -n auto --maxprocesses 4 --dist worksteal
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/simulation tests/core tests/client tests/autobahn
	$(BIN)/python -m tests.kill_list
	$(BIN)/python -m benchmarks growth --quick
	$(BIN)/python -m tests.support.faults.galera_runs
	$(BIN)/python -m tests.support.hostile
	$(BIN)/python -m tests.support.hostile --loop trio --seed 1
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/adapters/storage/test_set_back.py tests/adapters/storage/test_set_back_mariadb.py
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/adapters/storage/test_sqlite_faults.py tests/adapters/storage/test_mariadb.py
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/docs/test_storage_table.py tests/browser/test_engines.py

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
	rm -rf $(VENV) $(TOOLS) $(STAMPS) build dist $(CLIENT)/node_modules tests/runtimes/node_modules $(PEERS)/node_modules $(PEERS)/.venv

$(STAMPS)/venv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/serve: $(STAMPS)/venv pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# Nothing but what requirements/dev.txt names, checked by its hashes; the package itself is built with the tools in it.
$(STAMPS)/dev: $(STAMPS)/venv pyproject.toml requirements/dev.txt
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(STAMPS)/serve

# Programs of Debian that only look at files, unpacked and not installed: no service is started, and anybody can.
UNPACKED := build/debian
$(STAMPS)/unpacked:
	rm -rf $(UNPACKED) && mkdir -p $(UNPACKED)
	cd $(UNPACKED) && apt-get download --quiet --quiet prometheus fail2ban
	cd $(UNPACKED) && for package in *.deb; do dpkg-deb --extract $$package .; done
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/tools: requirements/tools.txt
	$(PYTHON) -m venv --clear $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --require-hashes --requirement requirements/tools.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/npm: $(CLIENT)/package.json $(CLIENT)/package-lock.json
	npm --prefix $(CLIENT) ci --no-audit --no-fund
	@mkdir -p $(STAMPS) && touch $@

# Deno, Bun, an older TypeScript and pyright, about 100 MB to fetch. Not by a lock file: each package is for one kind of machine.
$(STAMPS)/runtimes: tests/runtimes/package.json
	npm --prefix tests/runtimes install --no-package-lock --no-audit --no-fund
	@mkdir -p $(STAMPS) && touch $@

# Debian packages that tests need; only root can install them.
$(STAMPS)/debian: Makefile
	@missing=; \
	command -v chromium >/dev/null || missing="chromium"; \
	PATH="$$PATH:/usr/sbin" command -v mariadbd >/dev/null || missing="$$missing mariadb-server"; \
	for program in nginx caddy haproxy logrotate sqlite3 firefox-esr; do \
	    PATH="$$PATH:/usr/sbin" command -v $$program >/dev/null || missing="$$missing $$program"; \
	done; \
	command -v Xvfb >/dev/null || missing="$$missing xvfb"; \
	command -v WebKitWebDriver >/dev/null || missing="$$missing webkit2gtk-driver"; \
	ls /usr/lib*/galera*/libgalera_smm.so >/dev/null 2>&1 || missing="$$missing galera-4"; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; \
	else \
	    echo "The tests need Debian packages. As root: apt-get install --no-install-recommends" $$missing; exit 1; \
	fi
	@mkdir -p $(STAMPS) && touch $@
