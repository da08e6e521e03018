"""The dialects by name: what a probe finds, what is remembered of a port, and the machine that speaks it."""

import random
from enum import StrEnum

import msgspec

from app.radio.dialects.dialect import Dialect
from app.radio.dialects.kiss import Kiss
from app.radio.dialects.meshtastic import Meshtastic, MeshtasticSettings
from app.radio.dialects.rnode import Rnode
from app.radio.dialects.rui3 import Rui3
from app.radio.profile import Profile


class DialectName(StrEnum):
    """The languages that radios speak on their serial port."""

    KISS = "kiss"
    RNODE = "rnode"
    RUI3 = "rui3"
    MESHTASTIC = "meshtastic"


MESHTASTIC_REGIONS = {"EU868": (3,), "US915": (1,), "AU915": (6,), "AS923": (5, 8, 12, 17, 18), "IN865": (10,)}
"""The regions of Meshtastic's settings (LoRaConfig.RegionCode in its protobufs) that lie in one of ours: a radio that
is set to another place's rules is not used."""


def speak(
    name: DialectName, profile: Profile, rng: random.Random, meshtastic: MeshtasticSettings | None = None
) -> Dialect:
    """A machine for a radio of this kind. Meshtastic radios keep their own settings and ignore the profile."""
    match name:
        case DialectName.KISS:
            return Kiss(profile)
        case DialectName.RNODE:
            return Rnode(profile)
        case DialectName.RUI3:
            return Rui3(profile, rng)
        case DialectName.MESHTASTIC:
            settings = meshtastic or MeshtasticSettings()
            regions = MESHTASTIC_REGIONS.get(profile.region, ())
            return Meshtastic(rng, msgspec.structs.replace(settings, regions=regions))
