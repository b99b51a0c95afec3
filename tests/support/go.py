"""The Go program of the examples: other people's code for signed notes and logs, built without any network."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "go"
MODULES = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")

Program = Callable[..., subprocess.CompletedProcess[str]]


def built(place: Path) -> Program:
    """Build it in `place`; what it says to arguments. Skips where Debian's packages are missing."""
    if shutil.which("go") is None or not MODULES.exists():
        pytest.skip("needs Debian's golang-go and golang-golang-x-mod-dev")
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(place),
        "GOCACHE": str(place / "cache"),
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GONOSUMDB": "*",
        "GOTOOLCHAIN": "local",
    }
    for name in ("main.go", "go.mod"):
        shutil.copy(EXAMPLE / name, place / name)
    subprocess.run(["go", "build", "-o", "check", "."], cwd=place, env=environment, check=True, timeout=300)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([place / "check", *map(str, arguments)], capture_output=True, text=True, timeout=240)

    return run
