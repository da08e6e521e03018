"""`bin/bench web`: the four servers make the same page, and figures become goals."""

import asyncio
import shutil
from pathlib import Path

import pytest

from bench.web import CONNECTIONS, Row, _goals, _rows, load
from bench.web.data import ENTRY, fill, write_template
from bench.web.servers import Kind, Posting, serve

POSTS = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    asyncio.run(fill(folder / "node", POSTS))
    shutil.copytree(folder / "node", folder / "again")
    return folder


def test_all_servers_make_the_page_and_a_post_a_second_arrives(folder: Path) -> None:
    with serve(Kind.KEPT, folder / "node") as kept:
        page = load.fetch(kept.url)
        assert page.count(ENTRY.encode()) == 25
        assert 20 < kept.resident_mb() < 200
        assert 0 < kept.cpu_s() < kept.start_s * 4
        (folder / "page.html").write_bytes(page)
        write_template(page, folder / "again")
        with Posting(kept) as posting:
            posting.wait_for(1)
        assert b"Fresh from the press" in load.fetch(kept.url)
    with serve(Kind.CONSTANT, folder / "page.html") as constant:
        assert load.fetch(constant.url) == page
        run = load.run(constant, 2, 1)
        assert run.requests_per_s > 0
        assert 0 < run.p50_ms <= run.p99_ms
        assert run.cpu_us_per_request > 0
    for kind in (Kind.MINIMAL, Kind.RENDERED):
        with serve(kind, folder / "again") as server:
            made = load.fetch(server.url)
            assert made.count(ENTRY.encode()) == 25
            assert abs(len(made) - len(page)) < len(page) / 20


def test_wrk_s_words_become_figures() -> None:
    printed = (
        "  Latency Distribution\n     50%  406.00us\n     75%    1.00ms\n     99%   1.20s \n"
        "  2000 requests in 1.00s, 2MB read\nRequests/sec:   1999.50\n"
    )
    run = load._parse(printed, cpu_s=0.5)
    assert run == load.Run(1999.5, pytest.approx(0.406), 1200.0, 250.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("trouble", ["Non-2xx or 3xx responses: 7", "Socket errors: connect 0, read 3"])
def test_a_server_that_fails_ends_the_benchmark(trouble: str) -> None:
    with pytest.raises(SystemExit, match="did not get answers"):
        load._parse(f"2000 requests in 1s\nRequests/sec: 5\n{trouble}", 1.0)


def test_shares_are_medians_of_ratios_within_a_round() -> None:
    def rate(requests_per_s: float) -> load.Run:
        return load.Run(requests_per_s, 1.0, 2.0, 100.0)

    rates = {
        Kind.CONSTANT: (1000, 2000, 4000),
        Kind.KEPT: (500, 1000, 4000),
        Kind.MINIMAL: (100, 100, 100),
        Kind.RENDERED: (70, 90, 90),
    }
    runs = {kind: {count: [rate(found) for found in rates[kind]] for count in CONNECTIONS} for kind in Kind}
    shares = {(row.server, row.connections): row.share for row in _rows(runs)}
    assert shares[Kind.KEPT, 16] == 0.5
    assert shares[Kind.RENDERED, 16] == 0.9
    assert shares[Kind.CONSTANT, 16] is None


def test_goals_are_missed_on_the_right_side() -> None:
    rows = [Row("kept", 16, 1.0, 1.0, 1.0, 1.0, 0.34), Row("rendered", 16, 1.0, 1.0, 1.0, 1.0, 0.81)]
    goals = {goal.name: goal.ok for goal in _goals(rows, resident_mb=76.0, starts=[9.0, 1.6, 1.2])}
    assert goals == {
        "kept of constant bytes, 16 connections": False,
        "rendered of minimal, 16 connections": True,
        "resident memory, MB": False,
        "start to first answer, best of 3, s": True,
    }
