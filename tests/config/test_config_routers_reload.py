"""What a reload of virtual routers is announced with: in the words of the file, and what the other routers must have as well."""

from __future__ import annotations

from dataclasses import replace

import pytest
from keepalived_helpers import read_text

from understudy.config.difference import Difference, difference
from understudy.config.keepalived_cluster import cluster_of
from understudy.config.router_difference import KEYWORDS
from understudy.config.router_words import GROUP, OF, ROUTER, ROUTING, SCRIPT
from understudy.model import Cluster
from understudy.vrrp_files import TrackedFile

FILE = """
global_defs {
 router_id one
 %s
}
vrrp_instance VI_1 {
 interface lo
 virtual_router_id 7
 %s
 authentication {
  auth_type PASS
  auth_pass "%s"
 }
 virtual_ipaddress {
  192.0.2.7
 }
}
"""


def cluster(settings: str = "", words: str = "", password: str = "1111", source: str = "keepalived.conf") -> Cluster:
    files = read_text(FILE % (settings, words, password)).files
    assert files is not None
    return replace(cluster_of(files, source, "here"), source=source)


def changed(*changes: str, source: str = "keepalived.conf") -> Difference:
    return difference(cluster(source=source), cluster(*changes, source=source))


@pytest.mark.parametrize(
    ("source", "word", "mail"),
    [
        ("/etc/keepalived/keepalived.conf", "advert_int", "notification_email_from"),
        ("x.toml", "interval", "mail_from"),
    ],
)
def test_differences_are_told_in_the_words_of_the_file(source: str, word: str, mail: str) -> None:
    first, second = changed("notification_email_from a@example.org", "advert_int 2", source=source).changes
    assert first.text.startswith(f"{mail} a@example.org")
    assert second.text == f"virtual router VI_1: {word} 2s instead of its default"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("", "", "2222"), "password"),
        (("", "advert_int 2"), "interval"),
        (("", "version 3"), "password, version"),
        (("", "virtual_ipaddress {\n192.0.2.8\n}"), "addresses"),
        (("", "priority 90"), ""),
    ],
)
def test_what_the_other_routers_must_have_as_well_is_said(change: tuple[str, ...], what: str) -> None:
    found = [text for text in changed(*change).effects if "two masters" in text]
    text = f"VI_1: the other routers must have the same {what}, or there may be two masters: reload them as well"
    assert found == ([text] if what else [])


def test_keywords_translate_words_that_there_are() -> None:
    known = {
        "routing": {setting.word for setting in ROUTING} | {"fifos", "services"},
        "virtual_routers": {setting.word for setting in ROUTER}
        | {"addresses", "peers", "virtual_mac", "announce", "notify"},
        "router_groups": {setting.word for setting in GROUP} | {"notify"},
        "router_scripts": {setting.word for setting in SCRIPT},
        "router_files": {setting.word for setting in OF[TrackedFile]},
    }
    assert {section: set(words) - known[section] for section, words in KEYWORDS.items()} == {
        section: set() for section in KEYWORDS
    }
