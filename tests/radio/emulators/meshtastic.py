"""A Meshtastic radio (firmware 2.7), byte for byte on its serial port, on the simulated ether. A pure machine.

It tells its settings in the firmware's order, gives each packet a queue status, refuses what doesn't fit, what comes
too soon and what it has seen, waits for a free channel, and floods what it hears as Meshtastic does: once, after a
delay, unless it hears somebody else do it. On the ether nothing is encrypted: a channel's hash decides who can read.
Source: Meshtastic firmware: PhoneAPI, StreamAPI, MeshService, Router, FloodingRouter.
"""

import math
import random
import struct
import zlib
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from app.errors import DecodeError
from app.radio.airtime import airtime_ms
from app.radio.dialects import protobuf
from app.radio.dialects.meshtastic_codec import ONLY_CONFIG_NONCE, ONLY_NODES_NONCE, Deframer
from app.radio.dialects.meshtastic_messages import (
    BROADCAST,
    LORA_BYTES_MAX,
    Channel,
    ConfigComplete,
    Data,
    Disconnect,
    FromRadio,
    Heartbeat,
    LoraConfig,
    MeshPacket,
    Metadata,
    MyInfo,
    NodeInfo,
    Other,
    Port,
    QueueStatus,
    Rebooted,
    Role,
    RoutingError,
    Telemetry,
    WantConfig,
    air_bytes,
)
from app.radio.ether import Arrival, Ether, Tuning
from tests.radio.emulators.meshtastic_messages import (
    decode_to_radio,
    encode_config_part,
    encode_from_radio,
    encode_module_part,
    encode_routing_error,
    encode_telemetry,
    encode_user,
    encode_user_interface,
)

EU_868 = 3
SHORT_FAST = 6
QUEUE_LENGTH = 16
CHANNELS = 8
TEXT_GAP_MS = 2_000
SEEN_MAX = 100
RECENT_MAX = 20
"""Packets of its host that the firmware remembers, to drop them when they come again."""
OUTPUT_BYTES_MAX = 64 * 1024
BOOT_TEXT = (
    b"ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\nrst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\n"
    b"INFO  | ??:??:?? 0 \n\n//\\ E S H T /\\ S T / C\n\n"
)
_FREQUENCY_HZ = 869_525_000
_HEADER = struct.Struct("<IIIBBBB")
_CODES_NO_TRANSMIT = 34
_CODES_QUEUE_FULL = 32


class _Waiting(msgspec.Struct):
    """A packet in the queue."""

    packet: MeshPacket
    due_ms: float
    is_repeat: bool


class Meshtastic:
    """One radio. `node` is its number; `knows` are other radios in its list."""

    def __init__(
        self,
        name: str,
        ether: Ether,
        rng: random.Random,
        *,
        node: int = 0x7C5A0001,
        firmware: str = "2.7.11.ee68575",
        region: int = EU_868,
        preset: int = SHORT_FAST,
        channels: Sequence[str] = ("",),
        knows: Sequence[NodeInfo] = (),
        answers_heartbeats: bool = True,
        is_chatty: bool = False,
    ) -> None:
        self.name = name
        self.node = node
        self.violations: list[str] = []
        self.sent: list[MeshPacket] = []
        self._ether = ether
        self._rng = rng
        self._firmware = firmware
        self.lora = LoraConfig(True, preset, 0, 0, 0, region, 3, True)
        self._channels = list(channels)
        self._knows = list(knows)
        self._answers_heartbeats = answers_heartbeats
        self._is_chatty = is_chatty
        self._output = bytearray()
        self._is_connected = False
        self.start()

    def start(self) -> None:
        """Power on: text on the line, and a word to a host that was connected."""
        self._deframer = Deframer()
        self._unread: list[bytes] = []
        self._for_phone: list[FromRadio] = []
        self._recent: list[int] = []
        self._seen: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._queue: list[_Waiting] = []
        self._on_air: _Waiting | None = None
        self._wants_ack: set[int] = set()
        self._last_text_ms = -math.inf
        self._output += BOOT_TEXT
        if self._is_connected:
            self._say(Rebooted())
        self._is_connected = False
        self._ether.tune(self.name, self._tuning() if self.lora.region else None)

    def mumble(self, noise: bytes) -> None:
        """A log line, or line noise."""
        self._output += noise

    # The serial port

    def receive(self, data: bytes) -> None:
        self._unread += self._deframer.receive(data)

    def output(self) -> bytes:
        output = bytes(self._output)
        self._output.clear()
        return output

    @property
    def has_output(self) -> bool:
        return bool(self._output)

    def _read(self, body: bytes, now_ms: float) -> None:
        try:
            message = decode_to_radio(body)
        except DecodeError as error:
            self._violate(error.message)
            return
        match message:
            case WantConfig(nonce):
                self._tell_everything(nonce)
            case Heartbeat() if self._answers_heartbeats:
                self._say(self._status())
            case Disconnect():
                self._is_connected = False
            case MeshPacket():
                self._take(message, now_ms)

    def _tell_everything(self, nonce: int) -> None:
        self._is_connected = True
        everything: list[bytes] = []
        nodes = [NodeInfo(self.node, self.name), *self._knows]
        if nonce != ONLY_NODES_NONCE:
            everything += self._settings()
        else:
            everything.append(encode_from_radio(nodes[0]))
        if nonce != ONLY_CONFIG_NONCE:
            everything += [encode_from_radio(node) for node in nodes[1:]]
        if nonce != ONLY_NODES_NONCE:
            everything.append(encode_from_radio(Other()))
        for frame in [*everything, encode_from_radio(ConfigComplete(nonce))]:
            if self._is_chatty:
                self._output += b"DEBUG | 00:00:12 7 [SerialConsole] getFromRadio\r\n"
            self._output += frame
        self._flush_phone()

    def _settings(self) -> list[bytes]:
        named = [*self._channels, *[""] * (CHANNELS - len(self._channels))]
        channels = [
            Channel(index, Role.PRIMARY if index == 0 else Role.SECONDARY, name)
            if index < len(self._channels)
            else Channel(index, Role.DISABLED, "")
            for index, name in enumerate(named)
        ]
        return [
            encode_from_radio(MyInfo(self.node)),
            encode_user_interface(),
            encode_from_radio(NodeInfo(self.node, self.name)),
            encode_from_radio(Metadata(self._firmware)),
            *(encode_from_radio(channel) for channel in channels),
            *(encode_config_part(number) for number in range(1, 6)),
            encode_from_radio(self.lora),
            *(encode_config_part(number) for number in range(7, 11)),
            *(encode_module_part(number) for number in range(1, 14)),
        ]

    def _take(self, packet: MeshPacket, now_ms: float) -> None:
        if not self._is_connected:
            self._violate("a packet before the settings were asked for")
        if packet.packet_id in self._recent:
            self._violate("a packet for the second time")
            return
        self._recent = [*self._recent, packet.packet_id][-RECENT_MAX:]
        data = packet.data
        if data is None:
            self._violate("a packet without content")
            return
        if data.port == Port.TEXT and now_ms < self._last_text_ms + TEXT_GAP_MS:
            self._say(self._status(packet_id=packet.packet_id))
            self._acknowledge(packet.packet_id, RoutingError.RATE_LIMIT_EXCEEDED)
            return
        if data.port == Port.TEXT:
            self._last_text_ms = now_ms
        result = self._enqueue(packet, data, now_ms)
        self._say(self._status(result, packet.packet_id))
        if result == RoutingError.TOO_LARGE:
            self._acknowledge(packet.packet_id, result)

    def _enqueue(self, packet: MeshPacket, data: Data, now_ms: float) -> int:
        if not self.lora.region or not self.lora.tx_enabled:
            return _CODES_NO_TRANSMIT
        if not 0 <= packet.channel < len(self._channels):
            self._violate(f"channel {packet.channel}")
            return RoutingError.NO_CHANNEL
        if air_bytes(data, signs=False) > LORA_BYTES_MAX:
            self._violate(f"a payload of {len(data.payload)} bytes")
            return RoutingError.TOO_LARGE
        if len(self._queue) >= QUEUE_LENGTH:
            return _CODES_QUEUE_FULL
        # Only who wants an acknowledgment has no preference with 0.
        hops = packet.hop_limit or (self.lora.hop_limit if packet.want_ack else 0)
        if packet.hop_limit > 7:
            self._violate(f"a hop limit of {packet.hop_limit}")
        ours = MeshPacket(self.node, packet.to, packet.packet_id, data, packet.channel, hops, hop_start=hops)
        self._see(ours)
        if packet.want_ack:
            self._wants_ack.add(packet.packet_id)
        self._queue.append(_Waiting(ours, now_ms + self._rng.randrange(20, 400), is_repeat=False))
        return 0

    # The radio

    def poll(self, now_ms: float) -> None:
        while self._unread:
            self._read(self._unread.pop(0), now_ms)
        if self._on_air is not None:
            return
        due = [waiting for waiting in self._queue if waiting.due_ms <= now_ms]
        if not due:
            return
        if self._ether.is_busy(self.name, now_ms):
            for waiting in due:
                waiting.due_ms = now_ms + self._rng.randrange(20, 200)
            return
        waiting = min(due, key=lambda one: one.due_ms)
        self._queue.remove(waiting)
        self._on_air = waiting
        self.sent.append(waiting.packet)
        self._ether.transmit(self.name, self._encode(waiting.packet), now_ms)

    def deadline_ms(self, now_ms: float) -> int | None:
        if self._on_air is not None or not self._queue:
            return None
        return math.ceil(max(now_ms + 1, min(waiting.due_ms for waiting in self._queue)))

    def finish(self) -> None:
        self._on_air = None

    def hear(self, arrival: Arrival) -> None:
        transmission = arrival.transmission
        packet = self._decode(transmission.packet)
        if packet is None:
            return
        key = (packet.sender, packet.packet_id)
        if key in self._seen:
            # Somebody else has passed it on: that is the acknowledgment of ours, and spares our repeat.
            if packet.sender == self.node and packet.packet_id in self._wants_ack:
                self._wants_ack.discard(packet.packet_id)
                self._acknowledge(packet.packet_id, RoutingError.NONE)
            self._queue = [one for one in self._queue if not one.is_repeat or _key(one.packet) != key]
            return
        self._see(packet)
        if packet.hop_limit > 0:
            further = msgspec.structs.replace(packet, hop_limit=packet.hop_limit - 1)
            # Who hears badly stands far away, reaches more, and speaks first.
            nearness = min(max((arrival.snr_db + 20) / 30, 0.0), 1.0)
            delay_ms = 2 * transmission.airtime_ms * nearness + self._rng.randrange(20, 200)
            if len(self._queue) < QUEUE_LENGTH:
                self._queue.append(_Waiting(further, transmission.end_ms + delay_ms, is_repeat=True))
        self.deliver(
            msgspec.structs.replace(
                packet, rx_snr_db=round(arrival.snr_db, 2), rx_rssi_dbm=round(arrival.rssi_dbm), rx_time=1_750_000_000
            )
        )

    def deliver(self, packet: MeshPacket) -> None:
        """Give a packet to the host, as soon as it listens."""
        self._for_phone.append(packet)
        if self._is_connected:
            self._flush_phone()

    def hold(self, packet_id: int, until_ms: float) -> None:
        """Somebody else's packet waits in the queue for so long."""
        packet = MeshPacket(1, BROADCAST, packet_id, Data(Port.POSITION, bytes(20)))
        self._queue.append(_Waiting(packet, until_ms, is_repeat=True))

    def report_airtime(self, percent: float) -> None:
        """The radio's own telemetry, as it sends it every half hour."""
        payload = encode_telemetry(Telemetry(1_750_000_000, None, percent))
        self.deliver(MeshPacket(self.node, BROADCAST, self._rng.getrandbits(32), Data(Port.TELEMETRY, payload)))

    def introduce(self, node: int, long_name: str) -> None:
        """Another radio's NODE_INFO arrives."""
        data = Data(Port.NODE_INFO, encode_user(node, long_name))
        self.deliver(MeshPacket(node, BROADCAST, self._rng.getrandbits(32), data))

    def _acknowledge(self, packet_id: int, error: int) -> None:
        data = Data(Port.ROUTING, encode_routing_error(error), request_id=packet_id)
        self.deliver(MeshPacket(self.node, self.node, self._rng.getrandbits(32), data))

    def _flush_phone(self) -> None:
        while self._for_phone:
            self._say(self._for_phone.pop(0))

    def _status(self, result: int = 0, packet_id: int = 0) -> QueueStatus:
        return QueueStatus(result, QUEUE_LENGTH - len(self._queue), QUEUE_LENGTH, packet_id)

    def _see(self, packet: MeshPacket) -> None:
        self._seen[_key(packet)] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)

    def _encode(self, packet: MeshPacket) -> bytes:
        assert packet.data is not None
        flags = packet.hop_limit | packet.want_ack << 3 | packet.hop_start << 5
        hashed = _hash(self._channels[packet.channel])
        header = _HEADER.pack(packet.to, packet.sender, packet.packet_id, flags, hashed, 0, self.node & 0xFF)
        bitfield = packet.data.bitfield or 0
        return header + msgspec.structs.replace(packet.data, bitfield=bitfield).encode()

    def _decode(self, raw: bytes) -> MeshPacket | None:
        if len(raw) < _HEADER.size:
            return None
        to, sender, packet_id, flags, hashed, _, _ = _HEADER.unpack(raw[: _HEADER.size])
        index = next((index for index, name in enumerate(self._channels) if _hash(name) == hashed), None)
        data = None if index is None else _decode_data(raw[_HEADER.size :])
        hops, start = flags & 7, flags >> 5
        return MeshPacket(sender, to, packet_id, data, index or 0, hops, hop_start=start)

    def _tuning(self) -> Tuning:
        return Tuning(_FREQUENCY_HZ, self.lora.modulation(), 22)

    def airtime_ms(self, packet: MeshPacket) -> float:
        """What a packet costs on air."""
        return airtime_ms(self.lora.modulation(), len(self._encode(packet)))

    def _say(self, message: FromRadio) -> None:
        frame = encode_from_radio(message)
        if len(self._output) + len(frame) <= OUTPUT_BYTES_MAX:
            self._output += frame

    def _violate(self, what: str) -> None:
        if len(self.violations) < 100:
            self.violations.append(what)


def _key(packet: MeshPacket) -> tuple[int, int]:
    return packet.sender, packet.packet_id


def _hash(channel: str) -> int:
    return zlib.crc32(channel.encode()) & 0xFF


def _decode_data(raw: bytes) -> Data | None:
    try:
        message = protobuf.decode(raw)
    except DecodeError:
        return None
    return Data(message.uint32(1), message.content(2) or b"", emoji=message.fixed32(8))
