"""Puts load on a server with wrk, and reads what it cost."""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bench.web.servers import Served

SERVER_CORE, LOAD_CORE = 0, 1
WARM_UP_REQUESTS = 20
UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Run(msgspec.Struct, frozen=True):
    """One server under one load."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_request: float


def ensure_wrk() -> None:
    """Install wrk where that is possible; else say how."""
    if shutil.which("wrk"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", "wrk"], check=True, stdout=subprocess.DEVNULL)
        return
    sys.exit("This benchmark needs wrk. Install it with: sudo apt-get install wrk")


def run(server: "Served", connections: int, seconds: int) -> Run:
    """Load for some seconds, from a core of its own where there are two."""
    for _ in range(WARM_UP_REQUESTS):
        fetch(server.url)
    before = server.cpu_s()
    command = [*on_core(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", server.url]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return _parse(finished.stdout, server.cpu_s() - before)


def fetch(url: str) -> bytes:
    """One GET."""
    with urllib.request.urlopen(url, timeout=10) as response:
        body: bytes = response.read()
        return body


def on_core(core: int) -> list[str]:
    """The command that binds what follows to a core; nothing on a machine with one."""
    return ["taskset", "-c", str(core)] if (os.cpu_count() or 1) > 1 and shutil.which("taskset") else []


def cores_words() -> str:
    """How server and load shared the machine."""
    return "Server and load on a core each." if on_core(0) else "One core for server and load together."


def _parse(output: str, cpu_s: float) -> Run:
    total = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if total is None or rate is None or "Non-2xx" in output or "Socket errors" in output:
        sys.exit(f"wrk did not get answers:\n{output}")
    return Run(float(rate[1]), _percentile(output, 50), _percentile(output, 99), cpu_s / int(total[1]) * 1e6)


def _percentile(output: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", output)
    if found is None:
        sys.exit(f"wrk printed no {percent}th percentile:\n{output}")
    return float(found[1]) * UNITS_MS[found[2]]
