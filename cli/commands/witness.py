"""witness: be a witness of other people's logs; and see who witnesses ours."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.options import Data, Json
from cli.directory import StackError, made_for
from cli.output import local, out, print_json
from cli.place import DEFAULT_DATA, SERVICES
from eventstore.checkpoint import Checkpoint
from eventstore.note import NoteError, VerifierKey, open_note
from eventstore.origins import read_generation
from eventstore.trust_policy import TrustPolicy
from servicekit.log_keys import KeyFiles, LogKeys, read_log_keys
from servicekit.publishing import WITNESSES_FILE, WitnessesUnreadable, cosigners, read_published, read_witnesses
from witness.app import describe, serve
from witness.directory import WitnessDirectory

if TYPE_CHECKING:
    from services.ledger.paper.gift import Setting

CHECK_FAILED = 1
NOBODY = "尚无外部见证 · no outside witness has signed"

witness_app = typer.Typer(help="Be a witness of other people's logs, and see who witnesses ours.", no_args_is_help=True)
Directory = Annotated[Path, typer.Argument(help="The witness's directory.", metavar="DIRECTORY")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(witness_app, name="witness")
    app.command(name="trust-policy")(_trust_policy)


@witness_app.command("init")
def init(
    directory: Directory,
    name: Annotated[str, typer.Option("--name", help="Its name for ever, a schema-less address of its keeper's.")],
) -> None:
    """Make a new witness: its name, its key, and an empty list of logs. Prints who it is."""
    try:
        made = WitnessDirectory.create(directory, name)
    except NoteError as error:
        raise typer.BadParameter(str(error), param_hint="--name") from None
    out.print(describe(made), end="", markup=False)


@witness_app.command("trust")
def trust(directory: Directory, vkey: Annotated[str, typer.Argument(help="The log's vkey, name+id+key.")]) -> None:
    """Add a log to the witness's list. Ask its keeper for the vkey by another way than the log itself."""
    kept = WitnessDirectory(directory)
    try:
        key = VerifierKey.parse(vkey)
        added = kept.trust(key)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    out.print(f"{key.name}: {'added' if added else 'stood there already'}", markup=False)


@witness_app.command("serve")
def serve_it(
    directory: Directory,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65_535)] = 8120,
) -> None:
    """Cosign for whoever asks, until Ctrl-C."""
    kept = WitnessDirectory(directory)
    out.print(f"{kept.name} listens on http://{host}:{port}", markup=False)
    serve(kept, host, port)


@witness_app.command("show")
def show(directory: Directory) -> None:
    """Say who the witness is, and how far it has seen each log."""
    out.print(describe(WitnessDirectory(directory)), end="", markup=False)


@witness_app.command("status")
def status(data: Data = None, as_json: Json = False) -> None:
    """Who has witnessed our logs: each published head, and the witnesses whose cosignature under it verifies.

    Ends with 1 when a log's witnesses are fewer than its policy asks for.
    """
    kept = kept_at(data)
    witnesses = _witnesses(kept)
    found = [_status(kept, witnesses, service) for service in SERVICES]
    if as_json:
        print_json({"ok": all(one["quorum_met"] for one in found), "logs": found})
    else:
        for one in found:
            _tell(one)
    if not all(one["quorum_met"] for one in found):
        raise typer.Exit(CHECK_FAILED)


def _trust_policy(
    data: Data = None,
    origin: Annotated[
        int | None,
        typer.Option("--origin", help="Of the logs as they were in this origin, before a loss was accepted.", min=1),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what others need to check our logs: a trust policy (C2SP tlog-policy) with all keys."""
    if as_json:
        print_json(_policy_document(kept_at(data), witnesses_of(data), origin))
        return
    out.print(policy_text(data, origin), end="", markup=False)


def policy_text(data: Path | None, origin: int | None = None) -> str:
    """The trust policy of this place, or of its logs in an earlier origin. Raises StackError, OriginUnreadable."""
    kept = kept_at(data)
    return "".join(f"{line}\n" for line in _policy_lines(kept, _witnesses(kept), origin))


def witnesses_of(data: Path | None) -> TrustPolicy:
    """The witnesses that this place names, none where it names none. Raises StackError."""
    return _witnesses(kept_at(data))


def setting_of(data: Path | None, note: str) -> tuple["Setting", list[str]]:
    """What the ledger's papers say of this place, and the names of those who witnessed this head."""
    from services.ledger.paper.gift import Setting
    from services.ledger.policy import fund_url, host_charity

    kept = kept_at(data)
    witnesses = _witnesses(kept)
    signed = cosigners(note, witnesses)
    names = [one.name for one in witnesses.witnesses if one.key in signed]
    return Setting(kept.community, str(kept.log_keys("ledger").vkey), host_charity(), fund_url()), names


@dataclass(frozen=True, slots=True)
class Kept:
    """Where keys and heads lie. No server is needed to look at them."""

    community: str
    secrets_dir: Path
    state_dir: Path
    witnesses: Path | None

    def generation(self, service: str) -> int:
        """Which origin of a log counts. Raises OriginUnreadable."""
        return read_generation(self.state_dir, self.community, service)

    def key_files(self, service: str, generation: int | None = None) -> KeyFiles:
        """Where the keys of a log lie, in the origin that counts or in another."""
        return KeyFiles(self.secrets_dir, self.community, service, generation or self.generation(service))

    def log_keys(self, service: str, generation: int | None = None) -> LogKeys:
        """The keys of a log, in the origin that counts or in another. Raises KeyFileError, OriginUnreadable."""
        return read_log_keys(self.key_files(service, generation))


def kept_at(data: Path | None) -> Kept:
    """Where this place keeps them. Raises StackError where nothing was ever started."""
    if data is None and "CHAOYANGLI_SECRETS_DIR" in os.environ:
        listed = os.environ.get("CHAOYANGLI_WITNESSES")
        return Kept(
            os.environ.get("CHAOYANGLI_COMMUNITY", "chaoyangli"),
            Path(os.environ["CHAOYANGLI_SECRETS_DIR"]),
            Path(os.environ.get("CHAOYANGLI_STATE_DIR", "")),
            Path(listed) if listed else None,
        )
    directory = data or DEFAULT_DATA
    if made_for(directory) is None:
        raise StackError(f"{directory}: nothing was started here; begin with `chaoyangli up --data {directory}`")
    listed_here = directory / WITNESSES_FILE
    here = listed_here if listed_here.exists() else None
    return Kept("chaoyangli", directory / "secrets", directory / "state", here)


def _witnesses(kept: Kept) -> TrustPolicy:
    try:
        return read_witnesses(kept.witnesses)
    except WitnessesUnreadable as error:
        raise StackError(str(error)) from None


def _policy_lines(kept: Kept, witnesses: TrustPolicy, origin: int | None) -> Iterator[str]:
    yield "# Whose signatures are under the heads of these logs, and how many witnesses are enough."
    for service, number, keys in _logs(kept, origin):
        yield from (f"log {key}" for key in keys.good)
        yield from (f"# stolen, believe it no more: {key}" for key in keys.stolen)
        if number > 1:
            # A policy names a public key once: what was signed before has a policy of its own.
            yield f"# {service}: a loss was accepted; as it was before: chaoyangli trust-policy --origin {number - 1}"
    if not witnesses.witnesses:
        yield "# 尚无外部见证 · no outside witness is named"
    yield from (f"witness {one.name} {one.key} {one.url}" for one in witnesses.witnesses)
    for group in witnesses.groups.values():
        yield f"group {group.name} {group.threshold} {' '.join(group.members)}"
    yield f"quorum {witnesses.quorum}"


def _policy_document(kept: Kept, witnesses: TrustPolicy, origin: int | None) -> dict[str, Any]:
    return {
        "logs": [
            {
                "log": keys.origin,
                "keys": [str(key) for key in keys.good],
                "stolen": [str(key) for key in keys.stolen],
            }
            for _, _, keys in _logs(kept, origin)
        ],
        "witnesses": [{"witness": one.name, "key": str(one.key), "url": one.url} for one in witnesses.witnesses],
        "groups": [
            {"group": group.name, "threshold": group.threshold, "members": list(group.members)}
            for group in witnesses.groups.values()
        ],
        "quorum": witnesses.quorum,
    }


def _logs(kept: Kept, origin: int | None) -> Iterator[tuple[str, int, LogKeys]]:
    """Each service, the origin of its log that is meant, and its keys there."""
    counted = {service: kept.generation(service) for service in SERVICES}
    for service, number in ((service, min(origin or now, now)) for service, now in counted.items()):
        yield service, number, kept.log_keys(service, number)


def _status(kept: Kept, witnesses: TrustPolicy, service: str) -> dict[str, Any]:
    keys = kept.log_keys(service)
    note = read_published(kept.state_dir / service / "published")
    found: dict[str, Any] = {"log": keys.origin, "size": None, "cosigned": [], "quorum_met": False}
    if note is None:
        return found
    names = {one.key: one.name for one in witnesses.witnesses}
    opened = open_note(note, [*keys.good, *names])
    found["size"] = Checkpoint.parse(opened.text).size
    found["cosigned"] = [
        {"witness": names[one.key], "at": datetime.fromtimestamp(one.timestamp, UTC).isoformat()}
        for one in opened.verified
        if one.timestamp is not None
    ]
    found["quorum_met"] = witnesses.satisfied({one.key for one in opened.verified})
    return found


def _tell(one: dict[str, Any]) -> None:
    if one["size"] is None:
        out.print(f"{one['log']}: nothing is published yet", markup=False)
        return
    signed = ", ".join(f"{each['witness']} at {local(datetime.fromisoformat(each['at']))}" for each in one["cosigned"])
    mark = "✓" if one["quorum_met"] else "✗ fewer than the policy asks for"
    out.print(f"{one['log']}: {one['size']} events, {signed or NOBODY}  {mark}", markup=False)
