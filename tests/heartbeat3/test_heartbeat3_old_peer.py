"""Our core and an old peer whose every word the test writes: what is expected of us, and what we do better."""

from __future__ import annotations

import pytest
from heartbeat3_parts import KEEPALIVE, MAIL, WEB, A, B, ByHand, pings

from understudy.events import PingsSeen, ShutdownAsked, Stalled
from understudy.heartbeat3 import OldMessage, text_fields
from understudy.heartbeat_files import AutoFailback
from understudy.old_pair import HostSeen, OldReceived, RememberGeneration, SendOld
from understudy.units import MILLISECOND, NEVER, SECOND

MINE = "resource rsc_hold=local rtype=full isstable=1"


def test_a_peer_that_does_not_answer_reqnodes_keeps_nobody_out_of_service() -> None:
    old = ByHand()
    old.beats(12 * SECOND)
    assert old.since(0).count("reqnodes dest=node-b") == 10
    assert "starting" in old.since(0)
    old.says(kind="resource", rsc_hold="local", rtype="full", isstable="1")
    old.two.run(SECOND)
    assert old.two.owner(WEB) == A
    assert old.two.owner(MAIL) == ""


def test_a_peer_that_runs_keeps_what_it_has() -> None:
    old = ByHand()
    old.settle("all")
    assert old.two.owners() == ("", "")
    assert old.since(0)[-2:] == [
        "resource rsc_hold=none rtype=full isstable=0",
        "resource rsc_hold=none rtype=full isstable=1",
    ]


def test_a_peer_that_is_not_stable_and_holds_something_is_waited_for() -> None:
    old = ByHand()
    old.beats(KEEPALIVE)
    old.says(kind="repnodes", dest=A, nodelist="node-a node-b ", delnodelist=" ")
    old.says(kind="starting")
    old.says(kind="resource", rsc_hold="foreign", rtype="full", isstable="0")
    old.beats(9 * SECOND)
    assert old.two.owner(WEB) == ""
    old.says(kind="resource", rsc_hold="local", rtype="full", isstable="0")
    old.beats(2 * SECOND)
    assert old.two.owner(WEB) == A


def test_a_report_during_a_release_is_no_answer_to_our_start() -> None:
    old = ByHand()
    old.beats(KEEPALIVE)
    old.says(kind="repnodes", dest=A, nodelist="node-a node-b ", delnodelist=" ")
    old.says(kind="starting")
    old.says(kind="resource", rsc_hold="none", rtype="full", isstable="0", info="standby")
    old.beats(2 * SECOND)
    assert old.two.owner(WEB) == ""


def test_the_same_number_by_two_media_counts_once_and_by_one_of_them_is_acknowledged() -> None:
    old = ByHand()
    old.settle()
    for number in range(old.number + 1, old.number + 21):
        old.says("eth0", number, kind="status", st="active", dt="bb8", protocol="1")
        old.says("eth1", number, kind="status", st="active", dt="bb8", protocol="1")
    acks = [message for _, message in old.host.said if message.get("t") == "NS_ackmsg"]
    assert {message.get("dest") for message in acks} == {B}
    numbers = [int(message.get("ackseq"), 16) for message in acks]
    assert len(set(numbers)) == len(numbers) >= 2
    assert len({number % 10 for number in numbers}) == 1


def test_gaps_are_asked_for_one_by_one_and_what_is_refused_no_more() -> None:
    old = ByHand()
    old.settle()
    mark = old.mark()
    lost = old.number + 1
    old.says(number=lost + 2, kind="status", st="active", dt="bb8", protocol="1")
    old.two.run(300 * MILLISECOND)
    asked = [message for _, message in old.host.said[mark:] if message.get("t") == "NS_rexmit"]
    assert sorted({message.get("firstseq") for message in asked}) == [str(lost), str(lost + 1)]
    assert all(message.get("firstseq") == message.get("lastseq") for message in asked)
    old.says(kind="NS_nak_rexmit", dest=A, firstseq=f"{lost:x}", info="seqno not found")
    old.says(number=lost + 1, kind="setweight", node="node-b", weight="1")
    mark = old.mark()
    old.two.run(SECOND)
    assert not [message for _, message in old.host.said[mark:] if message.get("t") == "NS_rexmit"]


def test_what_it_asks_for_is_sent_again_unchanged_and_what_is_not_kept_is_refused() -> None:
    old = ByHand()
    old.settle()
    first = next(message for _, message in old.host.said if message.get("seq") == "3")
    mark = old.mark()
    old.says(kind="NS_rexmit", dest=A, firstseq="3", lastseq="3")
    assert [message for _, message in old.host.said[mark:]] == [first]
    old.says(kind="NS_rexmit", dest=B, firstseq="4", lastseq="4")
    assert len(old.host.said) == mark + 1, "not asked of us"
    old.says(kind="NS_ackmsg", dest=A, ackseq="8")
    mark = old.mark()
    old.says(kind="NS_rexmit", dest=A, firstseq="5", lastseq="5")
    old.says(kind="NS_rexmit", dest=A, firstseq="90000", lastseq="90000")
    assert len(old.host.said) == mark


def test_recordings_are_refused() -> None:
    old = ByHand()
    old.settle("all")
    old.generation += 1
    old.number = 0
    old.settle("all")
    held = old.two.node(A).held
    old.generation -= 1
    old.says(number=999, kind="shutdone", st="dead")
    old.says(kind="NS_ackmsg", dest=A, ackseq="9")
    old.generation += 1
    old.says(number=2, kind="shutdone", st="dead")
    assert old.two.node(A).held is held
    assert old.two.node(A).rejected["replay"] == 2
    assert any("a recording is played back" in note for note in old.host.notes)


def test_generations_are_remembered_for_the_next_start() -> None:
    old = ByHand(known=((B, 0x6B00BBA9),))
    old.says(kind="status", st="active", dt="bb8", protocol="1")
    assert old.two.node(A).rejected == {"replay": 1}
    old.generation += 2
    message = OldMessage(text_fields(t="status", st="up", src=B, hg=f"{old.generation:x}", ts="1", seq="1"))
    told = old.two.node(A).handle(OldReceived("eth0", message, old.two.now), old.two.now)
    assert RememberGeneration(B, old.generation) in told


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "status", "st": "active", "dt": "zz", "protocol": "1"},
        {"kind": "status", "st": "immortal", "dt": "ffffffffffffffff", "protocol": "1"},
        {"kind": "resource", "rsc_hold": "everything", "rtype": "full", "isstable": "1"},
        {"kind": "ask_resources", "rsc_hold": "all", "info": "done"},
        {"kind": "ask_resources", "rsc_hold": "none", "info": "me"},
        {"kind": "NS_rexmit", "dest": "node-a", "firstseq": "9" * 40, "lastseq": "x"},
        {"kind": "NS_ackmsg", "dest": "node-a", "ackseq": "ffffff"},
        {"kind": "NS_nak_rexmit", "dest": "node-a", "firstseq": ""},
        {"kind": "ip-request-resp", "dest": "node-a", "ipaddr": WEB, "ok": "OK"},
        {"kind": "num_ping_nodes", "dest": "node-a", "num_ping": "-1"},
        {"kind": "unheard_of"},
    ],
)
def test_nonsense_changes_nothing(fields: dict[str, str]) -> None:
    old = ByHand(ipfail=True)
    old.settle()
    before = old.two.node(A).held
    old.says("eth0", None, **fields)
    old.beats(2 * SECOND)
    assert old.two.node(A).held is before
    assert old.two.node(A).stable
    assert old.two.owner(WEB) == A


def test_unknown_senders_and_our_own_name() -> None:
    old = ByHand()
    old.other = "node-x"
    old.says(kind="status", st="active", dt="bb8", protocol="1")
    old.other = A
    old.says(kind="status", st="active", dt="bb8", protocol="1")
    assert old.two.node(A).rejected == {"unknown sender": 1, "our own name": 1}
    assert any("two nodes must not have one name" in note for note in old.host.notes)
    mark = len(old.host.notes)
    own = old.host.said[0][1]
    old.two.tell(A, OldReceived("eth0", own, old.two.now))
    assert len(old.host.notes) == mark, "our own broadcast comes back: nothing to say"


def test_an_old_peer_that_was_cut_off_gives_up_and_we_keep_what_we_have() -> None:
    old = ByHand()
    old.settle()
    old.two.run(4 * SECOND)
    assert old.two.owners() == (A, A)
    old.number += 10
    old.beats(2 * SECOND)
    assert old.two.owners() == (A, A)
    old.says(kind="resource", rsc_hold="none", rtype="full", isstable="0", info="shutdown")
    old.says(kind="shutdone", st="dead")
    old.beats(8 * SECOND)
    assert old.two.owners() == (A, A)
    assert not any("is given up" in note for note in old.host.notes)


def test_an_old_peer_that_was_cut_off_and_does_not_give_up_keeps_its_own() -> None:
    old = ByHand()
    old.settle()
    old.two.run(4 * SECOND)
    old.number += 10
    old.beats(4 * SECOND)
    assert old.two.owner(MAIL) == A
    old.beats(2 * SECOND)
    assert old.two.owners() == (A, "")


def test_an_old_peer_that_stood_still_keeps_all_that_it_says_it_has() -> None:
    old = ByHand()
    old.settle()
    old.two.run(6 * SECOND)
    assert old.two.owners() == (A, A)
    old.says(kind="status", st="active", dt="bb8", protocol="1")
    old.two.run(10 * MILLISECOND)
    assert old.two.owner(MAIL) == ""
    old.says(kind="resource", rsc_hold="all", rtype="full", isstable="1")
    old.beats(10 * SECOND)
    assert old.two.owners() == ("", "")


def test_a_standby_without_an_answer_is_off_after_ten_seconds() -> None:
    old = ByHand(auto_failback=AutoFailback.OFF)
    old.settle()
    assert old.two.operator(A, "hb_standby", "all")[0]
    old.beats(9 * SECOND)
    assert not old.two.operator(A, "hb_standby", "all")[0]
    old.beats(2 * SECOND)
    assert old.two.owner(WEB) == A
    assert any("No reply to standby request" in note for note in old.host.notes)
    old.says(kind="ask_resources", rsc_hold="all", info="other")
    old.beats(SECOND)
    assert old.two.owner(WEB) == A


def test_a_done_from_before_the_offer_belongs_to_another_hand_over() -> None:
    old = ByHand(auto_failback=AutoFailback.OFF)
    old.settle()
    late = old.number + 1
    old.number += 1
    old.says(kind="ask_resources", rsc_hold="local", info="me")
    assert old.since(0)[-1] == "ask_resources rsc_hold=local info=other"
    old.says(number=late, kind="ask_resources", rsc_hold="local", info="done")
    old.number = late + 1
    old.two.run(100 * MILLISECOND)
    assert old.two.owner(MAIL) == ""
    old.says(kind="ask_resources", rsc_hold="local", info="done")
    old.two.run(100 * MILLISECOND)
    assert old.two.owner(MAIL) == A


def test_an_older_report_does_not_replace_a_newer_one() -> None:
    old = ByHand()
    old.settle()
    late = old.number + 1
    old.number += 1
    old.says(kind="resource", rsc_hold="local", rtype="full", isstable="1")
    old.says(number=late, kind="resource", rsc_hold="all", rtype="full", isstable="1")
    old.number = late + 1
    old.beats(SECOND)
    assert old.two.owner(WEB) == A


def test_an_older_heartbeat_does_not_replace_a_newer_one() -> None:
    """Its "up" was lost and is sent again after "active": it shows that the peer lives, and nothing else."""
    old = ByHand()
    old.settle()
    late = old.number + 1
    old.number += 1
    old.says(kind="status", st="active", dt="bb8", protocol="1")
    newest = old.number
    old.says(number=late, kind="status", st="up", dt="1388", protocol="1")
    old.number = newest
    peer = old.two.node(A).peer
    assert peer is not None
    assert peer.status == "active"
    assert peer.dead_time == 3 * SECOND


def test_groups_of_ours_that_nobody_holds_are_taken() -> None:
    old = ByHand(auto_failback=AutoFailback.OFF)
    old.settle("all")
    old.says(kind="resource", rsc_hold="local", rtype="full", isstable="1")
    old.beats(SECOND)
    assert old.two.owner(WEB) == ""
    old.beats(2 * SECOND)
    assert old.two.owner(WEB) == A


def test_groups_of_an_old_peer_that_nobody_holds_are_taken_for_it_after_the_network_was_asked() -> None:
    """It only logs that; so a machine of ours that came back too late for what it held would leave it to nobody."""
    old = ByHand()
    old.settle()
    asked = len(old.host.notes)
    old.says(kind="resource", rsc_hold="none", rtype="full", isstable="1")
    old.beats(SECOND)
    assert old.two.owners() == (A, ""), "a hand-over may be at its end"
    old.beats(2 * SECOND)
    assert old.two.owners() == (A, A)
    assert "nobody holds the foreign groups: node-a takes them" in old.host.notes[asked:]
    assert old.since(0)[-1].startswith("resource rsc_hold=all rtype=full isstable=1")


def test_groups_of_an_old_peer_that_somebody_answers_for_are_not_taken() -> None:
    old = ByHand()
    old.settle()
    there = old.two.hosts[B]
    there.addresses = {item.address for group in old.two.cluster.groups for item in group.addresses}
    there.leases = {group.name: NEVER for group in old.two.cluster.groups if group.name == MAIL}
    old.says(kind="resource", rsc_hold="none", rtype="full", isstable="1")
    old.beats(5 * SECOND)
    assert old.two.owners() == (A, B)


def test_a_peer_that_begins_anew_hears_our_status_before_anything_else() -> None:
    """Seen live: an acknowledgement came first, and in legacy mode the old program took what we served without asking."""
    old = ByHand(auto_failback=AutoFailback.LEGACY)
    old.beats(KEEPALIVE)
    old.says(kind="repnodes", dest=A, nodelist="node-a node-b ", delnodelist=" ")
    old.beats(SECOND)
    old.generation += 1
    old.number = 0
    mark = old.mark()
    old.says(kind="status", st="init", dt="bb8", protocol="1")
    assert [(message.get("t"), message.get("st")) for _, message in old.host.said[mark:]][:1] == [("status", "active")]


def test_whoever_was_late_himself_accuses_nobody() -> None:
    old = ByHand()
    old.settle()
    old.two.run(2 * SECOND)
    old.two.tell(A, Stalled(2 * SECOND))
    old.two.run(2900 * MILLISECOND)
    assert old.two.owner(MAIL) == ""


def test_ipfail_in_the_words_of_the_old_client() -> None:
    old = ByHand(ipfail=True, pings=pings("gw"))
    old.two.tell(A, PingsSeen(("gw",)))
    old.settle()
    assert "hbapi-clstat st=join info=signon" in old.since(0)
    mark = old.mark()
    old.says(kind="query-cstatus", dest=A, cn="ipfail", from_id="456")
    old.says(kind="num_ping_nodes", dest=A, num_ping="0", from_id="ipfail", to_id="ipfail", client_gen="0")
    old.says(kind="num_ping_nodes", dest=A, num_ping="1", from_id="ipfail", to_id="ipfail", client_gen="0")
    said = [word.split()[0] for word in old.since(mark)]
    assert said == ["respond-cstatus", "you_are_dead", "abort_giveup"]
    old.says(kind="num_ping_nodes", dest=A, num_ping="2", from_id="ipfail", to_id="ipfail", client_gen="0")
    old.beats(900 * MILLISECOND)
    assert old.two.node(A).handover.state.value == "idle"
    old.beats(500 * MILLISECOND)
    assert old.since(mark)[-1] == "ask_resources rsc_hold=all info=me"


def test_a_stop_waits_for_a_hand_over_and_lingers_to_repeat_its_last_word() -> None:
    old = ByHand()
    old.settle()
    old.two.operator(A, "hb_standby", "all")
    old.says(kind="ask_resources", rsc_hold="all", info="other")
    old.two.run(100 * MILLISECOND)
    old.two.tell(A, ShutdownAsked())
    assert old.since(0)[-1] == "ask_resources rsc_hold=all info=done"
    old.says(kind="ask_resources", rsc_hold="all", info="done")
    old.two.run(10 * MILLISECOND)
    assert old.since(0)[-1] == "shutdone st=dead"
    last = old.host.said[-1][1]
    assert last.get("t") == "shutdone"
    old.says(kind="NS_rexmit", dest=A, firstseq=str(int(last.get("seq"), 16)), lastseq=str(int(last.get("seq"), 16)))
    assert old.host.said[-1][1] == last
    old.two.run(2 * SECOND)
    assert old.host.stopped


def test_wall_clock_and_load_are_passed_on() -> None:
    old = ByHand()
    old.two.tell(A, HostSeen(1_900_000_000_000, "0.10 0.20 0.30 1/99 7\n"))
    old.two.run(SECOND)
    status = [message for _, message in old.host.said if message.get("t") == "status"][-1]
    assert status.get("ld") == "0.10 0.20 0.30 1/99 7"
    assert int(status.get("ts"), 16) in (1_900_000_000, 1_900_000_001)
    assert SendOld(status).message is status


def test_the_words_of_cl_status() -> None:
    from understudy.core.heartbeat3.status import old_words, rsc_status

    old = ByHand(pings=pings("gw"))
    old.two.tell(A, PingsSeen(("gw",)))
    assert rsc_status(old.two.node(A)) == "transition"
    old.settle()
    node = old.two.node(A)
    assert rsc_status(node) == "local"
    assert old_words(node) == {
        A: ("active", "normal", ()),
        B: ("active", "normal", (("eth0", "up"),)),
        "gw": ("ping", "ping", (("gw", "up"),)),
    }
    shot = node.snapshot(old.two.now)
    assert [(group.name, group.holder) for group in shot.groups] == [(WEB, A), (MAIL, B)]
    assert [member.state for member in shot.nodes] == ["up", "up"]
    assert shot.to_json()["node"] == A
    assert shot.heartbeat is not None
    assert (shot.heartbeat.resources, shot.heartbeat.keys) == (
        "local",
        {WEB: node.pair.key(WEB), MAIL: node.pair.key(MAIL)},
    )
    said = {item.name: (item.status, item.kind, tuple(item.links.items())) for item in shot.heartbeat.nodes}
    assert said == old_words(node)
    assert [group.preferred for group in shot.groups] == [A, B]
    old.two.run(5 * SECOND)
    assert old_words(node)[B][0] == "dead"


def test_a_daemon_that_begins_anew_keeps_what_the_kernel_still_lets_it_serve() -> None:
    old = ByHand()
    old.settle()
    served = tuple(address.address for address in old.two.cluster.group(WEB).addresses)
    old.two.start(A, addresses=served, kernel_leases=((WEB, 2 * SECOND),))
    old.beats(2500 * MILLISECOND)
    old.says(kind="repnodes", dest=A, nodelist="node-a node-b ", delnodelist=" ")
    assert old.two.owner(WEB) == A, "served without a break"
    old.says(kind="resource", rsc_hold="local", rtype="full", isstable="1")
    old.beats(SECOND)
    assert old.two.owner(WEB) == A
    old.two.start(A, addresses=served, kernel_leases=((WEB, 2 * SECOND),))
    old.beats(KEEPALIVE)
    old.says(kind="repnodes", dest=A, nodelist="node-a node-b ", delnodelist=" ")
    old.says(kind="resource", rsc_hold="all", rtype="full", isstable="1")
    old.beats(SECOND)
    assert old.two.owner(WEB) == "", "the other has it by now"


def test_what_is_found_without_a_right_is_put_away_at_the_start() -> None:
    old = ByHand()
    old.host.addresses.add("10.77.1.101")
    old.two.start(A, addresses=("10.77.1.101",))
    old.beats(KEEPALIVE)
    assert "10.77.1.101" not in old.host.addresses
