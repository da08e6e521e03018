"""The node's own authority and certificate: made once, renewed in time, for local names only."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import PolicyBuilder, Store

from app.hotspot.certificates import LEAF_DAYS, LOCAL_DOMAINS, RENEW_DAYS, Certificates, ensure_certificates

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOSTS = ("market.local", "192.168.1.5")


def leaf_of(certificates: Certificates) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificates.chain.read_bytes())


def names_of(certificates: Certificates) -> set[str]:
    names = leaf_of(certificates).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


def test_a_first_start_makes_them(tmp_path: Path) -> None:
    certificates = ensure_certificates(tmp_path, HOSTS, NOW)
    assert certificates.renewed
    assert names_of(certificates) == {*HOSTS, "localhost", "127.0.0.1", "::1"}
    for file in (tmp_path / "certificates").iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain, certificates.key)


@pytest.mark.parametrize("host", ["market.local", "localhost"])
def test_a_browser_that_trusts_the_authority_trusts_the_node(tmp_path: Path, host: str) -> None:
    certificates = ensure_certificates(tmp_path, HOSTS, NOW)
    authority = x509.load_pem_x509_certificate(certificates.authority.read_bytes())
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_verify_locations(certificates.authority)
    verifier = PolicyBuilder().store(Store([authority])).time(NOW).build_server_verifier(x509.DNSName(host))
    chain = verifier.verify(leaf_of(certificates), [])
    assert chain[-1] == authority


def test_a_later_start_finds_them(tmp_path: Path) -> None:
    first = ensure_certificates(tmp_path, HOSTS, NOW)
    before = first.chain.read_bytes()
    again = ensure_certificates(tmp_path, HOSTS[:1], NOW + timedelta(days=LEAF_DAYS - RENEW_DAYS - 1))
    assert not again.renewed
    assert again.chain.read_bytes() == before


@pytest.mark.parametrize("days", [LEAF_DAYS - RENEW_DAYS, LEAF_DAYS + 1, -3])
def test_renewed_before_its_end_and_when_the_clock_was_wrong(tmp_path: Path, days: int) -> None:
    first = ensure_certificates(tmp_path, HOSTS, NOW)
    authority, before = first.authority.read_bytes(), leaf_of(first)
    again = ensure_certificates(tmp_path, HOSTS, NOW + timedelta(days=days))
    assert again.renewed
    assert leaf_of(again) != before
    assert leaf_of(again).not_valid_before_utc <= NOW + timedelta(days=days)
    assert again.authority.read_bytes() == authority, "phones trust it: it stays"


def test_a_new_address_is_taken_in(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, HOSTS, NOW)
    again = ensure_certificates(tmp_path, [*HOSTS, "10.0.0.9"], NOW)
    assert again.renewed
    assert "10.0.0.9" in names_of(again)


def test_a_lost_or_foreign_key_is_made_anew(tmp_path: Path) -> None:
    certificates = ensure_certificates(tmp_path, HOSTS, NOW)
    certificates.key.unlink()
    assert ensure_certificates(tmp_path, HOSTS, NOW).renewed
    other = ensure_certificates(tmp_path / "other", HOSTS, NOW)
    certificates.key.write_bytes(other.key.read_bytes())
    assert ensure_certificates(tmp_path, HOSTS, NOW).renewed


def test_the_authority_vouches_for_local_names_only(tmp_path: Path) -> None:
    certificates = ensure_certificates(tmp_path, [*HOSTS, "bank.example", "8.8.8.8"], NOW)
    assert names_of(certificates).isdisjoint({"bank.example", "8.8.8.8"})
    authority = x509.load_pem_x509_certificate(certificates.authority.read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    permitted = constraints.value.permitted_subtrees
    assert permitted is not None
    assert {name.value for name in permitted if isinstance(name, x509.DNSName)} == set(LOCAL_DOMAINS)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_two_nodes_authorities_have_different_names(tmp_path: Path) -> None:
    subjects = {
        x509.load_pem_x509_certificate(ensure_certificates(tmp_path / name, HOSTS, NOW).authority.read_bytes()).subject
        for name in ("one", "two")
    }
    assert len(subjects) == 2


def test_keys_are_elliptic_and_unencrypted_for_the_server(tmp_path: Path) -> None:
    certificates = ensure_certificates(tmp_path, HOSTS, NOW)
    key = serialization.load_pem_private_key(certificates.key.read_bytes(), None)
    assert key.public_key() == leaf_of(certificates).public_key()
