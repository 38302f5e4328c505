# Everything a maintainer or a visitor of the template runs. What it makes stays in build/ and .build/ (git-ignored).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.8
SLUG := ai-service
BAKED := build/$(SLUG)
# What a fresh render leaves standing, so that a second demo starts warm.
KEPT := .venv .tools .local .env

# What a clone of this working tree would hold: caches and data that lie about in it would be rendered, too.
AS_CLONED := { git ls-files -z --cached --others --exclude-standard 2>/dev/null || find . -type f -not -path './.build/*' -not -path './build/*' -print0; } \
	| tar --null --ignore-failed-read -cf - -T - 2>/dev/null

UV := $(CURDIR)/.build/tools/bin/uv
BIN := $(CURDIR)/.build/venv/bin

# Projects made here use this uv, instead of installing one each.
export PATH := $(CURDIR)/.build/bin:$(PATH)

# No cache may appear inside the project folder: cookiecutter would copy it into every new project.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.build/cache/pyc
export RUFF_CACHE_DIR := $(CURDIR)/.build/cache/ruff
export MYPY_CACHE_DIR := $(CURDIR)/.build/cache/mypy
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/.build/cache/hypothesis
export PYTEST_ADDOPTS := -o cache_dir=$(CURDIR)/.build/cache/pytest
export COVERAGE_FILE := $(CURDIR)/.build/cache/coverage

.PHONY: help demo bake equip test check supply prove lock clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

demo: bake ## Make a project, start all of it, ask it a question (ONCE=1: then stop)
	@$(MAKE) --no-print-directory -C $(BAKED) demo ONCE=$(ONCE)

bake: .build/venv/ready ## Make the default project in build/, keeping what an earlier one installed
	@rm -rf .build/fresh .build/template && mkdir -p .build/fresh .build/template $(BAKED)
	@$(AS_CLONED) | tar -C .build/template -xf -
	@$(BIN)/cookiecutter .build/template --no-input --output-dir .build/fresh project_slug=$(SLUG) >.build/fresh/log || { cat .build/fresh/log >&2; exit 1; }
	@find $(BAKED) -mindepth 1 -maxdepth 1 $(foreach name,$(KEPT),! -name $(name)) -exec rm -rf {} +
	@cp -a .build/fresh/$(SLUG)/. $(BAKED)/

equip: ## Set up the project that the slow tests look at
	@$(MAKE) --no-print-directory bake BAKED=.build/project
	@$(MAKE) --no-print-directory -C .build/project setup

test: equip ## Every test: the template's own, and the whole suite of a generated project
	$(BIN)/python -m pytest $(ARGS)

check: equip ## Style, types and contracts of the template and of a generated project
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy hooks/pre_gen_project.py hooks/post_gen_project.py tests
	$(BIN)/shellcheck .ci/run
	@$(MAKE) --no-print-directory -C .build/project check

supply: equip ## Secrets, bill of materials and known holes of a generated project (the last needs the network)
	@$(MAKE) --no-print-directory -C .build/project secrets sbom audit

prove: equip ## Which requirements a new project proves, by which evidence, and which not yet
	@$(MAKE) --no-print-directory -C .build/project readiness

lock: .build/tools/ready ## Pin the template's tools anew (requirements.lock)
	$(UV) pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock

clean: ## Delete everything made here
	rm -rf build .build

.build/tools/ready:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.11 ..." >&2; exit 2; }
	@$(PYTHON) -m venv .build/tools
	@.build/tools/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@mkdir -p .build/bin && ln -sf $(UV) .build/bin/uv
	@touch $@

.build/venv/ready: requirements.lock | .build/tools/ready
	@$(UV) venv -q --clear --python $(PYTHON) .build/venv
	@VIRTUAL_ENV=$(CURDIR)/.build/venv $(UV) pip sync -q --require-hashes requirements.lock
	@touch $@
