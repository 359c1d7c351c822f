# Every target sets up what it needs, once. Start with `make help`.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup stubs lint format test reliability run bench lock clean

# The interpreter that makes .venv: the fastest on PATH that is new enough and can make environments. Builds without
# profile-guided optimisation take half as long again for everything.
MEASURED = import ensurepip, sys, timeit, venv; sys.version_info < (3, 11) and sys.exit(1); \
  print(int(1e6 * min(timeit.repeat("[str(n) for n in range(99999)]", number=1))), sys.executable)
PYTHON ?= $(shell IFS=:; for folder in $$PATH; do for python in "$$folder"/python3.1[1-9] "$$folder"/python3; do \
  "$$python" -c '$(MEASURED)' 2>/dev/null; done; done | sort -n | sed 's/^[0-9]* //;q')
# Options for pytest, for example PYTEST_ARGS="-k ledger". Three processes, each with a PostgreSQL of its own.
PYTEST_ARGS ?= -n 3 --dist loadfile
# Where the contracts are that must not be broken: the published main branch, or else the local one.
BASE ?= $(firstword $(foreach ref,origin/main main,$(shell git rev-parse --quiet --verify $(ref):protos >/dev/null 2>&1 && echo $(ref))))

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SDK := $(VENV)/.sdk
STUBS := clients/python/buf/.gitignore
IMAGE := build/protos.binpb
# With the folders, so that removing a contract counts as a change.
CONTRACTS := $(shell find protos -type d -o -name '*.proto') protos/generate.py

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SDK) ## Make .venv with everything in requirements.lock

stubs: $(STUBS) ## Generate the Python stubs of protos/ into the SDK

lint: $(SDK) $(STUBS) $(IMAGE) ## Check style, types, imports between packages and contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/buf lint $(IMAGE) --config protos/buf.yaml
	$(if $(BASE),$(compare_contracts),@echo "buf breaking: main has no contracts yet")
	$(BIN)/mypy

define compare_contracts
rm -rf build/base && mkdir -p build/base
	git archive $(BASE):protos | tar -x -C build/base
	$(BIN)/python protos/generate.py --contracts build/base --image build/base.binpb --image-only
	$(BIN)/buf breaking $(IMAGE) --against build/base.binpb --config protos/buf.yaml
endef

format: $(SDK) ## Format the code and sort its imports
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test: $(SDK) $(STUBS) ## Run the tests
	$(BIN)/pytest $(PYTEST_ARGS)

reliability: $(SDK) $(STUBS) ## Run the long tests: crashes, whole years, overload
	$(BIN)/pytest -m reliability $(PYTEST_ARGS)

run: $(SDK) $(STUBS) ## Replay a real year through all four services, then keep serving (ONCE=1: stop after the summary)
	$(BIN)/tessera run grocer $(if $(ONCE),--once)

bench: $(SDK) $(STUBS) ## Measure speed against references in the same run
	$(BIN)/python -m tests.bench

lock: $(INSTALLED) ## Compile requirements.lock anew from pyproject.toml (UPGRADE=1: newest versions)
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --all-extras --generate-hashes --allow-unsafe \
	  --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(if $(UPGRADE),--upgrade) \
	  --output-file requirements.lock pyproject.toml

clean: ## Remove the environment, stubs, build outputs and data
	rm -rf $(VENV) build dist clients/python/*.egg-info clients/python/buf
	rm -rf $(dir $(wildcard clients/python/tessera/*/.gitignore))
	rm -rf .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock
	@test -n "$(PYTHON)" || { echo "Tessera needs Python 3.11 or newer, with venv and ensurepip."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "Installing requirements.lock into $(VENV): about a minute"
	@$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	@touch $@

# The SDK itself, and the checkout's root on the path for `services` and `tests`.
$(SDK): $(INSTALLED) pyproject.toml
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tessera-checkout.pth"
	@touch $@

$(STUBS): $(INSTALLED) $(CONTRACTS)
	$(BIN)/python protos/generate.py
	@touch $@

$(IMAGE): $(INSTALLED) $(CONTRACTS)
	$(BIN)/python protos/generate.py --image-only
