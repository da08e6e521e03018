"""What the local programs of tunnels say about who could be reached through them. Pure.

Tailscale, ZeroTier and WireGuard name candidates and never decide who is let in: each address is dialed, and only a
pinned certificate counts. Their answers come from outside: bounded, and anything unexpected is no candidate.
Sources: Tailscale's local API `status`, ZeroTier One's service API 1.1 (`/status`, `/network`, `/peer`) and its RFC
4193 addressing, `wg show all allowed-ips`.
"""

import ipaddress
from collections.abc import Iterable, Sequence

import msgspec

HOSTS_MAX = 256
"""Of one program: a community has at most 255 nodes."""
ZEROTIER_PORT = 9993
LEAF = "LEAF"
"""ZeroTier's word for an ordinary node; the others are its own roots."""


class TailscaleHost(msgspec.Struct, frozen=True):
    """Another machine of the tailnet."""

    addresses: list[str] | None = msgspec.field(name="TailscaleIPs", default=None)
    is_online: bool = msgspec.field(name="Online", default=False)


class TailscaleStatus(msgspec.Struct, frozen=True):
    """What the candidates are taken from, out of much more."""

    state: str = msgspec.field(name="BackendState", default="")
    peers: dict[str, TailscaleHost] | None = msgspec.field(name="Peer", default=None)


class ZeroTierStatus(msgspec.Struct, frozen=True):
    """This node's own address, ten hexadecimal digits."""

    address: str = ""


class ZeroTierNetwork(msgspec.Struct, frozen=True):
    """A network that this machine has joined. `id` has sixteen hexadecimal digits."""

    id: str = ""
    status: str = ""
    addresses: list[str] = msgspec.field(name="assignedAddresses", default_factory=list)


class ZeroTierPeer(msgspec.Struct, frozen=True):
    """A node that this one has heard of."""

    address: str = ""
    role: str = ""


def tailscale_hosts(answer: bytes) -> list[str]:
    """The addresses of the other machines that are online; none while the tunnel is down."""
    try:
        status = msgspec.json.decode(answer, type=TailscaleStatus)
    except msgspec.DecodeError:
        return []
    if status.state != "Running":
        return []
    online = [host for host in (status.peers or {}).values() if host.is_online]
    return _tidy(address for host in online for address in host.addresses or ())


def zerotier_hosts(status: bytes, networks: bytes, peers: bytes) -> list[str]:
    """The RFC 4193 addresses of all known nodes, in the joined networks that give such addresses."""
    try:
        me = msgspec.json.decode(status, type=ZeroTierStatus).address
        joined = msgspec.json.decode(networks, type=list[ZeroTierNetwork])
        known = msgspec.json.decode(peers, type=list[ZeroTierPeer])
    except msgspec.DecodeError:
        return []
    found = []
    for network in joined:
        own = zerotier_address(network.id, me)
        if network.status == "OK" and own is not None and own in _hosts_of(network.addresses):
            found += [zerotier_address(network.id, peer.address) for peer in known if peer.role == LEAF]
    return _tidy(address for address in found if address is not None)


def zerotier_address(network_id: str, node_id: str) -> str | None:
    """`fd`, the network's 8 bytes, 0x9993, the node's 5 bytes. None when these are no ids."""
    try:
        network, node = bytes.fromhex(network_id), bytes.fromhex(node_id)
    except ValueError:
        return None
    if len(network) != 8 or len(node) != 5:
        return None
    return str(ipaddress.IPv6Address(b"\xfd" + network + bytes.fromhex(f"{ZEROTIER_PORT}") + node))


def wireguard_hosts(answer: bytes) -> list[str]:
    """The peers' own addresses in `wg show all allowed-ips`: those ranges that hold one address."""
    found = []
    for line in answer.decode("utf-8", "replace").splitlines():
        _, _, ranges = line.partition("\t")[2].partition("\t")
        found += [text for text in ranges.split() if _is_single(text)]
    return _tidy(text.partition("/")[0] for text in found)


def _is_single(text: str) -> bool:
    try:
        return ipaddress.ip_network(text, strict=False).num_addresses == 1
    except ValueError:
        return False


def _hosts_of(addresses: Sequence[str]) -> set[str]:
    return set(_tidy(address.partition("/")[0] for address in addresses))


def _tidy(addresses: Iterable[str]) -> list[str]:
    """Addresses as they are written; what is none is left out."""
    tidy: dict[str, None] = {}
    for address in addresses:
        try:
            tidy[str(ipaddress.ip_address(address))] = None
        except ValueError:
            continue
        if len(tidy) == HOSTS_MAX:
            break
    return list(tidy)
