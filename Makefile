# make repro builds everything; make help lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What to install: dev, and as needed align (dlib), ray. After a change: make -B install
EXTRAS ?= dev
INSTALLED := $(VENV)/.installed
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
# Without --no-compile pip compiles 20,000 modules for a minute, of which most are never imported.
PIP := pip install --quiet --disable-pip-version-check --no-compile

.PHONY: help install repro test test-random lint profile clean
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

# Tests, or stages, that run at the same time: one per core, and one more because some always wait
# (stages for DVC's lock), but at most 9. Stages run one after another with a GPU, as DVC does.
PROCESSES ?= $(shell n=$$(nproc); echo $$((n < 8 ? n + 1 : 9)))
JOBS ?= $(if $(shell command -v nvidia-smi),1,$(PROCESSES))
repro: $(INSTALLED)  ## build the pipeline in force, from a bare clone to the report: make repro [JOBS=1]
	source $(BIN)/activate && $(if $(filter 1,$(JOBS)),dvc repro,face-occlusion run --jobs $(JOBS))

test: $(INSTALLED)  ## run the tests
	source $(BIN)/activate && pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

# Another seed each time: make test-random SEED=... repeats one.
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
test-random: $(INSTALLED)  ## run the property tests on values drawn afresh; failures print the seed
	source $(BIN)/activate && pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder -m property --hypothesis-seed=$(SEED)

lint: $(INSTALLED)  ## check format, lint rules, imports and types
	source $(BIN)/activate && ruff format --check . && ruff check . && lint-imports && pyright

profile: $(INSTALLED)  ## switch the profile: make profile NAME=miniature|small|replication|online|paper [FORCE=1]
	source $(BIN)/activate && face-occlusion profile "$(NAME)" $(if $(FORCE),--force)

install: $(INSTALLED)  ## build .venv with everything pinned in constraints.txt

# A pip of today, as Python's own takes a minute longer to find what fits together. torch alone and
# first: beside other packages pip may weigh its CUDA builds against the local one.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv --upgrade-deps $(VENV)
	$(BIN)/$(PIP) $$(grep '^torch==' constraints.txt)
	$(BIN)/$(PIP) -e '.[pipeline,$(EXTRAS)]'
	@$(BIN)/python -c 'import cv2' \
		|| { echo "OpenCV lacks a system library; on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0"; exit 1; }
	touch $@

clean:  ## remove the environment and unfinished work; data, models and reports stay
	rm -rf $(VENV) .scratch
