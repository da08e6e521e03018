"""Holds this process's TLS to one suite. Imports next to nothing: it may start the process anew."""

import os
import sys
from pathlib import Path

TLS_CONFIG = Path(__file__).parent / "tls.cnf"
VARIABLE = "OPENSSL_CONF"


def hold_tls_to_one_suite() -> None:
    """Start this process again under our OpenSSL configuration, unless it runs under it already.

    OpenSSL reads its configuration once, when the first module that uses it is imported.
    """
    if os.environ.get(VARIABLE) != str(TLS_CONFIG):
        os.environ[VARIABLE] = str(TLS_CONFIG)
        sys.stdout.flush()
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - our own command line, no shell wanted
