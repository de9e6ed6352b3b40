"""What programs are told as the reason."""

from __future__ import annotations

from understudy.manager.reasons import LATELY, Reasons


def test_the_last_sentences_in_order_the_cause_first() -> None:
    reasons = Reasons(("site", "db"))
    assert reasons.of("site", "the group runs here", 0) == "the group runs here"
    reasons.heard("", "ha01 is lost", 1)
    reasons.heard("site", "ha02 holds the lease", 2)
    reasons.heard("db", "another matter", 2)
    assert reasons.of("site", "the group runs here", 3) == "ha01 is lost; ha02 holds the lease"
    assert reasons.of("db", "", 3) == "ha01 is lost; another matter"


def test_old_and_many() -> None:
    reasons = Reasons(("site",))
    for number in range(5):
        reasons.heard("site", f"sentence {number}", number)
    assert reasons.of("site", "", 5) == "sentence 2; sentence 3; sentence 4"
    assert reasons.of("site", "why", LATELY + 3) == "sentence 4"
    assert reasons.of("site", "why", LATELY + 4) == "why"
    reasons.heard("site", "x" * 5000, LATELY)
    assert len(reasons.of("site", "", LATELY)) == 500
