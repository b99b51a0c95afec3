"""Checkpoints: one spelling for one head, believed only when its own log signed it. Key files are made once."""

import json
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from eventstore.checkpoint import (
    Checkpoint,
    CheckpointError,
    KeyFileError,
    create_key_file,
    load_key_file,
    open_checkpoint,
)
from eventstore.merkle import EMPTY_ROOT
from eventstore.note import BadSignature, UnverifiedNote, VerifierKey, cosign, format_note, sign

VECTORS = Path(__file__).parent / "vectors"
VECTOR = json.loads((VECTORS / "checkpoint.json").read_text(encoding="utf-8"))
ROOT = bytes.fromhex(json.loads((VECTORS / "tree.json").read_text())["roots"][8])
ORIGIN, WITNESS_NAME = "ledger.chaoyangli.example/fund", "witness.street.example/w1"
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
LOG_KEY = VerifierKey.parse(VECTOR["log_vkey"])
WITNESS_KEY = VerifierKey.parse(VECTOR["witness_vkey"])
HEAD = Checkpoint(ORIGIN, 8, ROOT)
BODY = HEAD.body()


def test_the_body_is_origin_size_and_root():
    assert BODY == "ledger.chaoyangli.example/fund\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n"


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1),
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1), max_size=3),
)
def test_every_head_is_read_back(origin, size, root, extensions):
    head = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(head.body()) == head


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n",
        BODY[:-1],
        BODY + "\n",
        "\n" + BODY,
        BODY.replace("\n8\n", "\n\n"),
        BODY.replace("\n8\n", "\n"),
        BODY.replace("\n8\n", "\n08\n"),
        BODY.replace("\n8\n", "\n+8\n"),
        BODY.replace("\n8\n", "\n-8\n"),
        BODY.replace("\n8\n", "\n8 \n"),
        BODY.replace("\n8\n", "\n8.0\n"),
        BODY.replace("\n8\n", "\n8_0\n"),
        BODY.replace("\n8\n", "\n0x8\n"),
        BODY.replace("\n8\n", "\n８\n"),
        BODY.replace("\n8\n", "\n²\n"),
        BODY.replace("\n8\n", f"\n{2**63}\n"),
        BODY.replace("\n8\n", "\n" + "9" * 5000 + "\n"),
        BODY.replace("\n8\n", "\n0\n"),
        BODY.replace("Qyg=", "Qyh="),
        BODY.replace("Qyg=", "Qyg"),
        BODY.replace("Qyg=", "Q=yg"),
        BODY.replace("Qyg=", "Qyg= "),
        BODY.replace("Qyg=\n", "=\n"),
        BODY.replace("Xcna", ""),
        BODY.replace("Xcna", "XcnaXcna"),
        BODY.replace("\n", "\r\n"),
        BODY + "extension\n\n",
        BODY + "exten\tsion\n",
    ],
)
def test_no_other_spelling_is_read(body):
    assert Checkpoint.parse(BODY) == HEAD
    with pytest.raises(CheckpointError):
        Checkpoint.parse(body)


def test_a_head_that_cannot_be_is_not_made():
    assert Checkpoint(ORIGIN, 0, EMPTY_ROOT).size == 0
    for origin, size, root in (
        ("", 8, ROOT),
        ("a\nb", 8, ROOT),
        (ORIGIN, -1, ROOT),
        (ORIGIN, 2**63, ROOT),
        (ORIGIN, 8, ROOT[:31]),
        (ORIGIN, 0, ROOT),
    ):
        with pytest.raises(CheckpointError):
            Checkpoint(origin, size, root)


def test_the_recorded_checkpoint_opens_with_its_witness():
    opened = open_checkpoint(VECTOR["checkpoint"], LOG_KEY, [WITNESS_KEY])
    assert opened.checkpoint == HEAD
    assert {verified.key.name: verified.timestamp for verified in opened.note.verified} == {
        ORIGIN: None,
        WITNESS_NAME: VECTOR["witness_timestamp"],
    }
    assert open_checkpoint(VECTOR["checkpoint"].encode(), LOG_KEY).checkpoint == HEAD


def test_a_checkpoint_that_only_a_witness_signed_is_refused():
    text = format_note(BODY, [cosign(BODY, WITNESS_NAME, WITNESS, 7)])
    with pytest.raises(CheckpointError, match="not signed by its log"):
        open_checkpoint(text, LOG_KEY, [WITNESS_KEY])
    with pytest.raises(UnverifiedNote):
        open_checkpoint(text, LOG_KEY)


def test_a_checkpoint_of_another_log_is_refused_though_our_key_signed_it():
    body = Checkpoint("ledger.chaoyangli.example/hours", 8, ROOT).body()
    with pytest.raises(CheckpointError, match=r"checkpoint of 'ledger\.chaoyangli\.example/hours'"):
        open_checkpoint(format_note(body, [sign(body, ORIGIN, LOG)]), LOG_KEY)


@pytest.mark.parametrize(("old", "new"), [("\n8\n", "\n9\n"), ("/fund\n8", "/fun\n8"), ("Xcna", "Xcnb")])
def test_a_changed_checkpoint_is_refused(old, new):
    text = VECTOR["checkpoint"]
    assert old in text
    with pytest.raises(BadSignature):
        open_checkpoint(text.replace(old, new, 1), LOG_KEY)


def test_a_bad_cosignature_refuses_the_checkpoint():
    forged = cosign(Checkpoint(ORIGIN, 9, ROOT).body(), WITNESS_NAME, WITNESS, 7)
    text = format_note(BODY, [sign(BODY, ORIGIN, LOG), forged])
    with pytest.raises(BadSignature):
        open_checkpoint(text, LOG_KEY, [WITNESS_KEY])
    assert open_checkpoint(text, LOG_KEY).checkpoint == HEAD


def test_a_key_file_is_for_its_owner_only_and_read_back(tmp_path: Path):
    path = tmp_path / "log.key"
    before = os.umask(0)
    try:
        key = create_key_file(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key_file(path).public_key() == key.public_key()


def test_a_key_file_is_never_overwritten(tmp_path: Path):
    path = tmp_path / "log.key"
    create_key_file(path)
    content = path.read_bytes()
    with pytest.raises(KeyFileError, match="never overwritten"):
        create_key_file(path)
    assert path.read_bytes() == content


def test_what_holds_no_signing_key_is_refused(tmp_path: Path):
    path = tmp_path / "log.key"
    with pytest.raises(KeyFileError, match="no readable signing key"):
        load_key_file(path)
    path.write_text("not a key")
    with pytest.raises(KeyFileError, match="no readable signing key"):
        load_key_file(path)
    path.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(KeyFileError, match="not an Ed25519 key"):
        load_key_file(path)
