"""The demo, as it is typed: the journey of one post over three real nodes, and a stop at any moment."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.demo.village import PLACES, ports_from
from app.errors import InputError

SETUP_AND_JOURNEY_S = 150
STOP_S = 10


def demo(*options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "app", "demo", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def processes_that_name(folder: Path) -> list[str]:
    def command_lines() -> Iterator[str]:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue

    return [line for line in command_lines() if str(folder) in line]


def test_one_post_crosses_to_the_far_village_and_all_boards_agree(tmp_path: Path) -> None:
    with demo("--once", "--data", str(tmp_path / "village")) as process:
        output, _ = process.communicate(timeout=SETUP_AND_JOURNEY_S)
    assert process.returncode == 0, output
    assert output.count("imported 92, unchanged 0") == len(PLACES)
    assert "via North Valley" in output
    assert re.search(
        r"Market Square sends the notice \(\d+ bytes, \d+ ms on air, hop 1\): .*North Valley heard it", output
    )
    assert re.search(r"North Valley passes on the notice \(\d+ bytes, \d+ ms on air, hop 2\)", output)
    assert "Market Square tells the phone: kept by 2 nodes." in output
    assert "The bulletin boards of all three agree: 1 entries." in output
    assert "The markets boards of all three agree: 92 entries." in output
    journey_s = max(float(seconds) for seconds in re.findall(r"^ *([\d.]+) s  ", output, re.M))
    assert journey_s < 45
    assert processes_that_name(tmp_path) == []


def test_a_stop_while_it_sets_up_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo("--data", str(tmp_path / "village")) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while not processes_that_name(tmp_path / "village" / "radios"):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=STOP_S)
    assert process.returncode == 130
    assert processes_that_name(tmp_path) == []


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with demo("--markets", str(tmp_path / "none.csv")) as process:
        output, _ = process.communicate(timeout=STOP_S)
    assert process.returncode == 1
    assert output.startswith("tntn: --markets: ")


@pytest.mark.parametrize("base", [0, -1, 65534])
def test_ports_that_cannot_be(base: int) -> None:
    with pytest.raises(InputError):
        ports_from(base, 8081, "--http-base")


def test_ports_as_asked_and_as_free() -> None:
    assert ports_from(9000, 8081, "--http-base") == [9000, 9001, 9002]
    assert len(set(ports_from(None, 8081, "--http-base"))) == 3
