"""`fastpatent data pack` from the command line's words to its exit status, through kills."""

import re
import shutil
import signal
from functools import partial

import numpy as np
import pytest
from PIL import Image

from fastpatent.commands import pack
from fastpatent.commands.data import main
from fastpatent.commands.pack import used_parts
from fastpatent.config import get_cfg
from fastpatent.errors import ConfigError, DataError
from tests.stopping import stop_when_going


@pytest.fixture
def root(tmp_path):
    """Ten designs of eight different drawings: with seed 0, 64 are trained on and 16 are tested on."""
    generator = np.random.default_rng(0)
    for design in range(10):
        (tmp_path / f"root/design{design}").mkdir(parents=True)
        for view in range(8):
            pixels = np.where(generator.random((19, 11)) < 0.2, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"root/design{design}/[view]{view}.png")
    return tmp_path / "root"


def words(root, *more):
    settings = {
        "DATASETS.ROOT": root,
        "DATASETS.NAMES": "('Drawings',)",
        "DATASETS.TESTS": "('Drawings',)",
        "INPUT.SIZE_TRAIN": "[12, 10]",
        "INPUT.SIZE_TEST": "[12, 10]",
        "DATALOADER.NUM_WORKERS": 0,
    }
    return ["pack", *(str(word) for pair in settings.items() for word in pair), *more]


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def test_packed_verified_and_repaired(root, capsys):
    assert main(words(root)) == 0
    folder = root / "packs/12x10"
    assert f"{folder}: 80 images, 0.00 GB: 0 kept, 0 repaired, 80 added\n" in capsys.readouterr().out
    before = files(folder)
    assert sorted(before) == ["00000.0.u8", "00000.json"] and len(before["00000.0.u8"]) == 80 * 120
    assert main(words(root)) == 0
    assert f"{folder}: 80 images, 0.00 GB: every one verified, nothing to do\n" in capsys.readouterr().out
    assert files(folder) == before
    (folder / "00000.0.u8").write_bytes(before["00000.0.u8"][:-1] + b"\x07")
    assert main(words(root)) == 0
    assert "80 images, 0.00 GB: 79 kept, 1 repaired, 0 added\n" in capsys.readouterr().out
    assert files(folder)["00000.1.u8"] == before["00000.0.u8"]
    (folder / "00000.json").write_bytes(before["00000.json"][:500])
    assert main(words(root)) == 0
    printed = capsys.readouterr().out
    assert f"removed: {folder / '00000.json'}: the index is damaged or only half written\n" in printed
    assert "0 kept, 0 repaired, 80 added" in printed and files(folder) == before


def test_a_portable_pack_needs_no_files(root, capsys):
    assert main([*words(root)[:1], "--portable", *words(root)[1:]]) == 0
    capsys.readouterr()
    for design in root.glob("design*"):
        shutil.rmtree(design)
    before = files(root / "packs/12x10")
    assert main(words(root)) == 0
    done = "every one verified, nothing to do; 80 have no file here to compare with"
    assert f"80 images, 0.00 GB: {done}\n" in capsys.readouterr().out and files(root / "packs/12x10") == before


def test_one_pack_for_each_size_and_way_to_resize(root, capsys):
    assert main(words(root, "INPUT.SIZE_TEST", "[9, 9]")) == 0
    assert "12x10: 64 images" in (printed := capsys.readouterr().out) and "9x9: 16 images" in printed
    assert main(words(root)) == 0
    assert "64 kept, 0 repaired, 16 added" in capsys.readouterr().out
    assert main(words(root, "INPUT.KEEP_ASPECT", "True")) == 0
    assert main(words(root, "INPUT.SIZE_TRAIN", "[7, 7]", "DATASETS.NAMES", "()")) == 0  # nothing is trained on
    assert sorted(path.name for path in (root / "packs").iterdir()) == ["12x10", "12x10-aspect", "9x9"]


def test_nothing_to_pack(root, capsys):
    assert main(words(root, "INPUT.KEEP_ASPECT", "True", "INPUT.FIT", "crop")) == 0
    (line,) = capsys.readouterr().out.strip().splitlines()
    assert line.startswith("nothing to pack: INPUT.FIT is crop, ")
    assert not (root / "packs").exists()


def test_unreadable_drawings_are_named_and_end_with_status_1(root, capsys):
    for design in range(4):
        (root / f"design{design}/[view]1.png").write_bytes(b"")
    assert main(words(root)) == 1
    printed = capsys.readouterr().out
    assert "\nunreadable drawing: design0/[view]1.png: cannot be read as a drawing: the file is empty\n" in printed
    assert printed.count("\nunreadable drawing: design") == 3 and "\nunreadable drawing: and 1 more\n" in printed
    assert "76 images, 0.00 GB: 0 kept, 0 repaired, 76 added, 4 unreadable\n" in printed
    assert main(words(root)) == 1
    assert "76 images, 0.00 GB: 76 kept, 0 repaired, 0 added, 4 unreadable\n" in capsys.readouterr().out


def test_listed_drawings_that_are_missing_are_named_too(root, capsys):
    (root / "train_patent_trn.txt").write_text("design0/[view]0.png 1\ndesign1/gone.png 2\n")
    assert main(words(root, "DATASETS.NAMES", "('Patent',)", "DATASETS.TESTS", "()")) == 1
    printed = capsys.readouterr().out
    assert "unreadable drawing: design1/gone.png: No such file or directory\n" in printed
    assert "1 added, 1 unreadable" in printed


def test_what_cannot_be_packed(root):
    for more, error, sentence in (
        (("DATASETS.PACKS", ""), ConfigError, "DATASETS.PACKS is empty: write the folder"),
        (("DATASETS.NAMES", "()", "DATASETS.TESTS", "()"), DataError, "DATASETS.NAMES and DATASETS.TESTS name no image"),
        (("DATASETS.NAMES", "('Nothing',)"), ConfigError, "no dataset is called"),
        (("DATASETS.ROOT", "/absent"), DataError, "/absent"),
        (("INPUT.SIZE_TRAIN", "[0, 10]"), ConfigError, "INPUT.SIZE_TRAIN"),
    ):
        with pytest.raises(error, match=sentence):
            main(words(root, *more))
        assert not (root / "packs").exists(), more


def test_which_parts_are_used_at_which_size():
    cfg = get_cfg()
    cfg.DATASETS.NAMES, cfg.DATASETS.TESTS = ("A", "B"), ("B",)
    tested = {"B": ("query", "gallery")}
    assert used_parts(cfg) == {"SIZE_TRAIN": {"A": ("train",), "B": ("train",)}, "SIZE_TEST": tested}
    cfg.DATASETS.COMBINEALL = True
    everything = ("train", "query", "gallery")
    assert used_parts(cfg) == {"SIZE_TRAIN": {"A": everything, "B": everything}, "SIZE_TEST": tested}


STUCK = """
import signal, sys, time
from functools import partial
from fastpatent.commands import main, pack
from fastpatent.data import image_source, workers
from fastpatent.data.pack import write

signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background would hand down that it is ignored

class SlowDrawings(image_source.DecodedDrawings):
    def __call__(self, path):
        if path.endswith("design6/[view]3.png"):
            print("going", flush=True)
            time.sleep(float(sys.argv[1]))
        return super().__call__(path)

pack.worker_count = lambda _: (2, "test")
image_source.DecodedDrawings = SlowDrawings
pack.write_pack = partial(pack.write_pack, shard_drawings=7)
write.map_in_order = partial(workers.map_in_order, chunk=2)
sys.exit(main(["data", *sys.argv[2:]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_continues(root, repository, monkeypatch, capsys, sent):
    """Two processes, seven drawings a shard, stopped at the 52nd of 80."""
    folder, killed = root / "packs/12x10", sent == signal.SIGKILL
    stop_when_going(STUCK, ["60" if killed else "0.5", *words(root)], repository, sent)
    stopped = files(folder)
    indexes = [name for name in stopped if re.fullmatch(r"\d{5}\.json", name)]
    assert 0 < len(indexes) < 8 and (killed or not any(name.startswith(".") for name in stopped))
    monkeypatch.setattr(pack, "write_pack", partial(pack.write_pack, shard_drawings=7))
    assert main(words(root)) == 0
    assert f"{7 * len(indexes)} kept, 0 repaired, {80 - 7 * len(indexes)} added\n" in capsys.readouterr().out
    resumed = files(folder)
    assert all(resumed[name] == stopped[name] for name in indexes)
    shutil.rmtree(folder)
    assert main(words(root)) == 0
    assert files(folder) == resumed
