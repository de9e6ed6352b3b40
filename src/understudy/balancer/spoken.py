"""A dialogue of a service with what its question expects of the answer: a good verdict is then only half of it."""

from __future__ import annotations

from dataclasses import replace

from ..service_checks import Pattern, ServiceQuestion
from ..wire.dialogues.shape import Dialogue
from ..wire.heard import quoted
from ..wire.search import Search, found


class Spoken:
    """``search``: to be sought by whoever has the means, and told to ``searched``; until then there is no verdict."""

    silence: str | None = None

    def __init__(self, dialogue: Dialogue, question: ServiceQuestion) -> None:
        self.dialogue = dialogue
        self._expect: Pattern | None = question.expect
        self._texts: list[str] | None = None
        self.verdict: str | None = None
        self.search: Search | None = None
        self._judge()

    @property
    def wants_tls(self) -> bool:
        return self.dialogue.wants_tls

    @property
    def stage(self) -> str:
        """For the sentence when time is over."""
        if self.search is not None:
            return f"the regular expression {self.search.pattern.text!r} takes too long"
        return f"waiting for {self.dialogue.awaits}"

    def begin(self) -> bytes:
        return self._judged(self.dialogue.begin())

    def feed(self, data: bytes) -> bytes:
        return self._judged(self.dialogue.feed(data))

    def closed(self) -> None:
        self.dialogue.closed()
        self._judge()

    def feed_second(self, data: bytes) -> bytes:
        return self._judged(self.dialogue.feed_second(data))

    def closed_second(self) -> bytes:
        return self._judged(self.dialogue.closed_second())

    def _judged(self, said: bytes) -> bytes:
        self._judge()
        return said

    def _judge(self) -> None:
        verdict = self.dialogue.verdict
        if verdict is None or self.verdict is not None or self._texts is not None:
            return
        texts = self.dialogue.to_search
        if verdict or self._expect is None or texts is None:
            self.verdict = verdict
            return
        self._texts = list(texts)
        self._seek()

    def _seek(self) -> None:
        """The next text. Whether it is to be there or absent is judged of all."""
        while self._expect is not None and self._texts and self.verdict is None and self.search is None:
            self.search = Search(replace(self._expect, absent=False), self._texts[0].encode("utf-8", "replace"))
            if not self.search.quick:
                return
            self._take(found(self.search))
        if self._texts == [] and self.verdict is None and self.search is None:
            self._end(False)

    def searched(self, good: bool) -> None:
        """What became of ``search``."""
        if self.search is not None:
            self._take(good)
            self._seek()

    def _take(self, good: bool) -> None:
        self.search = None
        if good:
            self._end(True)
        elif self._texts:
            self._texts.pop(0)

    def _end(self, good: bool) -> None:
        expect = self._expect
        if expect is None or good is not expect.absent:
            self.verdict = ""
            return
        texts = self.dialogue.to_search or ()
        began = quoted(texts[0].encode("utf-8", "replace")) if texts else "nothing"
        self.verdict = f"{expect.text!r} is {'' if expect.absent else 'not '}in the answer, which begins {began}"
