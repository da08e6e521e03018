"""The channel a community shares: one raw profile, the same on every node, or nodes don't hear each other.

What a profile is, and which ones are lawful where: app/radio/regions.py.
"""

from app.radio.regions import REGIONS, Profile

SYNC_WORD = 0x1424
"""LoRa's private networks; MeshCore's and RNode's modems set it themselves."""
EU868 = REGIONS["EU868"].default
"""The one European sub-band with 10 % duty cycle; 22 dBm is what an SX1262 gives."""

__all__ = ["EU868", "SYNC_WORD", "Profile"]
