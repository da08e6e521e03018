"""The process starts anew under the configuration that holds TLS to one suite, once."""

import os
import sys

import pytest

from app.hotspot.suite import TLS_CONFIG, VARIABLE, hold_tls_to_one_suite


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: calls.append((program, arguments)))
    return calls


@pytest.mark.parametrize("before", [None, "/etc/ssl/openssl.cnf"])
def test_starts_anew_with_its_own_command_line(
    started: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if before is not None:
        monkeypatch.setenv(VARIABLE, before)
    hold_tls_to_one_suite()
    assert started == [(sys.executable, sys.orig_argv)]
    assert os.environ[VARIABLE] == str(TLS_CONFIG)
    assert "TLS_AES_256_GCM_SHA384\n" in TLS_CONFIG.read_text("utf-8")


def test_stays_where_it_is_held_already(started: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(TLS_CONFIG))
    hold_tls_to_one_suite()
    assert started == []
