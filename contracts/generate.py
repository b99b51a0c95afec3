"""`python -m contracts.generate [--check]`: write, or check, everything that is derived from the event classes.

Writes contracts/schemas, examples, asyncapi.yaml and CATALOGUE.md, and keeps one golden event of every version ever
published. Refuses to change a published schema incompatibly: the way out is always version n + 1 and an upcaster.
"""

import argparse
import io
import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.envelope import decode
from contracts.event import EVENTS, UPCASTERS, ContractError
from contracts.generator.asyncapi import asyncapi
from contracts.generator.catalogue import catalogue
from contracts.generator.compatibility import incompatibilities
from contracts.generator.examples import all_examples
from contracts.generator.schemas import all_schemas, as_file

CONTRACTS = Path(__file__).parent
GOLDEN = CONTRACTS.parent / "tests" / "contracts" / "golden"
_WAY_OUT = "leave the published version as it is: make version {next} and an upcaster from {version}"


@dataclass(slots=True)
class Outcome:
    """What a run found: `refused` changes no run may make, `stale` files that differ, `written` those put right."""

    refused: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)


def derived() -> dict[str, bytes]:
    """Path relative to contracts/ → content, for every derived file of the newest versions."""
    files = {path: as_file(schema).encode() for path, schema in all_schemas().items()}
    files |= {path: body + b"\n" for path, body in all_examples().items()}
    files["asyncapi.yaml"] = asyncapi().encode()
    files["CATALOGUE.md"] = catalogue().encode()
    return files


def published_on_disk(contracts: Path = CONTRACTS) -> dict[str, Any]:
    """Path → schema, as committed under contracts/schemas."""
    found = sorted((contracts / "schemas").glob("*/*/*.json"))
    return {path.relative_to(contracts).as_posix(): json.loads(path.read_bytes()) for path in found}


def published_in_release(root: Path = CONTRACTS.parent) -> dict[str, Any]:
    """Path → schema, as the newest release (git tag v*) has it; nothing where there is no git or no release."""
    try:
        tag = _git(root, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*").decode().strip()
        archive = _git(root, "archive", "--format=tar", tag, "contracts/schemas")
    except (OSError, subprocess.CalledProcessError):
        return {}
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            path = member.name.removeprefix("contracts/")
            content = files.extractfile(member)
            if content is not None and path.count("/") == 3:
                found[path] = json.load(content)
    return found


def _git(root: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout  # noqa: S603 — fixed words


def refusals(published: dict[str, Any], proposed: dict[str, Any]) -> list[str]:
    """Say, for every published schema, what the classes now break of it. Both: path → schema."""
    found = []
    for path, schema in published.items():
        _, service, name, file = path.split("/")
        version = int(file.removesuffix(".json"))
        way_out = _WAY_OUT.format(next=version + 1, version=version)
        newest = EVENTS.get((service, name))
        at = f"{service}/{name}/{version}"
        if newest is None or newest.version < version:
            found.append(f"{at}: published, and no class speaks for it any more; events of it lie in logs for ever")
        elif newest.version > version:
            if (service, name, version) not in UPCASTERS:
                found.append(f"{at}: older events cannot be read: an upcaster from version {version} is missing")
        else:
            found += [f"{at}: {each}; {way_out}" for each in incompatibilities(schema, proposed[path])]
    return found


def run(*, check: bool, unreleased: bool = False, contracts: Path = CONTRACTS, golden: Path = GOLDEN) -> Outcome:
    """Compare, and unless `check`, write. Nothing is written when anything is refused.

    `unreleased` lets schemas on disk change incompatibly, as long as no release has them.
    """
    outcome = Outcome()
    files = derived()
    on_disk = published_on_disk(contracts)
    proposed = {path: json.loads(body) for path, body in files.items() if path.startswith("schemas/")}
    if not unreleased:
        outcome.refused += refusals(on_disk, proposed)
    outcome.refused += [each for each in refusals(published_in_release(), proposed) if each not in outcome.refused]
    if outcome.refused:
        return outcome
    _compare(contracts, files, _kept(on_disk, unreleased=unreleased), outcome, check=check)
    _keep_golden(golden, files, outcome, check=check, renew=unreleased)
    return outcome


def _kept(on_disk: dict[str, Any], *, unreleased: bool) -> set[str]:
    """Schemas of older versions: they stay as they were published."""
    if unreleased:
        return {path for path in on_disk if _is_older(path) and tuple(_key(path)) in UPCASTERS}
    return {path for path in on_disk if _is_older(path)}


def _key(path: str) -> tuple[str, str, int]:
    service, name, file = path.split("/")[-3:]
    return service, name, int(file.removesuffix(".json"))


def _is_older(path: str) -> bool:
    service, name, version = _key(path)
    newest = EVENTS.get((service, name))
    return newest is not None and version < newest.version


def _compare(root: Path, files: dict[str, bytes], kept: set[str], outcome: Outcome, *, check: bool) -> None:
    for path, content in files.items():
        target = root / path
        if not target.is_file() or target.read_bytes() != content:
            _put(target, content, path, outcome, check=check)
    for folder in ("schemas", "examples"):
        for target in sorted((root / folder).rglob("*.json")):
            path = target.relative_to(root).as_posix()
            if path not in files and path not in kept:
                _put(target, None, path, outcome, check=check)


def _keep_golden(golden: Path, files: dict[str, bytes], outcome: Outcome, *, check: bool, renew: bool) -> None:
    """One event of each version, as first published: written once, and it must be readable ever after."""
    for (service, name), cls in EVENTS.items():
        path = f"{service}/{name}/{cls.version}.json"
        target = golden / path
        if not target.is_file():
            _put(target, files[f"examples/{service}/{name}.json"], f"golden {path}", outcome, check=check)
    for target in sorted(golden.rglob("*.json")):
        path = target.relative_to(golden).as_posix()
        try:
            decode(target.read_bytes().rstrip())
        except ContractError as error:
            if not renew:
                outcome.refused.append(f"golden {path} can no longer be read: {error}")
            else:
                service, name, _ = path.split("/")
                fresh = files.get(f"examples/{service}/{name}.json") if not _is_older(path) else None
                _put(target, fresh, f"golden {path}", outcome, check=check)


def _put(target: Path, content: bytes | None, path: str, outcome: Outcome, *, check: bool) -> None:
    if check:
        outcome.stale.append(path)
        return
    if content is None:
        target.unlink()
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    outcome.written.append(path)


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit code is 0 when all is current, 1 when something is refused or (with --check) stale."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file is not current")
    parser.add_argument(
        "--unreleased", action="store_true", help="accept incompatible changes of schemas that no release (tag v*) has"
    )
    asked = parser.parse_args(arguments)
    outcome = run(check=asked.check, unreleased=asked.unreleased)
    say = sys.stderr.write if outcome.refused or outcome.stale else sys.stdout.write
    for line in outcome.refused:
        say(f"refused: {line}\n")
    for path in outcome.stale:
        say(f"not current: contracts/{path}; run `make contracts` and commit\n")
    if not outcome.refused and not outcome.stale:
        say(f"contracts: {len(EVENTS)} events, {len(outcome.written)} files written\n")
    return 1 if outcome.refused or outcome.stale else 0


if __name__ == "__main__":
    sys.exit(main())
