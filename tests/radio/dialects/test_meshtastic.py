"""The Meshtastic radio's host: against the emulated firmware, and against noise."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.radio.airtime import airtime_ms
from app.radio.dialects import meshtastic_codec as codec
from app.radio.dialects.dialect import (
    AirtimeReported,
    Fault,
    Heard,
    Ready,
    Sent,
    TelemetryHeard,
    TextHeard,
    Unresponsive,
    WeatherReading,
)
from app.radio.dialects.meshtastic import (
    ASKS_MAX,
    CONFIG_MS,
    CONFIG_TOTAL_MS,
    FRAME_BYTES_MAX,
    OUTPUT_BYTES_MAX,
    RETRY_MS,
    SILENT_MS,
    TEXT_BYTES_MAX,
    TEXT_GAP_MS,
    WATCH_MS,
    ChannelOffered,
    Meshtastic,
    MeshtasticSettings,
)
from app.radio.dialects.meshtastic_ear import PORT
from app.radio.dialects.meshtastic_messages import (
    BROADCAST,
    ConfigComplete,
    Data,
    Heartbeat,
    MeshPacket,
    NodeInfo,
    Port,
    QueueStatus,
    Telemetry,
    WantConfig,
)
from tests.radio.emulators import meshtastic_messages as radio_messages
from tests.radio.emulators.bench import Bench, Station
from tests.radio.emulators.meshtastic import Meshtastic as Radio

SPEAKS = MeshtasticSettings(announces=True)
NEIGHBOR = 0x7C5A0099


def station(bench: Bench, name: str, settings: MeshtasticSettings | None = None, **radio: object) -> Station:
    number = 0x7C5A0000 + len(bench.stations) + 1
    made = Radio(name, bench.ether, bench.rng, node=number, **radio)  # type: ignore[arg-type]
    return bench.add(Meshtastic(bench.rng, settings), made)


def alone(settings: MeshtasticSettings | None = None, **radio: object) -> tuple[Bench, Station]:
    bench = Bench(["one"])
    one = station(bench, "one", settings, **radio)
    bench.run(100)
    return bench, one


def said_by(meshtastic: Meshtastic, now_ms: int) -> list[object]:
    bodies = codec.Deframer().receive(meshtastic.poll(now_ms))
    return [radio_messages.decode_to_radio(body) for body in bodies]


def test_the_handshake_wakes_the_radio_and_asks_for_everything() -> None:
    meshtastic = Meshtastic(random.Random(1))
    meshtastic.open(0)
    output = meshtastic.poll(0)
    assert output.startswith(codec.WAKE)
    (body,) = codec.Deframer().receive(output)
    assert isinstance(radio_messages.decode_to_radio(body), WantConfig)
    assert not meshtastic.is_ready


@pytest.mark.parametrize("is_chatty", [False, True])
def test_a_radio_tells_all_and_is_ready(is_chatty: bool) -> None:
    bench = Bench(["one"], cut=True)
    knows = [NodeInfo(node, f"Radio {node}") for node in range(1, 101)]
    one = station(bench, "one", knows=knows, is_chatty=is_chatty)
    bench.run(100)
    assert one.events == [Ready()]
    assert isinstance(one.dialect, Meshtastic)
    assert one.dialect.firmware == "2.7.11.ee68575"
    assert one.radio.violations == []


def test_a_complete_with_another_number_is_not_ours() -> None:
    meshtastic = Meshtastic(random.Random(1))
    meshtastic.open(0)
    meshtastic.poll(0)
    meshtastic.receive(radio_messages.encode_from_radio(ConfigComplete(1)), 0)
    assert meshtastic.events() == []


def test_a_silent_radio_is_given_up() -> None:
    meshtastic = Meshtastic(random.Random(1))
    meshtastic.open(0)
    for ask in range(ASKS_MAX):
        assert len(said_by(meshtastic, ask * CONFIG_MS)) == 1
    assert said_by(meshtastic, ASKS_MAX * CONFIG_MS) == []
    assert meshtastic.events() == [Unresponsive()]
    assert meshtastic.deadline_ms() is None


def test_a_radio_that_never_comes_to_an_end_is_asked_anew() -> None:
    meshtastic = Meshtastic(random.Random(1))
    meshtastic.open(0)
    asked = 0
    for now_ms in range(0, CONFIG_TOTAL_MS + 1_000, 500):
        asked += len(said_by(meshtastic, now_ms))
        meshtastic.receive(radio_messages.encode_log("busy"), now_ms)
    assert asked == 2


@pytest.mark.parametrize(
    ("radio", "chosen", "obstacle"),
    [
        ({"region": 0}, MeshtasticSettings(), "no region"),
        ({"region": 1}, MeshtasticSettings(regions=(3,)), "another region"),
        ({"channels": ("", "village")}, MeshtasticSettings(channel="market"), "no channel"),
    ],
)
def test_a_radio_that_cannot_be_used_yet_is_asked_again(
    radio: dict[str, object], chosen: MeshtasticSettings, obstacle: str
) -> None:
    bench, one = alone(chosen, **radio)
    assert one.events == [Fault(obstacle)]
    assert not one.dialect.is_ready
    one.radio.__init__("one", bench.ether, bench.rng, channels=("", "market"))
    bench.run(RETRY_MS)
    assert one.events == [Fault(obstacle), Ready()]


def test_frames_cross_and_nobody_repeats_more_than_it_must() -> None:
    bench = Bench(["one", "two", "three"], cut=True)
    one, two, three = (station(bench, name) for name in ("one", "two", "three"))
    bench.run(100)
    for size in (1, FRAME_BYTES_MAX):
        packet = bench.rng.randbytes(size)
        one.dialect.send(packet, bench.now_ms)
        bench.run(10_000)
        assert two.heard[-1] == three.heard[-1] == packet, "one radio in between passes it on"
    assert one.sent == [True, True]
    assert [sent.sender for sent in bench.transmissions] == ["one", "two"] * 2, "said once, repeated once"
    assert all(each.radio.violations == [] for each in (one, two, three))


def test_the_signal_comes_along() -> None:
    bench = Bench(["one", "two"])
    one, two = station(bench, "one"), station(bench, "two")
    bench.run(100)
    one.dialect.send(b"frame", bench.now_ms)
    bench.run(5_000)
    (heard,) = [event for event in two.events if isinstance(event, Heard)]
    assert heard.signal.rssi_dbm == 22 - 110
    assert heard.signal.snr_db == pytest.approx(26, abs=0.5)


def test_packets_are_broadcast_in_the_chosen_channel_with_few_hops() -> None:
    chosen = MeshtasticSettings(channel="village", hop_limit=2)
    bench, one = alone(chosen, channels=("", "other", "village"))
    one.dialect.send(b"frame", bench.now_ms)
    bench.run(2_000)
    (packet,) = one.radio.sent
    assert (packet.to, packet.channel, packet.hop_limit, packet.want_ack) == (BROADCAST, 2, 2, False)
    assert packet.data == Data(PORT, b"frame")


def test_without_hops_only_those_in_range_hear_it() -> None:
    bench = Bench(["one", "two", "three"])
    one, two, three = (station(bench, name, MeshtasticSettings(hop_limit=0)) for name in ("one", "two", "three"))
    bench.run(100)
    one.dialect.send(b"frame", bench.now_ms)
    bench.run(10_000)
    assert (two.heard, three.heard) == ([b"frame"], [])
    assert [sent.sender for sent in bench.transmissions] == ["one"]


def test_the_radio_s_channels_are_offered_by_name_or_number() -> None:
    _, one = alone(channels=("", "village", "", "market"))
    assert isinstance(one.dialect, Meshtastic)
    assert one.dialect.channels == (
        ChannelOffered("", "the primary one"),
        ChannelOffered("village", "village"),
        ChannelOffered("#2", "number 2"),
        ChannelOffered("market", "market"),
    )
    for offered, index in zip(one.dialect.channels, range(4), strict=True):
        bench, chosen = alone(MeshtasticSettings(channel=offered.value), channels=("", "village", "", "market"))
        chosen.dialect.send(b"frame", bench.now_ms)
        bench.run(2_000)
        assert [packet.channel for packet in chosen.radio.sent] == [index]


def test_what_the_keeper_chooses_anew_holds_from_the_next_frame_on() -> None:
    bench, one = alone(MeshtasticSettings(regions=(3,)), channels=("", "village"))
    meshtastic = one.dialect
    assert isinstance(meshtastic, Meshtastic)
    meshtastic.send(b"first", bench.now_ms)
    meshtastic.use(MeshtasticSettings(channel="village", hop_limit=0), bench.now_ms)
    bench.run(2_000)
    assert one.sent == [True]
    meshtastic.send(b"second", bench.now_ms)
    bench.run(2_000)
    assert [(packet.channel, packet.hop_limit) for packet in one.radio.sent] == [(0, 1), (1, 0)]
    assert one.events == [Ready(), Sent(ok=True), Sent(ok=True)], "nothing was set up again"
    assert meshtastic.settings.regions == (3,), "the region's rules are not the keeper's to choose"


def test_a_channel_that_the_radio_has_not_is_said_and_mended_without_a_restart() -> None:
    bench, one = alone(channels=("", "village"))
    meshtastic = one.dialect
    assert isinstance(meshtastic, Meshtastic)
    assert meshtastic.obstacle is None
    meshtastic.use(MeshtasticSettings(channel="market"), bench.now_ms)
    bench.run(100)
    assert one.events == [Ready(), Fault("no channel")]
    assert not meshtastic.is_ready
    assert meshtastic.obstacle is not None
    meshtastic.use(MeshtasticSettings(channel="village"), bench.now_ms)
    bench.run(1_000)
    assert one.events == [Ready(), Fault("no channel"), Ready()]
    assert (meshtastic.is_ready, meshtastic.obstacle) == (True, None)


def test_sent_is_told_when_the_queue_is_empty_and_the_airtime_over() -> None:
    bench, one = alone()
    for waiting in range(3):
        one.radio.hold(waiting, 6_000)
    start_ms = bench.now_ms
    one.dialect.send(bytes(200), start_ms)
    bench.run(5_000)
    assert one.sent == []
    assert not one.dialect.is_ready
    bench.run(15_000)
    assert one.sent == [True]
    ours = bench.transmissions[-1]
    assert ours.end_ms <= bench.now_ms


def test_a_radio_that_is_silent_about_its_queue_is_trusted_after_a_while() -> None:
    bench, one = alone(answers_heartbeats=False)
    one.dialect.send(bytes(200), bench.now_ms)
    bench.run(12_000)
    assert one.sent == [True]


def test_a_refusal_fails_the_frame() -> None:
    bench, one = alone()
    for waiting in range(16):
        one.radio.hold(waiting, 60_000)
    one.dialect.send(b"frame", bench.now_ms)
    bench.run(100)
    assert one.events[1:] == [Fault("queue full"), Sent(ok=False)]
    assert one.dialect.is_ready


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        (lambda packet_id: QueueStatus(9, 16, 16, packet_id), [Fault("duty cycle limit"), Sent(ok=False)]),
        (lambda packet_id: QueueStatus(34, 16, 16, packet_id), [Fault("sending is off"), Sent(ok=False)]),
        (lambda packet_id: QueueStatus(77, 16, 16, packet_id), [Fault("error 77"), Sent(ok=False)]),
        (lambda packet_id: QueueStatus(7, 16, 16, packet_id + 1), []),
        (
            lambda packet_id: MeshPacket(
                1, 1, 2, Data(Port.ROUTING, radio_messages.encode_routing_error(7), request_id=packet_id)
            ),
            [Fault("too large"), Sent(ok=False)],
        ),
        (
            lambda packet_id: MeshPacket(
                1, 1, 2, Data(Port.ROUTING, radio_messages.encode_routing_error(0), request_id=packet_id)
            ),
            [],
        ),
    ],
)
def test_what_the_radio_may_answer_to_a_packet(answer: object, events: list[object]) -> None:
    _, one = alone()
    meshtastic = one.dialect
    assert isinstance(meshtastic, Meshtastic)
    meshtastic.send(b"frame", 200)
    (packet,) = said_by(meshtastic, 200)
    assert isinstance(packet, MeshPacket)
    meshtastic.receive(radio_messages.encode_from_radio(answer(packet.packet_id)), 210)  # type: ignore[operator]
    assert meshtastic.events() == events


def test_no_answer_at_all_fails_the_frame_and_asks_for_everything() -> None:
    _, one = alone()
    meshtastic = one.dialect
    meshtastic.send(b"frame", 200)
    meshtastic.poll(200)
    due_ms = meshtastic.deadline_ms()
    assert due_ms is not None
    assert isinstance(meshtastic, Meshtastic)
    (asked,) = said_by(meshtastic, due_ms)
    assert isinstance(asked, WantConfig)
    assert meshtastic.events() == [Fault("unanswered"), Sent(ok=False)]


def test_texts_of_neighbors_come_in_and_announcements_go_out() -> None:
    bench = Bench(["one", "two"])
    knows = [NodeInfo(0x7C5A0001, "Market Square")]
    one, two = station(bench, "one", SPEAKS), station(bench, "two", knows=knows)
    bench.run(100)
    words = "Brot ab fünf Uhr 🥖 " * 20
    assert isinstance(one.dialect, Meshtastic)
    one.dialect.announce(words, bench.now_ms)
    assert not one.dialect.may_announce(bench.now_ms)
    bench.run(TEXT_GAP_MS + 5_000)
    (heard,) = [event for event in two.events if isinstance(event, TextHeard)]
    assert words.startswith(heard.text)
    assert TEXT_BYTES_MAX - 4 <= len(heard.text.encode()) <= TEXT_BYTES_MAX
    assert (heard.sender, heard.sender_name, heard.via_internet) == (0x7C5A0001, "Market Square", False)
    assert one.sent == [True]
    assert one.dialect.may_announce(bench.now_ms)
    assert one.dialect.text_airtime_ms(words) > one.dialect.text_airtime_ms("short")
    assert isinstance(two.dialect, Meshtastic)
    assert not two.dialect.may_announce(bench.now_ms), "the switch is off unless the keeper turns it on"


def test_weather_and_the_radios_own_airtime_come_in() -> None:
    bench, one = alone()
    reading = WeatherReading(temperature_c=18.5, humidity_percent=60.0, rain_1h_mm=0.25)
    payload = radio_messages.encode_telemetry(Telemetry(1_750_000_000, reading, None))
    one.radio.introduce(NEIGHBOR, "Weather at the mill")
    one.radio.deliver(MeshPacket(NEIGHBOR, BROADCAST, 5, Data(Port.TELEMETRY, payload)))
    one.radio.report_airtime(1.5)
    bench.run(10)
    weather, airtime = one.events[1:]
    assert weather == TelemetryHeard(NEIGHBOR, "Weather at the mill", 1_750_000_000, reading)
    assert airtime == AirtimeReported(1.5)


def test_a_restart_in_the_middle_is_noticed_and_mended() -> None:
    bench = Bench(["one", "two"])
    one, two = station(bench, "one"), station(bench, "two")
    bench.run(100)
    one.dialect.send(bytes(200), bench.now_ms)
    bench.run(10)
    one.radio.start()
    one.radio.mumble(b"\x94\xff\x94\xc3\xff\xff\0garbage")
    bench.run(10_000)
    assert one.sent == [False]
    assert one.events[-1] == Ready()
    one.dialect.send(b"again", bench.now_ms)
    bench.run(5_000)
    assert two.heard == [b"again"]


def test_a_radio_that_went_silent_is_asked_for_everything_again() -> None:
    for answers, patience_ms in ((True, 3 * WATCH_MS), (False, SILENT_MS)):
        meshtastic = Meshtastic(random.Random(1))
        ready = Bench(["one"])
        one = ready.add(meshtastic, Radio("one", ready.ether, ready.rng, answers_heartbeats=answers))
        ready.run(WATCH_MS + 100)
        assert one.events == [Ready()]
        ready.pull_out_quietly(one)
        now_ms = ready.now_ms
        said: list[object] = []
        while not meshtastic.events():
            said += said_by(meshtastic, now_ms)
            now_ms = max(now_ms + 1, meshtastic.deadline_ms() or 0)
            assert now_ms < patience_ms + 3 * WATCH_MS
        assert all(isinstance(message, Heartbeat) for message in said[:-1])
        assert isinstance(said[-1], WantConfig)


@pytest.mark.parametrize(
    ("firmware", "signs"),
    [("2.7.11.ee68575", False), ("2.8.0.abcdef", True), ("3.0", True), ("custom build", True), ("2.x", True)],
)
def test_costs_follow_the_radios_settings_and_firmware(firmware: str, signs: bool) -> None:
    _, one = alone(firmware=firmware)
    assert isinstance(one.dialect, Meshtastic)
    modulation = one.radio.lora.modulation()
    assert one.dialect.airtime_ms(FRAME_BYTES_MAX) == airtime_ms(modulation, 255)
    # 24 bytes around a payload of less than 128 but for its length's second byte, and 66 of signature.
    assert one.dialect.airtime_ms(100) == airtime_ms(modulation, 100 + 23 + (66 if signs else 0))


def test_before_the_radio_has_told_its_settings_the_cost_is_longfasts() -> None:
    assert Meshtastic(random.Random(1)).airtime_ms(231) > 2_000


def test_a_lost_port_fails_the_frame() -> None:
    bench, one = alone()
    one.dialect.send(b"frame", bench.now_ms)
    bench.pull_out(one)
    assert one.sent == [False]
    one.dialect.receive(radio_messages.encode_log("more"), bench.now_ms)
    assert (one.dialect.poll(9), one.dialect.deadline_ms()) == (b"", None)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=20))
def test_any_bytes_are_survived_in_bounded_memory(pieces: list[bytes]) -> None:
    _, one = alone()
    for index, piece in enumerate(pieces):
        one.dialect.receive(piece, 200 + index)
        assert len(one.dialect.poll(200 + index)) <= OUTPUT_BYTES_MAX
    one.dialect.events()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_messages_are_survived(bodies: list[bytes]) -> None:
    _, one = alone()
    one.dialect.send(b"frame", 200)
    for index, body in enumerate(bodies):
        one.dialect.receive(codec.encode_frame(body), 200 + index)
        one.dialect.poll(200 + index)
    one.dialect.close()
    assert sum(isinstance(event, Sent) for event in one.dialect.events()) == 1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_every_frame_ends_in_one_sent_and_never_too_early(seed: int) -> None:
    bench = Bench(["one", "two"], seed=seed, cut=True)
    one, two = station(bench, "one"), station(bench, "two")
    bench.run(100)
    given_frames = {"one": 0, "two": 0}
    for _ in range(5):
        for each in (one, two):
            if each.dialect.is_ready:
                each.dialect.send(bench.rng.randbytes(bench.rng.randrange(1, 232)), bench.now_ms)
                given_frames[each.radio.name] += 1
        for _ in range(40):
            bench.run(50)
            for each in (one, two):
                own = [packet for packet in each.radio.sent if packet.sender == each.radio.node]
                assert sum(each.sent) <= len(own)
    bench.run(20_000)
    assert {"one": len(one.sent), "two": len(two.sent)} == given_frames
    assert all(one.sent) and all(two.sent)
