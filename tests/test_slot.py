"""The slot: a switch that fails at any step leaves what served; one that succeeds reaches everybody."""

import threading
import weakref
from collections.abc import Callable

import pytest
from fakes import FakeBackend, Gate

from engine.backends.base import LoadPlan
from engine.cancel import CancelToken
from engine.errors import Cancelled, HavenError, ModelError
from engine.loading import Candidate
from engine.slot import Slot

WAIT = 30  # seconds after which a test gives up


class Shelf:
    """Makes candidates, and remembers what was loaded and closed, in order."""

    def __init__(self) -> None:
        self.happened: list[str] = []

    def candidate(
        self,
        name: str,
        *,
        needs: int = 10,
        free: Callable[[], int] = lambda: 1000,
        options: dict | None = None,
        on_validate: Callable[[], None] = lambda: None,
        on_load: Callable[[CancelToken], None] = lambda cancel: None,
        parallel: int = 1,
        **backend: object,
    ) -> Candidate:
        def validate(cancel: CancelToken) -> LoadPlan:
            on_validate()
            return LoadPlan(digest=name, memory_bytes=needs, free_bytes=free())

        def load(progress, cancel: CancelToken) -> FakeBackend:
            progress(0.5, "half")
            on_load(cancel)
            cancel.raise_if_cancelled()
            self.happened.append(f"load {name}")
            return FakeBackend(
                provider="fake",
                model=name,
                digest=name,
                memory_bytes=needs,
                parallel=parallel,
                on_close=lambda: self.happened.append(f"close {name}"),
                **backend,
            )

        return Candidate("fake", name, options or {}, validate, load)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def slot(shelf: Shelf):
    slot = Slot(shelf.candidate("old"))
    yield slot
    slot.close()


def switch(slot: Slot, candidate: Candidate, when_busy="refuse", cancel=None, seen=None, persist=None):
    return slot.switch(
        candidate,
        when_busy,
        (seen if seen is not None else []).append,
        cancel or CancelToken(),
        persist or (lambda info: None),
    )


def serving(slot: Slot) -> str:
    with slot.lease(CancelToken()) as backend:
        return backend.info.model


def in_thread(work: Callable[[], object]) -> Callable[[], object]:
    """Run `work` on a thread; the returned function waits for its result."""
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()

    def result() -> object:
        thread.join(WAIT)
        assert not thread.is_alive(), "it did not end"
        return results[0]

    return result


def fail(error: Exception) -> Callable[..., None]:
    def raise_it(*_: object) -> None:
        raise error

    return raise_it


def test_a_switch_loads_beside_warms_up_flips_and_then_closes_the_old_one(slot, shelf):
    seen = []
    result = switch(slot, shelf.candidate("new"), seen=seen)
    assert result.success and (result.provider, result.model) == ("fake", "new")
    assert serving(slot) == "new" and slot.info.model == "new"
    slot.close()
    assert shelf.happened == ["load old", "load new", "close old", "close new"]
    assert [step.phase for step in seen] == ["waiting", "validating", "loading", "loading", "warming"]


def test_what_is_loaded_already_is_not_loaded_again(slot, shelf):
    assert switch(slot, shelf.candidate("old")).success
    assert shelf.happened == ["load old"] and slot.generation == 1


def test_the_same_model_with_other_options_is_loaded_anew(slot, shelf):
    assert switch(slot, shelf.candidate("old", options={"quantization": "4bit"})).success
    assert slot.generation == 2


FAILURES = {
    "a model that is not whole": {"on_validate": fail(ModelError("half a file"))},
    "a defect while validating": {"on_validate": fail(RuntimeError("boom"))},
    "a load that fails": {"on_load": fail(ModelError("cannot be read"))},
    "no memory while loading": {"on_load": fail(MemoryError())},
    "a model that cannot answer": {"on_warm_up": fail(ModelError("says nothing"))},
    "a model that does not fit": {"needs": 10_000},
}


@pytest.mark.parametrize("fault", FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_leaves_the_old_model_serving(slot, shelf, fault):
    result = switch(slot, shelf.candidate("new", **fault))
    assert not result.success and result.phase == "failed" and result.message
    assert (result.model, slot.info.model, serving(slot)) == ("old", "old", "old")
    assert result.interruption_seconds == 0
    assert "close old" not in shelf.happened


def test_a_model_that_cannot_answer_is_closed_again(slot, shelf):
    switch(slot, shelf.candidate("new", on_warm_up=fail(ModelError("says nothing"))))
    assert shelf.happened == ["load old", "load new", "close new"]


@pytest.mark.parametrize("fault", [ModelError, ValueError])
def test_what_a_failed_trial_computed_with_is_let_go_before_its_model_is_closed(shelf, fault):
    class Weights:
        """What a model's own code has in its variables when it fails."""

    held: list[weakref.ref] = []
    alive: list[bool] = []

    def compute() -> None:
        weights = Weights()
        held.append(weakref.ref(weights))
        raise RuntimeError("out of memory")

    def trial() -> None:
        try:
            compute()
        except RuntimeError as error:
            raise fault("says nothing") from error

    def load(progress, cancel: CancelToken) -> FakeBackend:
        return FakeBackend(on_warm_up=trial, on_close=lambda: alive.append(held[0]() is not None))

    slot = Slot(shelf.candidate("old"))
    try:
        result = switch(slot, Candidate("fake", "new", {}, lambda cancel: LoadPlan("new", 1, 1000), load))
    finally:
        slot.close()
    assert not result.success and "says nothing" in result.message
    assert alive == [False]


class Memory:
    """A machine with room for one model of 10: what is free depends on what is loaded."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def __call__(self) -> int:
        loaded = sum(1 if what.startswith("load") else -1 for what in self.shelf.happened)
        return 15 - 10 * loaded


def test_where_both_do_not_fit_the_old_one_is_closed_first(slot, shelf):
    seen = []
    result = switch(slot, shelf.candidate("new", free=Memory(shelf)), seen=seen)
    assert result.success and serving(slot) == "new"
    assert shelf.happened == ["load old", "close old", "load new"]
    assert "closing" in [step.phase for step in seen]


@pytest.mark.parametrize("step", ["on_load", "on_warm_up"])
def test_where_both_do_not_fit_a_failure_brings_the_old_one_back(shelf, step):
    slot = Slot(shelf.candidate("old", options={"n_ctx": 512}))
    result = switch(slot, shelf.candidate("new", free=Memory(shelf), **{step: fail(ModelError("bad"))}))
    assert not result.success and "bad" in result.message and "brought back" in result.message
    assert serving(slot) == "old" and shelf.happened[-1] == "load old"
    slot.close()


def test_where_the_old_one_cannot_be_brought_back_the_fallback_serves_and_says_so(shelf):
    slot = Slot(shelf.candidate("fallback", needs=0))
    loads = []

    def fails_the_second_time(cancel: CancelToken) -> None:
        loads.append(1)
        if len(loads) > 1:
            raise ModelError("gone")

    assert switch(slot, shelf.candidate("old", on_load=fails_the_second_time)).success
    room = {"close old": 1000}  # once the old one is closed
    new = shelf.candidate(
        "new", free=lambda: room.get(shelf.happened[-1], 5), on_load=fail(ModelError("bad"))
    )
    result = switch(slot, new)
    assert not result.success and "bad" in result.message and "could not be brought back" in result.message
    assert serving(slot) == "fallback" and result.model == "fallback"
    slot.close()


def test_a_lease_from_before_the_flip_ends_on_the_old_model_and_a_later_one_gets_the_new(slot, shelf):
    with slot.lease(CancelToken()) as held:
        assert switch(slot, shelf.candidate("new")).success
        assert held.info.model == "old" and not held.closed
        assert serving(slot) == "new"
        assert "close old" not in shelf.happened
    slot.close()
    assert "close old" in shelf.happened


def test_no_more_leases_are_out_than_the_backend_takes(shelf):
    slot = Slot(shelf.candidate("server", parallel=2))
    cancel = CancelToken()
    with slot.lease(CancelToken()), slot.lease(CancelToken()):
        waiting = in_thread(lambda: _refused(slot, cancel))
        cancel.cancel()
        assert waiting()
    slot.close()


def _refused(slot: Slot, cancel: CancelToken) -> bool:
    with pytest.raises(Cancelled), slot.lease(cancel):
        raise AssertionError("a third lease was given")
    return True


def test_a_chat_is_served_before_frames_that_came_first(slot):
    served, first = [], slot.lease(CancelToken())
    with first:
        frames = in_thread(lambda: _serve(slot, served, "frame", urgent=False))
        wait_until(lambda: len(slot._leases._line) == 1)
        chat = in_thread(lambda: _serve(slot, served, "chat", urgent=True))
        wait_until(lambda: len(slot._leases._line) == 2)
    frames()
    chat()
    assert served == ["chat", "frame"]


def _serve(slot: Slot, served: list[str], name: str, urgent: bool) -> None:
    with slot.lease(CancelToken(), urgent=urgent):
        served.append(name)


def wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(WAIT * 1000):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError("it did not happen")


def test_refuse_names_what_runs_and_touches_nothing(slot, shelf):
    with slot.occupy("Analysing lake.mp4", lambda: None, CancelToken()):
        result = switch(slot, shelf.candidate("new"), "refuse")
    assert not result.success and "Analysing lake.mp4" in result.message
    assert shelf.happened == ["load old"]


def test_wait_lets_what_runs_end_first(slot, shelf):
    with slot.occupy("a job", lambda: None, CancelToken()):
        seen = []
        result = in_thread(lambda: switch(slot, shelf.candidate("new"), "wait", seen=seen))
        wait_until(lambda: any("a job" in step.message for step in seen))
        assert shelf.happened == ["load old"]
    assert result().success


def test_cancel_stops_what_runs_then_switches(slot, shelf):
    stopped = threading.Event()

    def job() -> None:
        with slot.occupy("a job", stopped.set, CancelToken()):
            assert stopped.wait(WAIT)

    running = in_thread(job)
    wait_until(lambda: slot.busy == ("a job",))
    assert switch(slot, shelf.candidate("new"), "cancel").success
    running()


def test_nothing_is_stopped_for_a_model_that_is_not_there(slot, shelf):
    stopped = threading.Event()
    with slot.occupy("a job", stopped.set, CancelToken()):
        result = switch(slot, shelf.candidate("new", on_validate=fail(ModelError("no such model"))), "cancel")
    assert not result.success and not stopped.is_set()


def test_a_job_that_comes_while_a_switch_makes_way_begins_behind_it(slot, shelf):
    gate, served = Gate(), []
    switching = in_thread(lambda: switch(slot, shelf.candidate("new", on_load=gate)))
    assert gate.reached.wait(WAIT)

    def job() -> None:
        with slot.occupy("a job", lambda: None, CancelToken()):
            served.append(serving(slot))

    running = in_thread(job)
    with slot.occupy("a chat", lambda: None, CancelToken(), urgent=True):
        assert serving(slot) == "old"  # a chat is answered during the load
    gate.open()
    assert switching().success
    running()
    assert served == ["new"]


@pytest.mark.parametrize("when_busy", ["", "perhaps", None])
def test_an_unknown_policy_is_refused_by_name(slot, shelf, when_busy):
    result = switch(slot, shelf.candidate("new"), when_busy)
    assert not result.success and repr(when_busy) in result.message and "refuse" in result.message


def test_a_load_can_be_cancelled(slot, shelf):
    gate, cancel = Gate(), CancelToken()
    switching = in_thread(lambda: switch(slot, shelf.candidate("new", on_load=gate), cancel=cancel))
    assert gate.reached.wait(WAIT)
    slot.cancel_switch()
    gate.open()
    result = switching()
    assert result.phase == "cancelled" and not result.success and serving(slot) == "old"


def test_the_latest_of_ten_requests_wins(slot, shelf):
    gate = Gate()
    results = [in_thread(lambda: switch(slot, shelf.candidate("first", on_load=gate)))]
    assert gate.reached.wait(WAIT)
    for number in range(1, 10):
        token = CancelToken()
        results.append(in_thread(lambda n=number, t=token: switch(slot, shelf.candidate(f"m{n}"), cancel=t)))
        wait_until(lambda t=token: slot._latest is t)
    gate.open()
    assert [result().success for result in results] == [False] * 9 + [True]
    assert serving(slot) == "m9"


def test_the_choice_is_kept_after_the_flip_and_only_then(slot, shelf):
    kept = []
    switch(slot, shelf.candidate("bad", on_load=fail(ModelError("x"))), persist=kept.append)
    assert kept == []
    switch(slot, shelf.candidate("new"), persist=lambda info: kept.append((info.model, slot.info.model)))
    assert kept == [("new", "new")]


def test_a_choice_that_cannot_be_kept_is_said_and_serves_all_the_same(slot, shelf):
    result = switch(slot, shelf.candidate("new"), persist=fail(HavenError("the disk is full")))
    assert result.success and "the disk is full" in result.message and serving(slot) == "new"


def test_a_backend_that_fails_to_close_does_not_stop_its_successor(shelf):
    slot = Slot(shelf.candidate("fallback"))
    bad = shelf.candidate("bad")
    broken = Candidate(
        "fake", "bad", {}, bad.validate, lambda p, c: FakeBackend(on_close=fail(OSError("no")))
    )
    assert switch(slot, broken).success
    assert switch(slot, shelf.candidate("new")).success and serving(slot) == "new"
    slot.close()
