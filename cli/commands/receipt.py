"""receipt, verify-receipt: a proof to take away, and its check without any server."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer

from cli.commands.options import POSITION_MAX, Data, Json
from cli.commands.witness import setting_of
from cli.output import in_words, out, print_json
from cli.place import SERVICES, Place, located
from cli.story import NothingFound
from cli.use_check import FUND, Shown, check_use
from eventstore.checkpoint import Checkpoint
from eventstore.merkle import ProofError
from eventstore.note import parse_note
from eventstore.proofs import prove_inclusion, prove_inclusions
from eventstore.tlog_proof import Proven, ReceiptInvalid, TlogProof, make_receipt
from eventstore.trust_policy import PolicyError, TrustPolicy, read_trust_policy
from eventstore.vault import Opening, Vault, commitment
from servicekit.publishing import read_published
from servicekit.secrets import read_bytes_secret

CHECK_FAILED = 1
LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What of an event is taken away: beside its two files the donor's paper, with the donor's name only if asked."""

    service: str
    number: int
    pdf: bool
    name: bool
    use: bool


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(name="receipt")(_receipt)
    app.command(name="verify-receipt")(_verify_receipt)


def _receipt(
    service: Annotated[str, typer.Argument(help=f"Whose event: {', '.join(SERVICES)}; or the fund's book: {FUND}.")],
    position: Annotated[
        int, typer.Argument(help="The event's position; of the fund: the entry's number.", min=1, max=POSITION_MAX)
    ],
    directory: Annotated[Path, typer.Option("--to", help="Where the files go.")] = Path(),
    pdf: Annotated[bool, typer.Option("--pdf", help="Print 账本存证回执 too, the donor's paper.")] = False,
    name: Annotated[bool, typer.Option("--name", help="The donor wants to be named: on paper, with the salt.")] = False,
    use: Annotated[
        Path | None, typer.Option("--where-it-went", help="Also write what the gift was spent on, provable, here.")
    ] = None,
    data: Data = None,
) -> None:
    """Write an event's exact bytes and the proof that it is in the published head (C2SP tlog-proof)."""
    if service not in {*SERVICES, FUND}:
        raise typer.BadParameter(f"there is no service {service!r}: {', '.join(SERVICES)}, {FUND}")
    wanted = _Wanted(service, position, pdf or name, name, use is not None)
    with located(data) as place:
        files, use_set = asyncio.run(_made(place, data, wanted))
    _write(directory, files)
    if use is not None:
        _write(use, use_set)


def _write(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    shown = [name for name in files if "/" not in name]
    out.print("\n".join(str(directory / name) for name in shown), markup=False)


async def _made(place: Place, data: Path | None, wanted: _Wanted) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The files of the event, and of the set that shows where a gift went."""
    service = LEDGER if wanted.service == FUND else wanted.service
    note = read_published(place.head_directory / service / "published")
    if note is None:
        raise NothingFound(f"{service} has published no head yet: it does so once a minute while it runs")
    size = Checkpoint.parse(parse_note(note).text).size
    connection = await place.connect(service)
    try:
        position = wanted.number if wanted.service != FUND else await _entry_position(connection, wanted.number)
        if position > size:
            raise NothingFound(
                f"the published head of {service} has {size} events, and {position} is none of them;"
                " what was recorded just now is in the next one, a minute from now"
            )
        statement = f"SELECT body FROM {service}.events WHERE position = $1"  # noqa: S608 - one of four names
        entry = await connection.fetchval(statement, position)
        if entry is None:
            raise NothingFound(f"{service} has no event {position}, though it published {size}")
        proof = make_receipt(position, await prove_inclusion(connection, service, position, size), note)
        stem = f"{wanted.service}-{wanted.number}"
        if not wanted.pdf and not wanted.use:
            return _two_files(stem, entry, proof), {}
        return await _papers(place, data, connection, wanted, entry, proof)
    finally:
        await connection.close()


def _two_files(stem: str, entry: bytes, proof: TlogProof) -> dict[str, bytes]:
    return {f"{stem}.entry": entry, f"{stem}.tlog-proof": str(proof).encode()}


async def _entry_position(connection: asyncpg.Connection, entry_no: int) -> int:
    from services.ledger.paper.gathering import NoGift, entry_position

    try:
        return await entry_position(connection, LEDGER, entry_no)
    except NoGift as error:
        raise NothingFound(str(error)) from None


async def _papers(
    place: Place, data: Path | None, connection: Any, wanted: _Wanted, entry: bytes, proof: TlogProof
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """With the donor's paper, and where the gift went. Raises NothingFound for an event that took in no gift."""
    from services.ledger.paper.gathering import NoGift, fund_book, gift_at
    from services.ledger.paper.gift import print_gift
    from services.ledger.paper.gift_use import use_files, use_of

    try:
        gift = await gift_at(connection, LEDGER, proof.index + 1)
    except NoGift:
        what = f"entry {wanted.number} of the fund" if wanted.service == FUND else f"event {wanted.number}"
        raise NothingFound(
            f"{what} took in no donor's gift: only gifts have a paper, a name and a use;"
            " without --pdf, --name and --where-it-went its proof is written"
        ) from None
    setting, witnesses = setting_of(data, proof.checkpoint)
    donor = await _donor(place, gift.received.donor_ref) if wanted.name else None
    proof = make_receipt(proof.index + 1, proof.hashes, proof.checkpoint, None if donor is None else donor.salt)
    stem = f"{wanted.service}-{wanted.number}"
    files = _two_files(stem, entry, proof)
    if wanted.pdf:
        named = None if donor is None else donor.value
        files[f"{stem}.pdf"] = print_gift(gift, proof, witnesses, setting, named)
    if not wanted.use:
        return files, {}
    size = Checkpoint.parse(parse_note(proof.checkpoint).text).size
    entries = await fund_book(connection, LEDGER, size)
    proofs = await prove_inclusions(connection, LEDGER, [position for position, _, _ in entries], size)
    use = use_of(gift.entry.entry_no, entries)
    return files, use_files(use, entries, proofs, proof.checkpoint, setting)


async def _donor(place: Place, donor_ref: Any) -> Opening:
    """The donor's name and its salt, with the vault's key. Raises NothingFound when there is none, or no more."""
    connection = await place.connect(LEDGER, "app")
    try:
        vault = Vault(connection, LEDGER, read_bytes_secret(place.secrets_dir / f"{LEDGER}.kek"))
        opened = await vault.openings(donor_ref)
    finally:
        await connection.close()
    # The copy for display is gone once the donor was erased; the accounting copy is then locked.
    if "name" not in opened or "public_name" not in opened:
        raise NothingFound("the gift was recorded without a donor's name, or the donor was erased")
    return opened["name"]


def _verify_receipt(
    receipt: Annotated[
        Path, typer.Argument(help="The .tlog-proof file; or the folder that shows where a gift went.", exists=True)
    ],
    entry: Annotated[Path, typer.Argument(help="The entry's exact bytes; for a folder, the policy.", exists=True)],
    policy: Annotated[
        Path | None, typer.Argument(help="Whom you trust: what `trust-policy` printed.", exists=True, dir_okay=False)
    ] = None,
    donor: Annotated[
        str | None, typer.Option("--donor", help="Also show that the gift is of who bears this name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a receipt offline: the entry is in the log, and enough witnesses have seen that log. Ends with 1 if not."""
    if receipt.is_dir() != (policy is None):
        raise typer.BadParameter("give a receipt, its entry and a policy; or a folder and a policy")
    if donor is not None and not _is_text(donor):
        raise typer.BadParameter("the name is no text in UTF-8", param_hint="--donor")
    trusted = _trusted(policy or entry)
    try:
        if policy is None:
            _tell_use(check_use(receipt, trusted), as_json=as_json)
            return
        proof, body = _receipt_in(receipt), entry.read_bytes()
        proven = _proven(proof, body, trusted, receipt, entry)
        if donor is not None:
            _require_donor(proof, body, donor)
    except ReceiptInvalid as error:
        if as_json:
            print_json({"ok": False, "why": str(error)})
        else:
            out.print(f"✗ {error}", markup=False)
        raise typer.Exit(CHECK_FAILED) from None
    _tell(proven, donor, as_json=as_json)


def _is_text(words: str) -> bool:
    """Half a character in it is none: what a terminal hands over that is not in UTF-8."""
    return not any(0xD800 <= ord(one) <= 0xDFFF for one in words)


def _receipt_in(file: Path) -> TlogProof:
    """Raises ReceiptInvalid, saying which file is none and what it may be instead."""
    try:
        return TlogProof.parse(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        if file.read_bytes().startswith(b"%PDF-"):
            raise ReceiptInvalid(f"{file} is a PDF: `pdfdetach -saveall {file}` takes out what it carries") from None
        raise ReceiptInvalid(in_words(error, file)) from None
    except ReceiptInvalid as error:
        raise ReceiptInvalid(f"{file} is no receipt: {error}") from None


def _proven(proof: TlogProof, body: bytes, trusted: TrustPolicy, receipt: Path, entry: Path) -> Proven:
    """Raises ReceiptInvalid; an entry that is another one, or no more the same, is told by its file."""
    try:
        return proof.check(body, trusted)
    except ReceiptInvalid as error:
        if isinstance(error.__cause__, ProofError):
            words = f"{entry} is not the entry that {receipt} was given for, or one of the two was changed"
            raise ReceiptInvalid(f"{words}: {error}") from None
        raise


def _trusted(policy: Path) -> TrustPolicy:
    try:
        return read_trust_policy(policy.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{in_words(error, policy)}; a policy is what `trust-policy` printed") from None
    except PolicyError as error:
        raise typer.BadParameter(f"{policy}: {error}") from None


def _require_donor(proof: TlogProof, body: bytes, donor: str) -> None:
    """The entry commits to this name under the receipt's salt. Raises ReceiptInvalid."""
    if proof.extra is None:
        raise ReceiptInvalid("the receipt has no salt: take it from the fund's desk, or with your own token")
    if f'"{commitment(proof.extra, "name", donor)}"'.encode() not in body:
        raise ReceiptInvalid("the entry does not commit to this name")


def _tell_use(shown: Shown, *, as_json: bool) -> None:
    head = shown.proven.head
    if as_json:
        print_json(
            {
                "ok": True,
                "gift_no": shown.gift_no,
                "entries": shown.entries,
                "since_fen": shown.since_fen,
                "left_fen": shown.left_fen,
                "head": {"origin": head.origin, "size": head.size, "root": head.root.hex()},
                "witnesses": [key.name for key in shown.proven.cosigned],
            }
        )
        return
    out.print(
        f"✓ {shown.entries} entries of {head.origin}, none missing, in its head of {head.size}\n"
        f"  after the gift of entry {shown.gift_no} its pot spent {_yuan(shown.since_fen)} yuan;"
        f" {_yuan(shown.left_fen)} are left",
        markup=False,
    )
    _tell_witnesses(shown.proven)


def _yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def _tell(proven: Proven, donor: str | None, *, as_json: bool) -> None:
    if as_json:
        signed = [key.name for key in proven.cosigned]
        head = {"origin": proven.head.origin, "size": proven.head.size, "root": proven.head.root.hex()}
        print_json({"ok": True, "position": proven.position, "head": head, "witnesses": signed})
        return
    out.print(f"✓ event {proven.position} of {proven.head.origin}, in its head of {proven.head.size}", markup=False)
    if donor is not None:
        out.print(f"  the gift is of {donor}", markup=False)
    _tell_witnesses(proven)


def _tell_witnesses(proven: Proven) -> None:
    names = ", ".join(key.name for key in proven.cosigned)
    out.print(f"  witnesses: {names or '尚无外部见证 · none'}", markup=False)
