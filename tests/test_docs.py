"""The documents say what the program does: commands, options, addresses, formats, dependencies, links and files."""

import argparse
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.__main__ import build_parser
from app.core.record import Kind, Lifetime
from app.radio import frame
from app.server import ROUTES

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "web").rglob("*.md")])
REFERENCE = (ROOT / "docs" / "reference.md").read_text("utf-8")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
TOP = ("app/", "bin/", "docs/", "tests/", "templates/", "web/", "bench/", "tools/")
VARIABLE = re.compile(r"\bTNTN_[A-Z_]+\b")


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser and those of all its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in dict.fromkeys(action.choices.values()):
                yield from commands(command)


def leaves() -> list[argparse.ArgumentParser]:
    """The commands that do something."""
    return [command for command in commands(build_parser()) if command.get_default("run")]


@pytest.mark.parametrize("command", leaves(), ids=lambda command: command.prog)
def test_every_command_and_option_is_in_the_reference(command: argparse.ArgumentParser) -> None:
    assert re.search(rf"\b{command.prog}\b", REFERENCE)
    section = REFERENCE.split(f"### {' '.join(command.prog.split()[:2])}\n")[1].split("\n## ")[0].split("\n### ")[0]
    options = {option for action in command._actions for option in action.option_strings if option.startswith("--")}
    documented = set(re.findall(r"--[a-z-]+", section))
    assert options - {"--help"} <= documented


def test_every_verb_in_bin_is_in_the_reference() -> None:
    verbs = {path.name for path in (ROOT / "bin").iterdir() if path.is_file()}
    assert verbs == set(re.findall(r"^\| `bin/([a-z-]+)", REFERENCE, re.M))
    assert all(os.access(ROOT / "bin" / verb, os.X_OK) for verb in verbs)


def test_every_address_is_in_the_reference() -> None:
    addresses = {
        f"{method} {re.sub(r':[a-z]+}', '}', path)}"
        for route in ROUTES
        for path in route.paths
        for method in route.http_methods
        if method in ("GET", "POST", "PUT", "DELETE")
    }
    documented = {
        entry for entry in re.findall(r"`((?:GET|POST|PUT|DELETE) /[^`]*)`", REFERENCE) if not entry.endswith("…")
    }
    assert documented - {"GET /schema/openapi.json", "GET /sw.js"} == addresses


def test_every_kind_and_lifetime_is_in_the_record_spec() -> None:
    spec = (ROOT / "docs" / "protocol" / "record.md").read_text("utf-8")
    for member in [*Kind, *Lifetime]:
        assert re.search(rf"^\|\s*{member.value}\s*\|.*\b{member.name.lower()}", spec, re.M | re.I), member


def test_every_frame_type_is_in_the_radio_spec() -> None:
    spec = (ROOT / "docs" / "protocol" / "radio.md").read_text("utf-8")
    types = {name.removesuffix("_TYPE"): value for name, value in vars(frame).items() if name.endswith("_TYPE")}
    assert types
    for name, value in types.items():
        assert re.search(rf"\b{value}\b[^\n]*\b{name.lower()}\b", spec, re.I), name


def test_every_environment_variable_is_in_the_reference() -> None:
    sources = [
        path
        for folder in ("app", "bench", "tests", "tools")
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__)
    ]
    sources += [path for path in (ROOT / "bin").rglob("*") if path.is_file()]
    used = {name for path in sources for name in VARIABLE.findall(path.read_text("utf-8"))}
    assert used == set(VARIABLE.findall(REFERENCE))


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *(name for group in project["dependency-groups"].values() for name in group),
    ]
    names = {re.split(r"[^a-z0-9-]", requirement, maxsplit=1)[0] for requirement in wanted}
    text = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    python_tables = text.split("## Debian packages")[0]
    assert names == set(re.findall(r"^\| ([a-z0-9-]+) \| \S", python_tables, re.M)) - {"package"}
    added = re.findall(r"^ *(?:need_command \S+|_install_debian) ([a-z0-9-]+) ", all_of("bin"), re.M)
    assert {name for name in added if f"\n| {name} |" not in text} == set()
    assert {"python3-venv", "chromium"} <= set(added)


def test_every_vendored_file_belongs_to_a_named_library() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    vendored = (ROOT / "web" / "vendor" / "VENDOR.md").read_text("utf-8")
    libraries = set(re.findall(r"^\| `[^|]*\| (@?[a-z0-9./-]+) \d", vendored, re.M))
    assert libraries
    assert {library for library in libraries if library.removesuffix(".org") not in text} == set()


def test_the_lock_files_hold_versions_and_hashes_and_no_addresses() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text
        assert "--index" not in text
        packages = re.findall(r"^([a-z0-9._-]+)==\S+.*\\\n    --hash=sha256:", text, re.M)
        assert len(packages) == len(re.findall(r"^[a-z]", text, re.M))
    runtime, everything = (
        set(re.findall(r"^([a-z0-9._-]+==\S+)", (ROOT / name).read_text("utf-8"), re.M))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert runtime <= everything


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text("utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}, (
                target
            )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(document: Path) -> None:
    for name in CODE.findall(document.read_text("utf-8")):
        path = name.split()[0].split("::")[0]
        if path.startswith(TOP) and not re.search(r"[*…<{]", path):
            assert (ROOT / path).exists(), name


def all_of(folder: str) -> str:
    return "\n".join(path.read_text("utf-8") for path in (ROOT / folder).rglob("*") if path.is_file())
