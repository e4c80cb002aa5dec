# Every target sets up what it needs in .venv; a changed pyproject.toml sets it up again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One thread a process: two processes of one are faster than one of two, and the numbers do not depend on it.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: demo test test-fast lint docs clean

demo: $(READY)
	$(BIN)/python tools/train_net.py --config-file configs/sample/sbs_R18-ibn_sample_48.yml --overwrite
	$(BIN)/python tools/train_net.py --config-file configs/sample/sbs_R18-ibn_sample_64.yml --overwrite
	$(BIN)/python tools/test.py --config-file configs/sample/sbs_R18-ibn_sample_test.yml --eval-only --compare pixels,hog
	@echo "next, the network in the box on your own drawings: $(BIN)/fastpatent find DRAWING --in FOLDER"

test: $(READY)
	$(PYTEST)

test-fast: $(READY)
	$(PYTEST) -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(READY)
	$(BIN)/fastpatent config --table > docs/configuration.md

$(READY): pyproject.toml setup.py fastpatent/retrieval/_rank.pyx
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
