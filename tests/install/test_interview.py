"""The questions of ``understudy init``: what flags answer, what this machine proposes, what a person says."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from understudy.cli.interview import Check, Flags, Nobody, interview
from understudy.cli.this_machine import Interface, ThisMachine
from understudy.config.draft import Draft, draft_text
from understudy.config.validate import read
from understudy.errors import UsageError
from understudy.model import AddressResource, Cluster, CommandResource, Quorum, Role

HERE = ThisMachine(
    "ha01.example.org",
    "ha01",
    (Interface("eth0", "192.168.58.101", 24), Interface("eth1", "192.168.107.101", 16)),
    ("192.168.58.1",),
)
OTHER = "ha02=192.168.58.102,192.168.107.102"
WITNESS = "arbiter=192.168.58.9"


@dataclass
class Script:
    """A person who says these things, and whose bad answers are refused aloud and asked again."""

    answers: list[str]
    heard: list[str] = field(default_factory=list)

    def ask(self, question: str, flag: str, proposal: str, check: Check) -> str:
        while True:
            self.heard.append(f"{question} [{proposal}]")
            answer = self.answers.pop(0) or proposal
            try:
                return check(answer)
            except ValueError as error:
                self.heard.append(str(error))

    def say(self, text: str) -> None:
        self.heard.append(text)


def silent(**flags: object) -> Draft:
    voice = Nobody(agreed=True)
    draft = interview(Flags(**flags), HERE, voice)  # type: ignore[arg-type]
    assert voice.missing == {}
    return draft


def judged(draft: Draft) -> Cluster:
    """The cluster that the draft's text means; it must be good."""
    reading = read(draft_text(draft), "cluster.toml")
    assert reading.cluster is not None, [str(problem) for problem in reading.problems]
    return reading.cluster


def warnings(draft: Draft) -> list[str]:
    return [problem.text for problem in read(draft_text(draft), "cluster.toml").problems]


def with_key(draft: Draft) -> Draft:
    return Draft(**{name: getattr(draft, name) for name in draft.__slots__} | {"key_file": "cluster.key"})


def test_two_nodes_and_a_witness_from_flags_and_proposals() -> None:
    draft = with_key(silent(nodes=(OTHER,), witness=WITNESS, addresses=("192.168.58.100",)))
    cluster = judged(draft)
    assert (cluster.quorum, cluster.names, warnings(draft)) == (Quorum.MAJORITY, ("ha01", "ha02", "arbiter"), [])
    assert [link.address for link in cluster.member("ha01").links] == ["192.168.58.101", "192.168.107.101"]
    (group,) = cluster.groups
    assert group.prefer == ("ha01", "ha02")
    (address,) = group.resources
    assert isinstance(address, AddressResource)
    assert (address.address, address.prefix, address.device) == ("192.168.58.100", 24, "eth0")


def test_three_nodes_with_a_program() -> None:
    flags = {"nodes": (OTHER, "ha03=192.168.58.103,192.168.107.103"), "addresses": ("192.168.107.5",)}
    draft = with_key(silent(**flags, program='/usr/bin/httpd -c "Listen 80"', dead_time="400ms", group="site"))
    cluster = judged(draft)
    assert [member.role for member in cluster.members] == [Role.NODE] * 3
    assert (cluster.dead_time, warnings(draft)) == (400_000_000, [])
    address, program = cluster.group("site").resources
    assert isinstance(address, AddressResource)
    assert isinstance(program, CommandResource)
    assert (address.device, address.prefix) == ("eth1", 16)
    assert program.argv == ("/usr/bin/httpd", "-c", "Listen 80")


def test_a_pair_proposes_the_router() -> None:
    draft = with_key(silent(nodes=(OTHER,), pair=True, addresses=("192.168.58.100/24",)))
    cluster = judged(draft)
    assert (cluster.quorum, cluster.ping, warnings(draft)) == (Quorum.PAIR, ("192.168.58.1",), [])


def test_this_machine_may_be_the_witness_or_stand_among_the_nodes() -> None:
    nodes = ("a=192.168.58.1", "b=192.168.58.2")
    draft = silent(nodes=nodes, witness="ha01", addresses=("192.168.58.100",))
    assert [(member.name, member.role) for member in draft.members][-1] == ("ha01", Role.WITNESS)
    assert draft.members[-1].addresses == ("192.168.58.101", "192.168.107.101")
    draft = silent(nodes=("ha00=192.168.58.99", "ha01"), witness=WITNESS, addresses=("192.168.58.100",))
    assert [member.name for member in draft.members] == ["ha00", "ha01", "arbiter"]


def test_a_person_is_asked_everything_and_again_after_a_bad_answer() -> None:
    answers = ["", "", "", "ha01", "ha02", "192.168.58.102/24", "192.168.58.102 192.168.107.102"]
    answers += ["maybe", "w", "arbiter", "192.168.58.9", "", "192.168.58.101", "192.168.58.100", "", "", ""]
    person = Script(answers)
    draft = with_key(interview(Flags(), HERE, person))
    assert answers == []
    heard = "\n".join(person.heard)
    assert "ha01 names a machine already" in heard
    assert '"192.168.58.102/24" has a prefix length' in heard
    assert "answer witness, node or none" in heard
    assert "192.168.58.101 is this machine's own address" in heard
    assert "same on every node [eth0]" in heard
    assert draft == with_key(silent(nodes=(OTHER,), witness=WITNESS, addresses=("192.168.58.100",), program=""))


def test_a_person_may_want_no_third_machine() -> None:
    person = Script(["", "", "", "ha02", "192.168.58.102", "none", "", "192.168.58.100", "", "", "", "2s"])
    assert judged(with_key(interview(Flags(), HERE, person))).ping == ("192.168.58.1",)


def test_without_a_terminal_all_that_is_missing_is_named_at_once() -> None:
    voice = Nobody(agreed=False)
    interview(Flags(cluster="x", program=""), HERE, voice)
    flags = " ".join(voice.missing)
    for flag in ("--node", "--witness", "--pair", "--group", "--address", "--device", "--dead-time"):
        assert flag in flags
    assert "--cluster" not in flags
    assert "--program" not in flags
    voice = Nobody(agreed=True)
    interview(Flags(nodes=(OTHER,), addresses=("10.0.0.1/8",)), HERE, voice)
    assert [flag.split()[0] for flag in voice.missing] == ["--witness", "--device"]


def test_two_machines_alone_are_never_an_accident() -> None:
    """A pair is less safe; --yes alone must not choose it."""
    voice = Nobody(agreed=True)
    interview(Flags(nodes=(OTHER,), addresses=("192.168.58.100",)), HERE, voice)
    assert list(voice.missing) == [
        "--witness NAME=ADDRESS[,ADDRESS], or a third --node, or --pair for two machines alone"
    ]


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"nodes": ("ha02",)}, "--node ha02: its addresses are missing"),
        ({"nodes": ("ha02=router.example",)}, '--node ha02: "router.example" is not an IP address'),
        ({"nodes": (OTHER, OTHER)}, "the machine ha02 is given twice"),
        ({"nodes": ("-x=10.0.0.1",)}, "--node: '-x' is no name"),
        ({"nodes": (OTHER,), "witness": WITNESS, "pair": True}, "--pair is for two nodes and no witness"),
        ({"nodes": (OTHER,), "witness": WITNESS, "ping": ("10.0.0.1",)}, "--ping is for a pair only"),
        ({"nodes": (OTHER,), "witness": WITNESS, "addresses": ("10.0.0.100",)}, "lacks the prefix length"),
        ({"nodes": (OTHER,), "witness": WITNESS, "addresses": ("192.168.58.101",)}, "this machine's own address"),
        ({"cluster": "a b"}, "--cluster: 'a b' is no name"),
        ({"nodes": (OTHER,), "witness": WITNESS, "dead_time": "soon"}, "--dead-time"),
        ({"nodes": (OTHER,), "witness": WITNESS, "group": "ha02"}, "names a machine already"),
    ],
)
def test_a_wrong_flag_is_refused_by_name(flags: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        interview(Flags(**flags), HERE, Nobody(agreed=True))  # type: ignore[arg-type]
    assert text in str(caught.value)
