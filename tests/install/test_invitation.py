"""One-time codes: how they are written and read, and when one lets a machine in."""

from __future__ import annotations

import random

import pytest

from understudy.cli.invitation import (
    FINGERPRINT_BITS,
    MOST_WRONG,
    SECRET_BITS,
    Code,
    Invitation,
    Refusal,
    fingerprint,
    format_code,
    read_code,
)

CODE = Code(0x0123456789ABCDEF01234567, 0xFEDCBA98765)
TEXT = format_code(CODE)


def invitation() -> Invitation:
    return Invitation({"ha02": 7, "arbiter": 8}, ends=100.0)


def test_what_is_written_is_read_again() -> None:
    chance = random.Random(5)
    for _ in range(200):
        code = Code(chance.getrandbits(FINGERPRINT_BITS), chance.getrandbits(SECRET_BITS))
        assert read_code(format_code(code)) == code
    assert read_code(format_code(Code(0, 0))) == Code(0, 0)


def test_a_code_is_easy_to_type() -> None:
    assert [len(group) for group in TEXT.split("-")] == [5] * 6
    assert not set(TEXT) & set("ILOU")
    assert read_code(TEXT.lower().replace("-", " ")) == CODE
    assert read_code(TEXT.replace("0", "o").replace("1", "l")) == CODE


def test_typing_errors_are_found_before_anybody_is_asked() -> None:
    plain = TEXT.replace("-", "")
    undetected = 0
    for at in range(len(plain)):
        for wrong in "0A7Z":
            text = plain[:at] + wrong + plain[at + 1 :]
            if text != plain:
                try:
                    read_code(text)
                    undetected += 1
                except ValueError:
                    pass
    assert undetected <= 2  # one of 1024 on the average
    with pytest.raises(ValueError, match="30 letters and digits, and this one has 29"):
        read_code(plain[1:])
    with pytest.raises(ValueError, match="no part of a code"):
        read_code("ÄBCDE" + plain[5:])


def test_the_fingerprint_is_of_the_whole_certificate() -> None:
    assert fingerprint(b"certificate") != fingerprint(b"certificatf")
    assert fingerprint(b"x").bit_length() <= FINGERPRINT_BITS


def test_the_right_code_in_time_lets_its_member_in_once() -> None:
    guests = invitation()
    assert guests.judge(7, "ha02.example.org", "10.0.0.2", 99.9) == "ha02"
    again = guests.judge(7, "ha02", "10.0.0.66", 99.9)
    assert isinstance(again, Refusal)
    assert again.text == "this code was used already, from 10.0.0.2"
    assert not guests.closed
    assert guests.judge(8, "arbiter", "10.0.0.3", 99.9) == "arbiter"
    assert guests.closed


def test_a_code_ends_with_its_time() -> None:
    refusal = invitation().judge(7, "ha02", "10.0.0.2", 100.0)
    assert isinstance(refusal, Refusal)
    assert "its time has passed" in refusal.text
    assert "understudy invite" in refusal.hint


def test_wrong_codes_end_the_invitation() -> None:
    guests = invitation()
    for number in range(MOST_WRONG):
        assert not guests.closed
        refusal = guests.judge(99, "ha02", "10.0.0.66", 1.0)
        assert isinstance(refusal, Refusal)
        assert refusal.text == "this code is wrong"
        assert (f"{MOST_WRONG - number - 1} more wrong one" in refusal.hint) == (number + 1 < MOST_WRONG)
    assert guests.closed
    right = guests.judge(7, "ha02", "10.0.0.2", 1.0)
    assert isinstance(right, Refusal)
    assert "too many wrong codes" in right.text


def test_a_code_typed_on_another_machine_is_not_used_up() -> None:
    guests = invitation()
    refusal = guests.judge(7, "arbiter", "10.0.0.3", 1.0)
    assert isinstance(refusal, Refusal)
    assert "for ha02, and this machine is called arbiter" in refusal.text
    assert "--node ha02" in refusal.hint
    assert guests.judge(7, "ha02", "10.0.0.2", 1.0) == "ha02"
    assert guests.wrong == 0
