"""A link of 20 ms round trip between two network namespaces of our own, with every packet counted.

Where the kernel has no netem this is how a delay is made without it: each namespace has a TAP device, and a process in
between passes their frames on after half a round trip. What is counted is what a wire would carry above Ethernet: IP
and TCP headers, acknowledgements and all. Needs root and /dev/net/tun; makes and removes its own namespaces.
"""

import collections
import contextlib
import ctypes
import fcntl
import multiprocessing
import multiprocessing.process
import os
import select
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

import msgspec

ROUND_TRIP_S = 0.020
ADDRESSES = ("10.77.0.1", "10.77.0.2")
ETHERNET_BYTES = 14
FRAME_BYTES_MAX = 2048
FRAMES_PER_TURN = 64
TUN_SET = 0x400454CA
IS_TAP, NO_HEADER = 0x0002, 0x1000
CLONE_NEWNET = 0x40000000
IPV4 = b"\x08\x00"


class Traffic(msgspec.Struct, frozen=True):
    """What passed since the last `reset`: bytes and packets of both directions, seconds from the first to the last."""

    bytes: int
    packets: int
    first_s: float
    last_s: float


class Link:
    """The two ends. `run` starts a program at one of them."""

    def __init__(self, names: tuple[str, str], control: Connection) -> None:
        self.names = names
        self._control = control

    def reset(self) -> None:
        """Count from now on."""
        self._control.send("reset")
        self._control.recv()

    def traffic(self) -> Traffic:
        """What was counted; times are of the monotonic clock."""
        self._control.send("traffic")
        counted: Traffic = self._control.recv()
        return counted

    def command(self, end: int, arguments: Sequence[str]) -> list[str]:
        """The same command line, at one end."""
        return ["ip", "netns", "exec", self.names[end], *arguments]


@contextlib.contextmanager
def opened() -> Iterator[Link]:
    """A link for the length of the block."""
    names = (f"tntn-{os.getpid()}-a", f"tntn-{os.getpid()}-b")
    control, theirs = multiprocessing.Pipe()
    made: list[str] = []
    bridge: multiprocessing.process.BaseProcess | None = None
    try:
        taps = []
        for name, address in zip(names, ADDRESSES, strict=True):
            _ip("netns", "add", name)
            made.append(name)
            taps.append(_tap_in(name))
            for words in (["link", "set", "lo", "up"], ["addr", "add", f"{address}/24", "dev", "tap0"],
                          ["link", "set", "tap0", "up"]):  # fmt: skip
                _ip("-n", name, *words)
        bridge = multiprocessing.get_context("fork").Process(target=_bridge, args=(taps, theirs), daemon=True)
        bridge.start()
        for tap in taps:
            os.close(tap)
        yield Link(names, control)
    finally:
        if bridge is not None:
            control.send("stop")
            bridge.join(5)
            bridge.kill()
        for name in made:
            _ip("netns", "del", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _tap_in(name: str) -> int:
    """A TAP device in a namespace; its descriptor works from anywhere."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "the namespace cannot be entered")
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tap, TUN_SET, struct.pack("16sH", b"tap0", IS_TAP | NO_HEADER))
        return tap
    finally:
        libc.setns(home, CLONE_NEWNET)
        os.close(home)
        os.close(there)


class _Bridge:
    """Each frame goes out at the other side half a round trip later."""

    def __init__(self, taps: list[int], control: Connection) -> None:
        self._taps = taps
        self._control = control
        self._waiting: list[collections.deque[tuple[float, bytes]]] = [collections.deque(), collections.deque()]
        self._counted = Traffic(0, 0, 0.0, 0.0)

    def run(self) -> None:
        """Until it is told to stop."""
        ends: list[int | Connection] = [*self._taps, self._control]
        while True:
            due = [queue[0][0] for queue in self._waiting if queue]
            pause_s = max(0.0, min(due) - time.monotonic()) if due else None
            readable, _, _ = select.select(ends, [], [], pause_s)
            now_s = time.monotonic()
            for at, tap in enumerate(self._taps):
                if tap in readable:
                    self._take(at, now_s)
                self._pass_on(at, now_s)
            if self._control in readable and not self._obey():
                return

    def _take(self, at: int, now_s: float) -> None:
        for frame in _frames(self._taps[at]):
            self._waiting[1 - at].append((now_s + ROUND_TRIP_S / 2, frame))
            if frame[12:14] == IPV4:
                before = self._counted
                carried = before.bytes + len(frame) - ETHERNET_BYTES
                self._counted = Traffic(carried, before.packets + 1, before.first_s or now_s, now_s)

    def _pass_on(self, at: int, now_s: float) -> None:
        queue = self._waiting[at]
        while queue and queue[0][0] <= now_s:
            with contextlib.suppress(BlockingIOError):  # a full device drops, as a wire's queue does
                os.write(self._taps[at], queue.popleft()[1])

    def _obey(self) -> bool:
        word = self._control.recv()
        if word == "reset":
            self._counted = Traffic(0, 0, 0.0, 0.0)
        if word != "stop":
            self._control.send(self._counted)
        return bool(word != "stop")


def _bridge(taps: list[int], control: Connection) -> None:
    _Bridge(taps, control).run()


def _frames(tap: int) -> Iterator[bytes]:
    for _ in range(FRAMES_PER_TURN):
        try:
            yield os.read(tap, FRAME_BYTES_MAX)
        except BlockingIOError:
            return
