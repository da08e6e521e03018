"""Candidates out of recorded answers of tunnels' local programs, and out of anything."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sync.overlays import HOSTS_MAX, tailscale_hosts, wireguard_hosts, zerotier_address, zerotier_hosts

TAILSCALE = {
    "Version": "1.88.3-t7f1e5c5a1-gc6ea5bd2f",
    "TUN": True,
    "BackendState": "Running",
    "HaveNodeKey": True,
    "TailscaleIPs": ["100.101.102.103", "fd7a:115c:a1e0::9501:6667"],
    "Self": {"HostName": "mill", "TailscaleIPs": ["100.101.102.103", "fd7a:115c:a1e0::9501:6667"], "Online": True},
    "Peer": {
        "nodekey:5ab1": {
            "HostName": "school-nas", "DNSName": "school-nas.tail0a1b.ts.net.", "OS": "linux",
            "TailscaleIPs": ["100.88.12.4", "fd7a:115c:a1e0::3301:c04"], "Relay": "fra", "Online": True,
        },
        "nodekey:77c2": {"HostName": "old-phone", "TailscaleIPs": ["100.64.9.9"], "Online": False},
        "nodekey:81d3": {"HostName": "shared-in", "TailscaleIPs": None, "Online": True},
    },
    "CurrentTailnet": {"Name": "valley.example", "MagicDNSSuffix": "tail0a1b.ts.net"},
}  # fmt: skip
ZEROTIER_STATUS = {"address": "9935981b1e", "online": True, "version": "1.14.2", "config": {"settings": {}}}
ZEROTIER_NETWORKS = [
    {
        "id": "8056c2e21c000001", "nwid": "8056c2e21c000001", "name": "valley", "status": "OK", "type": "PRIVATE",
        "assignedAddresses": ["10.147.17.23/24", "fd80:56c2:e21c:0:199:9399:3598:1b1e/88"],
    },
    {"id": "1d71939404d798d7", "status": "OK", "assignedAddresses": ["10.10.10.3/24"]},
    {"id": "e5cd7a9e1cae134f", "status": "ACCESS_DENIED", "assignedAddresses": []},
]  # fmt: skip
ZEROTIER_PEERS = [
    {"address": "62f865ae71", "role": "PLANET", "latency": 92, "paths": [], "version": "1.14.0"},
    {"address": "33c799cb58", "role": "LEAF", "latency": 31, "version": "1.14.2"},
    {"address": "0deadbeef1", "role": "LEAF", "latency": -1},
]
WIREGUARD = (
    b"wg0\t2tU1yq0Ffa1Ye9u6vXvO5q0eKJm0zM5lJ4r5Xq0b3lM=\t10.90.0.2/32 fd90::2/128\n"
    b"wg0\tRk8u0lS0dZk2b3i5u6w8t9yA0c1d2e3f4g5h6i7j8k8=\t10.90.0.3/32 192.168.40.0/24\n"
    b"wg1\t0000000000000000000000000000000000000000000=\t(none)\n"
)


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def test_tailscale_names_who_is_online() -> None:
    assert tailscale_hosts(encoded(TAILSCALE)) == ["100.88.12.4", "fd7a:115c:a1e0::3301:c04"]


@pytest.mark.parametrize("state", ["Stopped", "NeedsLogin", "Starting", ""])
def test_a_tunnel_that_is_down_names_nobody(state: str) -> None:
    assert tailscale_hosts(encoded({**TAILSCALE, "BackendState": state})) == []


def test_a_tailnet_of_one() -> None:
    assert tailscale_hosts(encoded({**TAILSCALE, "Peer": None})) == []


def test_zerotier_addresses_are_derived_where_the_network_gives_them() -> None:
    found = zerotier_hosts(encoded(ZEROTIER_STATUS), encoded(ZEROTIER_NETWORKS), encoded(ZEROTIER_PEERS))
    assert found == ["fd80:56c2:e21c:0:199:9333:c799:cb58", "fd80:56c2:e21c:0:199:930d:eadb:eef1"]


def test_a_zerotier_address_by_hand() -> None:
    # fd + 8056c2e21c000001 + 9993 + 33c799cb58
    assert zerotier_address("8056c2e21c000001", "33c799cb58") == "fd80:56c2:e21c:0:199:9333:c799:cb58"
    assert zerotier_address("8056c2e21c00", "33c799cb58") is None
    assert zerotier_address("8056c2e21c000001", "not hex...") is None


def test_wireguard_peers_with_an_address_of_their_own() -> None:
    assert wireguard_hosts(WIREGUARD) == ["10.90.0.2", "fd90::2", "10.90.0.3"]


def test_no_more_than_a_community_has() -> None:
    lines = b"".join(b"wg0\tkey\t10.%d.%d.1/32\n" % (number // 250, number % 250) for number in range(1000))
    assert len(wireguard_hosts(lines)) == HOSTS_MAX


@given(st.binary(max_size=300))
def test_anything_else_names_nobody_or_addresses(answer: bytes) -> None:
    for found in (tailscale_hosts(answer), wireguard_hosts(answer), zerotier_hosts(answer, answer, answer)):
        assert isinstance(found, list)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["Peer", "BackendState", "TailscaleIPs", "Online", "id", "address", "role"]),
        inner, max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_any_json_names_nobody_or_addresses(value: object) -> None:
    answer = encoded(value)
    assert all(isinstance(host, str) for host in tailscale_hosts(answer))
    assert zerotier_hosts(encoded(ZEROTIER_STATUS), answer, answer) == []
