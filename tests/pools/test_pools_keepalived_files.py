"""Sequences of answers for virtual servers of keepalived.conf, from the text through the reader to the table after each step.

What 2.2.7 makes of them stands in its manual; where ours is another table on purpose, ``docs/balancing-differences.md`` says why,
and the step names the heading.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from pool_rig import KEY, Rig

from understudy.balance import FilesChanged, HeldSeen, StopAsked, Tell
from understudy.config.keepalived import read_keepalived
from understudy.config.keepalived_expand import Source
from understudy.services import ServiceFiles, ServiceKey


@dataclass(frozen=True)
class Step:
    """``do``: ``1 bad`` (10.0.0.1 has not answered well), ``1 good``, ``1 30`` (a weight), ``stop``, ``held``, ``parted``,
    ``begin`` (nothing), or ``reload`` with other ``lines``. ``table``: weights by the last number of the address, "gone" without
    the service. ``told``: programs. ``because``: the heading of a difference.
    """

    do: str
    table: str
    told: str = ""
    lines: str = ""
    because: str = ""


@dataclass(frozen=True)
class Case:
    about: str
    lines: str
    steps: tuple[Step, ...]
    head: str = "virtual_server 192.0.2.1 80"
    key: ServiceKey = KEY
    before: str = ""


def real(last: int, inner: str = "TCP_CHECK {\n}", more: str = "") -> str:
    told = f'notify_up "/n/up {last}"\nnotify_down "/n/down {last}"\n'
    return f"real_server 10.0.0.{last} 80 {{\n{told}{more}\n{inner}\n}}\n"


def steps(*written: tuple[str, str] | tuple[str, str, str] | Step) -> tuple[Step, ...]:
    return tuple(item if isinstance(item, Step) else Step(*item) for item in written)


ONE, TWO = real(1), real(2)
SORRY = "sorry_server 10.0.0.99 80\n"
QUORUM = "quorum_up /n/gained\nquorum_down /n/lost\n"
HTTP = "HTTP_GET {\nurl {\npath /\n}\n}"
SCRIPT = "MISC_CHECK {\nmisc_path /bin/weigh\nmisc_dynamic\n}"
FILE = "track_file load {\nfile /run/load\n}\n"
INSTANCE = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress {\n192.0.2.1/24\n}\n}\n"

CASES = [
    Case(
        "in at once, out after 1 + 1 failures, back after one good answer",
        ONE + TWO,
        steps(
            ("begin", "1:1 2:1"),
            ("1 bad", "1:1 2:1"),
            ("1 bad", "2:1", "down 1"),
            ("1 bad", "2:1"),
            ("1 good", "1:1 2:1", "up 1"),
            ("1 bad", "1:1 2:1"),
            ("1 good", "1:1 2:1"),
            ("1 bad", "1:1 2:1"),
        ),
    ),
    Case(
        "retry of the virtual server, of a real server and of a checker",
        "retry 0\n" + ONE + real(2, more="retry 2") + real(3, "TCP_CHECK {\nretry 3\n}", "retry 1"),
        steps(
            ("1 bad", "2:1 3:1", "down 1"),
            ("2 bad", "2:1 3:1"),
            ("2 bad", "2:1 3:1"),
            ("2 bad", "3:1", "down 2"),
            ("3 bad", "3:1"),
            ("3 bad", "3:1"),
            ("3 bad", "3:1"),
            ("3 bad", "", "down 3"),
        ),
    ),
    Case("MISC_CHECK is not tried again", real(1, SCRIPT) + TWO, steps(("1 bad", "2:1", "down 1"))),
    Case(
        "DNS_CHECK is tried four times",
        real(1, "DNS_CHECK {\n}") + TWO,
        steps(
            ("1 bad", "1:1 2:1"),
            ("1 bad", "1:1 2:1"),
            ("1 bad", "1:1 2:1"),
            ("1 bad", "2:1", "down 1"),
            ("1 good", "1:1 2:1", "up 1"),
        ),
    ),
    *(
        Case(
            f"{kind} is tried twice",
            real(1, f"{kind} {{\n{inner}}}") + TWO,
            steps(("1 bad", "1:1 2:1"), ("1 bad", "2:1", "down 1"), ("1 good", "1:1 2:1", "up 1")),
        )
        for kind, inner in (
            ("HTTP_GET", "url { path /\n}\n"),
            ("SSL_GET", "url { path /\n}\n"),
            ("SMTP_CHECK", ""),
            ("PING_CHECK", ""),
            ("UDP_CHECK", ""),
        )
    ),
    Case(
        "no checker: always up",
        real(1, "") + TWO,
        steps(("begin", "1:1 2:1"), ("2 bad", "1:1 2:1"), ("2 bad", "1:1", "down 2")),
    ),
    Case("BFD_CHECK counts as up", real(1, "BFD_CHECK {\nname b\n}"), steps(("begin", "1:1"))),
    Case(
        "all checkers must be up",
        real(1, "TCP_CHECK {\nretry 0\n}\nPING_CHECK {\nretry 0\nconnect_ip 10.0.0.51\n}"),
        steps(("begin", "1:1"), ("51 bad", "", "down 1"), ("1 bad", ""), ("51 good", ""), ("1 good", "1:1", "up 1")),
    ),
    Case(
        "one target that two servers name is asked once",
        real(1, "TCP_CHECK {\nretry 0\nconnect_ip 10.0.0.51\n}")
        + real(2, "TCP_CHECK {\nretry 0\nconnect_ip 10.0.0.51\n}"),
        steps(("51 bad", "", "down 1, down 2"), ("51 good", "1:1 2:1", "up 1, up 2")),
    ),
    Case(
        "alpha: down until checked",
        "alpha\n" + ONE + TWO,
        steps(
            ("begin", ""),
            Step("1 bad", "", because="A server that begins as down is not told of"),
            ("2 good", "2:1", "up 2"),
            ("1 good", "1:1 2:1", "up 1"),
            ("1 bad", "1:1 2:1"),
            ("1 bad", "2:1", "down 1"),
        ),
    ),
    Case(
        "alpha of one server, and off for one",
        "alpha\n" + ONE + real(2, more="alpha off"),
        steps(("begin", "2:1"), ("1 good", "1:1 2:1", "up 1")),
    ),
    Case(
        "alpha of one of two checkers",
        real(1, "TCP_CHECK {\n}\nPING_CHECK {\nalpha\nconnect_ip 10.0.0.51\n}"),
        steps(("begin", ""), ("1 good", ""), ("51 good", "1:1", "up 1")),
    ),
    Case(
        "the first failure counts like any other",
        real(1, "TCP_CHECK {\nretry 2\n}"),
        steps(
            Step("1 bad", "1:1", because="The first failure after a start counts like any other"),
            ("1 bad", "1:1"),
            ("1 bad", "", "down 1"),
        ),
    ),
    Case(
        "inhibit_on_failure: weight 0",
        "inhibit_on_failure\n" + real(1, more="weight 5") + real(2, more="inhibit_on_failure off"),
        steps(
            ("1 bad", "1:5 2:1"),
            ("1 bad", "1:0 2:1", "down 1"),
            ("2 bad", "1:0 2:1"),
            ("2 bad", "1:0", "down 2"),
            ("1 good", "1:5", "up 1"),
        ),
    ),
    Case(
        "inhibit_on_failure with alpha: there from the beginning, with weight 0",
        "alpha\n" + real(1, more="inhibit_on_failure"),
        steps(("begin", "1:0"), ("1 good", "1:1", "up 1")),
    ),
    Case(
        "the sorry server comes with the last failure and goes with the first recovery",
        SORRY + "retry 0\n" + ONE + TWO,
        steps(("begin", "1:1 2:1"), ("1 bad", "2:1", "down 1"), ("2 bad", "99:1", "down 2"), ("1 good", "1:1", "up 1")),
    ),
    Case(
        "the sorry server serves from the beginning with alpha",
        SORRY + QUORUM + "alpha\n" + ONE,
        steps(("begin", "99:1"), ("1 good", "1:1", "up 1, gained")),
    ),
    Case(
        "sorry_server_inhibit: there from the beginning, with weight 0",
        SORRY + "sorry_server_inhibit\nretry 0\n" + ONE,
        steps(("begin", "1:1 99:0"), ("1 bad", "99:1", "down 1"), ("1 good", "1:1 99:0", "up 1")),
    ),
    Case(
        "no quorum: the sorry server in place of all",
        SORRY + QUORUM + "quorum 3\nretry 0\nweight 2\n" + ONE + TWO,
        steps(("begin", "1:2 2:2"), ("1 bad", "99:1", "down 1, lost"), ("1 good", "1:2 2:2", "up 1, gained")),
    ),
    Case(
        "who is quiet stays beside the sorry server",
        SORRY + "inhibit_on_failure\nquorum 2\nretry 0\n" + ONE + TWO,
        steps(("1 bad", "1:0 2:0 99:1", "down 1"), ("1 good", "1:1 2:1", "up 1")),
    ),
    Case(
        "no quorum and no sorry server: who is up stays",
        QUORUM + "quorum 2\nretry 0\n" + ONE + TWO,
        steps(
            ("1 bad", "2:1", "down 1, lost"),
            ("2 bad", "", "down 2"),
            ("2 good", "2:1", "up 2"),
            ("1 good", "1:1 2:1", "up 1, gained"),
        ),
    ),
    Case(
        "hysteresis: lost below 3, gained at 5",
        SORRY + QUORUM + "quorum 4\nhysteresis 1\nretry 0\n" + "".join(real(last) for last in range(1, 6)),
        steps(
            ("1 bad", "2:1 3:1 4:1 5:1", "down 1"),
            ("2 bad", "3:1 4:1 5:1", "down 2"),
            ("3 bad", "99:1", "down 3, lost"),
            ("3 good", "99:1", "up 3"),
            ("2 good", "99:1", "up 2"),
            ("1 good", "1:1 2:1 3:1 4:1 5:1", "up 1, gained"),
        ),
    ),
    Case(
        "hysteresis at the start: the quorum must be gained, in silence",
        SORRY + QUORUM + "quorum 3\nhysteresis 1\nretry 0\n" + ONE + TWO + real(3),
        steps(("begin", "99:1"), ("1 bad", "99:1", "down 1")),
    ),
    Case(
        "a quorum that cannot be reached is lowered",
        SORRY + "quorum 9\nretry 0\n" + ONE + TWO,
        steps(("begin", "1:1 2:1"), ("1 bad", "99:1", "down 1")),
    ),
    Case(
        "a dynamic weight counts for the quorum",
        QUORUM + "quorum 10\n" + real(1, SCRIPT, "weight 10") + TWO,
        steps(
            ("begin", "1:10 2:1"),
            ("1 30", "1:30 2:1"),
            ("1 0", "1:0 2:1", "lost"),
            ("1 good", "1:10 2:1", "gained"),
            ("1 bad", "2:1", "down 1, lost"),
        ),
    ),
    Case(
        "a file's number is added to the weight",
        real(1, "FILE_CHECK {\ntrack_file load\nweight 1\n}", "weight 10") + TWO,
        steps(("1 5", "1:15 2:1"), ("1 -4", "1:6 2:1"), ("1 -20", "1:0 2:1"), ("1 bad", "2:1", "down 1")),
        before=FILE,
    ),
    Case(
        "weight 0 is checked, and no quorum",
        SORRY + real(1, more="weight 0\nretry 0"),
        steps(("begin", "99:1"), ("1 bad", "99:1", "down 1")),
    ),
    Case(
        "omega: notifiers at a stop",
        QUORUM + "omega\nretry 0\n" + ONE + TWO,
        steps(("1 bad", "2:1", "down 1"), ("stop", "gone", "down 2, lost")),
    ),
    Case("without omega a stop is silent", QUORUM + ONE + TWO, steps(("begin", "1:1 2:1"), ("stop", "gone"))),
    Case(
        "ha_suspend: asked only while the address is here",
        "ha_suspend\nretry 0\n" + ONE,
        steps(("held", "1:1"), ("1 bad", "", "down 1"), ("parted", ""), ("held", ""), ("1 good", "1:1", "up 1")),
        before=INSTANCE,
    ),
    Case(
        "without ha_suspend the standby asks, too",
        "retry 0\n" + ONE,
        steps(("parted", "1:1"), ("1 bad", "", "down 1"), ("held", ""), ("1 good", "1:1", "up 1")),
        before=INSTANCE,
    ),
    Case(
        "every address of a group",
        "retry 0\n" + ONE,
        steps(("begin", "1:1"), ("1 bad", "", "down 1")),
        head="virtual_server group G",
        key=ServiceKey("tcp", "192.0.2.3", 80),
        before="virtual_server_group G {\n192.0.2.1-3 80\nfwmark 7\n}\n",
    ),
    Case(
        "a mark of a group",
        "retry 0\n" + ONE,
        steps(("begin", "1:1"), ("1 bad", "", "down 1")),
        head="virtual_server group G",
        key=ServiceKey(mark=7),
        before="virtual_server_group G {\n192.0.2.1-3 80\nfwmark 7\n}\n",
    ),
    Case(
        "a mark",
        "retry 0\n" + ONE,
        steps(("begin", "1:1"), ("1 bad", "", "down 1")),
        head="virtual_server fwmark 9",
        key=ServiceKey(mark=9),
    ),
    Case(
        "a reload: who is down stays down, who is new is in, who is gone goes",
        "retry 0\n" + ONE + TWO,
        steps(
            ("1 bad", "2:1", "down 1"),
            Step("reload", "3:1", lines="retry 0\n" + ONE + real(3)),
            ("1 good", "1:1 3:1", "up 1"),
        ),
    ),
    Case(
        "a reload: who is new begins down with alpha",
        "retry 0\n" + ONE,
        steps(Step("reload", "1:1", lines="alpha\n" + ONE + TWO), ("2 good", "1:1 2:1", "up 2")),
    ),
    Case(
        "a reload: another weight and another way",
        "retry 0\n" + ONE,
        steps(
            Step("reload", "1:7", lines="weight 7\n" + ONE),
            Step("reload", "1:7", lines="weight 7\nlvs_sched sed\n" + ONE),
        ),
    ),
    Case(
        "a reload: another checker trusts who is up",
        "retry 0\n" + ONE,
        steps(Step("reload", "1:1", lines="retry 0\n" + real(1, HTTP)), ("1 bad", "", "down 1")),
    ),
    Case(
        "a reload: failures that were counted stay counted",
        ONE,
        steps(("1 bad", "1:1"), Step("reload", "1:1", lines="quorum 1\n" + ONE), ("1 bad", "", "down 1")),
    ),
    Case(
        "a reload: a sorry server that is new serves where there is no quorum",
        "retry 0\n" + ONE,
        steps(
            ("1 bad", "", "down 1"), Step("reload", "99:1", lines="retry 0\n" + SORRY + ONE), ("1 good", "1:1", "up 1")
        ),
    ),
]


def files_of(case: Case, lines: str) -> ServiceFiles:
    text = f"{case.before}{case.head} {{\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n{lines}}}\n"
    reading = read_keepalived(Source("keepalived.conf", text))
    assert reading.files is not None, reading.problems
    assert reading.files.services is not None, reading.problems
    return reading.files.services


def table(rig: Rig, key: ServiceKey) -> str:
    found = rig.table(key)
    return "gone" if found is None else " ".join(f"{last}:{found[last]}" for last in sorted(found, key=int))


def told(rig: Rig) -> str:
    """Programs in their order, those of servers before those of the quorum of the same event."""
    words = [" ".join((item.notice.argv[0].rpartition("/")[2], *item.notice.argv[1:])) for item in rig.of(Tell)]
    return ", ".join(words)


def do(rig: Rig, case: Case, step: Step) -> None:
    if step.do == "stop":
        rig.tell(StopAsked())
    elif step.do in ("held", "parted"):
        rig.tell(HeldSeen(frozenset({"V"} if step.do == "held" else ())))
    elif step.do == "reload":
        rig.tell(FilesChanged(files_of(case, step.lines)))
    elif step.do != "begin":
        last, _, answer = step.do.partition(" ")
        failure = "no answer" if answer == "bad" else ""
        rig.answer(f"10.0.0.{last}", failure, None if answer in ("good", "bad") else int(answer))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_the_table_after_each_step(case: Case) -> None:
    rig = Rig(files=files_of(case, case.lines), before=(HeldSeen(frozenset({"V"})),))
    assert told(rig) == "", "at the start nobody is told"
    for number, step in enumerate(case.steps):
        do(rig, case, step)
        assert table(rig, case.key) == step.table, f"{case.about}: step {number}, {step.do}"
        assert told(rig) == step.told, f"{case.about}: step {number}, {step.do}"


def test_there_are_enough_and_each_difference_is_justified() -> None:
    assert len(CASES) >= 30
    page = (Path(__file__).resolve().parents[2] / "docs" / "balancing-differences.md").read_text()
    named = [step.because for case in CASES for step in case.steps if step.because]
    assert named
    assert [heading for heading in named if f"\n### {heading}\n" not in page] == []


def test_one_question_for_two_servers() -> None:
    case = next(case for case in CASES if "is asked once" in case.about)
    assert len(Rig(files=files_of(case, case.lines)).asked) == 1
