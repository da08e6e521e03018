"""Jinja2 as the pages use it: icons and asset addresses are filled in when a template is compiled, not per request.

Each page carries the drawings of the icons it uses and no others; they are found by reading its template and all
that it extends, includes or imports. Autoescape is on; the two filters here and the import map are what is marked safe.
"""

from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, nodes
from markupsafe import Markup

from app.assets import Assets, icon_symbols
from app.installed import TEMPLATES

_OTHERS = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)


class Templates:
    """Renders pages by the names of their templates."""

    def __init__(self, assets: Assets, folder: Path = TEMPLATES) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True, auto_reload=False
        )
        self._environment.filters["icon"] = icon
        self._environment.filters["asset"] = assets.address
        self._symbols = icon_symbols()

    def render(self, name: str, context: dict[str, object]) -> bytes:
        """A page as bytes."""
        return self._environment.get_template(name).render(context).encode()

    def part(self, name: str, macro: str, *arguments: object) -> Markup:
        """What one macro of a template makes."""
        made: Markup = getattr(self._environment.get_template(name).module, macro)(*arguments)
        return made

    def icons(self, name: str) -> set[str]:
        """The icons that a template uses, with all that it draws in."""
        found: set[str] = set()
        waiting, seen = [name], set[str]()
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            assert self._environment.loader is not None
            source, _, _ = self._environment.loader.get_source(self._environment, current)
            tree = self._environment.parse(source)
            found.update(_icon_names(tree))
            waiting.extend(_other_templates(tree))
        return found

    def sprite(self, name: str) -> Markup:
        """The drawings of the icons that a template uses."""
        symbols = "".join(self._symbols[icon_name] for icon_name in sorted(self.icons(name)))
        return Markup(f'<svg hidden width="0" height="0" aria-hidden="true">{symbols}</svg>')  # noqa: S704 - our own files


def icon(name: str, classes: str = "") -> Markup:
    """A reference to one of the page's drawings. `classes`: s small, l large, flip where direction matters."""
    styled = "logo" if name == "logo" else f"i {classes}".strip()
    # Both come from our templates, as constants.
    return Markup(f'<svg class="{styled}" aria-hidden="true"><use href="#i-{name}"/></svg>')  # noqa: S704


def _icon_names(tree: nodes.Template) -> Iterator[str]:
    for found in tree.find_all(nodes.Filter):
        if found.name == "icon" and isinstance(found.node, nodes.Const):
            yield found.node.value


def _other_templates(tree: nodes.Template) -> Iterator[str]:
    for other in tree.find_all(_OTHERS):
        target = getattr(other, "template", None)
        if isinstance(target, nodes.Const):
            yield target.value
