"""The demo's processes: the ether and three nodes. Starts them, waits for them, and stops exactly those."""

import contextlib
import functools
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from app.errors import DeviceError, InputError, PeerError

COMMUNITY = "Upper Valley"
PLACES = {"market-square": "Market Square", "north-valley": "North Valley", "hill-farm": "Hill Farm"}
"""The radios' names in the ether and the nodes' own, in the order of the road."""
START_S = 90.0
"""A start takes seconds on a Raspberry Pi; introductions go by radio, and some collide."""
STOP_S = 4.0
"""A node stops within two seconds; after this it is killed."""
REQUEST_S = 10.0
POLL_S = 0.05
ANSWER_BYTES_MAX = 4 * 1024 * 1024
_PROGRAM = (sys.executable, "-m", "app")
_STOPS = (signal.SIGINT, signal.SIGTERM)
_ROOT = Path(__file__).parents[2]


class Place(msgspec.Struct, frozen=True):
    """A node of the demo: where it is reached, and where its data lies."""

    radio: str
    name: str
    data: Path
    http: int
    https: int

    def get(self, path: str) -> Any:
        """A JSON answer."""
        return self._ask("GET", path, None, {"Accept": "application/json"})

    def post(self, path: str, body: bytes, content_type: str) -> Any:
        """A JSON answer to a body."""
        return self._ask("POST", path, body, {"Content-Type": content_type, "Accept": "application/json"})

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        try:
            with contextlib.closing(
                http.client.HTTPConnection("127.0.0.1", self.http, timeout=REQUEST_S)
            ) as connection:
                connection.request(method, path, body, dict(headers))
                answer = connection.getresponse()
                content = answer.read(ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise PeerError(f"{self.name} does not answer on port {self.http}.") from error
        if answer.status == http.client.NOT_FOUND:
            return None
        if answer.status >= http.client.BAD_REQUEST:
            raise PeerError(f"{self.name} answered {answer.status} to {path}: {content[:200].decode(errors='replace')}")
        return json.loads(content) if content else None


class Village:
    """The ether and the nodes in one folder. `stop` ends them, whatever happened."""

    def __init__(self, folder: Path, http_ports: list[int], https_ports: list[int]) -> None:
        self.folder = folder
        self.journal = folder / "journal.jsonl"
        self.places = [
            Place(radio, name, folder / radio, http_port, https_port)
            for (radio, name), http_port, https_port in zip(PLACES.items(), http_ports, https_ports, strict=True)
        ]
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """The ether, then Market Square, then one after the other the two that it invites."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.journal.unlink(missing_ok=True)
        radios = self.folder / "radios"
        self._spawn("ether", "ether", "--nodes", ",".join(PLACES), "--dir", str(radios), "--journal", str(self.journal))
        self._wait("the simulated radios", lambda: all((radios / place.radio).exists() for place in self.places))
        founder, *others = self.places
        self._start_node(founder, "--community", COMMUNITY)
        self._wait(founder.name, lambda: _answers(founder))
        for number, place in enumerate(others, start=2):
            self._start_node(place, *self._invitation(founder, place))
            self._wait(place.name, functools.partial(_answers, place))
            self._wait_for_roster(self.places[:number])

    def import_markets(self, file: Path) -> list[str]:
        """The same file at every node, by the real importer; the last line of each."""
        return [
            self._command("import", "usda-markets", str(file), "--data", str(place.data)).strip().splitlines()[-1]
            for place in self.places
        ]

    def check(self) -> None:
        """DeviceError when one of the processes has ended by itself."""
        for name, child in self._children.items():
            if child.poll() is not None:
                raise DeviceError(f"{name} ended by itself: {self._last_words(name)}")

    def stop(self) -> None:
        """End the processes that were started here, the nodes before the ether."""
        children = list(self._children.items())[::-1]
        self._children = {}
        for _, child in children[:-1]:
            child.terminate()
        for name, child in children:
            if name == "ether":
                child.terminate()
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _invitation(self, founder: Place, place: Place) -> tuple[str, ...]:
        if place.data.exists():
            return ()
        return ("--join", self._command("node", "invite", "--data", str(founder.data)).strip())

    def _wait_for_roster(self, places: list[Place]) -> None:
        """Until each of these has heard the others introduce themselves, by radio."""
        devices = [place.get("/api/v1/space")["node"]["device"] for place in places]
        self._wait(
            "the nodes to hear of each other",
            lambda: all(place.get(f"/api/v1/devices/{device}") is not None for place in places for device in devices),
        )

    def _start_node(self, place: Place, *options: str) -> None:
        self._spawn(
            place.radio,
            "run",
            *("--data", str(place.data), "--host", "127.0.0.1", "--name", place.name),
            *("--http", str(place.http), "--https", str(place.https)),
            *("--radio", str(self.folder / "radios" / place.radio)),
            *options,
        )

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log, _stop_held_back():
            # A session of its own: Ctrl-C reaches the demo alone, which then stops them in order.
            self._children[name] = subprocess.Popen(  # noqa: S603 - our own program
                [*_PROGRAM, *arguments],
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _command(self, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - our own program
            [*_PROGRAM, *arguments], cwd=_ROOT, capture_output=True, text=True, timeout=START_S, check=False
        )
        if done.returncode != 0:
            raise DeviceError(f"tntn {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + START_S
        while not condition():
            self.check()
            if time.monotonic() > end:
                raise DeviceError(f"Waited {START_S:.0f} s for {what}, in vain. The logs are in {self.folder}.")
            time.sleep(POLL_S)

    def _last_words(self, name: str) -> str:
        lines = (self.folder / f"{name}.log").read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing."


@contextlib.contextmanager
def _stop_held_back() -> Iterator[None]:
    """INT and TERM act at the end of the block: a process that has just been started is one that `stop` knows."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def ports_from(base: int | None, preferred: int, option: str) -> list[int]:
    """A port for each node: from `base` on, else from `preferred` on where those are free, else any free ones."""
    if base is not None:
        if not 0 < base <= 65535 - len(PLACES):
            raise InputError(f"{option}: ports run from 1 to 65535, and {len(PLACES)} are needed.", option)
        return [base + number for number in range(len(PLACES))]
    wanted = [preferred + number for number in range(len(PLACES))]
    return wanted if all(_is_free(port) for port in wanted) else _any_free()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _any_free() -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in PLACES]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _answers(place: Place) -> bool:
    with contextlib.suppress(PeerError):
        return place.get("/api/v1/space") is not None
    return False
