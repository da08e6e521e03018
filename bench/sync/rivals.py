"""rsync over ssh and Syncthing on the same link: set up, fed and watched as their users would, as Debian packs them."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.sync.link import ADDRESSES, Link

SSH_PORT = 2222
SYNC_PORT = 22000
REST_PORT = 8384
READY_S = 60.0
DONE_S = 180.0
POLL_S = 0.02
FOLDER = "shared"


def missing() -> list[str]:
    """Which of the programs are not installed."""
    return [name for name in ("rsync", "sshd", "syncthing") if shutil.which(name, path=_path()) is None]


def write_files(folder: Path, count: int, size: int) -> None:
    """Files of bytes that nothing can shrink, as encrypted posts and photos are."""
    folder.mkdir(parents=True)
    for number in range(count):
        seed = hashlib.sha256(f"{folder.name} {number}".encode()).digest()
        (folder / f"{seed[:8].hex()}.bin").write_bytes(hashlib.shake_256(seed).digest(size))


@contextlib.contextmanager
def sshd(link: Link, folder: Path) -> Iterator[list[str]]:
    """An ssh server at the far end; yields what rsync needs to reach it."""
    folder.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    config = folder / "sshd_config"
    config.write_text(
        f"Port {SSH_PORT}\nListenAddress {ADDRESSES[1]}\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/authorized\n"
        f"StrictModes no\nUsePAM no\nPidFile {folder}/pid\nPermitRootLogin yes\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    command = link.command(1, [str(shutil.which("sshd", path=_path())), "-D", "-e", "-f", str(config)])
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        yield [
            "-e",
            f"ssh -p {SSH_PORT} -i {folder}/user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
            " -o LogLevel=ERROR",
        ]
    finally:
        server.terminate()
        server.wait()


def rsync(link: Link, reach: list[str], here: Path, there: Path) -> float:
    """Seconds of one run, from its start to its end."""
    command = ["rsync", "-a", *reach, f"{here}/", f"root@{ADDRESSES[1]}:{there}/"]
    started = time.monotonic()
    subprocess.run(link.command(0, command), check=True)
    return time.monotonic() - started


class Syncthing:
    """One daemon at one end, without discovery, relays or reports, rescanned when told."""

    def __init__(self, link: Link, end: int, home: Path, shared: Path) -> None:
        self._link = link
        self._end = end
        self._home = home
        self.shared = shared
        shared.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["syncthing", "generate", f"--home={home}", "--no-default-folder"], check=True, capture_output=True
        )
        self.id = subprocess.run(
            ["syncthing", f"--home={home}", "--device-id"], check=True, capture_output=True, text=True
        ).stdout.strip()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, other: "Syncthing") -> None:
        """Configure and run it."""
        self._key = _configure(self._home / "config.xml", self._end, other.id, self.shared, self.id)
        command = ["syncthing", "serve", f"--home={self._home}", "--no-browser", "--no-restart", "--no-upgrade"]
        self._process = subprocess.Popen(
            self._link.command(self._end, command), stdout=subprocess.DEVNULL, env={**os.environ, "STNOUPGRADE": "1"}
        )
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                self.ask("GET", "/rest/system/ping")
                return
            time.sleep(0.2)
        raise TimeoutError("Syncthing did not start")

    def scan(self, sub: str = "") -> None:
        """Look at the folder now."""
        self.ask("POST", f"/rest/db/scan?folder={FOLDER}" + (f"&sub={sub}" if sub else ""))

    def ask(self, method: str, path: str) -> Any:
        """Its REST interface, from within its namespace."""
        script = (
            "import sys,urllib.request as u;"
            "print(u.urlopen(u.Request(sys.argv[2],method=sys.argv[1],headers={'X-API-Key':sys.argv[3]}),"
            "timeout=120).read().decode())"
        )
        command = ["python3", "-c", script, method, f"http://127.0.0.1:{REST_PORT}{path}", self._key]
        done = subprocess.run(self._link.command(self._end, command), check=True, capture_output=True, text=True)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)


def wait_for_files(folder: Path, count: int) -> float:
    """The moment at which so many whole files stand there; Syncthing names unfinished ones otherwise."""
    until = time.monotonic() + DONE_S
    while time.monotonic() < until:
        if sum(1 for entry in os.scandir(folder) if entry.name.endswith(".bin") and entry.name[0] != ".") >= count:
            return time.monotonic()
        time.sleep(POLL_S)
    raise TimeoutError(f"{folder} did not fill within {DONE_S:.0f} s")


def _configure(path: Path, end: int, other: str, shared: Path, me: str) -> str:
    tree = ElementTree.parse(path)
    root = tree.getroot()
    for folder in root.findall("folder"):
        root.remove(folder)
    for device in root.findall("device"):
        root.remove(device)
    for name, reached in ((me, "dynamic"), (other, f"tcp://{ADDRESSES[1 - end]}:{SYNC_PORT}")):
        device = ElementTree.SubElement(root, "device", id=name, name="", compression="metadata")
        ElementTree.SubElement(device, "address").text = reached
    folder = ElementTree.SubElement(
        root, "folder", id=FOLDER, label="", path=str(shared), type="sendreceive", rescanIntervalS="3600",
        fsWatcherEnabled="false",
    )  # fmt: skip
    for name in (me, other):
        ElementTree.SubElement(folder, "device", id=name)
    options = root.find("options")
    gui = root.find("gui")
    assert options is not None and gui is not None
    for name, value in (
        ("listenAddress", f"tcp://{ADDRESSES[end]}:{SYNC_PORT}"), ("globalAnnounceEnabled", "false"),
        ("localAnnounceEnabled", "false"), ("relaysEnabled", "false"), ("natEnabled", "false"), ("urAccepted", "-1"),
        ("crashReportingEnabled", "false"), ("reconnectionIntervalS", "1"),
    ):  # fmt: skip
        for found in options.findall(name):
            options.remove(found)
        ElementTree.SubElement(options, name).text = value
    address = gui.find("address")
    key = gui.find("apikey")
    assert address is not None and key is not None and key.text is not None
    address.text = f"127.0.0.1:{REST_PORT}"
    tree.write(path)
    return key.text


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin"
