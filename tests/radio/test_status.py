"""The radio's status: what frames become on the air is told as the radio that is there does it."""

import random

from app.radio.dialects.kiss import Kiss
from app.radio.dialects.meshtastic import Meshtastic, MeshtasticSettings
from app.radio.profile import EU868
from app.radio.status import OnAir, channels_of, obstacle_of, on_air_of
from tests.radio.emulators.bench import Bench
from tests.radio.emulators.meshtastic import EU_868
from tests.radio.emulators.meshtastic import Meshtastic as Radio

MEDIUM_FAST = 4


def station(**radio: object) -> Meshtastic:
    bench = Bench(["one"])
    made = Radio("one", bench.ether, bench.rng, **radio)  # type: ignore[arg-type]
    meshtastic = Meshtastic(random.Random(1), MeshtasticSettings(hop_limit=3, regions=(EU_868,)))
    bench.add(meshtastic, made)
    bench.run(100)
    return meshtastic


def test_raw_radios_and_none_at_all_do_what_the_profile_says() -> None:
    for dialect in (None, Kiss(EU868)):
        assert on_air_of(dialect, EU868) == OnAir(EU868.modulation, overhead_bytes=1, signature_bytes=0, repeats=0)
        assert (channels_of(dialect), obstacle_of(dialect)) == ((), None)


def test_a_meshtastic_radio_s_own_settings_tell_the_cost() -> None:
    for firmware, signature_bytes in (("2.7.11", 0), ("2.8.0", 66)):
        meshtastic = station(firmware=firmware, preset=MEDIUM_FAST)
        told = on_air_of(meshtastic, EU868)
        assert (told.modulation.spreading_factor, told.modulation.bandwidth_khz) == (9, 250.0)
        assert (told.overhead_bytes, told.signature_bytes, told.repeats) == (24, signature_bytes, 3)
        assert [offered.name for offered in channels_of(meshtastic)] == ["the primary one"]
        assert obstacle_of(meshtastic) is None


def test_what_hinders_a_radio_is_said_in_a_sentence() -> None:
    assert obstacle_of(station(region=0)) == "The radio has no region yet: its keeper sets that with the phone app."
    assert "another region" in (obstacle_of(station(region=1)) or "")
