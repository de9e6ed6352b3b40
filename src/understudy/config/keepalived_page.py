"""The tables of docs/keepalived.md: every keyword and what becomes of it, from the tables that the reader uses."""

from __future__ import annotations

from .keepalived_keyword import Keyword
from .keepalived_words import CONTEXTS

BEGIN = "<!-- keywords: begin (written by UNDERSTUDY_REWRITE=1 pytest tests/config/test_config_keepalived_page.py) -->"
END = "<!-- keywords: end -->"

_TITLES = {"top": "Top of the file"}


def keyword_tables() -> str:
    """Markdown: a table for each block, each keyword once, with "done", "kept" or "no effect", and why."""
    parts = []
    for context, words in CONTEXTS.items():
        parts.append(f"### {_TITLES.get(context, context)}\n\n| keyword | here | note |\n|---|---|---|")
        idle = next((item for item in CONTEXTS["top"].values() if item.opens == context and not item.done), None)
        for word, keyword in sorted(words.items()):
            shown = idle or keyword
            parts.append(f"| `{word}` | {_state(shown)} | {_note(shown)} |")
        parts.append("")
    return "\n".join(parts).rstrip("\n") + "\n"


def _state(keyword: Keyword) -> str:
    if not keyword.done:
        return "no effect"
    return "kept" if keyword.later else "done"


def _note(keyword: Keyword) -> str:
    return "" if keyword.later else keyword.note.replace("|", "\\|")
