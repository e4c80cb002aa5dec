"""What `fastpatent data check` says of DeepPatent's own lists."""

import pytest

from fastpatent.commands.check import check
from fastpatent.data import deeppatent_reference


@pytest.mark.parametrize("counted, told", [(2, "as published"), (3, "not as published: gallery 2 drawings of 1 patents")])
def test_lists_are_set_beside_what_is_published(tmp_path, capsys, monkeypatch, counted, told):
    patent = "I20180102/USD0806350-20180102/USD0806350-20180102"
    (tmp_path / "test_query_patent.txt").write_text(f"{patent}-D00001.png 1\n")
    (tmp_path / "test_db_patent.txt").write_text(f"{patent}-D00002.png 1\n{patent}-D00003.png 1\n")
    monkeypatch.setitem(deeppatent_reference.COUNTS, "DeepPatentTest", {"query": (1, 1), "gallery": (counted, 1)})
    monkeypatch.setattr(deeppatent_reference, "RELEVANT", (2, 2, 2.0))
    sets = ["DATASETS.NAMES", "()", "DATASETS.TESTS", "('DeepPatentTest',)", "DATALOADER.NUM_WORKERS", "0"]
    assert check(["DATASETS.ROOT", str(tmp_path), *sets]) == 1  # no drawing is there
    assert f"\nDeepPatentTest: {told}" in capsys.readouterr().out
