"""A collection of bad datagrams as bytes in a file, so that no change of our own writer can change them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from wire_reference import CLUSTER, KEY, MEMBERS, seal
from wire_samples import SAMPLES

from understudy.wire.encode import encode
from understudy.wire.native import Envelope, Opener, Reason, Reject

TEXT = (Path(__file__).parent / "refused.txt").read_text(encoding="utf-8")
CASES = re.findall(r"^(\w.*)\n  (\S+)\n  ([0-9a-f]+|-)$", TEXT, re.MULTILINE)


def test_the_collection_is_read_whole_and_has_every_reason() -> None:
    assert len(CASES) == len([line for line in TEXT.splitlines() if line and line[0] not in " #"])
    assert {reason for _, reason, _ in CASES} == {item.value for item in Reason}


@pytest.mark.parametrize(("what", "reason", "data"), CASES, ids=[case[0] for case in CASES])
def test_refused(what: str, reason: str, data: str) -> None:
    reader = Opener(CLUSTER, (KEY,), MEMBERS)
    assert reader.open(bytes.fromhex(data.strip("-"))) == Reject(reason), what


def test_the_same_opener_still_opens_what_is_good_after_all_of_them() -> None:
    reader = Opener(CLUSTER, (KEY,), MEMBERS)
    for _, _, data in CASES:
        reader.open(bytes.fromhex(data.strip("-")))
    assert isinstance(reader.open(seal(encode(SAMPLES[1]))), Envelope)
    assert reader.remembered <= 4 * len(MEMBERS)
