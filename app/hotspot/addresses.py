"""Which address of this machine others on its network would use."""

import socket

NOBODY = "192.0.2.1"
"""An address of documentation (RFC 5737): asked only which of our own addresses would be used, nothing is sent."""


def own_addresses() -> list[str]:
    """The address towards the rest of the network; none while there is no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((NOBODY, 9))
        except OSError:
            return []
        return [probe.getsockname()[0]]
