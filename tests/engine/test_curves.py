"""Curves that cannot be written end with one warning, and the run goes on."""

import errno
import logging
import threading

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.metadata import (
    EXPERIMENT_TAG,
    SESSION_END_INFO_TAG,
    SESSION_START_INFO_TAG,
    parse_experiment_plugin_data,
    parse_session_end_info_plugin_data,
    parse_session_start_info_plugin_data,
)

from fastpatent.commands.run import run
from fastpatent.engine.curves import Curves


def test_what_is_added_can_be_read(tmp_path):
    curves = Curves(tmp_path)
    curves.scalars({"loss/total": 2.0, "lr": 0.1}, 3)
    curves.picture("gallery", np.zeros((4, 5, 3), np.uint8), 3)
    curves.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    (point,) = events.Scalars("loss/total")
    assert (point.step, point.value) == (3, 2.0) and events.Images("gallery")[0].width == 5


def test_settings_and_texts_are_in_the_same_file_and_no_other_run(tmp_path):
    curves = Curves(tmp_path)
    curves.text("configuration", "A:\n  B: '<b>'", 0)
    curves.scalars({"Set/mAP": 0.5}, 3)
    curves.hyperparameters({"SEED": 3, "AMP": True, "LR": 0.1, "SIZE": [32, 32]}, ["Set/mAP"])
    curves.close()
    assert len(list(tmp_path.iterdir())) == 1
    events = EventAccumulator(str(tmp_path)).Reload()
    (text,) = events.Tensors("configuration/text_summary")
    assert text.tensor_proto.string_val[0].decode() == "    A:\n      B: '<b>'"
    content = events.SummaryMetadata(SESSION_START_INFO_TAG).plugin_data.content
    found = parse_session_start_info_plugin_data(content).hparams
    assert (found["SEED"].number_value, found["LR"].number_value) == (3, 0.1)
    assert (found["AMP"].string_value, found["SIZE"].string_value) == ("True", "32, 32")
    columns = parse_experiment_plugin_data(events.SummaryMetadata(EXPERIMENT_TAG).plugin_data.content).metric_infos
    assert [column.name.tag for column in columns] == ["Set/mAP"] and events.Scalars("Set/mAP")[-1].value == 0.5
    end = parse_session_end_info_plugin_data(events.SummaryMetadata(SESSION_END_INFO_TAG).plugin_data.content)
    assert end.status == Status.Value("STATUS_SUCCESS")


def test_a_disk_that_is_full_in_the_thread_ends_them(tmp_path, monkeypatch, caplog, capfd):
    """The thread of TensorBoard fails, and its queue would block the training when it is full."""
    monkeypatch.setattr("tensorboard.summary.writer.record_writer.RecordWriter.write", lambda *_: full_disk(), raising=True)

    def job():
        curves = Curves(tmp_path)
        for iteration in range(200):
            curves.scalars({"loss/total": 1.0}, iteration)
        curves.close()
        logging.getLogger("fastpatent.job").info("the run goes on")

    assert run(job) == 0
    printed = capfd.readouterr()
    assert "the run goes on" in printed.out and "Traceback" not in printed.err
    assert printed.err.count("the curves for TensorBoard end here: No space left on device") == 1


def full_disk():
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_folder_that_takes_no_file_ends_them_too(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    curves = Curves(tmp_path / "file/run")
    curves.scalars({"lr": 0.1}, 1)
    curves.close()
    assert caplog.text.count("the curves for TensorBoard end here") == 1


@pytest.fixture(autouse=True)
def usual_hook():
    yield
    threading.excepthook = threading.__excepthook__
