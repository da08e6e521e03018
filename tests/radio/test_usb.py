"""USB ids: the exact ones, the vendors' others, bootloaders, and everything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.radio.dialects.catalog import DialectName
from app.radio.usb import _CHIPS, chip_of, is_bootloader


@pytest.mark.parametrize(
    ("vendor", "product", "name"),
    [
        (0x10C4, 0xEA60, "Silicon Labs CP210x"),
        (0x1A86, 0x55D4, "WCH CH9102"),
        (0x303A, 0x1001, "Espressif USB"),
        (0x303A, 0x4001, "Espressif USB"),
        (0x239A, 0x8029, "nRF52840"),
        (0x239A, 0x80AB, "nRF52840"),
        (0x0403, 0x6001, "FTDI FT232R"),
    ],
)
def test_chips_of_radios(vendor: int, product: int, name: str) -> None:
    chip = chip_of(vendor, product)
    assert chip is not None
    assert chip.name == name


def test_other_things_are_left_alone() -> None:
    assert chip_of(0x046D, 0xC52B) is None
    assert chip_of(0x10C4, 0x0001) is None
    assert chip_of(None, None) is None


def test_a_bootloader_is_known_by_its_number() -> None:
    assert is_bootloader(0x239A, 0x0029)
    assert not is_bootloader(0x239A, 0x8029)
    assert not is_bootloader(0x10C4, 0x0029)
    assert not is_bootloader(None, None)


def test_every_chip_is_asked_in_every_dialect() -> None:
    assert all(sorted(chip.order) == sorted(DialectName) for chip in _CHIPS.values())
    assert all(chip.name and chip.boards for chip in _CHIPS.values())


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_any_ids_have_an_answer(vendor: int, product: int) -> None:
    chip_of(vendor, product)
    is_bootloader(vendor, product)
