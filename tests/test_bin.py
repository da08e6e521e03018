"""The scripts in bin/: from any folder, without a terminal, with clean stops."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.robustness.node_process import NodeProcess

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted([*(path for path in (ROOT / "bin").rglob("*") if path.is_file()), ROOT / ".ci" / "run"])

needs_setup = pytest.mark.skipif(
    not (ROOT / ".venv" / "installed-requirements-dev.lock").exists(),
    reason="this .venv was not made by bin/test, so bin/run would install into it",
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_scripts_parse(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)


@needs_setup
@pytest.mark.anyio
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
async def test_run_becomes_the_node_and_stops_cleanly(tmp_path: Path, how: signal.Signals) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "run it").symlink_to(ROOT / "bin" / "run")
    process = NodeProcess(folder, (str(folder / "run it"),))
    await process.start()
    await process.answers()
    assert await process.stop(how) == 0
    said = process.output.read_text("utf-8")
    assert f":{process.https}/" in said
    assert "Traceback" not in said


@needs_setup
def test_help_reads_well_from_anywhere(tmp_path: Path) -> None:
    said = run(tmp_path, "run", "--help")
    assert said.returncode == 0
    assert "--join CODE" in said.stdout


@needs_setup
def test_soaks_and_benchmarks_are_listed(tmp_path: Path) -> None:
    assert {"kills", "seeds", "fuzz", "decoders"} <= {
        line.split()[0] for line in run(tmp_path, "soak", "--list").stdout.splitlines()
    }
    assert "record" in run(tmp_path, "bench").stdout
    assert run(tmp_path, "bench", "nonsense").returncode == 2


def run(folder: Path, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "bin" / verb, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
