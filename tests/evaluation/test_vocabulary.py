"""A vocabulary is learned once, saved with the run, and learned again only if its settings change."""

import logging

import numpy as np
import pytest
from PIL import Image

from fastpatent.config import load_config
from fastpatent.descriptors import DESCRIPTORS, Descriptor
from fastpatent.errors import CheckpointError, DataError
from fastpatent.evaluation.vocabulary import load_vocabulary, vocabulary_file


class Learning:
    """Descriptors whose vocabulary is its two sizes; `calls` records each learning."""

    def __init__(self, folder, register):
        for design in range(6):
            (folder / "data" / f"design{design}").mkdir(parents=True)
            for view in range(2):
                Image.new("L", (8, 8), 40 * design + view).save(folder / "data" / f"design{design}" / f"{view}.png")
        self.folder, self.calls = folder, []
        for name in ("learned", "other"):
            register(DESCRIPTORS, name, Descriptor(None, learn=self.learn))

    def learn(self, paths, words, dim, seed, workers, on_drawing, read):
        self.calls.append((paths, words, dim, seed))
        return {"words": np.array([words, dim], np.float32)}

    def config(self, *words):
        given = {"DATASETS.ROOT": self.folder / "data", "DATASETS.NAMES": ["Drawings"], "OUTPUT_DIR": self.folder / "run"}
        given |= {"DESCRIPTOR.NAME": "learned", "DESCRIPTOR.VOCABULARY.DRAWINGS": 4}
        return load_config(overrides=[*(str(word) for pair in given.items() for word in pair), *map(str, words)])

    def load(self, *words):
        return load_vocabulary(self.config(*words), 0)


@pytest.fixture
def learning(tmp_path, register):
    return Learning(tmp_path, register)


def test_it_is_learned_once_from_random_training_drawings(learning, caplog):
    caplog.set_level(logging.INFO)
    first = learning.load()
    np.testing.assert_array_equal(first["words"], [64, 64])
    np.testing.assert_array_equal(learning.load()["words"], first["words"])
    ((paths, words, dim, seed),) = learning.calls
    assert (len(set(paths)), words, dim, seed) == (4, 64, 64, 0) and paths != sorted(paths)
    assert vocabulary_file(learning.config()) == learning.folder / "run" / "vocabulary.safetensors"
    assert caplog.messages == [
        f"vocabulary of learned: learned from 4 training drawings, saved in {vocabulary_file(learning.config())}"
    ]


def test_other_settings_replace_it(learning):
    sizes = [("DESCRIPTOR.VOCABULARY.WORDS", 8), ("DESCRIPTOR.VOCABULARY.DRAWINGS", 3)]
    settings = [("SEED", 1), ("INPUT.INVERT", "auto"), *sizes]
    learning.load()
    for number, words in enumerate([*settings, ("DESCRIPTOR.NAME", "other")], 2):
        learning.load(*words)
        assert len(learning.calls) == number, words
        learning.load("TEST.IMS_PER_BATCH", 3, *words)
        assert len(learning.calls) == number, words


def test_a_file_that_is_no_vocabulary_is_not_replaced(learning):
    learning.load()
    vocabulary_file(learning.config()).write_bytes(b"half")
    with pytest.raises(DataError, match="vocabulary.safetensors: this file is there already and was not written by this"):
        learning.load()
    assert len(learning.calls) == 1


def test_the_vocabulary_of_another_run_is_used_as_it_is(learning):
    learning.load()
    elsewhere = learning.folder / "taken.safetensors"
    vocabulary_file(learning.config()).rename(elsewhere)
    found = learning.load("MODEL.WEIGHTS", elsewhere, "DESCRIPTOR.VOCABULARY.WORDS", 8, "DATASETS.ROOT", "nowhere")
    np.testing.assert_array_equal(found["words"], [64, 64])
    assert len(learning.calls) == 1


def test_weights_that_are_no_such_vocabulary_are_refused(learning):
    path = learning.folder / "given.safetensors"
    learning.load("DESCRIPTOR.NAME", "other")
    other = vocabulary_file(learning.config()).read_bytes()
    for content in (None, b"half", other):
        if content:
            path.write_bytes(content)
        with pytest.raises(CheckpointError, match=f"MODEL.WEIGHTS: {path} holds no vocabulary of learned"):
            learning.load("MODEL.WEIGHTS", path)


def test_a_descriptor_that_learns_nothing_has_no_file(learning):
    words = "DESCRIPTOR.NAME", "pixels"
    assert vocabulary_file(learning.config(*words)) is None and learning.load(*words) is None
