import pytest
import torch

from fastpatent.engine.meter import LossMeter


def test_means_since_the_last_call_come_with_their_note():
    meter = LossMeter(torch.device("cpu"))
    for values in ([1.0, 10.0], [3.0, 20.0]):
        meter.add(dict(zip(("a", "b"), map(torch.tensor, values))))
    meter.send("first")
    meter.add({"a": torch.tensor(7.0)})
    meter.send("second")
    assert meter.arrived() == [("first", {"a": 2.0, "b": 15.0}), ("second", {"a": 7.0})]
    assert meter.arrived(wait=True) == []


class Event:
    """An event of a GPU that has not happened yet."""

    waited = False

    def query(self):
        return self.waited

    def synchronize(self):
        self.waited = True


def test_what_has_not_arrived_is_returned_later():
    meter = LossMeter(torch.device("cpu"))
    meter.add({"a": torch.tensor(1.0)})
    meter.send("on its way")
    note, names, means, _ = meter._sent[0]
    meter._sent[0] = note, names, means, Event()
    assert meter.arrived() == []
    assert meter.arrived(wait=True) == [("on its way", {"a": 1.0})]


@pytest.mark.cuda
def test_means_arrive_from_a_gpu():
    meter = LossMeter(torch.device("cuda"))
    meter.add({"a": torch.tensor(1.5, device="cuda")})
    meter.send(3)
    assert meter.arrived(wait=True) == [(3, {"a": 1.5})]
