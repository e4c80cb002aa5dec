# `make demo` and `make test` set up everything they need in .venv; a changed pyproject.toml sets it up again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test clean

demo: $(READY)
	$(BIN)/python tools/train_net.py --config-file configs/sample/sbs_R18-ibn_sample_48.yml
	$(BIN)/python tools/train_net.py --config-file configs/sample/sbs_R18-ibn_sample_64.yml
	$(BIN)/python tools/test.py --config-file configs/sample/sbs_R18-ibn_sample_test.yml --eval-only --compare pixels,hog

test: $(READY)
	# one thread a process: two processes of one are faster than one of two, and the numbers do not depend on it
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

$(READY): pyproject.toml setup.py fastpatent/retrieval/_rank.pyx
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
