"""What a stranger hands to the checks: each file that is another one than they think is told by its name."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.checkpoint import Checkpoint
from eventstore.merkle import LeafHashSource, inclusion_proof, leaf_hash, root_hash
from eventstore.note import VerifierKey, format_note, sign
from eventstore.tlog_proof import make_receipt
from tests.cli.program import say

CHECK_FAILED, USAGE, NO_ANSWER = 1, 2, 4
ORIGIN = "community.example/ledger"
ENTRIES = [f'{{"entry_no":{number}}}'.encode() for number in range(1, 6)]


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """Two receipts and their entries, a policy, a paper, an empty file and a folder."""
    key = Ed25519PrivateKey.generate()
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    head = Checkpoint(ORIGIN, len(leaves), root_hash(leaves)).body()
    note = format_note(head, [sign(head, ORIGIN, key)])
    for position in (1, 2):
        proof = inclusion_proof(position - 1, len(leaves), LeafHashSource(leaves))
        (tmp_path / f"{position}.tlog-proof").write_text(str(make_receipt(position, proof, note)))
        (tmp_path / f"{position}.entry").write_bytes(ENTRIES[position - 1])
    (tmp_path / "policy").write_text(f"log {VerifierKey.of(ORIGIN, key)}\nquorum none\n")
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7\n%\x80\x81\n")
    (tmp_path / "folder").mkdir()
    return tmp_path


def test_a_receipt_of_these_is_believed(taken: Path):
    said = say("verify-receipt", taken / "1.tlog-proof", taken / "1.entry", taken / "policy")
    assert (said.code, said.err) == (0, "")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("1.tlog-proof 2.entry policy", CHECK_FAILED, "2.entry is not the entry that {t}/1.tlog-proof was given for"),
        ("paper.pdf 1.entry policy", CHECK_FAILED, "`pdfdetach -saveall {t}/paper.pdf` takes out what it carries"),
        ("1.entry 1.tlog-proof policy", CHECK_FAILED, "{t}/1.entry is no receipt"),
        ("folder policy", CHECK_FAILED, "{t}/folder is no set that shows where a gift went"),
        ("1.tlog-proof folder policy", NO_ANSWER, "{t}/folder is a directory, and a file is needed"),
        ("1.tlog-proof 1.entry paper.pdf", USAGE, "{t}/paper.pdf is no text in UTF-8; a policy is what `trust-policy`"),
    ],
)  # fmt: skip
def test_a_file_that_is_another_is_told_by_its_name(taken: Path, words: str, code: int, told: str):
    said = say("verify-receipt", *[taken / word for word in words.split()])
    assert said.code == code, said
    assert told.format(t=taken) in said.out.decode() + said.err
    assert "Errno" not in said.out.decode() + said.err


def test_a_name_that_is_no_text_is_refused(taken: Path):
    files = [taken / name for name in ("1.tlog-proof", "1.entry", "policy")]
    said = say("verify-receipt", *files, "--donor", os.fsdecode(b"\xff"))
    assert (said.code, said.out) == (USAGE, b"")
    assert "the name is no text in UTF-8" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("audit verify folder", "{t}/folder is no audit bundle, or not a whole one: it holds no policy"),
        ("audit verify folder --policy folder", "{t}/folder is a directory, and a file is needed"),
        ("audit verify folder --policy paper.pdf", "{t}/paper.pdf is no text in UTF-8"),
        ("audit verify folder --policy 1.entry", "{t}/1.entry: line 1"),
    ],
)
def test_what_is_no_bundle_and_what_is_no_policy_are_told_apart(taken: Path, words: str, told: str):
    said = say(*[taken / word if (taken / word).exists() else word for word in words.split()])
    assert (said.code, said.out) == (USAGE, b"")
    assert told.format(t=taken) in said.err


def test_what_is_no_bundle_makes_no_place(taken: Path):
    said = say("audit", "import", taken / "folder", "--data", taken / "new")
    assert (said.code, said.out) == (USAGE, b"")
    assert "is no audit bundle, or not a whole one" in said.err
    assert not (taken / "new").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("key show paper.pdf", "{t}/paper.pdf holds no key: `chaoyangli key new FILE` makes one"),
        ("key new {t}/none/key", "there is no directory {t}/none for {t}/none/key"),
        ("fund reconcile policy --days 2026-10-31..2026-10-01 --check", "the first day, 2026-10-31, is after the last"),
    ],
)
def test_keys_and_days_that_are_off_are_told(taken: Path, words: str, told: str):
    said = say(*[str(taken / word) if (taken / word).exists() else word.format(t=taken) for word in words.split()])
    assert said.code != 0
    assert told.format(t=taken) in said.err
