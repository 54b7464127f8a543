# From a fresh clone: Python 3.11 or newer and make are enough. `make demo` first, `make test` next.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
UV ?= uv
BIN = .venv/bin
AGENTS = openai_agents pydantic_ai langgraph crewai
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --custom-compile-command 'make lock' $(UPGRADE)

.PHONY: demo test check bench soak audit agents fuzz-openapi lock clean
.DELETE_ON_ERROR:

demo: .venv/run.stamp  ## a sample team on the simulated models: what was routed where, and what it saved
	@$(BIN)/levelhead demo

test: .venv/dev.stamp .venv-sdk/stamp  ## everything; ARGS="-k budget" for a part
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: .venv/dev.stamp  ## lint, format, types, layers, sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python .ci/sizes.py

bench: .venv/dev.stamp  ## the proxy beside nginx and LiteLLM's; see benchmarks/README.md
	$(BIN)/python benchmarks/overhead.py $(ARGS)

soak: .venv/dev.stamp  ## 18 minutes of faults; ARGS="--seconds 110" for what CI runs
	$(BIN)/python benchmarks/soak.py $(or $(ARGS),--out benchmarks/results/soak.json)

audit: .venv-audit/stamp  ## known vulnerabilities in what is locked; says so where no database can be reached
	@.ci/audit

agents: $(AGENTS:%=.venv-agents/%/stamp)  ## environments for the examples; CrewAI's takes 900 MB

fuzz-openapi: .venv/run.stamp .venv-openapi/stamp  ## schemathesis against the simulated pair; ARGS="--max-examples 2800"
	@tests/fuzz/openapi.sh $(ARGS)

lock:  ## needs uv; UPGRADE=--upgrade for newer releases
	$(COMPILE) pyproject.toml --extra redis -o requirements.lock
	$(COMPILE) --group dev -c requirements.lock -o .ci/dev.lock
	$(COMPILE) --group sdk -o tests/integration/sdk.lock
	$(foreach name,$(AGENTS),$(COMPILE) examples/locks/$(name).in -o examples/locks/$(name).lock &&) true
	$(COMPILE) --group audit -o .ci/audit.lock
	$(COMPILE) --group openapi -o tests/fuzz/openapi.lock

clean:
	rm -rf .venv .venv-sdk .venv-agents .venv-audit .venv-openapi .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis

# What levelhead runs on; then what it is tested with; and, apart because litellm pins an older one, the vendors' SDKs.
.venv/run.stamp: requirements.lock
	@test -n "$(PYTHON)" || { echo "levelhead needs Python 3.11 or newer: make PYTHON=/path/to/python3"; exit 1; }
	@echo "installing into .venv (about a minute)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(BIN)/python $(PIP_INSTALL) --no-deps --editable .
	@touch $@

.venv/dev.stamp: .venv/run.stamp .ci/dev.lock
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r .ci/dev.lock
	@touch $@

.venv-sdk/stamp: tests/integration/sdk.lock
	@test -n "$(PYTHON)" || { echo "levelhead needs Python 3.11 or newer: make PYTHON=/path/to/python3"; exit 1; }
	@test -x .venv-sdk/bin/pip || $(PYTHON) -m venv --clear .venv-sdk
	@.venv-sdk/bin/python $(PIP_INSTALL) --require-hashes -r tests/integration/sdk.lock
	@touch $@

.venv-openapi/stamp: tests/fuzz/openapi.lock
	@test -x .venv-openapi/bin/pip || $(PYTHON) -m venv --clear .venv-openapi
	@.venv-openapi/bin/python $(PIP_INSTALL) --require-hashes -r tests/fuzz/openapi.lock
	@touch $@

.venv-audit/stamp: .ci/audit.lock
	@test -x .venv-audit/bin/pip || $(PYTHON) -m venv --clear .venv-audit
	@.venv-audit/bin/python $(PIP_INSTALL) --require-hashes -r .ci/audit.lock
	@touch $@

.venv-agents/%/stamp: examples/locks/%.lock
	@test -x .venv-agents/$*/bin/pip || $(PYTHON) -m venv --clear .venv-agents/$*
	@.venv-agents/$*/bin/python $(PIP_INSTALL) --require-hashes -r $<
	@touch $@
