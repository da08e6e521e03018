"""Hashed addresses, the joined style sheet, the import map and the worker's list."""

import hashlib
import json
import re
from base64 import b64encode
from pathlib import Path

import pytest

from app.assets import Assets, icon_symbols
from app.installed import WEB


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "css/tokens.css": "/* a comment */\n@font-face { src: url(../fonts/face.woff2) }",
        "css/layout.css": "  main { margin: 0 }",
        "css/components/card.css": ".card { color: red }",
        "css/legacy.css": ".old { color: blue }",
        "fonts/face.woff2": "font",
        "core/record.js": "export const version = 1;",
        "app.webmanifest": '{"icons": [{"src": "/logo.svg"}]}',
        "logo.svg": "<svg/>",
        "vendor/VENDOR.md": "notes",
        "sw.js": 'const LIST = /*PRECACHE*/[]; const VERSION = /*VERSION*/"";',
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_an_address_changes_with_the_content(folder: Path) -> None:
    before = Assets.load(folder).address("core/record.js")
    assert re.fullmatch(r"/assets/core/record\.[0-9a-f]{8}\.js", before)
    assert Assets.load(folder).address("core/record.js") == before
    (folder / "core/record.js").write_text("export const version = 2;")
    assert Assets.load(folder).address("core/record.js") != before


def test_the_style_sheet_is_one_in_the_order_of_its_layers(folder: Path) -> None:
    assets = Assets.load(folder)
    style = assets.files[assets.address("css/app.css")].body.decode()
    places = [style.index(part) for part in ("@font-face", "main", ".card", ".old")]
    assert places == sorted(places)
    assert "comment" not in style
    assert f"url({assets.address('fonts/face.woff2')})" in style


def test_the_manifest_points_at_hashed_files(folder: Path) -> None:
    assets = Assets.load(folder)
    manifest = json.loads(assets.files[assets.address("app.webmanifest")].body)
    assert manifest["icons"][0]["src"] == assets.address("logo.svg")


def test_notes_are_not_served(folder: Path) -> None:
    assert not any("VENDOR" in address for address in Assets.load(folder).files)


def test_modules_are_found_by_their_names(folder: Path) -> None:
    assets = Assets.load(folder)
    modules = json.loads(assets.import_map)["imports"]
    assert modules["tntn/core/record.js"] == assets.address("core/record.js")
    assert modules["tntn/core/dictionary-1.bin"] in assets.files
    assert len(modules) == 2
    digest = hashlib.sha256(assets.import_map.encode()).digest()
    assert assets.import_map_hash == "sha256-" + b64encode(digest).decode()


def test_the_worker_knows_what_to_install(folder: Path) -> None:
    assets = Assets.load(folder)
    worker = assets.files["/sw.js"].body.decode()
    listed = json.loads(worker.partition("LIST = ")[2].partition(";")[0])
    assert set(listed) == {address for address in assets.files if address != "/sw.js"}
    assert f'VERSION = "{assets.version}"' in worker


def test_the_version_changes_with_any_file(folder: Path) -> None:
    before = Assets.load(folder).version
    (folder / "css/layout.css").write_text("main { margin: 1px }")
    assert Assets.load(folder).version != before


def test_the_real_folder_loads_and_the_style_sheet_refers_to_what_is_there() -> None:
    assets = Assets.load()
    style = assets.files[assets.address("css/app.css")].body.decode()
    for address in re.findall(r"url\(([^)]+)\)", style):
        assert address in assets.files
    assert "//" not in re.sub(r"/\*.*?\*/", "", style)


def test_every_icon_has_a_drawing() -> None:
    symbols = icon_symbols()
    declared = re.findall(r'id="i-([a-z]+)"', (WEB / "icons.svg").read_text("utf-8"))
    assert set(declared) | {"logo"} == set(symbols)
    assert all(symbol.startswith("<symbol") and symbol.endswith("</symbol>") for symbol in symbols.values())
