"""`tntn COMMAND` in a process of its own."""

import asyncio
import sys

COMMAND_SECONDS_MAX = 30.0


async def tntn(*arguments: str, given: str = "") -> tuple[int, str]:
    """Run one command with a line on its standard input; (exit code, all that it printed)."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(COMMAND_SECONDS_MAX):
        printed, _ = await process.communicate(given.encode() + b"\n")
    assert process.returncode is not None
    return process.returncode, printed.decode()
