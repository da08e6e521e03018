"""The node's page in words: radio, neighbors, clock and storage, as they are at this moment."""

import shutil
from datetime import UTC, datetime

import msgspec

from app.clock import ago_words, is_plausible
from app.core.copies import Part, parts, sentence
from app.routes.boards import FACES, listed
from app.routes.site import NeighborHeard, RadioDescription, Site
from app.store.overview import NodeHolding, Overview

PURSES = {"alert": "alerts", "people": "people", "background": "what can wait"}
"""The purses of the airtime, in words."""
HOPS = range(8)
"""How often Meshtastic radios may pass on what this node says: the firmware has three bits for it."""
FULL_PERCENT = 90
"""From here on the disk is drawn in red."""


class PeerView(msgspec.Struct, frozen=True):
    """Another node of the community."""

    name: str
    heard: str
    signal: str
    holds: str


class GaugeView(msgspec.Struct, frozen=True):
    """Something that runs out: `percent` is what is gone."""

    percent: int
    words: str


class PurseView(msgspec.Struct, frozen=True):
    """What one class has spent, as a piece of the ruler: `start` and `width` in percent of the hour."""

    name: str
    words: str
    start: float
    width: float


class ChannelView(msgspec.Struct, frozen=True):
    """A channel of a Meshtastic radio, to choose."""

    value: str
    name: str


class RadioView(msgspec.Struct, frozen=True):
    """The radio's part of the page."""

    port: str
    radio: str | None
    region: str
    profile: str
    fault: str | None
    airtime: GaugeView
    purses: list[PurseView]
    used: str
    budget: str
    waiting: int
    refused: tuple[tuple[str, int], ...]


class PlotPart(msgspec.Struct, frozen=True):
    """A piece of a plot: from `start`, `width` wide, in percent."""

    copies: int
    start: float
    width: float
    words: str


class CopiesView(msgspec.Struct, frozen=True):
    """How many machines hold what is here: a sentence, and a plot for each kind of things."""

    words: str
    kinds: list[tuple[str, list[PlotPart]]]


class NodeView(msgspec.Struct, frozen=True):
    """The whole page."""

    device: str
    counts: list[tuple[str, int]]
    peers: list[PeerView]
    radio: RadioView | None
    overview: Overview
    copies: CopiesView
    database: str
    disk: GaugeView
    clock: str
    clock_words: str
    clock_is_good: bool
    channels: list[ChannelView]
    hops: range = HOPS


async def node_view(site: Site) -> NodeView:
    """The node at this moment."""
    store = site.node.store
    now_ms = site.clock.now_ms()
    totals = await store.boards.totals()
    overview = await store.overview.counts()
    holdings = await store.overview.holdings(site.node.identity.index)
    radio = None if site.radio is None else site.radio.describe()
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    return NodeView(
        device=site.node.identity.key.device_id.hex(),
        counts=[(FACES[board].title, totals[board]) for board in listed(totals)],
        peers=[_peer(holding, overview.envelopes, radio) for holding in holdings],
        radio=None if radio is None else _radio(radio),
        overview=overview,
        copies=await _copies(site),
        database=size_words(overview.bytes),
        disk=_disk(site),
        clock=f"{now:%Y-%m-%dT%H:%MZ}",
        clock_words=f"{now:%b} {now.day}, {now:%Y, %H:%M} UTC",
        clock_is_good=is_plausible(now_ms),
        channels=_channels(site, radio),
    )


def _channels(site: Site, radio: RadioDescription | None) -> list[ChannelView]:
    """What a Meshtastic radio offers, with the chosen one where it has gone; nothing where there is no such radio."""
    offered = () if radio is None else radio.offered
    views = [ChannelView(value, name) for value, name in offered]
    if site.channel not in [value for value, _ in offered] and (offered or site.channel):
        views.append(ChannelView(site.channel, f"{site.channel} (not on this radio)"))
    return views


async def _copies(site: Site) -> CopiesView:
    records, photos = await site.node.store.custody.copies(), await site.node.store.blobs.copies()
    kinds = (("Posts and other records", parts(records, "record")), ("Photos", parts(photos, "photo")))
    return CopiesView(sentence(records, photos), [(title, _plot(found)) for title, found in kinds if found])


def _plot(found: list[Part]) -> list[PlotPart]:
    views, start = [], 0.0
    for part in found:
        views.append(PlotPart(part.copies, start, min(part.percent, 100 - start), part.words))
        start = round(start + part.percent, 1)
    return views


def _peer(holding: NodeHolding, envelopes: int, radio: RadioDescription | None) -> PeerView:
    heard: dict[int, NeighborHeard] = {} if radio is None else {found.index: found for found in radio.neighbors}
    neighbor = heard.get(holding.index)
    return PeerView(
        name=holding.name,
        heard="not since the start" if neighbor is None else ago_words(neighbor.ago_ms),
        signal="" if neighbor is None else signal_words(neighbor),
        holds=f"{holding.held:,} of {envelopes:,}",
    )


def _radio(radio: RadioDescription) -> RadioView:
    percent = round(100 * radio.used_ms / radio.budget_ms) if radio.budget_ms else 0
    used, budget = seconds_words(radio.used_ms), seconds_words(radio.budget_ms)
    purses = _purses(radio)
    shares = "; ".join(f"{purse.words} for {purse.name}" for purse in purses)
    words = f"{used} of {budget} of airtime used this hour, {percent} percent" + (f": {shares}" if shares else "")
    return RadioView(
        radio.port,
        radio.radio,
        "" if radio.channel is None else radio.channel.region,
        radio.profile,
        radio.fault,
        GaugeView(min(percent, 100), words),
        purses,
        used,
        budget,
        radio.waiting,
        radio.refused,
    )


def _purses(radio: RadioDescription) -> list[PurseView]:
    views, start = [], 0.0
    for purse, ms in radio.purses:
        width = min(round(100 * ms / radio.budget_ms, 1), 100 - start) if radio.budget_ms else 0.0
        if width > 0:
            views.append(PurseView(PURSES.get(purse, purse), seconds_words(ms), start, width))
            start = round(start + width, 1)
    return views


def _disk(site: Site) -> GaugeView:
    usage = shutil.disk_usage(site.node.store.database.path.parent)
    percent = round(100 * (usage.total - usage.free) / usage.total)
    return GaugeView(percent, f"{size_words(usage.free)} free of {size_words(usage.total)}")


def signal_words(neighbor: NeighborHeard) -> str:
    """“−97 dBm, 6 dB above the noise”; what the modem did not say is left out."""
    parts = []
    if neighbor.rssi_dbm is not None:
        parts.append(f"{neighbor.rssi_dbm:.0f} dBm".replace("-", "−"))
    if neighbor.snr_db is not None:
        parts.append(f"SNR {neighbor.snr_db:.0f} dB".replace("-", "−"))
    return ", ".join(parts)


def seconds_words(ms: float) -> str:
    """“13.7 s”, “36 s”."""
    return f"{ms / 1000:.1f}".removesuffix(".0") + " s"


def size_words(count: int) -> str:
    """“11.2 GB”, in powers of ten, as disks are sold."""
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
