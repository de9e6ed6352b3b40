"""Which key signs after another ``auth``: only one that the other machine accepts, whichever of both programs it runs."""

from __future__ import annotations

from typing import Any

from understudy.heartbeat3 import OldMessage, text_fields
from understudy.pulse.old_ear import OldEar
from understudy.pulse.old_reload import Signing
from understudy.units import SECOND
from understudy.wire.heartbeat3 import Auth, Keys, Method

ONE, TWO = Auth(1, Method.SHA1, b"first"), Auth(2, Method.MD5, b"second")
OTHER_TWO = Auth(2, Method.MD5, b"another")


class Mouth:
    """What signs now."""

    auth = ONE


def status(src: str, accepts: str = "") -> OldMessage:
    more = {"accepts": accepts} if accepts else {}
    return OldMessage(text_fields(t="status", src=src, **more))


def signing(sending: int = 2) -> Signing:
    mouth: Any = Mouth()
    ear = OldEar(Keys((ONE, TWO), sending), frozenset())
    found = Signing(ear, mouth, "ha02", 3 * SECOND)
    found.heard(1, status("ha01"), SECOND)
    return found


def test_an_old_peer_is_followed() -> None:
    """It verifies with the key that it signs with, so it has to be first."""
    found = signing()
    for at in range(2, 60):
        found.heard(1, status("ha01"), at * SECOND)
        found.look(at * SECOND)
        assert found.mouth.auth == ONE
    found.heard(2, status("ha01"), 61 * SECOND)
    assert found.mouth.auth == TWO


def test_our_own_messages_that_come_back_say_nothing() -> None:
    found = signing()
    found.heard(2, status("HA02", "1 2"), 2 * SECOND)
    assert found.mouth.auth == ONE


def test_one_of_ours_that_accepts_it_need_not_sign_with_it_first() -> None:
    """Else two of ours would wait for each other for ever."""
    found = signing()
    found.heard(1, status("ha01", "1"), 2 * SECOND)
    assert found.mouth.auth == ONE
    found.heard(1, status("ha01", "1 2"), 3 * SECOND)
    assert found.mouth.auth == TWO


def test_who_is_not_heard_is_not_waited_for() -> None:
    found = signing()
    found.look(4 * SECOND)
    assert found.mouth.auth == ONE
    found.look(4 * SECOND + 1)
    assert found.mouth.auth == TWO


def test_a_key_that_is_in_use_stays_as_it_is() -> None:
    found = signing(sending=1)
    now = 2 * SECOND
    assert found.objection(Keys((ONE, TWO), 2), now) == ""
    assert "the other node still signs with key 1" in found.objection(Keys((TWO,), 2), now)
    found.heard(2, status("ha01"), now)
    assert "this node still signs with key 1" in found.objection(Keys((TWO,), 2), now)
    assert "the other node still signs with key 2" in found.objection(Keys((ONE, OTHER_TWO), 1), now)
    assert found.objection(Keys((ONE, OTHER_TWO), 1), now + 4 * SECOND) == "", "it is silent"


def test_nonsense_in_the_list_is_passed_over() -> None:
    found = signing()
    found.heard(1, status("ha01", "1 x 222 ² -2"), 2 * SECOND)
    assert found.accepts == {1}
