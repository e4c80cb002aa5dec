"""Signals that ask a run to stop: the first is a request, the second interrupts."""

import signal
import threading

import pytest

from fastpatent.engine.interrupt import StopSignal


@pytest.mark.parametrize("number", StopSignal.SIGNALS)
def test_the_first_signal_is_a_request_and_the_second_interrupts(number):
    with StopSignal() as stop:
        assert not stop.requested
        signal.raise_signal(number)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_work_that_may_end_anywhere_is_interrupted_by_the_first_signal():
    with StopSignal() as stop:
        with pytest.raises(KeyboardInterrupt), stop.at_once():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # a request again
        assert stop.requested


def test_handlers_are_restored():
    before = [signal.getsignal(number) for number in StopSignal.SIGNALS]
    with StopSignal():
        assert [signal.getsignal(number) for number in StopSignal.SIGNALS] != before
    assert [signal.getsignal(number) for number in StopSignal.SIGNALS] == before


def test_in_another_thread_nothing_is_intercepted():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with StopSignal():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
