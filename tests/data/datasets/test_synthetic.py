"""The generated sample by name; its drawings are tested with the generator."""

import sys
from types import SimpleNamespace

import pytest

from fastpatent.data.datasets import DATASETS


@pytest.mark.parametrize("name, stage, sizes", [("Sample", "val", (24, 3, 9)), ("SampleTest", "test", (0, 3, 9))])
def test_it_is_generated_below_the_root_and_read_from_there(monkeypatch, tmp_path, cfg, patent_root, name, stage, sizes):
    asked = []
    generator = SimpleNamespace(ensure_sample=lambda root: asked.append(root) or patent_root)
    monkeypatch.setitem(sys.modules, "fastpatent.synthetic.generate", generator)
    cfg.DATASETS.ROOT = str(tmp_path / "deep/data")
    splits = DATASETS.get(name)(cfg)
    assert set(asked) == {tmp_path / "deep/data"}
    assert (splits.name, splits.stage) == (name, stage)
    assert (len(splits.train), len(splits.query), len(splits.gallery)) == sizes
