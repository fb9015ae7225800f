# `make serve` and `make test` need Python 3.11 or newer, pip and make; everything else goes into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help serve test cover check format lock clean
.DELETE_ON_ERROR:

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

serve: $(VENV)/.runtime ## Install, migrate the embedded database and serve on port 8000
	$(BIN)/parley serve

# Tests start many a server: each would compile all of it again where nothing compiled is kept.
KEEP = env -u PYTHONDONTWRITEBYTECODE

test: $(VENV)/.dev ## Install what tests need and run everything (ARGS="tests/server -x" for less)
	$(KEEP) $(BIN)/python -m pytest $(or $(ARGS),-n auto --dist worksteal)

cover: $(VENV)/.dev ## Run every test and measure which branches they reach (takes half as long again)
	$(KEEP) $(BIN)/python -m pytest --cov -n auto --dist worksteal

check: $(VENV)/.dev ## Lint, formatting, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev ## Format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Extra indexes and folders of wheels may serve builds of their own: locked are the hashes that everybody finds.
PIP_COMPILE = env -u PIP_EXTRA_INDEX_URL -u PIP_FIND_LINKS PIP_CONFIG_FILE=/dev/null \
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/python -m piptools compile --quiet --upgrade --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --allow-unsafe --all-build-deps

lock: $(BIN)/python ## Pin the whole tree anew, with hashes
	$(PIP) install 'pip-tools>=7.5,<8'
	$(PIP_COMPILE) --output-file requirements.lock pyproject.toml
	$(PIP_COMPILE) --extra test --extra dev --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml

clean: ## Remove the environment and what the tools keep
	rm -rf $(VENV) .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Parley needs Python 3.11 or newer: try make PYTHON=python3.12" \
		if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what Parley needs into $(VENV): this takes a minute."
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing what the tests need into $(VENV)."
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
