# make conformance   set up, run every variant × recipe × runtime, gate a real model
# make quick         set up, lint, types, layers, the unit tests: in less than a minute
# make test          the same, and all of the harness's own tests
# make fuzz          corrupt 10,080 flatbuffers: all runtimes, the reader, the gate (half an hour)
# make certify       every check is seen to kill its faults; make certificate rewrites the table
# make world         gate 1,000 ordinary models and hold each verdict to the truth (WORLD=200: fewer)
# make versions      measure which TensorFlow, Keras and runtime versions work (ROWS="2.19 tf_keras")
# make arm64         make an emulated ARM64 Python with LiteRT, for --runtime-python (no root)
# make ophint        build the legacy golden models again (needs Python 3.7)
# make keras3        write the golden Keras 3 files again (needs Python 3.11)
# make mutants       mutation testing of the oracles and the comparison (minutes)
# make wheel         build the wheel into dist/, with the pinned hatchling
# make docs         build the documentation as a site in .cache/site
# make gallery      rewrite docs/gallery.md and the pictures from real runs
# make lock          resolve requirements/*.in again (needs uv)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first Python that answers to one of the supported versions; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3.11 python3.10 python3; do \
	if $$p -c 'import sys, venv, ensurepip; assert (3, 10) <= sys.version_info[:2] <= (3, 11)' \
	2>/dev/null; then echo $$p; break; fi; done)
BIN := .venv/bin
ARGS ?=
DIGITS := examples/digits/out
SHORT := last/ or sequences/ or bidirectional-concat/ or gru/ or digits/

.PHONY: help conformance conformance-short check quick test fuzz certify certificate world mutants \
	matrix versions arm64 ophint keras3 \
	docs gallery wheel lock clean

help:
	@sed -n 's/^# make /make /p' Makefile

conformance: .venv/.run
	$(BIN)/python -m pytest suites/ -n auto $(ARGS)
	$(BIN)/python -m harness matrix --check report/conformance.json
	$(BIN)/python -m examples.digits

# A few variants through every recipe and runtime, and the real model: what CI has time for.
conformance-short: .venv/.run
	$(BIN)/python -m pytest suites/ -q -k "$(SHORT)" --report report/short $(ARGS)
	$(BIN)/python -m examples.digits

# Lint, types and layers.
check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

quick: check
	$(BIN)/python -m pytest tests/unit -q -n 2 $(ARGS)

# What measures noise runs by itself; 5 says that ARGS chose nothing of it.
test: check
	$(BIN)/python -m pytest tests/ -ra -n 2 -m "not alone" $(ARGS)
	$(BIN)/python -m pytest tests/integration/benchmarks -ra -m alone $(ARGS) || [ $$? = 5 ]

# Every kind of corruption, in turn, of every base: 240 times. ARGS="--count N --seed N" for others.
fuzz: .venv/.run
	$(BIN)/python -m harness fuzz --count 10080 --gate 200 $(ARGS)

# Every named fault killed, no false alarm, docs/certificate.md up to date.
certify: .venv/.run
	$(BIN)/python -m harness certify $(ARGS)

certificate: .venv/.run
	$(BIN)/python -m harness certify --write $(ARGS)

# Models that no catalogue has, as users build them: nothing healthy red, nothing wrong green.
# ARGS="--write" rewrites docs/world.md and the README's table.
WORLD ?= 1000
world: .venv/.run
	$(BIN)/python -m harness world --count $(WORLD) $(ARGS)

# Thousands of small changes to reference/ and the comparison, each held to the tests that need no
# runtime. A run that was stopped goes on where it was; ARGS=--again examines everything.
mutants: .venv/.mutants
	$(BIN)/python -m tools.mutate $(ARGS)
	$(BIN)/python -m tools.mutants --write

# Rewrites the support matrix of docs/support.md from the registry.
matrix: .venv/.run
	$(BIN)/python -m harness matrix --write

# One environment for each row below .cache/versions, a gigabyte or two each; goes on where an
# earlier run stopped, and rewrites docs/versions.md.
ROWS ?=
versions: .venv/.dev
	$(BIN)/python -m harness versions --rows "$(ROWS)" $(ARGS)

# From Debian's packages and wheels, below .cache/emulation; ARGS="--architecture armhf" for 32 bits.
arm64: .venv/.run
	$(BIN)/python -m harness arm64 $(ARGS)

# OpHint lives in TensorFlow 1.14 to 2.5 only, so its models are made in an environment of their own.
OPHINT := .cache/versions/ophint
ophint: .venv/.dev
	UV_PYTHON_PREFERENCE=only-system $(BIN)/uv venv --quiet --clear --python 3.7 $(OPHINT)
	$(BIN)/uv pip install --quiet --python $(OPHINT)/bin/python -r tools/ophint/requirements.txt
	$(OPHINT)/bin/python tools/ophint/build_models.py fixtures/golden/ophint

# One environment for each version, with a backend that needs no TensorFlow.
KERAS3 ?= 3.0.5 3.1.1 3.2.1 3.3.3 3.6.0 3.9.2 3.12.4 3.15.1
KERAS3_MODELS ?=
keras3: .venv/.dev
	for version in $(KERAS3); do \
		$(BIN)/python -m venv --clear .cache/versions/keras-$$version; \
		.cache/versions/keras-$$version/bin/python -m pip install --quiet \
			--disable-pip-version-check -r tools/keras3/requirements.txt "keras==$$version"; \
		KERAS_BACKEND=jax .cache/versions/keras-$$version/bin/python \
			tools/keras3/build_models.py fixtures/golden/keras3 $(KERAS3_MODELS); \
	done

.venv/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "error: Python 3.11 or 3.10 with venv was not found." >&2; \
		echo "Install one (Debian: apt-get install python3.11-venv), or name it:" >&2; \
		echo "  make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi
	$(PYTHON) -m venv .venv

.venv/.run: requirements/run.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r requirements/run.txt
	touch $@

.venv/.dev: requirements/dev.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r requirements/dev.txt
	touch $@ .venv/.run

.venv/.mutants: requirements/mutants.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r requirements/mutants.txt
	touch $@ .venv/.dev .venv/.run

wheel: .venv/.dev
	$(BIN)/uv build --quiet --wheel --require-hashes \
		--build-constraint requirements/build.txt --out-dir dist .

docs: .venv/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open .cache/site/index.html"

# From real runs of models that go wrong as users' do: minutes.
gallery: .venv/.dev
	$(BIN)/python -m tools.site --write

lock:
	for set in run dev mutants build; do \
		uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.10 \
			requirements/$$set.in -o requirements/$$set.txt; \
	done

clean:
	rm -rf .venv .cache report dist $(DIGITS)
