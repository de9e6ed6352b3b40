"""docs/keepalived.md has every keyword as the reader treats it, and docs/configuration.md every word of the native tables."""

from __future__ import annotations

import re

from config_helpers import HERE, REWRITE
from keepalived_helpers import read_text

from understudy.config.keepalived_page import BEGIN, END, keyword_tables
from understudy.config.keepalived_words import GLOBALS
from understudy.config.router_words import OF
from understudy.config.services_words import KINDS
from understudy.config.services_words import OF as OF_SERVICES

DOCS = HERE.parent.parent / "docs"
PAGE = DOCS / "keepalived.md"


def test_the_tables_are_those_of_the_reader() -> None:
    page = PAGE.read_text("utf-8")
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    made = f"{head}{BEGIN}\n\n{keyword_tables()}\n{END}{tail}"
    if REWRITE:
        PAGE.write_text(made, "utf-8")
    assert PAGE.read_text("utf-8") == made


def test_in_a_block_without_effect_nothing_is_done() -> None:
    tables = dict(part.partition("\n")[::2] for part in keyword_tables().split("### ")[1:])
    for block in ("bfd_instance", "garp_group", "track_group"):
        rows = [row for row in tables[block].splitlines() if row.startswith("| `")]
        assert rows
        assert all("| no effect |" in row for row in rows), block


def test_what_has_no_effect_is_warned_of_and_nothing_else() -> None:
    for word, keyword in GLOBALS.items():
        value = " 1" if not keyword.opens else " {\na@example.net\n}"
        said = [item.text for item in read_text(f"global_defs {{\n{word}{value}\n}}\n").problems]
        assert any(f'"{word}" has no effect: {keyword.note}' == text for text in said) is not keyword.done, word


def test_every_word_of_the_native_tables_is_in_the_manual() -> None:
    manual = (DOCS / "configuration.md").read_text("utf-8").split("## Virtual routers")[1]
    for settings in (*OF.values(), *OF_SERVICES.values()):
        for setting in settings:
            assert re.search(rf"`{setting.word}`", manual), setting.word


def test_every_kind_of_check_is_in_the_manual() -> None:
    manual = (DOCS / "configuration.md").read_text("utf-8").split("## Services")[1]
    for kind, words in KINDS.items():
        for word in (kind, *words):
            assert re.search(rf"`{word}( = N)?`", manual), word
