"""Tables of a native file by lists of their words (``Setting``): one reader for virtual routers and for services."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..services import Notice
from .report import Report, Scope, suggestion
from .table_words import Setting
from .tree import Array, Place, Table, Value


class TableReader:
    """Reads what the lists say; bad values are reported and left out."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def settings(self, scope: Scope, settings: Iterable[Setting]) -> dict[str, Any]:
        """What the table says, by the names of fields; bad values are reported and left out."""
        found: dict[str, Any] = {}
        for setting in settings:
            if setting.word not in scope:
                scope.value(setting.word)  # it is known all the same
                continue
            value = self._setting(scope, setting)
            if value is not None:
                found[setting.field] = value
        return found

    def _setting(self, scope: Scope, setting: Setting) -> Any:
        word = setting.word
        if setting.kind == "flag":
            return scope.boolean(word)
        if setting.kind == "number":
            return scope.integer(word, setting.low, setting.high, None)
        if setting.kind == "span":
            return scope.duration(word, setting.low, setting.high)
        if setting.kind == "text":
            text = scope.text(word)
            if text is not None and setting.choices and text not in setting.choices:
                hint = suggestion(text, setting.choices, "It may be")
                shown = f'"{word}" is "{text}"' if word != "password" else f'"{word}" is wrong'
                self.report.error(scope.at(word), shown, hint)
                return None
            return text
        if setting.kind == "enum" and setting.values is not None:
            return scope.choice(word, setting.values)
        if setting.kind == "lines":
            return self._word_lists(scope, word)
        if setting.kind == "notice":
            return self.notice(scope, word)
        return self._texts(scope, setting)

    def _texts(self, scope: Scope, setting: Setting) -> tuple[str, ...] | None:
        word = setting.word
        texts = scope.texts(word, "words")
        if texts is not None and not texts and setting.kind == "argv":
            self.report.error(scope.at(word), f'"{word}" names no program', "Take it away, or write its path.")
            return None
        return None if texts is None else tuple(text for text, _ in texts)

    def _word_lists(self, scope: Scope, word: str) -> tuple[tuple[str, ...], ...] | None:
        found = []
        for item in self.items(scope, word, "lists of words"):
            inner = item.data.items if isinstance(item.data, Array) else []
            words = tuple(each.data for each in inner if isinstance(each.data, str))
            if not inner or len(words) != len(inner):
                self.report.error(
                    item.place, f'"{word}" lists words in brackets', 'Write [["10.0.0.0/8", "via", "10.1.1.1"]].'
                )
                continue
            found.append(words)
        return tuple(found) if word in scope else None

    def notice(self, scope: Scope, word: str) -> Notice | None:
        """A program with its arguments, as a list or as a table with its user."""
        entry = scope.table.entries.get(word)
        if entry is None or not isinstance(entry.value.data, Table):
            argv = self._texts(scope, Setting(word, word, "argv"))
            return None if argv is None else Notice(argv)
        inner = Scope(self.report, entry.value.data, f'"{word}"', entry.value.place)
        scope.value(word)
        argv, user = self._texts(inner, Setting("program", "program", "argv")), inner.text("user")
        if "program" not in inner:
            inner.missing("program", 'Write { program = ["/usr/local/bin/told"], user = "nobody" }.')
        inner.finish()
        return None if argv is None else Notice(argv, user or "")

    def items(self, scope: Scope, word: str, what: str) -> list[Value]:
        value = scope.value(word)
        if value is None:
            return []
        if not isinstance(value.data, Array):
            scope.wrong(word, f"a list of {what}", value, f"Write {word} = [ ... ].")
            return []
        return value.data.items

    def table(self, scope: Scope, word: str) -> Scope | None:
        value = scope.value(word)
        if value is None:
            return None
        if not isinstance(value.data, Table):
            scope.wrong(word, "a table", value, f"Write {word} = {{ ... }}, or a section of its own.")
            return None
        return Scope(self.report, value.data, f"{scope.name.rstrip(']')}.{word}]", value.place)

    def inline(self, item: Value, what: str, word: str) -> Scope | None:
        if not isinstance(item.data, Table):
            self.report.error(item.place, f"{what} must be a table, not {item.kind}", f'Write {{ {word} = "..." }}.')
            return None
        return Scope(self.report, item.data, what, item.place)

    def is_name(self, name: str, place: Place) -> bool:
        if name and name.isprintable():
            return True
        self.report.error(place, "a name must have letters that can be seen", "")
        return False
