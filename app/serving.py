"""Runs a node until it is told to stop: HTTP and HTTPS side by side in one event loop.

TLS is held to one suite by OpenSSL's configuration (app/hotspot/suite.py), which a process reads when it starts.
"""

import argparse
import asyncio
import contextlib
import fcntl
import gc
import logging
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from app import founding
from app.clock import Clock, SystemClock
from app.errors import ConflictError
from app.founding import Node
from app.front import Front
from app.hotspot.addresses import own_addresses
from app.hotspot.certificates import Certificates, ensure_certificates
from app.hotspot.suite import hold_tls_to_one_suite
from app.listeners import BACKLOG, Listeners, open_listeners, open_sync_listener
from app.renewal import Renewal, renew_identity
from app.store.blind import is_blind, open_blind
from app.store.database import store_errors
from app.store.peers import PeerStore

if TYPE_CHECKING:
    from app.radio.supervisor import RadioSupervisor
    from app.sync.discovery import Discovery
    from app.sync.service import Sync

STOP_SECONDS = 1
"""What requests in flight are given when the node stops; it is gone within two."""
KEEP_ALIVE_SECONDS = 15
"""A phone that reads one notice after another keeps its connection."""
LOCK_NAME = "run.lock"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what --host says for all networks
CONNECTIONS_MAX = 512
"""Open connections; a hotspot of a Pi serves some thirty phones of six connections each."""
RENEWAL_SECONDS = 24 * 3600


def run_node(options: argparse.Namespace) -> int:
    """`tntn run`: until INT or TERM. The exit code."""
    hold_tls_to_one_suite()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn.error").addFilter(_is_no_stop)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    clock = SystemClock()
    with only_here(options.data):
        listeners = open_listeners(options.host, options.http, options.https)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            run = _run_blind if is_blind(options.data) else _run_member
            await run(options, clock, listeners, stop)
        finally:
            listeners.close()
    return 0


async def _run_member(options: argparse.Namespace, clock: Clock, listeners: Listeners, stop: asyncio.Event) -> None:
    renewal = Renewal(clock)
    while not stop.is_set():
        node = await founding.start_node(options.data, clock, options.name, options.community, options.join, renewal)
        try:
            await _serve(node, options, listeners, stop)
        finally:
            await node.close()


async def _run_blind(options: argparse.Namespace, clock: Clock, listeners: Listeners, stop: asyncio.Event) -> None:
    """A node that stores what it can't read: sync and a page that says how it is."""
    from app.blind_server import blind_running, create_blind_app
    from app.sync.service import blind_sync

    if options.community or options.join:
        raise ConflictError(f"{options.data} holds a blind node. Found or join a community in another --data folder.")
    store = await open_blind(options.data)
    try:
        identity = await store.identity()
        context = tls_context(ensure_certificates(options.data, _own_hosts(), _now(clock)))
        with await open_sync_listener(options.host, options.sync, PeerStore(store.database)) as peers_listener:
            sync = await blind_sync(store, options.data, clock, peers_listener, discovery=_discovery(options, clock))
            application = create_blind_app(store, sync, clock)
            async with blind_running(store, sync, clock), _answering(application, listeners, context):
                print(f"{identity.name} is up, a store that can't read what it keeps.")
                print(f"How it is: https://{_shown(options.host)[0]}:{listeners.https_port}/")
                print("Ctrl-C stops it.", flush=True)
                renewing = asyncio.create_task(_renew(options.data, clock, context), name="certificates: renew")
                await stop.wait()
                renewing.cancel()
    finally:
        await store.close()


async def _serve(node: Node, options: argparse.Namespace, listeners: Listeners, stop: asyncio.Event) -> None:
    """Until it is told to stop, or takes another identity and has to be opened anew."""
    context = tls_context(ensure_certificates(options.data, _own_hosts(), _now(node.clock)))
    from app.sync.service import member_sync

    radio = await _radio(node, options.radio, options.region)
    with await open_sync_listener(options.host, options.sync, node.store.peers) as peers_listener:
        sync = await member_sync(node, peers_listener, discovery=_discovery(options, node.clock))
        async with serving(node, listeners, context, radio, sync):
            await _announce(node, listeners, options.host)
            watched = asyncio.create_task(_renew(options.data, node.clock, context), name="certificates: renew")
            try:
                await _stopped_or_renewed(node, stop)
            finally:
                watched.cancel()


async def _stopped_or_renewed(node: Node, stop: asyncio.Event) -> None:
    stopped = asyncio.create_task(stop.wait(), name="stop")
    due = asyncio.create_task(node.renewal.due(node.store, node.identity), name="renewal")
    try:
        await asyncio.wait((stopped, due), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        due.cancel()
    if not stop.is_set():
        due.result()
        index = await renew_identity(node.store)
        node.renewal.done()
        print(f"{node.identity.name} was copied or restored: it goes on as node {index} with a new key.", flush=True)


@contextlib.contextmanager
def only_here(folder: Path) -> Iterator[None]:
    """One running node a data folder: two would answer with one key, and speak with one radio's counters."""
    with store_errors():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / LOCK_NAME).open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(f"A node runs from {folder} already. Stop it, or choose another --data DIR.") from None
        yield


def _discovery(options: argparse.Namespace, clock: Clock) -> "Discovery | None":
    """Looks for peers around, for a node that is open to its networks at all."""
    from app.sync.discovery import Discovery, Neighborhood, Tunnels

    if options.host not in EVERYWHERE:
        return None
    return Discovery(Tunnels(), Neighborhood(), clock.monotonic_ms, is_hidden=options.hidden)


@contextlib.asynccontextmanager
async def serving(
    node: Node,
    listeners: Listeners,
    context: ssl.SSLContext,
    radio: "RadioSupervisor | None" = None,
    sync: "Sync | None" = None,
) -> AsyncIterator[None]:
    """Both servers answer within the block; afterwards everything has stopped."""
    from app.server import create_app, running

    application = create_app(node, radio, sync, https_port=listeners.https_port)
    async with running(node, radio, sync), _answering(application, listeners, context):
        yield


@contextlib.asynccontextmanager
async def _answering(application: Front, listeners: Listeners, context: ssl.SSLContext) -> AsyncIterator[None]:
    servers = [_Server(_config(application)), _Server(_config(application, context))]
    async with asyncio.TaskGroup() as tasks:
        for server, listener in zip(servers, (listeners.http, listeners.https), strict=True):
            # It closes what it is given; the listener stays, for a node that is opened anew in this process.
            tasks.create_task(server.serve([listener.dup()]), name=f"http: {listener.getsockname()[1]}")
        for server in servers:
            await server.answering.wait()
        # What was made until now stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            for server in servers:
                server.should_exit = True


def tls_context(certificates: Certificates) -> ssl.SSLContext:
    """TLS 1.3 with the node's certificate. The suite is that of tls.cnf; run_node sees to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificates.chain, certificates.key)
    return context


class _Server(uvicorn.Server):
    """Signals are ours: both servers stop at one. `answering` is set once connections are taken."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _is_no_stop(record: logging.LogRecord) -> bool:
    """Requests that are cut short because the node stops are no errors."""
    kind = record.exc_info[0] if record.exc_info else None
    is_cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
    return not (is_cancelled or record.getMessage().startswith("Cancel "))


def _config(application: Front, context: ssl.SSLContext | None = None) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        backlog=BACKLOG,
        ssl_certfile="in the context" if context else None,
        ssl_context_factory=(lambda *_: context) if context else None,
    )


async def _renew(data: Path, clock: Clock, context: ssl.SSLContext) -> None:
    """A certificate near its end is replaced in place: connections made from then on get the new one."""
    while True:
        await asyncio.sleep(RENEWAL_SECONDS)
        certificates = ensure_certificates(data, _own_hosts(), _now(clock))
        if certificates.renewed:
            context.load_cert_chain(certificates.chain, certificates.key)


async def _radio(node: Node, asked: str | None, region: str | None) -> "RadioSupervisor | None":
    """The radio that was asked for now or before, under the rules of its region; `none` forgets it."""
    from app.radio.choice import parse_choice

    port = node.identity.radio_port if asked is None else None if asked == "none" else asked
    choice = None if port is None else parse_choice(port)
    if port != node.identity.radio_port:
        await node.store.node.set_radio_port(port)
    if region is not None and region != node.identity.radio_region:
        await node.store.node.set_radio_region(region)
    if choice is None:
        return None
    from app.radio.regions import REGIONS
    from app.radio.supervisor import RadioSupervisor

    return RadioSupervisor(node, choice, REGIONS[region or node.identity.radio_region].default)


async def _announce(node: Node, listeners: Listeners, host: str) -> None:
    shown = _shown(host)
    print(f"{node.identity.name} is up, a node of {node.identity.community}.")
    print("Read and write: " + "  ".join(f"https://{name}:{listeners.https_port}/" for name in shown))
    print("Read only:      " + "  ".join(f"http://{name}:{listeners.http_port}/" for name in shown))
    link = await founding.keeper_link(node)
    print(f"Keeper, once:   https://{shown[0]}:{listeners.https_port}{link}")
    print("Ctrl-C stops it.", flush=True)


def _shown(host: str) -> list[str]:
    """The names under which a person finds what listens on `host`."""
    everywhere = host in EVERYWHERE
    return ["localhost", *own_addresses()] if everywhere else [host]


def _own_hosts() -> list[str]:
    name = socket.gethostname().split(".")[0].lower()
    return [f"{name}.local", f"{name}.lan", *own_addresses()]


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
