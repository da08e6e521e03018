"""A whole village in the simulator: stations, phones, the air and everything that goes wrong, all from one seed.

For some hours all goes wrong that can: loss, doubled, late and spoilt frames, strangers and replays, partitions, power
cuts in the middle of writes, clocks that are years off. At each step: nothing forged is taken in, nobody is believed to
hold what is not on that disk, no hour's airtime is overdrawn, no counter or log number is used twice, memory stays
bounded. Then it heals, and every station must come to hold the same set, in which is all that any phone was promised.
"""

import heapq
import random
import tempfile
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from app.clock import MINUTE_MS, minutes_of, unix_ms_of
from app.core.envelope import EnvelopeId, envelope_id, seal
from app.core.keys import SpaceId, derive_epoch_keys
from app.core.membership import RosterNode
from app.core.record import Lifetime, decode_signed
from app.radio.airtime import HOUR_MS, modulation
from app.radio.control import KINDS, open_control
from app.radio.dialects.on_air import unwrap
from app.radio.ether import Arrival, Ether, Interference, Outcome, Transmission, Tuning
from app.radio.field import in_earshot, line, scattered
from app.radio.frame import (
    CONTROL_TYPE,
    NEIGHBORS_TYPE,
    SYMBOL_TYPE,
    EnvelopeFrame,
    LinkKeys,
    NodeIndex,
    ReceiptFrame,
    decode_frame,
    encode_frame,
)
from app.radio.parcel import Transmit
from app.radio.profile import EU868, Profile
from app.radio.regions import band_of
from app.store.node import Epoch
from tests.people import Person
from tests.sim.seasons import COPY, NEWCOMER, copy_station, pass_season
from tests.sim.station import Station

WALL_MS = 1_795_000_000_000
"""Late November 2026."""
YEAR_MS = 365 * 24 * HOUR_MS
HEAL_LIMIT_MS = 72 * HOUR_MS
MEMORY_ITEMS_MAX = 20_000
"""Things in all containers of one station's machines: what is remembered of some hundred envelopes is far less."""
WORDS = ("goat", "cheese", "market", "Saturday", "rain", "honey", "bridge", "closed", "eggs", "hay", "school", "bread")
RECEIPT_TYPE = 1
FRAME_NAMES = {
    0: "envelope",
    RECEIPT_TYPE: "receipt",
    6: "blend",
    SYMBOL_TYPE: "symbol",
    CONTROL_TYPE: "control",
    NEIGHBORS_TYPE: "hello",
}
LONG_POSTS = 0.15
"""The share of posts that take more than one frame."""
LONG_BYTES_MAX = 2_000
CLONED = 0.25
"""The share of villages in which a node is copied, disk and all, and both write on."""
SEASON_DAYS = (34, 39, 67, 433)
"""Days after which an alert, a short notice, a normal one, a long one is over, and two more."""
STEP_LIMIT = 2_000_000
MEMORY_CHECK_STEPS = 250
REPLAYS_MAX = 64
ONE_PERCENT = Profile("EU868", 868_300_000, modulation(9, 125.0, 5), 14)
"""The same air under a tenth of the airtime."""


class SimulationError(AssertionError):
    """A promise that was broken, with the seed that shows it."""


class Plan(msgspec.Struct, frozen=True):
    """How badly a village is treated. Drawn from the seed."""

    stations: int
    shape: str
    profile: Profile
    active_ms: int
    posts: int
    frame_loss: float
    spoilt: float
    doubled: float
    late: float
    hostile: float
    jammed: bool
    partitions: int
    power_cuts: int
    drift_ppm: float
    clocks_off: float
    cloned: bool
    season_days: int

    def lines(self) -> list[str]:
        """The plan in words, what is absent left out."""
        share_words = ("frame_loss", "spoilt", "doubled", "late", "hostile", "clocks_off")
        shares = [f"{word} {getattr(self, word):.0%}" for word in share_words if getattr(self, word)]
        one_off = [word for word in ("jammed", "cloned") if getattr(self, word)]
        radio = f"{self.profile.frequency_hz / 1e6:g} MHz, SF{self.profile.modulation.spreading_factor}"
        return [
            f"{self.stations} nodes, {self.shape}, on {radio}; {self.posts} posts in {self.active_ms / HOUR_MS:.1f} h",
            f"{self.partitions} partitions, {self.power_cuts} power cuts; "
            + (", ".join(shares + one_off) or "no noise"),
            f"then {self.season_days} days pass" if self.season_days else "no season passes",
        ]

    def clock_off_ms(self, rng: random.Random) -> int:
        """How wrong a station's clock is: mostly a little, some by years."""
        if rng.random() < self.clocks_off:
            return rng.choice((-1, 1)) * rng.randrange(30 * 24 * HOUR_MS, 5 * YEAR_MS)
        return rng.randrange(-5 * MINUTE_MS, 5 * MINUTE_MS)


def plan_of(rng: random.Random) -> Plan:
    """A plan by chance; each trouble is absent from some."""

    def sometimes(most: float) -> float:
        return rng.random() * most if rng.random() < 0.6 else 0.0

    jammed = rng.random() < 0.3
    return Plan(
        stations=rng.randint(3, 6),
        shape=rng.choice(("line", "earshot", "scattered")),
        profile=rng.choice((EU868, EU868, ONE_PERCENT)),
        active_ms=rng.randrange(HOUR_MS // 2, 3 * HOUR_MS),
        posts=rng.randint(4, 14),
        frame_loss=sometimes(0.4),
        spoilt=sometimes(0.1),
        doubled=sometimes(0.1),
        late=sometimes(0.1),
        hostile=sometimes(0.2),
        jammed=jammed,
        partitions=rng.randint(0, 2),
        power_cuts=rng.randint(0, 5),
        drift_ppm=50.0,
        clocks_off=sometimes(0.5),
        cloned=rng.random() < CLONED,
        season_days=0 if jammed or rng.random() < 0.5 else rng.choice(SEASON_DAYS),
    )


class Village:
    """Run it with `play`. `told` takes the lines of a readable log."""

    def __init__(self, seed: int, folder: Path, told: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.plan = plan_of(self.rng)
        self.profile = self.plan.profile
        self.now_ms = 0
        self.space_id = SpaceId(self.rng.randbytes(16))
        self.epoch = Epoch(1, self.rng.randbytes(32), minutes_of(WALL_MS))
        self.keys = derive_epoch_keys(self.space_id, 1, self.epoch.key)
        self.link = LinkKeys(self.space_id, (self.keys.link,))
        self._told = told
        names = [f"node-{index}" for index in range(self.plan.stations)]
        residents = len(names)
        names += [COPY] * self.plan.cloned + [NEWCOMER] * bool(self.plan.season_days)
        self._losses_db = self._shape(names)
        self._whole_db = dict(self._losses_db)
        bursts = Interference(names, self.rng, 20_000, 300, -90.0) if self.plan.jammed else None
        self.ether = Ether(self._losses_db, self.rng, self.plan.frame_loss, bursts)
        self.tuning = Tuning(self.profile.frequency_hz, self.profile.modulation, self.profile.radio_dbm)
        self.folder = folder
        self.stations = [
            Station(self, index, name, folder / name, self.rng.randbytes(32))
            for index, name in enumerate(names[:residents])
        ]
        self.roster = [RosterNode(one.index, one.key.public_key, one.name) for one in self.stations]
        self.device_ids = [one.key.device_id for one in self.stations]
        self.ends_ms: dict[EnvelopeId, int | None] = {}
        self.claims_ms: dict[EnvelopeId, int] = {}
        self.promised: set[EnvelopeId] = set()
        self.copied: NodeIndex | None = None
        self.frames = 0
        self._queue: list[tuple[int, int, Callable[[], Coroutine[Any, Any, None]]]] = []
        self._queued = 0
        self._airtime: dict[str, deque[tuple[float, float]]] = {name: deque() for name in names}
        self._counters: dict[tuple[str, int], bytes] = {}
        self._places: dict[tuple[int, int], EnvelopeId] = {}
        self._overheard: deque[bytes] = deque(maxlen=REPLAYS_MAX)
        self._outbox: list[tuple[Station, bytes]] = []
        self.is_healing = False
        self._limit_ms = band_of(self.profile).share * HOUR_MS

    @property
    def wall_ms(self) -> int:
        return WALL_MS + self.now_ms

    async def play(self) -> None:
        """The bad hours, the healing, and the judgment."""
        for words in self.plan.lines():
            self.log(words)
        for station in self.stations:
            await station.found()
            await station.start()
        self._plan_posts()
        self._plan_troubles()
        await self.run(lambda: self.now_ms >= self.plan.active_ms)
        await self._heal()
        await self.converge()
        if self.plan.season_days:
            await pass_season(self, self.plan.season_days)
            await self.converge()
        for station in self.stations:
            await self._audit(station)
        for station in self.stations:
            refused = ", ".join(f"{word} {count}" for word, count in sorted(station.rejected.items()))
            held, let_go = len(station.held), len(station.let_go)
            self.log(f"{station.name} holds {held} and let go of {let_go}; refused: {refused or 'nothing'}")
        self.log(f"after {self.frames} frames all hold the same of what lives; {len(self.promised)} were promised")

    async def converge(self) -> None:
        """In good health all come to hold the same."""
        end_ms = self.now_ms + HEAL_LIMIT_MS
        await self.run(lambda: self.now_ms >= end_ms or self._agree())
        self.require(self._agree(), f"after {HEAL_LIMIT_MS // HOUR_MS} h of health:\n{self._differences()}")

    async def close(self) -> None:
        for station in self.stations:
            if station.is_on:
                await station.store.close()

    def after(self, delay_ms: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something later."""
        self._queued += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._queued, work))

    def log(self, line: str) -> None:
        if self._told is not None:
            self._told(f"{self.now_ms / 1000:>10.1f} s  {line}")

    # What is promised

    def require(self, condition: bool, broken: str) -> None:
        """A promise: broken, it ends the run with the seed."""
        if not condition:
            raise SimulationError(f"seed {self.seed} at {self.now_ms / 1000:.1f} s: {broken}")

    def check_genuine(self, station: Station, name: EnvelopeId) -> None:
        self.require(name in self.ends_ms, f"{station.name} took in what no phone of ours wrote: {name.hex()}")

    def check_claim(self, station: Station, prefix: bytes, node: int) -> None:
        if any(name.startswith(prefix) and not self.is_living(name) for name in self.ends_ms):
            return  # it is over: gone counts as known
        there = [one for one in self.stations if one.index == node]
        self.require(
            any(name.startswith(prefix) for one in there for name in one.held.keys() | one.let_go),
            f"{station.name} believes that node {node} holds {prefix.hex()}, which is not on its disk",
        )

    def check_over(self, station: Station, name: EnvelopeId) -> None:
        """A station let go of an envelope: whatever its clock says, its time must be over."""
        end_ms = self.ends_ms[name]
        self.require(
            end_ms is not None and self.now_ms >= end_ms,
            f"{station.name} let go of {name[:4].hex()}, which was to be kept until {end_ms}",
        )

    def note_written(self, name: EnvelopeId, end_ms: int | None) -> None:
        """One of ours wrote this; it is to be kept until then."""
        self.ends_ms[name] = end_ms

    def note_place(self, entry: int, number: int, name: EnvelopeId) -> None:
        if entry == self.copied:
            return
        known = self._places.setdefault((entry, number), name)
        self.require(known == name, f"node {entry} gave number {number} of its log to two envelopes")

    def note_frame(self, station: Station, transmit: Transmit) -> None:
        """A frame on its way to a radio: no counter twice."""
        self.frames += 1
        frame = transmit.frame
        frame_type = frame[0] & 0x0F
        if frame_type == CONTROL_TYPE:
            counter = open_control(frame, self.link).counter
        elif frame_type in (RECEIPT_TYPE, NEIGHBORS_TYPE):
            said = decode_frame(frame, self.link)
            assert isinstance(said, ReceiptFrame)
            counter = said.counter
        else:
            return
        known = self._counters.setdefault((station.name, counter), frame)
        self.require(known == frame, f"{station.name} used counter {counter} twice")

    def note_alarm(self, station: Station, event: object) -> None:
        """Where nobody was copied, and nobody restores a backup, such an alarm is false."""
        self.require(station.index == self.copied, f"{station.name} raises a false alarm: {event}")
        self.log(f"{station.name} notices its copy")

    # What goes wrong

    def _shape(self, names: list[str]) -> dict[tuple[str, str], float]:
        if self.plan.shape == "earshot":
            return in_earshot(names)
        if self.plan.shape == "line":
            return line(names)
        places = {name: (self.rng.uniform(0, 6), self.rng.uniform(0, 6)) for name in names}
        losses = scattered(places, self.rng)
        road = line(names)  # so that everybody is reached somehow
        return losses | {pair: min(loss_db, losses[pair]) for pair, loss_db in road.items()}

    def _plan_posts(self) -> None:
        phones = [Person(self.space_id, f"Phone {index}", self.rng.randbytes(32)) for index in range(3)]
        for phone in phones:
            self._plan_post(phone.introduce(self._phone_minutes(0)), self.rng.randrange(60_000))
        for _ in range(self.plan.posts):
            phone, at_ms = self.rng.choice(phones), self.rng.randrange(60_000, self.plan.active_ms)
            text = " ".join(self.rng.choices(WORDS, k=self.rng.randint(4, 24)))
            if self.rng.random() < LONG_POSTS:
                text += self.rng.randbytes(self.rng.randint(100, LONG_BYTES_MAX // 2)).hex()
            lifetime = self.rng.choice((Lifetime.ALERT, Lifetime.SHORT, Lifetime.NORMAL, Lifetime.LONG))
            signed = phone.say(2, text.encode(), lifetime, self._phone_minutes(at_ms))
            self._plan_post(signed.encode(), at_ms)

    def _phone_minutes(self, at_ms: int) -> int:
        off_ms = self.rng.randrange(-YEAR_MS, YEAR_MS) if self.rng.random() < self.plan.clocks_off / 4 else 0
        return minutes_of(WALL_MS + at_ms + off_ms)

    def _plan_post(self, record: bytes, at_ms: int) -> None:
        self.write(record, self.rng.choice(self.stations), at_ms)

    def write(self, record: bytes, station: Station, delay_ms: int) -> EnvelopeId:
        """A phone that writes this then, at this station."""
        signed = decode_signed(record)
        name, kept = envelope_id(seal(signed, self.keys)), signed.record.kept_minutes
        self.note_written(name, None if kept is None else self.now_ms + delay_ms + kept * MINUTE_MS)
        if kept is not None:
            # By its author's clock, which may be wrong, it is over then.
            self.claims_ms[name] = unix_ms_of(signed.record.minutes + kept) - WALL_MS

        async def post() -> None:
            if not station.is_on:
                self._outbox.append((station, record))
                return
            await station.post(record)

        self.after(delay_ms, post)
        return name

    def _plan_troubles(self) -> None:
        plan, rng = self.plan, self.rng
        for _ in range(plan.power_cuts):
            station = rng.choice(self.stations)
            self.after(rng.randrange(plan.active_ms), lambda station=station: self._cut(station))  # type: ignore[misc]
        for _ in range(plan.partitions):
            start_ms = rng.randrange(plan.active_ms)
            side = frozenset(station.name for station in self.stations if rng.random() < 0.5)
            self.after(start_ms, lambda side=side: self._sever(side))  # type: ignore[misc]
            self.after(start_ms + rng.randrange(HOUR_MS), self._rejoin)
        if plan.hostile:
            self.after(1_000, self._attack)
        if plan.cloned:
            self.after(rng.randrange(plan.active_ms), lambda: copy_station(self))

    async def _cut(self, station: Station) -> None:
        if not station.is_on:
            return
        writing = None
        if self._outbox and self.rng.random() < 0.7:
            owner, writing = self._outbox.pop()
            self._outbox.append((owner, writing))
        elif self.rng.random() < 0.5:
            phone = Person(self.space_id, "Torn", self.rng.randbytes(32))
            writing = phone.introduce(minutes_of(self.wall_ms))
            self.note_written(envelope_id(seal(decode_signed(writing), self.keys)), None)
            self._outbox.append((station, writing))
        await station.cut(writing)

        async def come_back() -> None:
            await station.start()
            await self._empty_outbox(station)

        self.after(self.rng.randrange(1_000, HOUR_MS), come_back)

    async def _empty_outbox(self, station: Station) -> None:
        waiting = [(owner, record) for owner, record in self._outbox if owner is station]
        self._outbox = [entry for entry in self._outbox if entry[0] is not station]
        for _, record in waiting:
            await station.post(record)

    async def _sever(self, side: frozenset[str]) -> None:
        self.log(f"cut apart: {', '.join(sorted(side)) or 'nobody'}")
        for one, other in list(self._losses_db):
            if (one in side) != (other in side):
                del self._losses_db[one, other]

    async def _rejoin(self) -> None:
        self.log("joined again")
        self._losses_db.update(self._whole_db)

    async def _attack(self) -> None:
        """Noise, strangers, replays, and a member that forges another's hand."""
        if self.is_healing:
            return
        station = self.rng.choice(self.stations)
        if station.is_on:
            station.hear(self._hostile_frame(), None)
        self.after(round(self.rng.expovariate(1 / 20_000) / max(self.plan.hostile, 0.01)), self._attack)

    def _hostile_frame(self) -> bytes:
        match self.rng.randrange(4):
            case 0:
                return self.rng.randbytes(self.rng.randint(0, 255))
            case 1:
                stranger = LinkKeys(self.rng.randbytes(16), (self.rng.randbytes(32),))
                return encode_frame(self._forged_frame(), stranger)
            case 2 if self._overheard:
                return self.rng.choice(self._overheard)
            case _:
                return encode_frame(self._forged_frame(), self.link)

    def _forged_frame(self) -> EnvelopeFrame:
        """In a known node's name, but signed by somebody else's key."""
        victim = self.rng.choice(self.stations)
        forger = Person(self.space_id, "Mallory", self.rng.randbytes(32))
        signed = forger.say(2, b"free honey", minutes=minutes_of(self.wall_ms))
        named = msgspec.structs.replace(signed, fields=victim.key.device_id + signed.fields[4:])
        envelope = seal(named, self.keys)
        number = self.rng.randint(1, 40)
        return EnvelopeFrame(NodeIndex(victim.index), 0, NodeIndex(victim.index), number, envelope)

    async def _heal(self) -> None:
        self.log("everything heals")
        self.is_healing = True
        await self._rejoin()
        for station in self.stations:
            if not station.is_on:
                await station.start()
            station.clock.off_ms = 0
        for station in self.stations:
            await self._empty_outbox(station)
            await station.retry_parked()

    # Time

    async def run(self, until: Callable[[], bool]) -> None:
        steps = 0
        while not until():
            steps += 1
            self.require(steps < STEP_LIMIT, "it goes round and round")
            while self._queue and self._queue[0][0] <= self.now_ms:
                await heapq.heappop(self._queue)[2]()
            for transmission, arrivals in self.ether.poll(self.now_ms):
                self._land(transmission, arrivals)
            for station in self.stations:
                if station.is_on:
                    station.step()
                elif not station.radio.is_clear:
                    station.radio.poll(self.now_ms)
            if steps % MEMORY_CHECK_STEPS == 0:
                self._check_memory()
            self.now_ms = max(self.now_ms, self._next_ms())

    def _next_ms(self) -> int:
        times = [station.deadline_ms() for station in self.stations if station.is_on]
        times += [station.radio.deadline_ms() for station in self.stations if not station.is_on]
        times.append(self.ether.deadline_ms())
        if self._queue:
            times.append(self._queue[0][0])
        soonest = min((time for time in times if time is not None), default=self.now_ms + 60_000)
        return min(soonest, self.now_ms + 60_000)

    def _land(self, transmission: Transmission, arrivals: list[Arrival]) -> None:
        sender = next(station for station in self.stations if station.name == transmission.sender)
        self._check_hour(transmission)
        sender.finish()
        frame = unwrap(transmission.packet)
        self._overheard.append(frame)
        self.log(f"{sender.name} sent {self._shown(frame)}: {_heard_at(arrivals)}")
        for arrival in arrivals:
            if arrival.outcome is Outcome.HEARD:
                self._deliver(frame, arrival)

    def _shown(self, frame: bytes) -> str:
        name = FRAME_NAMES.get(frame[0] & 0x0F, "frame")
        if name == "control":
            name = KINDS[type(open_control(frame, self.link).message)].name.lower()
        return f"{name} of {len(frame)} bytes"

    def _deliver(self, frame: bytes, arrival: Arrival) -> None:
        station = next(station for station in self.stations if station.name == arrival.receiver)
        rng, plan = self.rng, self.plan
        if not self.is_healing and rng.random() < plan.spoilt:
            place = rng.randrange(len(frame))
            frame = frame[:place] + bytes([frame[place] ^ 1 << rng.randrange(8)]) + frame[place + 1 :]

        async def hear() -> None:
            if station.is_on:
                station.hear(frame, arrival)

        if not self.is_healing and rng.random() < plan.doubled:
            self.after(rng.randrange(1, 600_000), hear)
        if not self.is_healing and rng.random() < plan.late:
            self.after(rng.randrange(1, 3_000), hear)
        elif station.is_on:
            station.hear(frame, arrival)

    # Judging

    def _check_hour(self, transmission: Transmission) -> None:
        """In the hour that ends with this frame, as in any other, the sender kept to its share."""
        spent = self._airtime[transmission.sender]
        spent.append((transmission.start_ms, transmission.end_ms))
        first_ms = transmission.end_ms - HOUR_MS
        while spent[0][1] <= first_ms:
            spent.popleft()
        total_ms = sum(end_ms - max(start_ms, first_ms) for start_ms, end_ms in spent)
        self.require(
            total_ms <= self._limit_ms,
            f"{transmission.sender} sent {total_ms:.0f} ms of {self._limit_ms:.0f} in an hour",
        )

    def _check_memory(self) -> None:
        for station in self.stations:
            if station.is_on:
                items = _items_in(station.machines)
                self.require(items <= MEMORY_ITEMS_MAX, f"{station.name} remembers {items} things")

    def is_living(self, name: EnvelopeId) -> bool:
        """Whether one of ours wrote it and its time is not over."""
        if name not in self.ends_ms:
            return False
        end_ms = self.ends_ms[name]
        return end_ms is None or self.now_ms < end_ms

    def _living(self, station: Station) -> frozenset[EnvelopeId]:
        return frozenset(filter(self.is_living, station.held))

    def _agree(self) -> bool:
        held = {self._living(station) for station in self.stations}
        return len(held) == 1 and frozenset(filter(self.is_living, self.promised)) <= next(iter(held))

    async def _audit(self, station: Station) -> None:
        """What the machines say is also what the disk says."""
        rows = await station.store.database.read("SELECT envelope_id FROM envelopes")
        names = {EnvelopeId(row[0]) for row in rows}
        self.require(names <= self.ends_ms.keys(), f"{station.name} has something forged on its disk")
        parked = {EnvelopeId(row[0]) for row in await station.store.database.read("SELECT envelope_id FROM parked")}
        promised = set(filter(self.is_living, self.promised))
        self.require(promised <= names | parked, f"{station.name} lacks something on its disk")

    def _differences(self) -> str:
        everything = set().union(*map(self._living, self.stations)) | set(filter(self.is_living, self.promised))
        return "\n".join(
            f"  {station.name} lacks {', '.join(name[:4].hex() for name in sorted(everything - station.held.keys()))}"
            for station in self.stations
        )


async def play(seed: int, told: Callable[[str], None] | None = None) -> Village:
    """One seed from its beginning to its judgment; SimulationError where a promise is broken."""
    shared_memory = Path("/dev/shm")
    place = shared_memory if shared_memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="tntn-sim-", dir=place) as folder:
        village = Village(seed, Path(folder), told)
        try:
            await village.play()
        finally:
            await village.close()
        return village


def _items_in(root: object) -> int:
    """How many things the containers hold that are reachable from a machine."""
    count, seen, left = 0, set(), [root]
    while left:
        thing = left.pop()
        if id(thing) in seen or isinstance(thing, str | bytes | int | float):
            continue
        seen.add(id(thing))
        if isinstance(thing, dict):
            count += len(thing)
            left += thing.values()
        elif isinstance(thing, list | tuple | set | frozenset | deque):
            count += len(thing)
            left += thing
        elif type(thing).__module__.startswith("app.radio") or type(thing).__module__.startswith("app.radio"):
            names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
            left += [getattr(thing, name, None) for name in names]
            left += getattr(thing, "__dict__", {}).values()
    return count


def _heard_at(arrivals: list[Arrival]) -> str:
    told = [f"{a.receiver} {a.outcome}" for a in arrivals if a.outcome is not Outcome.WEAK]
    return ", ".join(told) or "nobody in reach"
