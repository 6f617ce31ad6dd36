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

# The tests are rewritten and compiled once, not by every process of every run.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
SEED ?=
KILLS ?= 20
APPROVALS ?= 200
BOTS ?= 1
.PHONY: azurite mermaid frameworks mcp help demo test lint bench faults proof pictures dist lock clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 10

$(STAMP): requirements.lock requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "countersign needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(NODE_STAMP): $(NODE)/package.json $(NODE)/package-lock.json | $(STAMP)
	$(BIN)/npm ci --prefix $(NODE) --loglevel error >/dev/null
	@touch $@

demo: $(STAMP) ## a workspace in your browser: no account, no Docker, no Slack
	$(BIN)/countersign demo --data data/demo

test: lint ## everything that must hold, in under five minutes
	$(BIN)/pytest -n 5

lint: $(STAMP) $(NODE_STAMP) ## style, types, layers, names, the page, Dockerfile, workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.lint.class_names
	$(BIOME) check --config-path=$(NODE) --error-on-warnings bot/simulator/page
	$(TSC) --project $(NODE)
	$(BIN)/hadolint Dockerfile
	$(BIN)/zizmor --offline --quiet --persona auditor .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml

bench: $(STAMP) ## speed and size, as a table
	$(BIN)/python -m tests.bench

faults: $(STAMP) ## approvals while processes are killed and calls fail, and a ledger: SEED=1 KILLS=20 APPROVALS=200 BOTS=1
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) --kills $(KILLS) --approvals $(APPROVALS) --bots $(BOTS)

azurite: $(STAMP) ## Azure's storage emulator (240 MB), without which the tests of documents in Blob storage are skipped
	$(BIN)/npm ci --prefix tests/azurite --omit=optional --loglevel error >/dev/null

mermaid: $(STAMP) ## Mermaid (200 MB), without which the test that reads our diagrams is skipped
	$(BIN)/npm ci --prefix tests/mermaid --ignore-scripts --loglevel error >/dev/null

# Anthropic's wheel has a program of 180 MB in it, which the tests replace by a script; its source has none.
frameworks: $(STAMP) ## LangGraph, OpenAI's and Anthropic's agent SDKs (60 MB), without which the tests of their recipes are skipped
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation \
	    --no-binary claude-agent-sdk -r requirements-frameworks.lock

mcp: $(STAMP) ## an MCP server, the TypeScript client and the protocol's own suite (60 MB), without which tests of MCP are skipped
	$(BIN)/npm ci --prefix tests/mcp --loglevel error >/dev/null

pictures: $(STAMP) ## the pictures of the pages, taken by the tests that play the scenarios
	COUNTERSIGN_PICTURES=$(CURDIR)/.github/pictures $(BIN)/pytest -q tests/e2e/demo/test_guided.py

proof: $(STAMP) ## the long forms of what test runs briefly, one after the other
	COUNTERSIGN_PROOF=1 $(BIN)/pytest --durations=0 --durations-min=5 tests/integration/orchestration/hub \
	    $$(grep -rl COUNTERSIGN_PROOF tests --include='test_*.py' | grep -v ^tests/integration/orchestration/hub/)

dist: $(STAMP) ## the wheel and the source, as they are released
	rm -rf dist
	$(BIN)/hatchling build

lock: $(STAMP) ## pin what pyproject.toml allows, anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    -c requirements.lock --all-extras pyproject.toml -o requirements-stores.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    -c requirements.lock --group dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    -c requirements-dev.lock --group frameworks -o requirements-frameworks.lock
	$(BIN)/npm install --prefix $(NODE) --package-lock-only --loglevel error >/dev/null
	$(BIN)/npm install --prefix tests/azurite --package-lock-only --loglevel error >/dev/null
	$(BIN)/npm install --prefix tests/mermaid --package-lock-only --loglevel error >/dev/null
	$(BIN)/npm install --prefix tests/mcp --package-lock-only --loglevel error >/dev/null

clean: ## forget the environment and every cache
	rm -rf $(VENV) $(NODE)/node_modules tests/azurite/node_modules tests/mermaid/node_modules tests/mcp/node_modules \
	    .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
