"""How a node's radio is at a moment, for the keeper's page and for telling a notice's cost. Pure."""

import msgspec

from app.radio.airtime import Modulation
from app.radio.dialects.dialect import Dialect
from app.radio.dialects.meshtastic import ChannelOffered, Meshtastic
from app.radio.dialects.meshtastic_messages import DATA_OVERHEAD_BYTES
from app.radio.dialects.on_air import HEADER_BYTES
from app.radio.frame import NodeIndex
from app.radio.parcel import Neighbor, Priority
from app.radio.profile import Profile


class OnAir(msgspec.Struct, frozen=True):
    """What becomes of a frame on the air: by the community's profile, or by a Meshtastic radio's own settings.

    `overhead_bytes` go with each frame, and `signature_bytes` where they still fit. `repeats` is how often the
    radios of others pass it on, one after the other.
    """

    modulation: Modulation
    overhead_bytes: int = HEADER_BYTES
    signature_bytes: int = 0
    repeats: int = 0


class RadioStatus(msgspec.Struct, frozen=True):
    """The radio as the keeper's page shows it. `fault` is a sentence, None while the radio works.

    `channels` are those that a Meshtastic radio offers; other radios have none.
    """

    port: str
    radio: str | None
    profile: Profile
    is_ready: bool
    fault: str | None
    spent_ms: float
    spent_by_class: dict[Priority, float]
    limit_ms: float
    sent: dict[str, int]
    heard: int
    rejected: dict[str, int]
    waiting: dict[Priority, int]
    neighbors: dict[NodeIndex, Neighbor]
    frame_bytes_max: int
    on_air: OnAir
    channels: tuple[ChannelOffered, ...] = ()


def on_air_of(dialect: Dialect | None, profile: Profile) -> OnAir:
    """A Meshtastic radio keeps its own settings; all others, and none yet, do what the profile says."""
    if not isinstance(dialect, Meshtastic):
        return OnAir(profile.modulation)
    return OnAir(dialect.modulation, DATA_OVERHEAD_BYTES, dialect.signature_bytes, repeats=dialect.settings.hop_limit)


def channels_of(dialect: Dialect | None) -> tuple[ChannelOffered, ...]:
    """The channels to choose from, where the radio has any."""
    return dialect.channels if isinstance(dialect, Meshtastic) else ()


def obstacle_of(dialect: Dialect | None) -> str | None:
    """Why a radio that answers can't be used, in a sentence."""
    return dialect.obstacle if isinstance(dialect, Meshtastic) else None
