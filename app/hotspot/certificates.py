"""The node's own certificate authority and the certificate that it serves HTTPS with.

Both live in the data folder. The authority may sign for names and addresses of local networks only (RFC 5280,
4.2.1.10), so that whoever steals it can impersonate no site of the internet. Knows no sockets and no HTTP.
"""

import ipaddress
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FOLDER = "certificates"
AUTHORITY_DAYS = 3650
LEAF_DAYS = 90
"""Phones accept at most 825 days; a short one keeps the renewal exercised."""
RENEW_DAYS = 30
"""Days before its end at which a certificate is made anew."""
EARLY = timedelta(days=1)
"""A phone whose clock is a little behind must not find the certificate invalid."""
LOCAL_DOMAINS = ("localhost", "local", "lan", "internal", "home.arpa")
LOCAL_NETWORKS = (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
    "::1/128", "fc00::/7", "fe80::/10",
)  # fmt: skip
_NETWORKS = tuple(ipaddress.ip_network(network) for network in LOCAL_NETWORKS)

Key = ec.EllipticCurvePrivateKey


class Certificates(msgspec.Struct, frozen=True):
    """Where the files are: `authority` is the one that phones are told to trust, `chain` and `key` are served."""

    authority: Path
    chain: Path
    key: Path
    renewed: bool


def ensure_certificates(data: Path, hosts: Iterable[str], now: datetime) -> Certificates:
    """The node's certificates for these names and addresses, made or renewed where needed.

    Hosts outside local networks are left out: the authority could not vouch for them.
    """
    folder = data / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificates = Certificates(folder / "authority.pem", folder / "node.pem", folder / "node-key.pem", renewed=False)
    wanted = {host for host in hosts if _is_local(host)} | {"localhost", "127.0.0.1", "::1"}
    authority, authority_key = _ensure_authority(folder, now)
    if _is_good(certificates, authority, wanted, now):
        return certificates
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = _sign_leaf(authority, authority_key, key, wanted, now)
    _write(certificates.key, _private_pem(key))
    _write(certificates.chain, _pem(leaf) + _pem(authority))
    return msgspec.structs.replace(certificates, renewed=True)


def _ensure_authority(folder: Path, now: datetime) -> tuple[x509.Certificate, Key]:
    path, key_path = folder / "authority.pem", folder / "authority-key.pem"
    if path.exists() and key_path.exists():
        authority = x509.load_pem_x509_certificate(path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        if authority.not_valid_after_utc - now > timedelta(days=LEAF_DAYS):
            return authority, key
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _sign_authority(key, now)
    _write(key_path, _private_pem(key))
    _write(path, _pem(authority))
    return authority, key


def _is_good(certificates: Certificates, authority: x509.Certificate, wanted: set[str], now: datetime) -> bool:
    if not (certificates.chain.exists() and certificates.key.exists()):
        return False
    leaf = x509.load_pem_x509_certificate(certificates.chain.read_bytes())
    key = serialization.load_pem_private_key(certificates.key.read_bytes(), None)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = set(names.get_values_for_type(x509.DNSName))
    hosts |= {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    return (
        leaf.issuer == authority.subject
        and key.public_key() == leaf.public_key()
        and wanted <= hosts
        and leaf.not_valid_before_utc <= now
        and leaf.not_valid_after_utc - now > timedelta(days=RENEW_DAYS)
    )


def _sign_authority(key: Key, now: datetime) -> x509.Certificate:
    # The serial in the name keeps two nodes' authorities apart: browsers tell them by name.
    serial = x509.random_serial_number()
    name = _name(f"TNTN node authority {serial % 2**32:08x}")
    permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in LOCAL_DOMAINS]
    permitted += [x509.IPAddress(network) for network in _NETWORKS]
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder(name, name, key, serial, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _sign_leaf(
    authority: x509.Certificate, authority_key: Key, key: Key, hosts: set[str], now: datetime
) -> x509.Certificate:
    names = [_general_name(host) for host in sorted(hosts)]
    builder = _builder(_name("TNTN node"), authority.subject, key, x509.random_serial_number(), now, LEAF_DAYS)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, serial: int, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now.astimezone(UTC) - EARLY)
        .not_valid_after(now.astimezone(UTC) + timedelta(days=days))
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return any(host == domain or host.endswith(f".{domain}") for domain in LOCAL_DOMAINS)
    return any(address in network for network in _NETWORKS)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by the node's user only."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
