"""Where a peer listens: a host and a port, in text as `mill.local:8444` or `[fd00::1]:8444`. Pure."""

import ipaddress
import re

import msgspec

from app.errors import InputError

DEFAULT_PORT = 8444
"""One above HTTPS."""
HOST_CHARACTERS_MAX = 253
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?")


class Address(msgspec.Struct, frozen=True, order=True):
    """One place to dial. `host` is a name in lower case, or an IP address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """The address in `host`, `host:port`, `[IPv6]:port` or a bare IPv6 address. InputError for anything else."""
    found = re.fullmatch(r"\[([^\[\]]*)\](?::(\d+))?|([^:\[\]]*)(?::(\d+))?|([0-9a-fA-F:.]*)", text.strip())
    if found is None:
        raise _wrong(text)
    host = found[1] or found[3] or found[5] or ""
    port = int((found[2] or found[4] or str(DEFAULT_PORT))[:6])
    if not 0 < port < 65_536:
        raise InputError(f"{text!r}: ports run from 1 to 65535.", "address")
    return Address(_host(host, text), port)


def _host(host: str, text: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        host = host.lower()
    if len(host) > HOST_CHARACTERS_MAX or not _NAME.fullmatch(host) or host.replace(".", "").isdecimal():
        raise _wrong(text)
    return host


def _wrong(text: str) -> InputError:
    return InputError(f"{text!r} is no address. One looks like 192.168.1.20:8444 or nas.local:8444.", "address")
