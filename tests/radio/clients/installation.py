"""Installs a maker's library into a virtual environment of its own, once; without a registry the test is skipped."""

import subprocess
import sys
from pathlib import Path

import pytest

_CACHE = Path(__file__).resolve().parents[3] / ".cache" / "radio-clients"
INSTALL_S = 240


def python_with(requirement: str) -> Path:
    """The Python of an environment that holds exactly this requirement, such as `meshtastic==2.7.11`."""
    folder = _CACHE / requirement.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], requirement)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, requirement], requirement)
        (folder / "complete").touch()
    return python


def _run(command: list[str], requirement: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{requirement} could not be installed within {INSTALL_S} s")
    except OSError as error:
        pytest.skip(f"{requirement} could not be installed: {error}")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"{requirement} could not be installed: {reason}")
