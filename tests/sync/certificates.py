"""Certificates as a careless or a hostile node would make them."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from app.sync.certificate import FIRST_DAY, LAST_DAY, SyncKey


class Expired(SyncKey):
    """A sync key whose certificate ended in 2001."""

    def __init__(self, seed: bytes) -> None:
        super().__init__(seed)
        self.certificate = certificate_of(self, last_day=datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC))


def certificate_of(
    key: SyncKey, *, name: str | None = None, signed_by: SyncKey | None = None, last_day: datetime.datetime = LAST_DAY
) -> bytes:
    """Like the key's own, but for what is asked."""
    common = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name or key.public_key.hex())])
    builder = x509.CertificateBuilder(common, common, key._key.public_key(), 7, FIRST_DAY, last_day)
    signed = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return signed.sign((signed_by or key)._key, None).public_bytes(serialization.Encoding.DER)
