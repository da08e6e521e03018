"""A node process that is gone when its test is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.robustness.node_process import NodeProcess


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[NodeProcess]:
    process = NodeProcess(tmp_path)
    yield process
    await process.kill()
