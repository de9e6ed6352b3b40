"""[api]: its files on disk, tokens, certificates, and that it is read back as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from api_files import SECRET, make_api_files
from config_helpers import GOOD

from understudy.config.api import parse_tokens
from understudy.config.load import examine, load, load_tokens
from understudy.config.render import render
from understudy.config.validate import read
from understudy.errors import Problem

SECTION = """
[api]
listen = "0.0.0.0:5695"
certificate = "api.crt"
key = "api.key"
token_file = "api.tokens"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A good configuration with all its files; gives its path."""
    path = tmp_path / "cluster.toml"
    path.write_text(GOOD + SECTION)
    path.chmod(0o644)
    key = tmp_path / "cluster.key"
    key.write_text(f"{bytes(range(32)).hex()}\n")
    key.chmod(0o600)
    make_api_files(tmp_path)
    return path


def refusal(site: Path) -> str:
    """The one problem that ``check`` finds."""
    cluster, problems = examine(str(site))
    assert cluster is None
    (problem,) = problems
    return str(problem)


def test_a_good_section_with_whole_paths(site: Path) -> None:
    cluster, problems = examine(str(site))
    assert [str(problem) for problem in problems] == []
    assert cluster is not None
    assert cluster.api is not None
    assert cluster.api.certificate == str(site.parent / "api.crt")
    assert cluster.api.endpoint("ha01") == cluster.api.endpoint("arbiter") == ("0.0.0.0", 5695)
    tokens = load_tokens(cluster.api)
    assert not isinstance(tokens, Problem)
    assert [(token.name, token.may_change) for token in tokens] == [("prometheus", False), ("anna", True)]
    assert SECRET not in repr(tokens)


@pytest.mark.parametrize(
    "listen",
    ['"[::]:5695"', '{ ha01 = "10.0.0.1:443", arbiter = "[fd00::1]:5695" }', '"[fe80::1%eth0]:5695"', '"127.0.0.1:1"'],
)
def test_what_is_written_is_read_again(listen: str) -> None:
    first = read(GOOD + SECTION.replace('"0.0.0.0:5695"', listen), "f").cluster
    assert first is not None
    assert first.api is not None
    again = read(render(first), "f").cluster
    assert again is not None
    assert again.api == first.api
    assert again.digest == first.digest == read(GOOD, "f").cluster.digest, "no matter between machines"  # type: ignore[union-attr]


def test_only_who_is_named_listens() -> None:
    cluster = read(GOOD + SECTION.replace('"0.0.0.0:5695"', '{ ha02 = "10.0.0.1:443" }'), "f").cluster
    assert cluster is not None
    assert cluster.api is not None
    assert cluster.api.endpoint("ha01") is None
    assert cluster.api.endpoint("ha02") == ("10.0.0.1", 443)


@pytest.mark.parametrize("name", ["api.key", "api.tokens"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_secrets_that_others_may_use_are_refused(site: Path, name: str, mode: int) -> None:
    (site.parent / name).chmod(mode)
    text = refusal(site)
    assert f"{name}: the " in text
    assert "by others" in text
    assert f"chmod 600 {site.parent / name}" in text


@pytest.mark.parametrize("name", ["api.crt", "api.key", "api.tokens"])
def test_missing_files_are_refused_but_keep_no_daemon_from_starting(site: Path, name: str) -> None:
    (site.parent / name).unlink()
    assert f"{name}: cannot read the file" in refusal(site)
    line = next(number for number, line in enumerate((GOOD + SECTION).splitlines(), 1) if f'"{name}"' in line)
    assert refusal(site).startswith(f"{site}:{line}:")
    assert load(str(site)).api is not None


def test_all_three_files_are_told_at_once(site: Path) -> None:
    for name in ("api.crt", "api.key", "api.tokens"):
        (site.parent / name).unlink()
    _, problems = examine(str(site))
    assert [problem.text.partition(": ")[0].rpartition("/")[2] for problem in problems] == [
        "api.crt",
        "api.key",
        "api.tokens",
    ]


def test_a_key_of_another_certificate(site: Path) -> None:
    make_api_files(site.parent, only="api.key")
    assert "the key is not that of the certificate" in refusal(site)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("api.crt", "hello", "the certificate is not in PEM form"),
        ("api.key", "hello", "the key is not in PEM form"),
        ("api.tokens", "", "the token file has no token"),
        ("api.tokens", "# none yet\n\n", "the token file has no token"),
        ("api.tokens", SECRET, "line 1: a line has a name, read or write, and a token"),
        ("api.tokens", f"anna all {SECRET}", 'line 1: the second word is neither "read" nor "write" (anna)'),
        ("api.tokens", "\nanna write 0123456789abcdef", "line 2: the token of anna has not 32 to 512 characters"),
        ("api.tokens", f"anna write {'ab' * 20}", "line 1: the token of anna is easily guessed"),
        ("api.tokens", f"anna write {SECRET}é", "line 1: the token of anna has characters that a header cannot carry"),
        ("api.tokens", f"a read {SECRET}\nb write {SECRET}", "line 2: the token of b is that of another line"),
        ("api.tokens", f"an/na read {SECRET}", "line 1: the name has characters other than"),
        ("api.tokens", "\udcff", "the token file is not text"),
    ],
)
def test_bad_files(site: Path, name: str, text: str, said: str) -> None:
    (site.parent / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert said in refusal(site)
    assert SECRET not in refusal(site)


def test_a_key_with_a_password(site: Path) -> None:
    make_api_files(site.parent, password=b"secret")
    assert "protected by a password" in refusal(site)


def test_comments_and_blank_lines_in_a_token_file() -> None:
    found = parse_tokens(f"# who\n\nanna write {SECRET}  # since May\n".encode(), "f")
    assert not isinstance(found, Problem)
    assert [(token.name, token.secret) for token in found] == [("anna", SECRET)]
