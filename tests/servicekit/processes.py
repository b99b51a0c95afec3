"""A service as a process of its own, as it is deployed: told everything by its environment."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from servicekit.settings import ServiceSettings
from tests.support.waiting import PATIENCE_SECONDS, eventually


@dataclass(frozen=True)
class Deployed:
    """One that is ready, and a client of it."""

    process: asyncio.subprocess.Process
    client: httpx.AsyncClient

    async def end(self) -> tuple[bytes, bytes]:
        """SIGTERM; what it wrote to its standard output and standard error until it had ended."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.communicate(), PATIENCE_SECONDS)


@contextlib.asynccontextmanager
async def deployed(settings: ServiceSettings, program: str, **more: Any) -> AsyncIterator[Deployed]:
    """Run this Python program with the settings, and `more` of them, as variables; killed in the end if it runs."""
    told = {**settings.model_dump(), **more}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHAOYANGLI_")}
    environment |= {f"CHAOYANGLI_{name.upper()}": str(value) for name, value in told.items() if value is not None}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )

    async def ready() -> bool:
        assert process.returncode is None
        with contextlib.suppress(httpx.TransportError):
            return (await client.get("/readyz")).status_code == 200
        return False

    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}", timeout=PATIENCE_SECONDS) as client:
            await eventually(ready)
            yield Deployed(process, client)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
