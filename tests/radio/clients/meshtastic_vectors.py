"""Runs under a Python that has Meshtastic's own protocol buffers: prints messages with what they mean, as JSON."""

import json

from meshtastic.protobuf import channel_pb2, mesh_pb2, portnums_pb2, telemetry_pb2


def packet() -> mesh_pb2.FromRadio:
    message = mesh_pb2.FromRadio(id=9)
    inner = message.packet
    setattr(inner, "from", 0x7C5A0002)
    inner.to = 0xFFFFFFFF
    inner.channel = 2
    inner.id = 0xDEADBEEF
    inner.rx_time = 1_750_000_000
    inner.rx_snr = -7.25
    inner.rx_rssi = -119
    inner.hop_limit = 2
    inner.hop_start = 3
    inner.via_mqtt = True
    inner.priority = mesh_pb2.MeshPacket.Priority.RELIABLE
    inner.next_hop = 17
    inner.decoded.portnum = portnums_pb2.PortNum.TEXT_MESSAGE_APP
    inner.decoded.payload = "Brot ab fünf".encode()
    inner.decoded.reply_id = 77
    inner.decoded.bitfield = 1
    return message


def telemetry() -> telemetry_pb2.Telemetry:
    message = telemetry_pb2.Telemetry(time=1_750_000_000)
    weather = message.environment_metrics
    weather.temperature = 18.5
    weather.relative_humidity = 60.25
    weather.barometric_pressure = 1013.25
    weather.lux = 1234.5
    weather.wind_direction = 270
    weather.wind_speed = 3.5
    weather.wind_gust = 7.25
    weather.wind_lull = 0.0
    weather.radiation = 12.5
    weather.rainfall_1h = 0.25
    weather.rainfall_24h = 4.75
    weather.soil_moisture = 31
    weather.soil_temperature = -2.5
    weather.gas_resistance = 5.0
    return message


def lora() -> mesh_pb2.FromRadio:
    message = mesh_pb2.FromRadio()
    config = message.config.lora
    config.use_preset = True
    config.modem_preset = 6
    config.region = 3
    config.hop_limit = 3
    config.tx_enabled = True
    config.tx_power = 27
    config.override_frequency = 869.525
    config.ignore_incoming.extend([1, 2])
    return message


def channel() -> mesh_pb2.FromRadio:
    settings = channel_pb2.ChannelSettings(name="village", psk=b"\x01" * 32, id=5)
    return mesh_pb2.FromRadio(channel=channel_pb2.Channel(index=3, settings=settings, role="SECONDARY"))


def node() -> mesh_pb2.FromRadio:
    user = mesh_pb2.User(id="!7c5a0002", long_name="Nördliches Tal", short_name="NT", public_key=b"k" * 32)
    info = mesh_pb2.NodeInfo(num=0x7C5A0002, user=user, snr=4.5, last_heard=1_750_000_000, hops_away=2)
    info.position.latitude_i = 471234567
    return mesh_pb2.FromRadio(node_info=info)


own = telemetry_pb2.Telemetry(device_metrics=telemetry_pb2.DeviceMetrics(air_util_tx=1.25, battery_level=101))
status = mesh_pb2.QueueStatus(res=-3, free=5, maxlen=16, mesh_packet_id=0xDEADBEEF)
messages = {
    "packet": packet(),
    "telemetry": telemetry(),
    "own": own,
    "lora": lora(),
    "channel": channel(),
    "node": node(),
    "queue": mesh_pb2.FromRadio(queueStatus=status),
    "metadata": mesh_pb2.FromRadio(metadata=mesh_pb2.DeviceMetadata(firmware_version="2.8.0.f00", hasPKC=True)),
    "my_info": mesh_pb2.FromRadio(my_info=mesh_pb2.MyNodeInfo(my_node_num=0x7C5A0001, reboot_count=3)),
    "complete": mesh_pb2.FromRadio(config_complete_id=0xFFFFFFFF),
    "rebooted": mesh_pb2.FromRadio(rebooted=True),
    "routing": mesh_pb2.Routing(error_reason="DUTY_CYCLE_LIMIT"),
}
print(json.dumps({name: message.SerializeToString().hex() for name, message in messages.items()}))
