"""The address that is meant to be used: HTTPS by the node's own authority, which this browser was told to trust."""

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import async_playwright, expect

from app.hotspot.certificates import FOLDER
from tests.browser.conftest import CHROMIUM_FLAGS
from tests.browser.phone import PHONE, WORKER_ANSWERS
from tests.browser.village import Village

pytestmark = pytest.mark.anyio


def key_hash(authority: Path) -> str:
    """The authority's key as Chromium wants to be told of it."""
    public_key = x509.load_pem_x509_certificate(authority.read_bytes()).public_key()
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(encoded).digest()).decode()


async def test_app_is_installed_and_writes_over_https(chromium_path: str, village: Village, tmp_path: Path) -> None:
    trusted = key_hash(tmp_path / "market-square" / FOLDER / "authority.pem")
    flags = (*CHROMIUM_FLAGS, f"--ignore-certificate-errors-spki-list={trusted}")
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=chromium_path,
            args=flags,
            base_url=f"https://tntn.internal:{village.https_port}",
            **PHONE,
        )
        page = await context.new_page()
        await page.goto("/")
        assert await page.evaluate("() => isSecureContext")
        await page.evaluate(WORKER_ANSWERS)
        await page.goto("/write")
        await page.get_by_label("What do neighbors call you?").fill("Ada Whitcombe")
        await page.get_by_label("Headline").fill("Barn dance")
        await page.get_by_role("button", name="Post notice").click()
        await page.wait_for_url("**/boards/bulletin")
        await expect(page.locator("article[data-record-id]")).to_contain_text("Barn dance")
        await context.close()
    assert await village.titles() == ["Barn dance"]
