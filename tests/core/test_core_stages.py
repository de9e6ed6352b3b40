"""Resources of one stage: no order among them, the outer order stays, and what befalls one does not befall the others."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from core_parts import address, group, program, script
from execution_walk import FAILED, NOT_RUNNING, OK, Walk

from understudy.changes import untouched
from understudy.core.execution import Execution
from understudy.core.parts import Wanted
from understudy.core.reload import change
from understudy.effects import Action
from understudy.model import stages_of
from understudy.units import MINUTE, SECOND


def staged(**words: object) -> Walk:
    """An address; disk and db at once; httpd."""
    resources = (address(1), program("disk"), program("db"), program("httpd"))
    return Walk(*resources, stages=(0, 1, 1, 2), **words)  # type: ignore[arg-type]


def running() -> Walk:
    walk = staged()
    walk.want(Wanted.RUN)
    walk.ended("1")
    for name in ("disk", "db", "httpd"):
        walk.ended(name, NOT_RUNNING)
    for name in ("disk", "db", "httpd"):
        walk.ended(name)
    assert walk.states() == ["running"] * 4
    walk.facts()
    return walk


def test_a_stage_starts_at_once_and_the_next_when_all_of_it_runs() -> None:
    walk = staged()
    assert walk.want(Wanted.RUN) == "add 1"
    assert walk.ended("1") == "monitor disk, monitor db"
    assert walk.ended("db", NOT_RUNNING) == "monitor httpd", "nothing is started beneath what may run"
    assert walk.ended("httpd", NOT_RUNNING) == "start db", "it does not wait for what is asked of the other"
    assert walk.ended("disk", NOT_RUNNING) == "start disk"
    assert walk.ended("disk") == ""
    assert walk.ended("db") == "start httpd"


def test_it_stops_stage_by_stage_in_reverse() -> None:
    walk = running()
    assert walk.want(Wanted.STOP) == "stop httpd"
    assert walk.ended("httpd") == "stop db, stop disk"
    assert walk.ended("disk") == ""
    assert walk.ended("db") == "remove 1"


def test_a_failed_part_takes_down_later_stages_and_leaves_its_siblings() -> None:
    walk = running()
    walk.execution.failed("db", "died", walk.now)
    assert walk.go() == "stop httpd"
    assert walk.ended("httpd") == "stop db"
    assert walk.ended("db") == "start db"
    assert walk.states() == ["running", "running", "starting", "stopped"]
    assert walk.ended("db") == "start httpd"


def test_a_part_that_fails_beside_a_slow_start_is_started_again_meanwhile() -> None:
    walk = staged()
    walk.want(Wanted.RUN)
    walk.ended("1")
    walk.ended("disk", NOT_RUNNING)
    walk.ended("db", NOT_RUNNING)
    assert walk.ended("httpd", NOT_RUNNING) == "start disk, start db"
    assert walk.ended("db", FAILED) == "stop db"
    assert walk.ended("db") == "start db"
    assert walk.states() == ["running", "starting", "starting", "stopped"]
    walk.ended("disk")
    assert walk.ended("db") == "start httpd"


def test_a_part_whose_stop_fails_does_not_keep_a_sibling_from_its_start() -> None:
    walk = staged()
    walk.want(Wanted.RUN)
    walk.ended("1")
    walk.ended("db", NOT_RUNNING)
    walk.ended("httpd", NOT_RUNNING)
    assert walk.ended("db", FAILED) == "stop db"
    assert walk.ended("db", FAILED) == "monitor db", "looked at, in the pause before the next stop"
    assert walk.ended("disk", NOT_RUNNING) == "start disk"
    walk.ended("db", FAILED)
    assert walk.later(SECOND) == "stop db"


def test_what_waits_for_proof_holds_up_itself_only() -> None:
    walk = Walk(script("db", exclusive=True), program("cache"), program("httpd"), stages=(0, 0, 1))
    walk.execution.hold_programs_until = walk.now + 10 * SECOND
    walk.want(Wanted.RUN)
    assert walk.ended("cache", NOT_RUNNING) == "monitor httpd"
    assert walk.ended("httpd", NOT_RUNNING) == "start cache"
    assert walk.ended("db", NOT_RUNNING) == ""
    assert walk.ended("cache") == ""
    assert walk.execution.next_deadline() == walk.now + 10 * SECOND
    assert walk.later(10 * SECOND) == "start db"


def test_what_must_stop_holds_up_the_stages_before_it_and_what_may_run_twice_only_for_its_time() -> None:
    walk = Walk(program("base"), program("cache"), program("web"), stages=(0, 1, 1))
    walk.want(Wanted.RUN)
    for name in ("base", "cache", "web"):
        walk.ended(name, NOT_RUNNING)
    for name in ("base", "cache", "web"):
        walk.ended(name)
    assert walk.want(Wanted.STOP) == "stop web, stop cache"
    assert walk.ended("web") == ""
    assert walk.ended("cache", FAILED) == "monitor cache"
    walk.ended("cache", FAILED)
    todo = []
    for _ in range(40):
        todo.append(walk.later(SECOND))
        if todo[-1] == "stop cache":
            walk.ended("cache", FAILED)
            walk.ended("cache", FAILED)
    assert "stop base" in todo
    assert todo.index("stop base") >= 28, "the stop timeout of the group is 30 seconds"


def test_addresses_of_a_stage_are_one_batch_beside_its_programs() -> None:
    walk = Walk(program("disk"), address(1), address(2), program("httpd"), stages=(0, 0, 0, 1))
    assert walk.want(Wanted.RUN) == "add 1 2, monitor disk"
    assert walk.ended("2") == ""
    assert walk.ended("disk", NOT_RUNNING) == "monitor httpd"
    assert walk.ended("httpd", NOT_RUNNING) == "start disk"
    assert walk.ended("disk") == "start httpd"


def test_an_address_stage_before_a_mixed_one_is_not_taken_for_part_of_it() -> None:
    walk = Walk(address(1), address(2), program("disk"), stages=(0, 1, 1))
    assert walk.want(Wanted.RUN) == "add 1"
    assert walk.ended("1") == "add 2, monitor disk"


def test_a_stop_ends_all_starts_that_are_under_way() -> None:
    walk = staged()
    walk.want(Wanted.RUN)
    walk.ended("1")
    walk.ended("disk", NOT_RUNNING)
    walk.ended("db", NOT_RUNNING)
    walk.ended("httpd", NOT_RUNNING)
    assert walk.want(Wanted.STOP) == "stop db, stop disk"


def test_each_operation_has_its_own_deadline() -> None:
    walk = Walk(program("disk"), program("db"), stages=(0, 0))
    walk.want(Wanted.RUN)
    walk.ended("disk", NOT_RUNNING)
    deadlines = sorted(operation.deadline for operation in walk.execution.operations.values())
    assert len(set(deadlines)) == 2
    assert walk.execution.next_deadline() == deadlines[0]
    walk.later(deadlines[0] - walk.now)
    assert len(walk.execution.operations) == 2, "the monitor had no answer, so it is stopped; the start goes on"
    assert walk.states() == ["starting", "stopping"]


def test_a_lost_manager_leaves_the_end_of_all_of_them_open() -> None:
    walk = staged()
    walk.want(Wanted.RUN)
    walk.ended("1")
    for name in ("disk", "db", "httpd"):
        walk.ended(name, NOT_RUNNING)
    walk.execution.manager_changed(False, walk.now)
    assert not walk.execution.operations
    assert walk.states() == ["running", "unknown", "unknown", "stopped"]
    assert walk.go() == ""
    walk.execution.manager_changed(True, walk.now)
    assert walk.go() == "monitor disk, monitor db"


def test_a_lapsed_lease_takes_all_addresses_at_once() -> None:
    walk = Walk(address(1), program("disk"), address(2), stages=(0, 1, 1))
    walk.want(Wanted.RUN)
    walk.ended("1")
    walk.ended("2")
    walk.execution.want(Wanted.STOP, walk.now)
    effects = walk.execution.remove_addresses(walk.now, "lost")
    assert [item.address for item in effects[0].addresses] == [address(1).address, address(2).address]  # type: ignore[union-attr]
    assert walk.go() == "stop disk", "it need not wait for them"


# Reload


def change_to(walk: Walk, *resources: object, stages: tuple[int, ...] = ()) -> None:
    after = replace(group("site", *resources, stop=30 * SECOND), stages=stages)  # type: ignore[arg-type]
    change(walk.execution, after, frozenset(), frozenset(), walk.now)
    walk.execution.group = after


def test_a_reload_that_only_takes_order_away_stops_nothing() -> None:
    before = group("site", program("disk"), program("db"), program("httpd"))
    after = replace(before, stages=(0, 0, 1))
    assert untouched(before, after) == {"disk", "db", "httpd"}


def test_a_reload_that_puts_one_of_a_stage_under_the_other_restarts_the_upper_one() -> None:
    walk = running()
    assert untouched(walk.execution.group, replace(walk.execution.group, stages=())) == {
        "address-1",
        "disk",
    }
    change_to(walk, address(1), program("disk"), program("db"), program("httpd"))
    assert walk.go() == "stop httpd"
    assert walk.end() == "stop db"
    assert walk.end() == "start db"
    assert walk.end() == "start httpd"


def test_a_reload_that_adds_to_a_stage_starts_it_beside_and_restarts_what_stands_on_it() -> None:
    walk = running()
    change_to(
        walk, address(1), program("disk"), program("db"), program("cache"), program("httpd"), stages=(0, 1, 1, 1, 2)
    )
    assert walk.go() == "stop httpd"
    assert walk.ended("httpd") == "monitor cache"
    walk.ended("cache", NOT_RUNNING)
    assert walk.ended("cache") == "start httpd"


def test_a_reload_while_a_stage_starts_leaves_nothing_out() -> None:
    walk = Walk(program("disk"), program("db"), stages=(0, 0))
    walk.want(Wanted.RUN)
    walk.ended("disk", NOT_RUNNING)
    walk.ended("db", NOT_RUNNING)
    change_to(walk, program("disk"), program("db"))
    assert walk.go() == "", "what is under way below is waited for"
    assert walk.ended("disk") == "stop db", "it was being started beside disk, not after it"
    assert walk.ended("db") == "start db"


@pytest.mark.parametrize(
    ("numbers", "stages"), [((), ()), ((3, 5), ()), ((0, 2, 2, 7), (0, 1, 1, 2)), ((4, 4), (0, 0))]
)
def test_stages_have_one_form(numbers: tuple[int, ...], stages: tuple[int, ...]) -> None:
    assert stages_of(numbers) == stages


def test_an_operator_restarts_a_group_stage_by_stage() -> None:
    walk = running()
    walk.execution.restart()
    assert walk.go() == "stop httpd"
    assert walk.ended("httpd") == "stop db, stop disk"
    walk.ended("db")
    assert walk.ended("disk") == "remove 1"
    assert walk.ended("1") == "add 1"


def test_before_anything_is_wanted_a_stage_is_asked_at_once() -> None:
    execution = Execution(
        replace(group("site", program("a"), program("b"), program("c")), stages=(0, 0, 1)),
        count(1).__next__,
        frozenset(),
    )
    execution.manager_changed(True, 1)
    assert len(execution.advance(1)) == 2
    assert execution.next_deadline() < MINUTE


# What befalls what stands on nothing that is being stopped


@pytest.mark.parametrize("stages", [(), (0, 1, 1)])
def test_nothing_is_started_beneath_programs_that_were_adopted(stages: tuple[int, ...]) -> None:
    """A mount that went away while nobody watched, say: mounted again over what a database has open, it hides it."""
    walk = Walk(program("disk"), program("db"), program("web"), stages=stages)
    assert walk.want(Wanted.RUN) == "monitor disk"
    todo = walk.ended("disk", NOT_RUNNING)
    assert todo == ("monitor db, monitor web" if stages else "monitor db"), "what may run on it is asked first"
    if stages:
        assert walk.ended("web") == "stop web"
    todo = walk.ended("db")
    assert todo == ("stop db" if stages else "stop web"), "it is not asked: its stop says as much"
    done = [todo]
    if stages:
        walk.ended("web")
    while todo:
        todo = ", ".join(filter(None, (walk.ended(word.split()[1]) for word in todo.split(", "))))
        done.append(todo)
    assert "start disk" in done
    assert done.index("start disk") > max(at for at, word in enumerate(done) if "stop" in word)
    assert walk.states() == ["running"] * 3


def test_an_address_is_put_back_under_what_runs() -> None:
    walk = Walk(address(1), program("db"), program("web")).running()
    assert walk.execution.address_gone(address(1).address)
    assert walk.go() == "add 1"
    assert walk.states() == ["starting", "running", "running"]


@pytest.mark.parametrize("stages", [(), (0, 0, 1, 1)])
def test_what_does_not_stop_keeps_nothing_else_from_being_watched_and_put_back(stages: tuple[int, ...]) -> None:
    walk = Walk(address(1), program("db", interval=10 * SECOND), program("web"), program("cache"), stages=stages)
    todo = walk.want(Wanted.RUN)
    while walk.execution.operations:
        operation = next(iter(walk.execution.operations.values()))
        outcome = NOT_RUNNING if operation.action is Action.MONITOR else OK
        walk.execution.finished(operation.op, outcome, "", walk.now)
        walk.go()
    walk.execution.failed("cache", "died", walk.now)
    walk.execution.address_gone(address(1).address)
    done = [walk.go()]
    for _ in range(60):
        for operation in list(walk.execution.operations.values()):
            outcome = FAILED if operation.resources[0].id == "cache" else OK
            walk.execution.finished(operation.op, outcome, "", walk.now)
        done.append(walk.go() or walk.later(SECOND))
    todo = ", ".join(filter(None, done))
    assert walk.states() == ["running", "running", "running", "failed"]
    assert todo.count("stop cache") > 3
    assert todo.count("add 1") == 1
    assert todo.count("monitor db") > 3


def refuses(walk: Walk, name: str, seconds: int) -> str:
    """All that is begun meanwhile; every stop and every look of this one fails, all else works."""
    done = []
    for _ in range(seconds):
        done.append(walk.go())
        while walk.execution.operations:
            operation = next(iter(walk.execution.operations.values()))
            outcome = FAILED if operation.resources[0].id == name else OK
            if outcome is OK and operation.action is Action.MONITOR:
                outcome = NOT_RUNNING
            walk.execution.finished(operation.op, outcome, "", walk.now)
            done.append(walk.go())
        done.append(walk.later(SECOND))
    return ", ".join(filter(None, done))


def test_a_restart_that_one_part_refuses_leaves_the_others_down_for_the_stop_timeout_at_most() -> None:
    walk = running()
    walk.execution.restart()
    done = refuses(walk, "disk", 29)
    assert "start" not in done
    assert walk.states() == ["running", "failed", "stopped", "stopped"]
    assert "start db" in refuses(walk, "disk", 3)
    assert [walk.states()[at] for at in (0, 2, 3)] == ["running", "running", "stopped"]


def test_a_restart_stops_nothing_beneath_a_stop_that_hangs() -> None:
    walk = Walk(program("disk"), program("cache", exclusive=False)).running()
    walk.execution.restart()
    assert walk.go() == "stop cache"
    walk.execution.ends_since = walk.now - 30 * SECOND
    assert walk.later(SECOND) == "", "it would not be started again beneath what may run"
    assert walk.end(FAILED) == "monitor cache"
    assert walk.states() == ["running", "failed"]


def test_what_a_reload_removed_and_does_not_stop_keeps_the_rest_down_for_the_stop_timeout_at_most() -> None:
    walk = Walk(address(1), program("db"), program("cache"), stages=(0, 1, 1))
    walk.want(Wanted.RUN)
    refuses(walk, "nothing", 5)
    assert walk.states() == ["running"] * 3
    change_to(walk, address(1), program("db"))
    refuses(walk, "cache", 1)
    walk.execution.address_gone(address(1).address)
    walk.execution.failed("db", "died", walk.now)
    done = refuses(walk, "cache", 20)
    assert "add 1" in done, "at once"
    assert "db" not in done, "it may have been started on it"
    assert "stop db, start db" in refuses(walk, "cache", 15)
    assert walk.states()[:2] == ["running"] * 2


def test_what_is_gone_is_not_started_in_another_form_before_it_has_stopped() -> None:
    walk = Walk(program("db"), program("cache"), stages=(0, 0))
    walk.want(Wanted.RUN)
    refuses(walk, "nothing", 5)
    change_to(walk, program("db"), replace(program("cache"), argv=("/usr/bin/other",)))
    done = refuses(walk, "cache", 60)
    assert "stop cache" in done
    assert "start" not in done


def test_a_new_form_is_not_taken_for_the_old_one_that_does_not_stop() -> None:
    walk = Walk(program("db"), program("cache", exclusive=False), stages=(0, 0))
    walk.want(Wanted.RUN)
    refuses(walk, "nothing", 5)
    change_to(walk, program("db"), replace(program("cache", exclusive=False), argv=("/usr/bin/other",)))
    done = refuses(walk, "cache", 60)
    assert done.count("stop cache") > 3
    assert done.count("monitor cache") == done.count("stop cache"), "each of them a look at the old one"
    assert walk.states() == ["running", "unknown", "failed"]


def test_a_new_form_that_was_found_running_in_maintenance_is_asked_again_when_the_old_one_has_stopped() -> None:
    walk = Walk(program("cache")).running()
    walk.execution.watching = True
    change_to(walk, replace(program("cache"), argv=("/usr/bin/other",)))
    assert walk.go() == "monitor cache"
    assert walk.end(OK) == ""
    walk.execution.watching = False
    assert walk.go() == "stop cache"
    assert walk.end() == "monitor cache"
    assert walk.end(NOT_RUNNING) == "start cache"


@pytest.mark.parametrize("stages", [(), (0, 1, 1)])
def test_a_restart_does_not_wait_for_what_a_reload_removed_and_was_given_up_on(stages: tuple[int, ...]) -> None:
    walk = Walk(address(1), program("db"), program("cache", exclusive=False), stages=stages)
    walk.want(Wanted.RUN)
    refuses(walk, "nothing", 5)
    change_to(walk, address(1), program("db"))
    refuses(walk, "cache", 60)
    walk.execution.restart()
    done = refuses(walk, "cache", 60)
    assert done.index("stop db") < done.index("remove 1") < done.index("add 1") < done.index("start db")
    assert walk.states() == ["running", "running", "failed"]


def test_a_new_form_that_was_found_running_in_maintenance_is_not_monitored_while_the_old_one_does_not_stop() -> None:
    cache = program("cache", exclusive=False, interval=5 * SECOND)
    walk = Walk(program("db"), cache, stages=(0, 0))
    walk.want(Wanted.RUN)
    refuses(walk, "nothing", 2)
    walk.execution.watching = True
    change_to(walk, program("db"), replace(cache, argv=("/usr/bin/other",)))
    assert walk.go() == "monitor cache"
    assert walk.end(OK) == ""
    walk.execution.watching = False
    done = refuses(walk, "cache", 40)
    assert done.count("monitor cache") == done.count("stop cache"), "each of them a look at the old one"
