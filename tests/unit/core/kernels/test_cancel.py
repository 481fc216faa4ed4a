"""Long searches end when their time is over, when they are cancelled, and on Ctrl-C."""

import signal
import threading
import time

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError, SearchCancelledError, SearchTimeoutError
from elanus.kernels.cancel import Cancellation, search_token
from elanus.kernels.distance import scan_topk
from elanus.types import MetricType

ROWS = np.zeros((20_000, 64), dtype=np.float32)
# Minutes of work: what ends is the kernel, not the scan.
MANY = np.zeros((100_000, 64), dtype=np.float32)


def endless_scan() -> None:
    scan_topk(MetricType.L2, MANY, ROWS, None, None, 1)


def test_a_scan_ends_at_its_deadline() -> None:
    with pytest.raises(SearchTimeoutError, match="longer than its timeout"), search_token(0.02):
        endless_scan()
    assert issubclass(SearchTimeoutError, TimeoutError)


def test_a_scan_is_cancelled_from_another_thread() -> None:
    token = search_token()
    timer = threading.Timer(0.02, token.cancel)
    timer.start()
    with pytest.raises(SearchCancelledError, match="was cancelled"), token:
        endless_scan()
    timer.join()
    with pytest.raises(SearchCancelledError):
        token.check()


def test_a_signal_handler_ends_a_scan_of_the_main_thread() -> None:
    class InterruptedByTestError(Exception):
        pass

    def raise_it(number: int, frame: object) -> None:
        raise InterruptedByTestError

    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(InterruptedByTestError), search_token():
            endless_scan()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_scopes_nest_and_end() -> None:
    late = search_token(0.001)
    time.sleep(0.002)
    with late:
        with search_token():
            scan_topk(MetricType.L2, MANY[:1000], ROWS, None, None, 1)
        with pytest.raises(SearchTimeoutError):
            scan_topk(MetricType.L2, MANY[:1000], ROWS, None, None, 1)
    scan_topk(MetricType.L2, MANY[:10], ROWS, None, None, 1)


@pytest.mark.parametrize("timeout", [0, -1.0, "1", True, float("nan")])
def test_a_timeout_is_a_number_above_zero(timeout: object) -> None:
    with pytest.raises(InvalidArgumentError, match="timeout must be a number of seconds > 0"):
        search_token(timeout)  # type: ignore[arg-type]


def test_a_cancellation_ends_what_is_inside_its_block_and_what_begins_there() -> None:
    cancellation = Cancellation()
    timer = threading.Timer(0.02, cancellation.cancel)
    timer.start()
    with cancellation:
        # A search has a token of its own, with or without a time limit.
        for limit in (None, 1_000.0):
            with pytest.raises(SearchCancelledError), search_token(limit):
                endless_scan()
        with pytest.raises(SearchCancelledError):
            endless_scan()
    timer.join()
    assert cancellation.is_cancelled
    scan_topk(MetricType.L2, MANY[:10], ROWS, None, None, 1)


def test_a_cancellation_may_come_first_and_ends_what_is_nested() -> None:
    outer = Cancellation()
    outer.cancel()
    with outer, Cancellation(), pytest.raises(SearchCancelledError):
        search_token(5.0).check()
    with outer, pytest.raises(SearchCancelledError):
        search_token().check()
    search_token().check()


def test_the_shortest_time_counts() -> None:
    with Cancellation(0.02) as cancellation:
        with pytest.raises(SearchTimeoutError), Cancellation(1_000.0), search_token(1_000.0):
            endless_scan()
        assert cancellation.remaining_s == 0.0
    with Cancellation(1_000.0), pytest.raises(SearchTimeoutError), search_token(0.02):
        endless_scan()
    assert Cancellation().remaining_s is None
    with pytest.raises(InvalidArgumentError, match="timeout must be a number of seconds > 0"):
        Cancellation(0)
