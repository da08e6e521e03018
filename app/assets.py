"""Files for the browser under content-hashed addresses, so that they never have to be asked for again.

Read once at the start: the parts of the style sheet are joined, addresses inside it are rewritten, and an import map
tells the modules' names (`tntn/core/record.js`) apart from their hashed addresses. Knows no routes and no pages.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import msgspec

from app.core.compression import DICTIONARY, DICTIONARY_VERSION
from app.installed import TEMPLATES, WEB
from app.representation import Representation

HASH_CHARACTERS = 8
"""32 bits: enough to tell versions of one file apart."""
YEAR_SECONDS = 31_536_000
STYLE_ORDER = ("tokens", "base", "layout", "components/*", "print", "legacy")
STYLE = "css/app.css"
MANIFEST = ".webmanifest"
REFERRING = (".css", MANIFEST)
"""Files that name others: their addresses are known after those of the others."""
INLINED = frozenset({"icons.svg"})
"""Part of each page that needs it, never asked for by itself."""
CONTENT_TYPES = {
    ".bin": "application/octet-stream",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""What is served; files of another kind (notes, licenses in Markdown) stay on the disk."""
INSTALLED = frozenset({".bin", ".css", ".js", ".svg", ".webmanifest", ".woff2"})
"""What the service worker may keep for reading and writing without a node; web/sw.js names what can wait."""
MODULES = (".js", ".bin")
"""What scripts call by name: modules, and the dictionary that they read beside the core's."""
WORKER = "sw.js"
WORKER_LIST = "/*PRECACHE*/[]"
WORKER_VERSION = '/*VERSION*/""'
_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"same-origin"))


class Assets:
    """All files of `web/` by the address they are served at. `load` is the way to make one."""

    def __init__(self, addresses: dict[str, str], files: dict[str, Representation], import_map: str) -> None:
        self._addresses = addresses
        self.files = files
        self.import_map = import_map
        digest = hashlib.sha256(import_map.encode()).digest()
        self.import_map_hash = f"sha256-{base64.b64encode(digest).decode()}"
        self.version = _version(files)

    @classmethod
    def load(cls, folder: Path = WEB) -> "Assets":
        """Read, join and hash everything below a folder."""
        contents = _contents(folder)
        addresses = {name: _address(name, body) for name, body in contents.items() if not name.endswith(REFERRING)}
        contents |= {name: _manifest(body, addresses) for name, body in contents.items() if name.endswith(MANIFEST)}
        contents[STYLE] = _style(contents, addresses)
        addresses |= {name: _address(name, contents[name]) for name in contents if name.endswith((MANIFEST, STYLE))}
        files = {address: _file(name, contents[name]) for name, address in addresses.items()}
        modules = {f"tntn/{name}": addresses[name] for name in sorted(addresses) if name.endswith(MODULES)}
        assets = cls(addresses, files, msgspec.json.encode({"imports": modules}).decode())
        if (folder / WORKER).exists():
            files[f"/{WORKER}"] = assets.worker((folder / WORKER).read_text("utf-8"))
        return assets

    def address(self, name: str) -> str:
        """Where a file of `web/` is served. LookupError for a name that is not there."""
        return self._addresses[name]

    def installed(self) -> list[str]:
        """What the service worker fetches when it is installed."""
        return sorted(self._addresses[name] for name in self._addresses if PurePosixPath(name).suffix in INSTALLED)

    def worker(self, source: str) -> Representation:
        """The service worker with its list of addresses filled in. It lives at the root, to be in charge of all."""
        listed = msgspec.json.encode(self.installed()).decode()
        filled = source.replace(WORKER_LIST, listed, 1).replace(WORKER_VERSION, f'"{self.version}"', 1)
        headers = (*_HEADERS, (b"cache-control", b"no-cache"))
        return Representation(filled.encode(), CONTENT_TYPES[".js"], headers)


def icon_symbols(folder: Path = WEB) -> dict[str, str]:
    """The `<symbol>` of each icon, by its name without `i-`, and the logo's."""
    sprite = (folder / "icons.svg").read_text("utf-8")
    symbols = {name: symbol for symbol, name in re.findall(r'(<symbol id="i-([a-z]+)".*?</symbol>)', sprite, re.S)}
    drawing = re.sub(r"^<svg[^>]*>|</svg>\s*$", "", (folder / "logo.svg").read_text("utf-8"))
    return symbols | {"logo": f'<symbol id="i-logo" viewBox="0 0 40 40">{drawing}</symbol>'}


def _contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix in CONTENT_TYPES)
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    for name in (WORKER, *INLINED):
        contents.pop(name, None)
    contents[f"core/dictionary-{DICTIONARY_VERSION}.bin"] = DICTIONARY
    return contents


def _version(files: Iterable[str]) -> str:
    """Changes with any file, whose addresses carry their hashes, and with any template: phones keep pages as well."""
    digest = hashlib.sha256("\n".join(sorted(files)).encode())
    for path in sorted(TEMPLATES.rglob("*.html")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:HASH_CHARACTERS]


def _style(contents: dict[str, bytes], addresses: dict[str, str]) -> bytes:
    parts = [
        contents[name].decode()
        for wanted in STYLE_ORDER
        for name in sorted(contents)
        if PurePosixPath(name).match(f"css/{wanted}.css")
    ]
    joined = re.sub(r"/\*.*?\*/|^\s+", "", "\n".join(parts), flags=re.S | re.M)

    def rewritten(found: re.Match[str]) -> str:
        return f"url({addresses[found[1]]})"

    return re.sub(r"url\(\.\./([^)]+)\)", rewritten, joined).encode()


def _manifest(body: bytes, addresses: dict[str, str]) -> bytes:
    """Its icons by their hashed addresses."""
    return re.sub(r'"src": "/([^"]+)"', lambda found: f'"src": "{addresses[found[1]]}"', body.decode()).encode()


def _address(name: str, body: bytes) -> str:
    path = PurePosixPath(name)
    return f"/assets/{path.with_suffix('')}.{hashlib.sha256(body).hexdigest()[:HASH_CHARACTERS]}{path.suffix}"


def _file(name: str, body: bytes) -> Representation:
    headers = (*_HEADERS, (b"cache-control", f"public, max-age={YEAR_SECONDS}, immutable".encode()))
    return Representation(body, CONTENT_TYPES[PurePosixPath(name).suffix], headers)
