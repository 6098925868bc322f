"""A program of somebody else's that does not end is ended."""

import signal
import threading

import pytest

from affina.runtime.limited import within


def test_what_takes_too_long_is_ended_and_the_rest_goes_on():
    def never_ends() -> None:
        with within(0.05):
            while True:
                pass

    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeoutError, match=r"after 0\.05 s"):
        never_ends()
    with within(5):
        done = sum(range(10))
    assert done == 45
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_another_thread_has_no_limit_and_no_harm():
    done = []

    def work():
        with within(0.01):
            done.append(sum(range(1000)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [499500]
