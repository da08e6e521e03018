"""What is vendored is what VENDOR.md says: nothing else, nothing changed."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "web" / "vendor", ROOT / "tests" / "browser" / "vendor")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_files_are_those_of_the_list(folder: Path) -> None:
    rows = re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (folder / "VENDOR.md").read_text("utf-8"), re.M)
    scripts = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.js")}
    assert dict(rows) == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in scripts.items()}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_every_license_is_there(folder: Path) -> None:
    names = re.findall(r"\(`([^`]+\.txt)`\)", (folder / "VENDOR.md").read_text("utf-8"))
    assert names
    assert all((folder / name).stat().st_size > 300 for name in names)
