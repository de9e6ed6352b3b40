"""Whatever happens, in whatever order: the table is what the slow model says, by the fewest changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pool_rig import FALLBACK, Kernel, Rig
from slow_model import Model

from understudy.balance import (
    CheckAnswered,
    DropServer,
    FilesChanged,
    HeldSeen,
    MaintenanceSeen,
    Place,
    PoolEvent,
    ServerWish,
    SetServer,
    TableRefused,
    TableServer,
    TableService,
)
from understudy.service_checks import Check, ConnectQuestion, Target
from understudy.services import OnFailure, RealServer, ServiceFiles, ServiceKey, VirtualService
from understudy.units import SECOND

NAMES = ("one", "two")
LAST = (1, 2, 3)
SEVERAL = 60

checks = st.builds(
    lambda last, rise, fall, starts: Check(
        ConnectQuestion(), Target(f"10.1.0.{last}", 80), rise=rise, fall=fall, starts_up=starts
    ),
    st.sampled_from((1, 2)),
    st.sampled_from((1, 1, 2)),
    st.sampled_from((1, 1, 2)),
    st.booleans(),
)


@st.composite
def reals(draw: st.DrawFn, last: int) -> RealServer:
    return RealServer(
        f"10.0.0.{last}",
        80,
        weight=draw(st.integers(0, 3)),
        checks=tuple(draw(st.lists(checks, max_size=2))),
        on_failure=draw(st.sampled_from(OnFailure)),
        starts_up=draw(st.booleans()),
    )


@st.composite
def services(draw: st.DrawFn, name: str) -> VirtualService:
    number = NAMES.index(name) + 1
    keys = (ServiceKey("tcp", f"192.0.2.{number}", 80), ServiceKey("tcp", f"192.0.2.{number}", 81))
    return VirtualService(
        name,
        keys[: draw(st.integers(1, 2))],
        tuple(draw(reals(last)) for last in draw(st.lists(st.sampled_from(LAST), unique=True))),
        group=draw(st.sampled_from(("", "", "site"))),
        scheduler=draw(st.sampled_from(("wlc", "rr"))),
        fallback=draw(st.sampled_from((None, FALLBACK))),
        fallback_quiet=draw(st.booleans()),
        quorum=draw(st.integers(1, 3)),
        hysteresis=draw(st.integers(0, 1)),
        by_count=draw(st.booleans()),
        drop_without_quorum=draw(st.booleans()),
        drain=draw(st.sampled_from((0, 3 * SECOND))),
        readd_quiet=draw(st.booleans()),
    )


@st.composite
def files(draw: st.DrawFn) -> ServiceFiles:
    return ServiceFiles(tuple(draw(services(name)) for name in draw(st.lists(st.sampled_from(NAMES), unique=True))))


@st.composite
def kernels(draw: st.DrawFn, config: ServiceFiles) -> Kernel:
    """A table as another program, or we, may have left it."""
    kernel = Kernel()
    for service in config.services:
        for key in service.keys:
            if draw(st.booleans()):
                places = [
                    Place(f"10.0.0.{last}", 80) for last in draw(st.lists(st.sampled_from((*LAST, 50)), unique=True))
                ]
                weights = {place: TableServer(place, weight=draw(st.integers(0, 2))) for place in places}
                kernel.table[key] = (TableService(key, draw(st.sampled_from(("wlc", "rr")))), weights)
    return kernel


server_names = st.sampled_from([(name, f"10.0.0.{last}:80") for name in NAMES for last in LAST])
events = st.one_of(
    st.tuples(st.just("answer"), st.integers(0, 9), st.booleans(), st.sampled_from((None, None, None, 0, 5))),
    st.tuples(st.just("answer"), st.integers(0, 9), st.booleans(), st.none()),
    st.tuples(st.just("maintain"), st.frozensets(server_names, max_size=2)),
    st.tuples(
        st.just("wish"), server_names, st.sampled_from(("drain", "disable", "enable", "weight")), st.integers(0, 9)
    ),
    st.tuples(st.just("held"), st.booleans()),
    st.tuples(st.just("files"), files()),
    st.tuples(st.just("outside"), st.integers(0, 9), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.integers(1, 4)),
)


def needs_holder(_: VirtualService) -> bool:
    return True


def meddle(kernel: Kernel, which: int, how: int) -> None:
    """Somebody else deletes a server, changes one, adds one, or deletes a service."""
    keys = sorted(kernel.table)
    if not keys:
        return
    servers = kernel.table[keys[which % len(keys)]][1]
    places = sorted(servers)
    if how == 3:
        del kernel.table[keys[which % len(keys)]]
    elif how == 2 or not places:
        place = Place("10.0.0.77", 80)
        servers[place] = TableServer(place)
    elif how == 1:
        place = places[which % len(places)]
        servers[place] = TableServer(place, weight=88)
    else:
        del servers[places[which % len(places)]]


def play(rig: Rig, model: Model, event: tuple[Any, ...]) -> None:
    kind, *more = event
    if kind == "answer" and rig.asked:
        number = sorted(rig.asked)[more[0] % len(rig.asked)]
        weight = more[2] if more[1] else None
        model.answer(rig.asked[number], more[1], weight)
        rig.tell(CheckAnswered(number, "" if more[1] else "refused", weight))
    elif kind == "maintain":
        model.maintain(more[0])
        rig.tell(MaintenanceSeen(more[0]))
    elif kind == "wish":
        wish = ServerWish(1, more[0][0], more[0][1], more[1], more[2])
        model.wish(wish, {service.name: service.drain for service in model.files.services})
        rig.tell(wish)
    elif kind == "held":
        model.held = frozenset({"site"}) if more[0] else frozenset()
        rig.tell(HeldSeen(model.held))
    elif kind == "files":
        model.reload(more[0], rig.kernel.table)
        rig.tell(FilesChanged(more[0]))
    elif kind == "outside":
        meddle(rig.kernel, *more)
        model.seen(rig.kernel.table)
        rig.tell(rig.kernel.seen())
    elif kind == "wait":
        rig.wait(more[0] * SECOND)
        model.now = rig.now
        model.think()


@settings(max_examples=SEVERAL)
@given(st.data(), files(), st.lists(events, max_size=25))
def test_the_table_is_what_a_slow_model_says(data: st.DataObject, config: ServiceFiles, happened: list[Any]) -> None:
    kernel = data.draw(kernels(config))
    model = Model(config, kernel.table, 1000 * SECOND)
    rig = Rig(files=config, kernel=kernel, before=(HeldSeen(frozenset()),), needs_holder=needs_holder)
    assert kernel.table == model.table(), "at the start"
    for event in happened:
        play(rig, model, event)
        assert kernel.table == model.table(), event


@settings(max_examples=40)
@given(st.data(), files())
def test_nothing_flaps_at_adoption(data: st.DataObject, config: ServiceFiles) -> None:
    kernel = data.draw(kernels(config))
    before = {key: dict(servers) for key, (_, servers) in kernel.table.items()}
    rig = Rig(files=config, kernel=kernel, before=(HeldSeen(frozenset({"site"})),))
    for service in config.services:
        quorum = next(each.quorum for each in rig.pool.snapshot(0).services if each.name == service.name)
        lost = service.drop_without_quorum and service.fallback is not None and not quorum
        for key in service.keys if not lost else ():
            for real in service.reals:
                place = Place(real.address, real.port)
                if place in before.get(key, {}) and before[key][place].weight:
                    assert kernel.table[key][1][place].weight == real.weight
    rig.changes.clear()
    rig.tell(kernel.seen())
    assert rig.changes == []


@settings(max_examples=40)
@given(files(), st.lists(events, max_size=12), st.lists(st.booleans(), min_size=1, max_size=40))
def test_what_the_kernel_refuses_is_right_in_the_end(
    config: ServiceFiles, happened: list[Any], refuses: list[bool]
) -> None:
    model = Model(config, {}, 1000 * SECOND)
    rig = Stubborn(config, refuses)
    for event in happened:
        play(rig, model, event)
    rig.refuses.clear()
    rig.wait(200 * SECOND)
    model.now = rig.now
    model.think()
    if not any(event[0] in ("outside", "files") for event in happened):
        assert rig.kernel.table == model.table()
    rig.changes.clear()
    rig.tell(rig.kernel.seen())
    assert rig.changes == [], "what is believed of the table is true"


class Stubborn(Rig):
    """Its kernel refuses some changes of servers."""

    def __init__(self, config: ServiceFiles, refuses: list[bool]) -> None:
        self.refuses = list(refuses)
        super().__init__(files=config, before=(HeldSeen(frozenset()),), needs_holder=needs_holder)

    def tell(self, event: PoolEvent) -> list[Any]:
        before = {key: dict(servers) for key, (_, servers) in self.kernel.table.items()}
        effects = super().tell(event)
        refused = []
        for effect in effects:
            if isinstance(effect, SetServer | DropServer) and self.refuses and self.refuses.pop():
                place = effect.place if isinstance(effect, DropServer) else effect.server.place
                servers = self.kernel.table[effect.key][1]
                old = before.get(effect.key, {}).get(place)
                servers.pop(place, None)
                if old is not None:
                    servers[place] = old
                refused.append(TableRefused(effect.key, place, "busy"))
        for trouble in refused:
            self.tell(trouble)
        return effects
