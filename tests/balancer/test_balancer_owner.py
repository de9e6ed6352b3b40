"""Whose an entry of nf_tables is, when several balancers write one table."""

from __future__ import annotations

from pathlib import Path

from understudy.balancer.owner import NAME, owner


def test_two_containers_with_the_same_paths_are_two_and_each_is_known_at_the_next_start(tmp_path: Path) -> None:
    states = [tmp_path / "one", tmp_path / "other"]
    for state in states:
        state.mkdir()
    first = [owner("/run/understudy", str(state)) for state in states]
    assert first == [owner("/run/understudy", str(state)) for state in states]
    assert len({word for word, _ in first}) == 2
    assert all(len(word) <= 30 and word.isalnum() and not trouble for word, trouble in first)


def test_two_daemons_with_one_state_directory_are_two(tmp_path: Path) -> None:
    assert owner("/run/one", str(tmp_path)) != owner("/run/other", str(tmp_path))


def test_what_is_no_number_is_replaced(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"0123456789abcde\xff\n")
    word, trouble = owner("/run/understudy", str(tmp_path))
    assert (trouble, owner("/run/understudy", str(tmp_path))) == ("", (word, ""))


def test_who_cannot_keep_it_takes_nothing_for_left_over_and_says_so(tmp_path: Path) -> None:
    (word, trouble), (another, _) = (owner("/run/understudy", str(tmp_path / "none")) for _ in range(2))
    assert word != another
    assert "cannot be written (No such file or directory)" in trouble
