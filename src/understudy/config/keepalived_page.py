"""The tables of docs/keepalived.md: every keyword and what becomes of it, from the tables that the reader uses."""

from __future__ import annotations

from .keepalived_keyword import Keyword
from .keepalived_words import CONTEXTS

BEGIN = "<!-- keywords: begin (written by UNDERSTUDY_REWRITE=1 pytest tests/config/test_config_keepalived_page.py) -->"
END = "<!-- keywords: end -->"

_TITLES = {"top": "Top of the file"}


def keyword_tables() -> str:
    """Markdown: a table for each block, each keyword once, with "done" or "no effect", and why.

    In a block that has no effect nothing has.
    """
    parts = []
    for context, words in CONTEXTS.items():
        parts.append(f"### {_TITLES.get(context, context)}\n\n| keyword | here | note |\n|---|---|---|")
        block = next((found[context] for found in CONTEXTS.values() if context in found), None)
        for word, keyword in sorted(words.items()):
            counts = keyword if block is None or block.done else block
            parts.append(f"| `{word}` | {_state(counts)} | {_note(counts)} |")
        parts.append("")
    return "\n".join(parts).rstrip("\n") + "\n"


def _state(keyword: Keyword) -> str:
    return "done" if keyword.done else "no effect"


def _note(keyword: Keyword) -> str:
    return keyword.note.replace("|", "\\|")
