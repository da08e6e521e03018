"""Templates: icons are found by reading, assets by name, and nobody's words become markup."""

import re
from pathlib import Path

import pytest

from app.assets import Assets
from app.installed import TEMPLATES
from app.templates import Templates, icon

PAGES = sorted(
    path.relative_to(TEMPLATES).as_posix()
    for path in TEMPLATES.rglob("*.html")
    if path.read_text("utf-8").startswith("{% extends")
)
LINES_MAX = 45


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates(Assets.load())


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_the_drawings_it_uses(templates: Templates, name: str) -> None:
    icons = templates.icons(name)
    assert {"logo", "today", "board"} <= icons
    sprite = templates.sprite(name)
    assert set(re.findall(r'id="i-([a-z]+)"', sprite)) == icons


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_templates_are_short_and_carry_no_styles_or_scripts(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= LINES_MAX
    assert "style=" not in text
    assert not re.search(r"\son[a-z]+=", text)
    assert "|safe" not in text


def test_an_unknown_icon_is_a_fault_of_ours(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ 'dragon'|icon }}")
    with pytest.raises(KeyError):
        Templates(Assets.load(), tmp_path).sprite("page.html")


def test_an_icon_is_silent_for_those_who_listen() -> None:
    assert icon("node", "s") == '<svg class="i s" aria-hidden="true"><use href="#i-node"/></svg>'


def test_what_people_write_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>{{ words }}</p>")
    made = Templates(Assets.load(), tmp_path).render("page.html", {"words": "<script>"})
    assert made == b"<p>&lt;script&gt;</p>"
