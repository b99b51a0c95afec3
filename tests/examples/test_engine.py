"""The engine's example runs on a bare database, and needs of the project no more than it says."""

import asyncio
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
ONLY_THESE = """
import runpy, sys
sys.argv = ["engine.py", sys.argv[1]]
runpy.run_path({program!r}, run_name="__main__")
print("more than it says:", sorted({{"servicekit", "services", "cli", "fastapi"}} & sys.modules.keys()))
"""


async def test_the_engine_is_used_without_the_rest(database) -> None:
    program = ONLY_THESE.format(program=str(EXAMPLES / "engine.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, database.dsn, stdout=asyncio.subprocess.PIPE, cwd=EXAMPLES.parent
    )
    said, _ = await process.communicate()
    assert said.decode().splitlines() == [
        "recorded at 1 and, asked again, at 1",
        "lent 1 time",
        "proved with 0 hashes that event 1 is in the log of 1",
        "more than it says: []",
    ]
