"""The cancel token: once, for good, from any thread."""

import threading

import pytest

from engine.cancel import CancelToken
from engine.errors import Cancelled


def test_a_fresh_token_lets_everything_pass():
    token = CancelToken()
    token.raise_if_cancelled()
    assert not token.cancelled
    assert token.reason == ""
    assert token.wait(0) is False


def test_a_cancelled_token_stays_cancelled_with_its_first_reason():
    token = CancelToken()
    token.cancel("the person asked")
    token.cancel("another")
    assert token.cancelled
    assert token.reason == "the person asked"
    assert token.wait(0) is True
    with pytest.raises(Cancelled, match="the person asked"):
        token.raise_if_cancelled()


def test_what_was_registered_is_called_once_in_order():
    token, called = CancelToken(), []
    token.on_cancel(lambda: called.append(1))
    token.on_cancel(lambda: called.append(2))
    token.cancel()
    token.cancel()
    assert called == [1, 2]


def test_what_registers_too_late_is_called_at_once():
    token, called = CancelToken(), []
    token.cancel()
    forget = token.on_cancel(lambda: called.append(1))
    forget()
    assert called == [1]


def test_what_was_taken_back_is_not_called():
    token, called = CancelToken(), []
    token.on_cancel(lambda: called.append(1))()
    forget = token.on_cancel(lambda: called.append(2))
    forget()
    forget()
    token.cancel()
    assert called == []


def test_a_callback_may_ask_the_token_and_take_itself_back():
    token, seen = CancelToken(), []

    def callback():
        forget()
        seen.append((token.cancelled, token.reason))

    forget = token.on_cancel(callback)
    token.cancel("now")
    assert seen == [(True, "now")]


def test_a_waiting_thread_is_woken():
    token, woken = CancelToken(), []
    thread = threading.Thread(target=lambda: woken.append(token.wait(60)))
    thread.start()
    token.cancel()
    thread.join(60)
    assert woken == [True]


def test_registering_and_cancelling_at_the_same_time_calls_each_exactly_once():
    for _ in range(50):
        token, called, start = CancelToken(), [], threading.Barrier(5)

        def register(token=token, called=called, start=start):
            start.wait()
            token.on_cancel(lambda: called.append(1))

        threads = [threading.Thread(target=register) for _ in range(4)]
        for thread in threads:
            thread.start()
        start.wait()
        token.cancel()
        for thread in threads:
            thread.join()
        assert called == [1] * 4
