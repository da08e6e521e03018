"""Regions: where, how wide, how loud and how long a node may transmit, and what it answers when asked for more.

The rules stand in the table below, each with its source; `check` turns them into a sentence for a person. Where a law
sets no limit on airtime, ours does: the channel is shared. Pure: no clock, no radio. For keepers:
docs/radio-regions.md.

Sources: ETSI EN 300 220-2 and ERC Recommendation 70-03, annex 1 (Europe); 47 CFR 15.247 (United States); the
Radiocommunications (Low Interference Potential Devices) Class Licence 2015 and AS/NZS 4268 (Australia); ARIB STD-T108
and LoRa Alliance RP002-1.0.5, section 3.10 (AS923); G.S.R. 564(E), its successor G.S.R. 853(E) of 2021 and RP002-1.0.5,
section 3.12 (India). Laws change: these were read in November 2026.
"""

import math

import msgspec

from app.errors import InputError
from app.radio.airtime import HOUR_MS, PAYLOAD_BYTES_MAX, AirtimeBudget, Modulation, airtime_ms, modulation
from app.radio.dialects.on_air import HEADER_BYTES
from app.radio.fragment import OVERHEAD_BYTES_MAX, cut_for
from app.radio.frame import FRAME_BYTES_MAX, LOG_NUMBER_MAX, envelope_frame_bytes

DIPOLE_DBI = 2.15
"""Effective radiated power is measured against a dipole: EIRP = ERP + 2.15 dB."""
HOUSE_SHARE = 0.1
"""Our own share of an hour where the law names none: ten busy nodes still find room."""
POST_BYTES = 215
"""A signed post of 160 characters on air: what each region's default carries in one frame."""


class Way(msgspec.Struct, frozen=True):
    """One lawful way to use a band: for these bandwidths, over so many frequencies, at these powers."""

    eirp_dbm: float
    conducted_dbm: float = 30.0
    bandwidth_khz_min: float = 7.0
    bandwidth_khz_max: float = 500.0
    hop_frequencies_min: int = 1
    dwell_ms: float | None = None


class Band(msgspec.Struct, frozen=True):
    """A stretch of spectrum, the share of an hour one station may use (None: the law sets none), and the ways."""

    name: str
    low_hz: int
    high_hz: int
    duty_cycle: float | None
    ways: tuple[Way, ...]
    needs: str

    @property
    def share(self) -> float:
        """The share of an hour that this node allows itself."""
        return HOUSE_SHARE if self.duty_cycle is None else self.duty_cycle


class Profile(msgspec.Struct, frozen=True):
    """How a community talks. `hop_frequencies` above 1: over so many, in random order and each as often."""

    region: str
    frequency_hz: int
    modulation: Modulation
    power_dbm: float
    antenna_dbi: float = DIPOLE_DBI
    hop_frequencies: int = 1

    @property
    def name(self) -> str:
        """In words for the keeper's page."""
        shape = self.modulation
        return (
            f"{self.region} · {_mhz(self.frequency_hz)} · SF{shape.spreading_factor} · {shape.bandwidth_khz:g} kHz"
            f" · {self.radio_dbm} dBm"
        )

    @property
    def eirp_dbm(self) -> float:
        """What leaves the antenna in its best direction."""
        return self.power_dbm + self.antenna_dbi

    @property
    def radio_dbm(self) -> int:
        """What a radio is set to: radios take whole dBm, and never more than was asked."""
        return math.floor(self.power_dbm)

    def frame_airtime_ms(self, frame_bytes: int) -> float:
        """What a TNTN frame costs with the byte that goes before it on air."""
        return airtime_ms(self.modulation, frame_bytes + HEADER_BYTES)

    def budget(self) -> AirtimeBudget:
        """A fresh hour under the rules of this channel's sub-band."""
        return AirtimeBudget(band_of(self).share)


class Region(msgspec.Struct, frozen=True):
    """A set of rules, the setting a new node starts with, and what a keeper must know besides."""

    code: str
    where: str
    bands: tuple[Band, ...]
    default: Profile
    note: str


class Price(msgspec.Struct, frozen=True):
    """What an envelope costs on a profile: frames without repair, their airtime, and that as a share of the hour's."""

    frames: int
    frame_bytes: int
    airtime_ms: float
    budget_share: float


def _erp(low_mhz: float, high_mhz: float, duty_cycle: float, erp_dbm: float) -> Band:
    ways = (Way(eirp_dbm=erp_dbm + DIPOLE_DBI),)
    low_hz, high_hz = round(low_mhz * 1e6), round(high_mhz * 1e6)
    return Band(f"{low_mhz:g} to {high_mhz:g} MHz", low_hz, high_hz, duty_cycle, ways, "")


_EU868 = Region(
    "EU868",
    "the European Union and the other countries of CEPT",
    # EN 300 220-2, annex B, bands K to Q: 25 mW ERP, but 500 mW in band P, and the duty cycle of each.
    (
        _erp(863.0, 865.0, 0.001, 14.0),
        _erp(865.0, 868.0, 0.01, 14.0),
        _erp(868.0, 868.6, 0.01, 14.0),
        _erp(868.7, 869.2, 0.001, 14.0),
        _erp(869.4, 869.65, 0.1, 27.0),
        _erp(869.7, 870.0, 0.01, 14.0),
    ),
    Profile("EU868", 869_525_000, modulation(9, 125.0, 5), 22),
    "The gaps between the sub-bands belong to alarms. Some countries differ: ask the national regulator.",
)

_US915 = Region(
    "US915",
    "the United States",
    (
        Band(
            "902 to 928 MHz",
            902_000_000,
            928_000_000,
            None,
            (
                # 15.247(a)(2): "The minimum 6 dB bandwidth shall be at least 500 kHz"; (b)(3), (b)(4): 1 W, 6 dBi;
                # (e), 8 dBm in any 3 kHz, holds by itself: 30 dBm over 500 kHz are 7.8.
                Way(eirp_dbm=36.0, bandwidth_khz_min=500.0),
                # 15.247(a)(1)(i), (b)(2): 50 frequencies below 250 kHz, 25 from there on, 0.4 s on each in turn.
                Way(eirp_dbm=36.0, hop_frequencies_min=50, dwell_ms=400.0),
                Way(
                    eirp_dbm=30.0,
                    conducted_dbm=24.0,
                    bandwidth_khz_min=250.0,
                    hop_frequencies_min=25,
                    dwell_ms=400.0,
                ),
            ),
            "500 kHz on one frequency; 250 kHz only when hopping over at least 25, less only over at least 50",
        ),
    ),
    Profile("US915", 918_500_000, modulation(9, 500.0, 5), 22),
    "With an antenna above 6 dBi the transmitter must be turned down by as much as it exceeds that.",
)

_AU915 = Region(
    "AU915",
    "Australia",
    (
        Band(
            "915 to 928 MHz",
            915_000_000,
            928_000_000,
            None,
            (
                # LIPD Class Licence, digital modulation and frequency hopping, 915–928: 1 W EIRP, 500 kHz, 20 hops.
                Way(eirp_dbm=30.0, bandwidth_khz_min=500.0),
                # RP002: with 125 kHz, 400 ms of dwell time until a network says otherwise. Nobody does here.
                Way(eirp_dbm=30.0, hop_frequencies_min=20, dwell_ms=400.0),
            ),
            "500 kHz on one frequency; less only when hopping over at least 20",
        ),
    ),
    Profile("AU915", 918_500_000, modulation(9, 500.0, 5), 22),
    "Use a radio module with the RCM mark.",
)

_AS923 = Region(
    "AS923",
    "Japan, Malaysia, Singapore, Taiwan, Thailand and others",
    (
        Band(
            # What these countries' bands have in common; ARIB STD-T108 cuts it into channels of 200 kHz.
            "920.5 to 923 MHz",
            920_500_000,
            923_000_000,
            # RP002, default channels: duty cycle below 1 %.
            0.01,
            # RP002: 16 dBm EIRP, 400 ms; ARIB STD-T108: 20 mW at the antenna, which may have 3 dBi.
            (Way(eirp_dbm=16.0, conducted_dbm=13.0, bandwidth_khz_max=125.0, dwell_ms=400.0),),
            "at most 125 kHz",
        ),
    ),
    Profile("AS923", 922_000_000, modulation(7, 125.0, 5), 13),
    "In Japan only with a modem that listens for 5 ms before it sends (ARIB STD-T108) and carries the Giteki mark. "
    "Many countries allow more: ask the national regulator.",
)

_IN865 = Region(
    "IN865",
    "India",
    (
        Band(
            "865 to 867 MHz",
            865_000_000,
            867_000_000,
            None,
            # G.S.R. 564(E): 1 W, 4 W ERP, carriers of 200 kHz; RP002-1.0.5 has lowered the EIRP to 29.2 dBm.
            (Way(eirp_dbm=29.2, bandwidth_khz_max=200.0),),
            "at most 200 kHz",
        ),
    ),
    Profile("IN865", 866_500_000, modulation(9, 125.0, 5), 22),
    "The rules of 2021 widened the band to 868 MHz under conditions of their own; this node stays within the old one.",
)

REGIONS = {region.code: region for region in (_EU868, _US915, _AU915, _AS923, _IN865)}


def check(profile: Profile, payload_bytes: int) -> str | None:
    """Why this node refuses to send a LoRa payload of that size (the frame and the byte before it); None if lawful."""
    region = REGIONS.get(profile.region)
    if region is None:
        return f"There is no region {profile.region}. This node knows {', '.join(REGIONS)}."
    if not 0 < payload_bytes <= PAYLOAD_BYTES_MAX:
        return f"A LoRa frame holds 1 to {PAYLOAD_BYTES_MAX} bytes; this has {payload_bytes}."
    band = _band_around(region, profile)
    if band is None:
        return _outside(region, profile)
    return _check_ways(band, profile, airtime_ms(profile.modulation, payload_bytes))


def band_of(profile: Profile) -> Band:
    """The sub-band that holds the profile's channel. InputError where none does."""
    region = REGIONS.get(profile.region)
    band = None if region is None else _band_around(region, profile)
    if region is None or band is None:
        raise InputError(check(profile, 1) or "There is no such band.", "frequency")
    return band


def frame_bytes_max(profile: Profile) -> int:
    """The largest TNTN frame that the rules let through in one transmission; 0 when not even one byte may go."""
    lawful = (size for size in range(FRAME_BYTES_MAX, 0, -1) if check(profile, size + HEADER_BYTES) is None)
    return next(lawful, 0)


def price(profile: Profile, envelope_bytes: int, number: int = LOG_NUMBER_MAX) -> Price:
    """What it costs to send an envelope once, at most, as entry `number` of a node's log.

    InputError with the refusal when it can't be sent at all.
    """
    room = frame_bytes_max(profile)
    if room == 0:
        raise InputError(check(profile, 1 + HEADER_BYTES) or "Nothing may be sent here.", "profile")
    frames, frame_bytes = 1, envelope_frame_bytes(envelope_bytes, number)
    if frame_bytes > room:
        cut = cut_for(envelope_bytes, room)
        frames, frame_bytes = cut.source_symbols, cut.data_bytes + OVERHEAD_BYTES_MAX
    spent_ms = frames * airtime_ms(profile.modulation, frame_bytes + HEADER_BYTES)
    return Price(frames, frame_bytes, spent_ms, spent_ms / (HOUR_MS * band_of(profile).share))


def _band_around(region: Region, profile: Profile) -> Band | None:
    half_hz = profile.modulation.bandwidth_khz * 500
    low_hz, high_hz = profile.frequency_hz - half_hz, profile.frequency_hz + half_hz
    return next((band for band in region.bands if band.low_hz <= low_hz and high_hz <= band.high_hz), None)


def _outside(region: Region, profile: Profile) -> str:
    bands = ", ".join(band.name for band in region.bands)
    return (
        f"{_mhz(profile.frequency_hz)} with {profile.modulation.bandwidth_khz:g} kHz is outside what {region.code} "
        f"allows: {bands}."
    )


def _check_ways(band: Band, profile: Profile, sent_ms: float) -> str | None:
    refusals = [_check_way(way, band, profile, sent_ms) for way in band.ways if _fits(way, band, profile)]
    if not refusals:
        return f"In {profile.region}, {band.name}, a node may use {band.needs}. This profile does not."
    if any(refusal is None for refusal in refusals):
        return None
    return refusals[0]


def _fits(way: Way, band: Band, profile: Profile) -> bool:
    bandwidth_khz = profile.modulation.bandwidth_khz
    hops = profile.hop_frequencies
    return (
        way.bandwidth_khz_min <= bandwidth_khz <= way.bandwidth_khz_max
        and way.hop_frequencies_min <= hops
        and hops * bandwidth_khz * 1000 <= band.high_hz - band.low_hz
    )


def _check_way(way: Way, band: Band, profile: Profile, sent_ms: float) -> str | None:
    # "Not at most" instead of "more": a power that is no number is refused too.
    if not profile.power_dbm <= way.conducted_dbm:
        return f"{profile.power_dbm:g} dBm is more than the {way.conducted_dbm:g} dBm that {profile.region} allows."
    if not profile.eirp_dbm <= way.eirp_dbm:
        return (
            f"{profile.power_dbm:g} dBm with an antenna of {profile.antenna_dbi:g} dBi is more than the "
            f"{way.eirp_dbm:.1f} dBm EIRP that {profile.region} allows from {band.name}."
        )
    if way.dwell_ms is not None and not sent_ms <= way.dwell_ms:
        return (
            f"This frame would take {sent_ms:.0f} ms; {profile.region} allows {way.dwell_ms:g} ms at a time here. "
            "A faster profile, or a shorter frame, would do."
        )
    if not sent_ms <= HOUR_MS * band.share:
        return f"This frame would take {sent_ms / 1000:.1f} s, more than {band.name} allows in an hour."
    return None


def _mhz(frequency_hz: int) -> str:
    return f"{frequency_hz / 1e6:g} MHz"
