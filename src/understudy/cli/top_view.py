"""The screen of ``understudy top``: shows what the API says, again and again, and puts wishes to it after a question.

It keeps nothing but the last answer and decides nothing: whether a move is possible, the cluster says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, DataTable, Footer, Label, OptionList, RichLog, Static
from textual.widgets.option_list import Option

from ..errors import UnderstudyError
from .client import Client
from .render_routers import only_routers, routers_of
from .render_text import Paint, asked_of, headline, not_up, span

EVENTS = 200
_GOOD = frozenset({"up", "started"})
_BAD = frozenset({"lost", "failed", "stuck"})
_LEVELS = {"warning": "yellow", "error": "red"}
_COLUMNS = {
    "nodes": ("Node", "Role", "State", "Heard", "Standby", "Notes"),
    "links": ("Link from", "Network", "State", "Age", "Loss"),
    "groups": ("Group", "State", "On", "For", "Lease left", "Notes", "Why"),
    "routers": ("Virtual router", "State", "For", "Priority", "Master", "Device", "Why"),
}
_ROUTER_COLOURS = {"MASTER": "green", "BACKUP": "cyan", "FAULT": "bold red"}

Row = tuple[str, tuple[str | Text, ...]]
"""A key that stays the same from look to look, and the cells."""


def _state(word: str) -> Text:
    return Text(word, "green" if word in _GOOD else "bold red" if word in _BAD else "yellow")


def node_rows(status: dict[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for node in status["nodes"]:
        me, lost = node["name"] == status["node"], node["state"] == "lost"
        heard = "this one" if me else f"{span(node['age_ms'])} ago" if node["age_ms"] is not None else "never"
        if not me and node["via"] not in (None, "direct"):
            heard += f", through {node['via']}"
        notes = [
            "other configuration" if node["config_differs"] else "",
            f"does not hear {status['node']}" if node.get("hears_us") is False else "",
            node.get("fencing") or "",
        ]
        standing = (("standby", node["standby"]), ("stopped" if lost else "being stopped", node.get("leaving")))
        standby = Text(", ".join(word for word, there in standing if there), "yellow")
        text = Text("; ".join(note for note in notes if note), "red")
        rows.append((node["name"], (node["name"], node["role"], _state(node["state"]), heard, standby, text)))
    return rows


def link_rows(status: dict[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for node in status["nodes"]:
        for link in node["links"]:
            loss = link.get("loss")
            lost = Text("–") if loss is None else Text(f"{loss * 100:.0f} %", "red" if loss > 0.05 else "")
            state = _state("up") if link["up"] else Text("down", "bold red")
            cells = (node["name"], link["network"], state, span(link["age_ms"]), lost)
            rows.append((f"{node['name']} {link['network']}", cells))
    return rows


def group_rows(status: dict[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for group in status["groups"]:
        left = group["lease_left_ms"]
        cells = (
            group["name"],
            _state(group["state"]),
            group["holder"] or Text("nowhere", "bold red"),
            span(group["for_ms"]),
            "" if left is None else span(left),
            _group_notes(status, group),
            group["why"],
        )
        rows.append((group["name"], cells))
    return rows


def router_rows(status: dict[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for router in routers_of(status):
        master = f"{router['master']} ({router['master_priority']})" if router["master"] else "–"
        base = "" if router["priority"] == router["base_priority"] else f" of {router['base_priority']}"
        cells = (
            router["name"],
            Text(router["state"], _ROUTER_COLOURS.get(router["state"], "yellow")),
            span(router["for_ms"]),
            f"{router['priority']}{base}",
            "this one" if router["state"] == "MASTER" else master,
            f"{router['device']} {router['vrid']}",
            router.get("outlook") or router["why"],
        )
        rows.append((router["name"], cells))
    return rows


def _group_notes(status: dict[str, Any], group: dict[str, Any]) -> Text:
    """Why it is not up, in red, and what operators have asked."""
    down = [f"not up: {text}" for text in not_up(group)]
    if not down and group["state"] == "started" and group["up"] is False:
        down = ["not up"]
    notes = [Text(text, "bold red") for text in down] + [Text(text, "yellow") for text in asked_of(status, group)]
    return Text("; ").join(notes)


class Question(ModalScreen[bool]):
    """Yes or no. Only y, or the button, is a yes; what is focused first is No."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self.text, id="question", markup=False)
            with Horizontal():
                yield Button("No (n)", id="no")
                yield Button("Yes (y)", id="yes", variant="warning")

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


class Choice(ModalScreen[str | None]):
    """One of several names, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", "Leave")]

    def __init__(self, text: str, names: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.text = text
        self.names = names

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self.text, markup=False)
            yield OptionList(*(Option(Text(text), id=name) for name, text in self.names))

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def action_leave(self) -> None:
        self.dismiss(None)


class Top(App[None]):
    """The whole screen. ``every``: seconds between two looks."""

    TITLE = "understudy"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: auto; padding: 0 1; }
    #warnings { height: auto; max-height: 6; padding: 0 1; color: $warning; }
    DataTable { height: auto; max-height: 9; border: round $primary; }
    #events { height: 1fr; min-height: 4; border: round $primary; }
    .dialog { width: 70; height: auto; max-height: 20; border: thick $warning; padding: 1 2; background: $surface; }
    .dialog Horizontal { height: auto; margin-top: 1; }
    .dialog Label { width: 100%; }
    Question, Choice { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "move", "Move the group"),
        Binding("s", "standby", "Standby of the node"),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", "Quit", priority=True, show=False),
    ]

    def __init__(self, client: Client, every: float) -> None:
        super().__init__()
        self.client = client
        self.every = every
        self.status: dict[str, Any] = {}
        self._looking = False
        self._shown: list[dict[str, Any]] = []
        # Kept, because a query looks at the top screen only, which may be a question.
        self.head = Static("looking ...", id="head", markup=False)
        self.tables: dict[str, DataTable[str | Text]] = {
            name: DataTable(id=name, cursor_type="row", zebra_stripes=True) for name in _COLUMNS
        }
        self.warnings = Static("", id="warnings", markup=False)
        self.events = RichLog(id="events", wrap=True, max_lines=EVENTS)

    def compose(self) -> ComposeResult:
        yield self.head
        yield from self.tables.values()
        yield self.warnings
        yield self.events
        yield Footer()

    def on_mount(self) -> None:
        for name, titles in _COLUMNS.items():
            for title in titles:
                self.tables[name].add_column(title, key=title)
        self.tables["links"].can_focus = False
        self.tables["routers"].display = False  # most clusters have none
        self.events.border_title = "Events"
        self.tables["groups"].focus()
        self.set_interval(self.every, self.look)
        self.look()

    # Looking -------------------------------------------------------------------------------------------------------

    @work
    async def look(self) -> None:
        """Ask once; a look that takes long is not overtaken by the next one."""
        if self._looking:
            return
        self._looking = True
        try:
            status = await asyncio.to_thread(self.client.get, "/v1/status")
            entries = (await asyncio.to_thread(self.client.get, f"/v1/history?lines={EVENTS}"))["entries"]
        except UnderstudyError as error:
            self.head.update(Text(f"{error}\nwhat is below is what was seen last", "bold red"))
        else:
            self.show(status, entries)
        finally:
            self._looking = False

    def show(self, status: dict[str, Any], entries: list[dict[str, Any]]) -> None:
        """Bring the screen up to date; what is chosen stays chosen."""
        self.status = status
        old = status["stale_ms"] is not None
        self.head.update(Text(headline(status, Paint(False)), "bold red" if old else ""))
        tables = {"nodes": node_rows, "links": link_rows, "groups": group_rows, "routers": router_rows}
        for name, rows_of in tables.items():
            rows = rows_of(status)
            _refresh(self.tables[name], rows)
            if name == "routers" or only_routers(status):
                self.tables[name].display = bool(rows)
        self.warnings.update(Text("\n".join(f"! {text}" for text in status["warnings"])))
        if entries != self._shown:
            self.events.clear()
            for entry in entries:
                where = f" [{entry['group']}]" if entry.get("group") else ""
                self.events.write(
                    Text(f"{entry['at']}{where} {entry['text']}", _LEVELS.get(entry.get("level", ""), ""))
                )
            self._shown = entries

    # Wishes --------------------------------------------------------------------------------------------------------

    def _chosen(self, kind: str) -> dict[str, Any] | None:
        """The group or node under the cursor."""
        items: list[dict[str, Any]] = self.status.get(kind, [])
        row = self.tables[kind].cursor_row
        return items[row] if 0 <= row < len(items) else None

    @work(exclusive=True, group="wish")
    async def action_move(self) -> None:
        group = self._chosen("groups")
        if group is None:
            self._tell("there is no group to move")
            return
        name, holder = group["name"], group["holder"]
        targets = [node for node in self.status["nodes"] if node["role"] == "node" and node["name"] != holder]
        names = [(node["name"], f"{node['name']}  {_remark(group, node)}") for node in targets]
        if not names:
            self._tell(f"there is no other node for {name}")
            return
        node = await self.push_screen_wait(Choice(f"Move {name} ({_where(group)}) to which node?", names))
        if node is not None and await self.push_screen_wait(Question(f"Move {name}, {_where(group)}, to {node}?")):
            await self._wish("/v1/move", {"group": name, "node": node})

    @work(exclusive=True, group="wish")
    async def action_standby(self) -> None:
        node = self._chosen("nodes")
        if node is None or node["role"] != "node":
            self._tell(f"{node['name']} is a witness: it runs nothing" if node else "there is no node to choose")
            return
        name = node["name"]
        held = [group["name"] for group in self.status["groups"] if group["holder"] == name]
        if node["standby"]:
            text = f"Let {name} run groups again?"
        else:
            text = f"Put {name} into standby? It holds {', '.join(held) or 'no group'}; what it holds moves or stops."
        if await self.push_screen_wait(Question(text)):
            await self._wish("/v1/online" if node["standby"] else "/v1/standby", {"node": name})

    async def _wish(self, path: str, body: dict[str, str]) -> None:
        try:
            answer = await asyncio.to_thread(self.client.post, path, body)
        except UnderstudyError as error:
            self._tell(str(error), "error")
        else:
            self._tell(answer["text"])
        self.look()

    def _tell(self, text: str, severity: Any = "information") -> None:
        self.notify(text, severity=severity, timeout=10, markup=False)


def _where(group: dict[str, Any]) -> str:
    return f"{group['state']} on {group['holder']}" if group["holder"] else "which runs nowhere"


def _remark(group: dict[str, Any], node: dict[str, Any]) -> str:
    """Why the group is not there, or how the node is."""
    return str(group["not_on"].get(node["name"]) or node["state"])


def _refresh(table: DataTable[str | Text], rows: Iterable[Row]) -> None:
    """New cells in place where the rows are the same; otherwise the table anew, with the cursor on the same row."""
    rows = list(rows)
    before = [str(key.value) for key in table.rows]
    titles = _COLUMNS[table.id or ""]
    if before == [key for key, _ in rows]:
        for key, cells in rows:
            for title, cell in zip(titles, cells, strict=True):
                table.update_cell(key, title, _cell(cell), update_width=True)
        return
    chosen = before[table.cursor_row] if 0 <= table.cursor_row < len(before) else None
    table.clear()
    for key, cells in rows:
        table.add_row(*(_cell(cell) for cell in cells), key=key)
    keys = [key for key, _ in rows]
    if chosen in keys:
        table.move_cursor(row=keys.index(chosen))


def _cell(cell: str | Text) -> Text:
    """Never a plain string: the table would take what stands in brackets for markup."""
    return Text(cell) if isinstance(cell, str) else cell
