"""Where each group belongs: every ``*.txt`` here, line by line, and what must hold for any status at all."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_text import Status, render

from understudy.core.placement import Decision, NodeView, View, candidates, decide
from understudy.model import Failback, FailbackKind, Group
from understudy.units import MINUTE, SECOND

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.txt")))
def test_plan(name: str, request: pytest.FixtureRequest) -> None:
    path = HERE / f"{name}.txt"
    written = path.read_text()
    now = render(written)
    if request.config.getoption("--rewrite-plans"):
        path.write_text(now)
    elif now != written:
        difference = unified_diff(written.splitlines(), now.splitlines(), "as written", "now", lineterm="")
        advice = "if this is what you meant: pytest tests/placement --rewrite-plans"
        pytest.fail("\n".join((*difference, "", advice)), pytrace=False)


def test_there_are_plans() -> None:
    assert len(list(HERE.glob("*.txt"))) >= 8


@pytest.mark.parametrize(
    "line", ["ha09 up 3s", "ha01 up three", "mail on ha01", "ha01 barred", "group site prefre ha01", "nonsense"]
)
def test_a_line_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(ValueError):
        render(f"nodes ha01 ha02\ngroup site\n{line}\nplan\n")


def test_a_changed_plan_is_seen() -> None:
    text = render("nodes ha01 ha02\ngroup site\nplan\n")
    assert render(text) == text
    assert render(text.replace("-> ha01", "-> ha02")) == text


# For any status

NODES = ("ha01", "ha02", "ha03", "ha04")
FAILBACKS = (
    Failback(),
    Failback(FailbackKind.NEVER),
    Failback(FailbackKind.AFTER, 5 * MINUTE),
    Failback(FailbackKind.AFTER, 0),
)

GROUPS = st.builds(
    lambda order, size, failback: Group("site", (), tuple(order[:size]), failback),
    st.permutations(NODES),
    st.integers(0, 4),
    st.sampled_from(FAILBACKS),
)


@st.composite
def statuses(draw: st.DrawFn) -> Status:
    found = Status()
    for name in NODES:
        bar = draw(st.sampled_from(("", "", "", "it is lost")))
        unfit = draw(st.sampled_from(("", "", "", "eth0 has no carrier")))
        up_for = draw(st.sampled_from((0, 1, SECOND, 2 * SECOND, 10 * MINUTE)))
        able_for = draw(st.sampled_from((None, 0, SECOND, 5 * MINUTE)))
        spans = {} if able_for is None else {"site": able_for}
        found.nodes[name] = NodeView(name, bar, up_for, {"site": unfit} if unfit else {}, spans)
    group = draw(GROUPS)
    found.groups[group.name] = group
    holder = draw(st.sampled_from((None, *NODES)))
    if holder is not None:
        found.holders["site"] = holder
    if draw(st.booleans()):
        found.pinned.add("site")
    return found


def decision(status: Status) -> Decision:
    return status.plan()["site"]


def able(status: Status, name: str) -> bool:
    node = status.nodes[name]
    return not node.bar and not node.unfit.get("site")


@given(statuses())
@settings(max_examples=400)
def test_every_node_is_chosen_or_has_a_reason(status: Status) -> None:
    found = decision(status)
    assert set(found.not_on) == set(NODES) - {found.node}
    assert all(found.not_on.values())
    assert found.why


@given(statuses())
@settings(max_examples=400)
def test_the_chosen_one_is_able_unless_nobody_is_and_it_holds_the_group(status: Status) -> None:
    found = decision(status)
    anybody = [name for name in NODES if able(status, name)]
    ranked = candidates(status.cluster(), status.groups["site"])
    assert found.order == tuple(name for name in ranked if name in anybody)
    if anybody:
        assert found.node in anybody
        return
    holder = status.holders.get("site")
    keeps = holder is not None and not status.nodes[holder].bar
    assert found.node == (holder if keeps else None), "a holder that is only unfit keeps it: to stop would help nobody"


@given(statuses())
@settings(max_examples=400)
def test_a_running_group_moves_only_to_a_node_that_is_stated_as_better(status: Status) -> None:
    found = decision(status)
    holder = status.holders.get("site")
    if holder is None or not able(status, holder) or found.node == holder:
        return
    group = status.groups["site"]
    assert found.node in group.prefer
    assert holder not in group.prefer or group.prefer.index(found.node) < group.prefer.index(holder)
    assert group.failback.kind is not FailbackKind.NEVER
    assert "site" not in status.pinned
    needed = group.failback.after if group.failback.kind is FailbackKind.AFTER else status.settle
    best = status.nodes[found.node]
    assert min(best.up_for, best.able_for.get("site", best.up_for)) >= needed


@given(statuses())
@settings(max_examples=400)
def test_the_best_of_the_able_takes_what_nobody_can_keep(status: Status) -> None:
    holder = status.holders.get("site")
    found = decision(status)
    if found.order and (holder is None or not able(status, holder)):
        assert found.node == found.order[0]
        assert found.wait is None


@given(statuses())
@settings(max_examples=400)
def test_a_move_does_not_provoke_another(status: Status) -> None:
    """Once the chosen node holds the group, the same status keeps it there."""
    found = decision(status)
    if found.node is None:
        return
    status.holders["site"] = found.node
    assert decision(status).node == found.node


@given(statuses())
@settings(max_examples=400)
def test_an_announced_failback_happens_when_it_was_said(status: Status) -> None:
    found = decision(status)
    if not found.wait:
        return
    best = status.nodes[found.order[0]]
    for early, node in ((1, found.node), (0, best.name)):
        passed = found.wait - early
        able_for = {group: span + passed for group, span in best.able_for.items()}
        view = NodeView(best.name, "", best.up_for + passed, best.unfit, able_for)
        later = Status({**status.nodes, best.name: view}, status.groups, status.holders, status.pinned, status.settle)
        assert decision(later).node == node


@given(statuses(), st.permutations(NODES))
def test_views_that_agree_lead_to_one_plan(status: Status, order: list[str]) -> None:
    """Every node computes the plan for itself; the order in which it learned of the others must not matter."""
    cluster = status.cluster()
    first = decide(cluster, status.groups["site"], view(status, NODES))
    assert decide(cluster, status.groups["site"], view(status, tuple(order))) == first


def view(status: Status, order: tuple[str, ...]) -> View:
    nodes = {name: status.nodes[name] for name in order}
    return View(nodes, status.holders, frozenset(status.pinned), status.settle)
