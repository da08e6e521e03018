"""Where peers may be found beside the addresses that were given: on this network, and through tunnels. A shell.

What is found is dialed like any other address, and only the pinned certificate counts. A node that is hidden asks and
listens, but says nothing of itself.
"""

import asyncio
import contextlib
import http.client
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.sync.address import DEFAULT_PORT, Address
from app.sync.overlays import tailscale_hosts, wireguard_hosts, zerotier_hosts

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

SERVICE = "_tntn-sync._tcp.local."
TAILSCALE_SOCKET = Path("/var/run/tailscale/tailscaled.sock")
ZEROTIER_TOKEN = Path("/var/lib/zerotier-one/authtoken.secret")
ZEROTIER_ADDRESS = ("127.0.0.1", 9993)
ANSWER_BYTES_MAX = 4 << 20
"""A tailnet of a thousand machines answers about 1 MB."""
ANSWER_S = 3.0
FRESH_S = 30.0
"""What was found is believed so long: several peers are looked for at once."""
NEIGHBORS_MAX = 64
"""Services on this network; more are not looked at."""

_log = logging.getLogger(__name__)


class Tunnels:
    """Asks the local programs of Tailscale, ZeroTier and WireGuard. Where one isn't there, it has no candidates."""

    def __init__(
        self,
        tailscale: Path = TAILSCALE_SOCKET,
        zerotier_token: Path = ZEROTIER_TOKEN,
        zerotier: tuple[str, int] = ZEROTIER_ADDRESS,
        wireguard: Sequence[str] = ("wg", "show", "all", "allowed-ips"),
    ) -> None:
        self._tailscale = tailscale
        self._zerotier_token = zerotier_token
        self._zerotier = zerotier
        self._wireguard = wireguard

    async def hosts(self) -> list[str]:
        """All addresses that they name."""
        found = await asyncio.gather(
            asyncio.to_thread(self._ask_tailscale), asyncio.to_thread(self._ask_zerotier), self._ask_wireguard()
        )
        return list(dict.fromkeys(host for hosts in found for host in hosts))

    def _ask_tailscale(self) -> list[str]:
        if not self._tailscale.exists():
            return []
        with contextlib.closing(_UnixConnection(self._tailscale)) as connection:
            answer = _get(connection, "/localapi/v0/status", {"Host": "local-tailscaled.sock"})
        return [] if answer is None else tailscale_hosts(answer)

    def _ask_zerotier(self) -> list[str]:
        try:
            token = self._zerotier_token.read_text("ascii").strip()
        except (OSError, ValueError):
            return []  # not installed, or not for this user
        answers = []
        for path in ("/status", "/network", "/peer"):
            with contextlib.closing(http.client.HTTPConnection(*self._zerotier, timeout=ANSWER_S)) as connection:
                answers.append(_get(connection, path, {"X-ZT1-Auth": token}))
        status, networks, peers = answers
        if status is None or networks is None or peers is None:
            return []
        return zerotier_hosts(status, networks, peers)

    async def _ask_wireguard(self) -> list[str]:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._wireguard, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
        except OSError:
            return []  # not installed
        assert process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await process.stdout.read(ANSWER_BYTES_MAX)
                return wireguard_hosts(answer) if await process.wait() == 0 else []
        except TimeoutError:
            return []
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


class Neighborhood:
    """Who announces a node on this network by mDNS; and this node among them, unless it is hidden.

    The name that is announced is new at each start and says nothing; port and address are all there is.
    """

    def __init__(self) -> None:
        self._found: dict[str, list[Address]] = {}
        self._own = f"{secrets.token_hex(8)}.{SERVICE}"

    def addresses(self) -> list[Address]:
        """Those that are announced now, by others."""
        return list(dict.fromkeys(address for addresses in self._found.values() for address in addresses))

    @contextlib.asynccontextmanager
    async def watching(
        self, port: int | None, hosts: Sequence[str], interfaces: Sequence[str] | None = None
    ) -> AsyncIterator[None]:
        """Listen for the length of the block, and announce `port` at `hosts`; None announces nothing."""
        from zeroconf import InterfaceChoice
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

        zeroconf = AsyncZeroconf(interfaces=InterfaceChoice.Default if interfaces is None else list(interfaces))
        browser: AsyncServiceBrowser | None = None
        tasks: set[asyncio.Task[None]] = set()

        def changed(zeroconf: object, service_type: str, name: str, state_change: object) -> None:
            task = asyncio.get_running_loop().create_task(self._look(owner, name), name="discovery: look")
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        owner = zeroconf
        try:
            if port is not None and hosts:
                server = f"{self._own.partition('.')[0]}.local."
                await zeroconf.async_register_service(
                    AsyncServiceInfo(SERVICE, self._own, port=port, parsed_addresses=list(hosts), server=server)
                )
            browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[changed])
            yield
        finally:
            for task in tasks:
                task.cancel()
            if browser is not None:
                await browser.async_cancel()
            await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()

    async def _look(self, zeroconf: "AsyncZeroconf", name: str) -> None:
        """What stands behind a name now; nothing any more when it was taken back."""
        if name == self._own:
            return
        info = await zeroconf.async_get_service_info(SERVICE, name, timeout=int(ANSWER_S * 1000))
        if info is None or info.port is None:
            self._found.pop(name, None)
        elif name in self._found or len(self._found) < NEIGHBORS_MAX:
            self._found[name] = [Address(host, info.port) for host in info.parsed_addresses()]


class Discovery:
    """All candidates, asked for at most twice a minute."""

    def __init__(
        self,
        tunnels: Tunnels,
        neighborhood: Neighborhood,
        monotonic_ms: Callable[[], int],
        port: int = DEFAULT_PORT,
        *,
        is_hidden: bool = False,
    ) -> None:
        self._tunnels = tunnels
        self._neighborhood = neighborhood
        self._monotonic_ms = monotonic_ms
        self._port = port
        self._is_hidden = is_hidden
        self._hosts: list[str] = []
        self._asked_ms: int | None = None
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def watching(self, port: int | None, hosts: Sequence[str]) -> AsyncIterator[None]:
        """Look around for the length of the block, and say where this node listens, unless it is hidden."""
        async with self._neighborhood.watching(None if self._is_hidden else port, hosts):
            yield

    async def candidates(self) -> list[Address]:
        """Where a peer may be: neighbors first."""
        async with self._lock:
            now_ms = self._monotonic_ms()
            if self._asked_ms is None or now_ms - self._asked_ms > FRESH_S * 1000:
                self._asked_ms = now_ms
                self._hosts = await self._tunnels.hosts()
        return [*self._neighborhood.addresses(), *(Address(host, self._port) for host in self._hosts)]


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _get(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> bytes | None:
    """The body, or None when there is no good answer; the program's absence is no error."""
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read(ANSWER_BYTES_MAX + 1)
    except (OSError, http.client.HTTPException) as error:
        _log.debug("%s: %s", path, error)
        return None
    return body if response.status == 200 and len(body) <= ANSWER_BYTES_MAX else None
