"""What the plan makes of groups that are stopped or in maintenance, and of nodes that drain."""

from __future__ import annotations

from dataclasses import replace

from understudy.core import whatif
from understudy.core.placement import Decision, NodeView, View, plan
from understudy.manager.whatif import view_of
from understudy.model import AddressResource, Cluster, Failback, Group, Link, Member, Quorum, Role
from understudy.units import SECOND

NAMES = ("ha01", "ha02", "ha03")


def group(name: str, together: str | None = None, apart: tuple[str, ...] = ()) -> Group:
    address = AddressResource(f"address {name}", "192.0.2.1", 24, "eth0")
    return Group(name, (address,), ("ha01", "ha02"), Failback(), together=together, apart=apart)


def cluster(*groups: Group) -> Cluster:
    members = tuple(Member(name, Role.NODE, (Link("red", "10.0.0.1"),)) for name in NAMES)
    return Cluster("test", "key", SECOND // 5, SECOND, Quorum.MAJORITY, members, groups or (group("site"),))


def view(holders: dict[str, str], **more: object) -> View:
    return replace(View({name: NodeView(name, up_for=60 * SECOND) for name in NAMES}, holders), **more)  # type: ignore[arg-type]


def decided(found: dict[str, Decision], name: str = "site") -> tuple[str | None, str, tuple[str, ...]]:
    return found[name].node, found[name].why, found[name].order


def test_a_stopped_group_belongs_nowhere_and_says_why_not_on_each_node() -> None:
    found = plan(cluster(), view({"site": "ha01"}, stopped={"site": "stopped by anna"}))
    assert decided(found) == (None, "stopped by anna", ())
    assert found["site"].not_on == dict.fromkeys(NAMES, "stopped by anna")


def test_a_group_that_goes_with_a_stopped_one_stops_too_and_one_that_stays_apart_waits_until_it_has() -> None:
    groups = (group("site"), group("log", together="site"), group("mail", apart=("site",)))
    holders = {"site": "ha01", "log": "ha01"}
    found = plan(cluster(*groups), view(holders, stopped={"site": "stopped by anna"}))
    assert found["log"].node is None
    assert found["mail"].node == "ha02", "it is still on ha01"
    found = plan(cluster(*groups), view({}, stopped={"site": "stopped by anna"}))
    assert found["mail"].node == "ha01"


def test_in_maintenance_it_stays_on_a_node_that_could_not_keep_it_and_fails_back_nowhere() -> None:
    kept = {"site": "in maintenance for anna"}
    seen = view({"site": "ha02"}, maintained=kept)
    assert decided(plan(cluster(), seen)) == ("ha02", "stays on ha02, in maintenance for anna", ())
    nodes = {**seen.nodes, "ha02": NodeView("ha02", "it is in standby", unfit={"site": "no carrier"})}
    assert plan(cluster(), replace(seen, nodes=nodes))["site"].node == "ha02"
    assert decided(plan(cluster(), view({}, maintained=kept))) == (
        None,
        "nobody takes it over, in maintenance for anna",
        (),
    )


def test_whatif_knows_that_nobody_takes_over_in_maintenance() -> None:
    seen = view({"site": "ha02"}, maintained={"site": "in maintenance for anna"})
    assert whatif.ask(cluster(), seen, ("ha01",)).decisions["site"].node == "ha02"
    assert whatif.ask(cluster(), seen, ("ha02",)).decisions["site"].node is None


def test_a_node_that_drains_keeps_only_what_no_other_can_take() -> None:
    drains = NodeView("ha01", "it is in standby", drains=True)
    nodes = {"ha01": drains, "ha02": NodeView("ha02", "it is lost"), "ha03": NodeView("ha03", "it is lost")}
    seen = replace(view({"site": "ha01"}), nodes=nodes)
    why = "stays on ha01, although it is in standby: no other node can take it"
    assert decided(plan(cluster(), seen)) == ("ha01", why, ())
    able = replace(seen, nodes={**nodes, "ha03": NodeView("ha03")})
    assert plan(cluster(), able)["site"].node == "ha03"
    assert plan(cluster(), replace(seen, holders={}))["site"].node is None, "it takes nothing"
    assert whatif.ask(cluster(), seen, ()).decisions["site"].node == "ha01"
    gone = whatif.ask(cluster(), able, ("ha01",)).decisions["site"]
    assert (gone.node, gone.not_on["ha01"]) == ("ha03", "it is down")


def test_a_status_tells_whatif_of_all_that() -> None:
    asked = [
        {"group": "site", "kind": "stopped", "by": "anna"},
        {"group": "", "kind": "maintenance", "by": "berta"},
        {"group": "mail", "kind": "maintenance", "by": "carla"},
    ]
    nodes = [{"name": name, "role": "node", "standby": name == "ha01", "draining": name == "ha01"} for name in NAMES]
    groups = [{"name": name, "holder": "ha01", "unfit": {}, "pinned": False} for name in ("site", "mail", "log")]
    found = view_of(cluster(*map(group, ("site", "mail", "log"))), {"nodes": nodes, "groups": groups, "wishes": asked})
    assert found.stopped == {"site": "stopped by anna"}
    assert found.maintained["mail"] == "in maintenance for carla"
    assert found.maintained["log"] == "in maintenance for berta"
    assert found.nodes["ha01"].drains
