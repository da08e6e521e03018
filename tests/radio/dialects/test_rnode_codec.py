"""The RNode's numbers: examples from the firmware, and answers of the wrong size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.airtime import modulation
from app.radio.dialects import rnode_codec as codec
from app.radio.dialects.rnode_codec import Command


def test_settings_as_the_firmware_reads_them() -> None:
    assert codec.encode_byte(Command.DETECT, codec.DETECT_REQUEST) == bytes.fromhex("c00873c0")
    assert codec.encode_number(Command.FREQUENCY, 869_525_000) == bytes.fromhex("c00133d3e608c0")
    assert codec.encode_number(Command.FREQUENCY, 0xC0DB0001) == bytes.fromhex("c001dbdcdbdd0001c0")
    assert codec.encode_share(Command.LONG_AIRTIME_LIMIT, 100) == bytes.fromhex("c00c0064c0")


def test_reports() -> None:
    report = codec.decode_channel(bytes.fromhex("006400c8012c01902d2dff"))
    assert report == codec.ChannelReport(100, 200, 300, 400)
    assert codec.decode_version(b"\x01\x55") == "1.85"
    assert codec.decode_rssi_dbm(b"\x20") == -125
    assert (codec.decode_snr_db(b"\x1e"), codec.decode_snr_db(b"\xe2")) == (7.5, -7.5)
    assert codec.decode_preamble_symbols(bytes.fromhex("100000f40012004a")) == 18


@pytest.mark.parametrize(
    ("decoder", "content"),
    [
        (codec.decode_number, b"\0\0\0"),
        (codec.decode_byte, b""),
        (codec.decode_version, b"\x01"),
        (codec.decode_channel, b"\0" * 7),
        (codec.decode_preamble_symbols, b"\0\0\0\0\0"),
        (codec.decode_preamble_symbols, bytes(12)),
        (codec.decode_rssi_dbm, b"\0\0"),
        (codec.decode_snr_db, b""),
    ],
)
def test_answers_of_the_wrong_size_are_refused(decoder: object, content: bytes) -> None:
    with pytest.raises(DecodeError):
        decoder(content)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("factor", "bandwidth_khz", "symbols"),
    [(9, 125.0, 18), (7, 125.0, 24), (7, 500.0, 94), (12, 125.0, 18), (5, 500.0, 94)],
)
def test_the_firmwares_preamble(factor: int, bandwidth_khz: float, symbols: int) -> None:
    assert codec.preamble_symbols(modulation(factor, bandwidth_khz, 5)) == symbols


@given(st.integers(1, codec.PACKET_BYTES_MAX))
def test_every_packet_fits_its_lora_frames(payload_bytes: int) -> None:
    sizes = codec.packet_sizes(payload_bytes)
    assert all(1 < size <= 255 for size in sizes)
    assert sum(sizes) == payload_bytes + len(sizes)
    assert len(sizes) == (2 if payload_bytes > 254 else 1)
