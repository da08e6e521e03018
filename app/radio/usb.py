"""USB ids of the chips that LoRa radios sit behind, and what such a radio most likely speaks. Pure.

A bridge chip says little of the firmware behind it: that is for the probe to find out. The ids only say which ports
are worth a question, what to call them, and in which order to ask. Sources: the USB ID repository, and the boards'
own documentation.
"""

import msgspec

from app.radio.dialects.catalog import DialectName

ANY = -1
"""As a product: every product of the vendor."""
_KISS, _RNODE, _RUI3, _MESHTASTIC = DialectName
COMMON_ORDER = (_KISS, _MESHTASTIC, _RNODE, _RUI3)
"""Where nothing is known: the firmware that TNTN recommends first, then what most people own."""
_ADAFRUIT = 0x239A
_SEEED = 0x2886
_APPLICATION = 0x8000
"""Adafruit's and Seeed's numbers below this belong to the bootloader, which waits for new firmware."""


class Chip(msgspec.Struct, frozen=True):
    """A USB chip. `boards` names radios that use it; `order` is the order in which to ask."""

    name: str
    boards: str
    order: tuple[DialectName, ...] = COMMON_ORDER


_CHIPS = {
    (0x10C4, 0xEA60): Chip("Silicon Labs CP210x", "Heltec LoRa 32, LilyGO T-LoRa and T-Beam"),
    (0x1A86, 0x55D4): Chip("WCH CH9102", "LilyGO T-Beam, T-LoRa and T3"),
    (0x1A86, 0x55D3): Chip("WCH CH343", "newer boards with an ESP32"),
    (0x1A86, 0x7523): Chip("WCH CH340", "RAK3172 evaluation boards, RAK11200", (_RUI3, _KISS, _MESHTASTIC, _RNODE)),
    (0x303A, 0x1001): Chip("Espressif USB", "Heltec V3 and V4, LilyGO T3-S3 and T-Deck, Seeed XIAO ESP32-S3"),
    (0x303A, ANY): Chip("Espressif USB", "boards with an ESP32-S2 or S3"),
    (_ADAFRUIT, 0x8029): Chip("nRF52840", "RAK4631"),
    (_ADAFRUIT, ANY): Chip("nRF52840", "RAK4631, LilyGO T-Echo, Heltec T114"),
    (_SEEED, ANY): Chip("Seeed Studio", "XIAO nRF52840, T1000-E, Wio Tracker"),
    (0x1915, ANY): Chip("Nordic Semiconductor", "boards with an nRF52840"),
    (0x2E8A, ANY): Chip("Raspberry Pi RP2040 or RP2350", "RAK11310, Pico with a LoRa module"),
    (0x0483, 0x5740): Chip(
        "STMicroelectronics virtual port", "boards with an STM32", (_RUI3, _KISS, _RNODE, _MESHTASTIC)
    ),
    (0x0403, 0x6001): Chip("FTDI FT232R", "RNode, RAK3172 on a serial cable", (_RNODE, _RUI3, _KISS, _MESHTASTIC)),
    (0x0403, 0x6015): Chip("FTDI FT230X", "RNode, RAK3172 on a serial cable", (_RNODE, _RUI3, _KISS, _MESHTASTIC)),
    (0x067B, 0x2303): Chip("Prolific PL2303", "RAK3172 on a serial cable", (_RUI3, _KISS, _RNODE, _MESHTASTIC)),
    (0x2341, ANY): Chip("Arduino", "RNode on an Arduino Mega", (_RNODE, _KISS, _MESHTASTIC, _RUI3)),
}


def chip_of(vendor: int | None, product: int | None) -> Chip | None:
    """The chip with these ids; None for one that no LoRa radio is known to use, and for ports without USB."""
    if vendor is None or product is None:
        return None
    return _CHIPS.get((vendor, product)) or _CHIPS.get((vendor, ANY))


def is_bootloader(vendor: int | None, product: int | None) -> bool:
    """Whether this is a board that waits for new firmware instead of running what it has."""
    return vendor in (_ADAFRUIT, _SEEED) and product is not None and product < _APPLICATION
