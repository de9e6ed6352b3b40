"""Words that do not arrive: asked for by their number and said again, in both directions; and a network that loses many."""

from __future__ import annotations

from old_hands import Recording, lose_once, lost, tool
from old_world import Pair, beside_heartbeat, never_two, rest, until
from test_interop_join import joined

WORD = "ask_resources"
"""The type of all words of a hand-over."""


def said_again(messages: list[dict[str, str]], speaker: str, hearer: str) -> bool:
    """The first word of the speaker was lost: the hearer asked for its number, and it came once more, unchanged."""
    places = [place for place, each in enumerate(messages) if (each["t"], each["src"]) == (WORD, speaker)]
    if not places:
        return False
    first = messages[places[0]]
    asked = [
        place
        for place, each in enumerate(messages)
        if (each["t"], each["src"]) == ("NS_rexmit", hearer) and each["firstseq"] == str(int(first["seq"], 16))
    ]
    again = [place for place in places[1:] if messages[place] == first]
    return bool(asked) and bool(again) and places[0] < asked[0] < again[0]


def askers(recordings: dict[str, Recording]) -> set[str]:
    """Who has asked for a message that was lost."""
    heard = [each for recording in recordings.values() for each in recording.messages()]
    return {each["src"] for each in heard if each["t"] == "NS_rexmit"}


@beside_heartbeat(failback="off", deadtime="3")
def test_lost_words_of_a_hand_over_are_asked_for_and_said_again(pair: Pair) -> None:
    start = joined(pair)
    sides = {"ha01": "ha02", "ha02": "ha01"}
    recordings = {name: Recording(pair, name, "one") for name in sides}
    for name in sides:
        lose_once(pair, name, WORD)
    tool(pair, "ha01", "hb_standby")  # its question is lost, and so is our answer
    until("ours serves", lambda: pair.serves() == "ha02")
    until("and all is said", lambda: pair.holder("ha02") == "ha02" and pair.settled("ha02"))
    for hearer, speaker in sides.items():
        assert lost(pair, hearer, WORD) == 1
        recording = recordings[hearer]
        until(f"{hearer} has asked for it", lambda r=recording, s=speaker, h=hearer: said_again(r.messages(), s, h))
    recordings = {name: Recording(pair, name, "many") for name in sides}
    pair.stage.do("loss ha02 eth1 30%")
    tool(pair, "ha01", "hb_takeover")
    until("the old one serves", lambda: pair.serves() == "ha01")
    until("and all is said", lambda: pair.holder("ha02") == "ha01" and pair.settled("ha02"))
    until("both had something to ask for", lambda: askers(recordings) == set(sides))
    pair.stage.do("loss ha02 eth1 0%")
    rest(2)
    never_two(pair, start)
    assert pair.serves() == "ha01"
    assert pair.status("ha02")["rejected"] == {}
