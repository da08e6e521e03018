"""What is installed: a wheel that holds all that a node needs, and files for services and containers that are sound."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGING = ROOT / "packaging"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel built from a copy of this tree, without asking an index for anything."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("app", "web", "templates"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('.'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        return set(archive.namelist())


def test_a_wheel_holds_all_that_a_node_reads(wheel: set[str]) -> None:
    files = [path for path in (ROOT / "app").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.relative_to(ROOT).as_posix() for path in files} <= wheel
    shared = [path for top in ("web", "templates") for path in (ROOT / top).rglob("*") if path.is_file()]
    assert len(shared) > 50
    for path in shared:
        assert any(name.endswith(f".data/data/share/tntn/{path.relative_to(ROOT).as_posix()}") for name in wheel), path


def test_a_wheel_holds_no_tests_and_no_data(wheel: set[str]) -> None:
    assert not [name for name in wheel if name.startswith(("tests/", "bench/", "data/"))]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_the_unit_sound(tmp_path: Path) -> None:
    unit = tmp_path / "tntn.service"
    unit.write_text((PACKAGING / "tntn.service").read_text("utf-8").replace("/opt/tntn/bin/tntn", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_unit_gives_away_nothing_that_a_node_can_do_without() -> None:
    lines = set((PACKAGING / "tntn.service").read_text("utf-8").splitlines())
    wanted = {
        "DynamicUser=yes", "ProtectSystem=strict", "ProtectHome=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=",
        "PrivateTmp=yes", "RestrictNamespaces=yes", "LockPersonality=yes", "SystemCallFilter=@system-service",
    }  # fmt: skip
    assert wanted <= lines


def test_the_container_runs_as_nobody_special_and_says_how_it_is() -> None:
    text = (PACKAGING / "Containerfile").read_text("utf-8")
    assert re.search(r"^USER (?!root)\S+$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)
    assert re.search(r"^VOLUME \[\"/data\"\]$", text, re.MULTILINE)
    ports = re.findall(r"^EXPOSE (.*)$", text, re.MULTILINE)
    assert ports == ["8080 8443 8444"]
    copied = {part for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for part in line.split()[:-1]}
    assert {"app", "web", "templates", "pyproject.toml", "requirements.lock"} <= copied
    assert all((ROOT / part).exists() for part in copied if not part.startswith("--"))


def test_compose_takes_away_what_it_can() -> None:
    text = (PACKAGING / "compose.yaml").read_text("utf-8")
    for line in ("read_only: true", "cap_drop: [ALL]", "- no-new-privileges:true", '- "8444:8444"'):
        assert line in text


def test_the_python_that_is_asked_for_is_the_one_that_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
    assert "python:3.13-slim" in (PACKAGING / "Containerfile").read_text("utf-8")
