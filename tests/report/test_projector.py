"""What is written is what TensorBoard's own plugin reads."""

import io
import logging
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from werkzeug.test import Client

from fastpatent.data.records import Sample
from fastpatent.evaluation.features import Features
from fastpatent.report import projector
from fastpatent.report.projector import SIDE, chosen_rows, sprite_sheet, write_projector
from tests.small_sets import write_drawing


def served(folder, route, **query):
    """What TensorBoard answers for the features of a folder: bytes."""
    plugin = ProjectorPlugin(TBContext(logdir=str(folder)))
    response = Client(plugin.get_plugin_apps()[route]).get(f"/?{urlencode({'run': '.', 'name': 'features', **query})}")
    assert response.status_code == 200, response.text
    return response.data


@pytest.fixture
def samples(tmp_path):
    """Seven drawings of three identities."""
    paths = [write_drawing(tmp_path / f"data/{'abc'[n % 3]}/=é {n}.png", n) for n in range(7)]
    return [Sample(str(path), path.parent.name) for path in paths]


@pytest.fixture
def features():
    values = np.random.default_rng(0).standard_normal((7, 5), dtype=np.float32)
    return Features("network", values[:2], values[2:])


def test_the_plugin_reads_features_names_and_pictures(samples, features, tmp_path):
    write_projector(features, samples, str(tmp_path / "data"), tmp_path)
    rows = chosen_rows(samples)
    found = np.frombuffer(served(tmp_path, "/tensor"), np.float32).reshape(7, 5)
    np.testing.assert_array_equal(found, features.all[rows])
    lines = served(tmp_path, "/metadata").decode().splitlines()
    assert lines == ["identity\tfile", *(f"{samples[row].identity}\t{samples[row].identity}/=é {row}.png" for row in rows)]
    sheet = np.asarray(Image.open(io.BytesIO(served(tmp_path, "/sprite_image"))))
    assert sheet.shape == (3 * SIDE, 3 * SIDE)
    np.testing.assert_array_equal(sheet, sprite_sheet(samples[row].path for row in rows))
    one = sheet[SIDE : 2 * SIDE, SIDE : 2 * SIDE]  # the fifth
    np.testing.assert_array_equal(one, projector.thumbnail(samples[rows[4]].path, SIDE))
    assert (sheet[2 * SIDE :, SIDE:] == 255).all()


def test_images_of_an_identity_stay_together_and_are_bounded(samples, features, tmp_path, monkeypatch):
    monkeypatch.setattr(projector, "MOST", 4)
    rows = chosen_rows(samples)
    names = [samples[row].identity for row in rows]
    assert len(rows) == 4 and sum(one != other for one, other in zip(names, names[1:])) == 1
    write_projector(features, samples, str(tmp_path), tmp_path)
    assert len(served(tmp_path, "/tensor")) == 4 * 5 * 4
    assert len(chosen_rows([Sample("x", None)] * 9)) == 4


def test_a_folder_that_takes_no_file_is_a_warning_and_links_are_not_followed(samples, features, tmp_path, caplog):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "projector_metadata.tsv").symlink_to(tmp_path / "mine")
    write_projector(features, samples, str(tmp_path), tmp_path)
    assert (tmp_path / "mine").read_text() == "mine" and b"identity" in served(tmp_path, "/metadata")
    with caplog.at_level(logging.WARNING, "fastpatent"):
        write_projector(features, samples, str(tmp_path), tmp_path / "mine/run")
    assert "the projector of TensorBoard lacks files" in caplog.text
