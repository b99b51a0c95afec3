"""Receipts as `verify-receipt` reads them: what they prove, and everything that they must not."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from eventstore.note import COSIGNATURE_V1, VerifierKey
from eventstore.tlog_proof import ReceiptInvalid, TlogProof
from eventstore.trust_policy import read_trust_policy
from tests.verifiers.conftest import Issued
from tests.witness.logs import InventedLog

WITNESS = Ed25519PrivateKey.from_private_bytes(bytes([7] * 32))
NAME = "witness.example/w1"
WITNESS_KEY = VerifierKey.of(NAME, WITNESS, COSIGNATURE_V1)


def trusting(*logs, quorum="none"):
    lines = [*(f"log {log}" for log in logs), f"witness w1 {WITNESS_KEY}", f"quorum {quorum}"]
    return read_trust_policy("\n".join(lines))


def test_a_receipt_proves_an_entry_to_who_trusts_the_log(issued):
    for size in (1, 2, 200):
        for position in {1, size}:
            receipt = TlogProof.parse(str(issued.receipt(position, size)))
            proven = receipt.check(issued.entry(position), trusting(issued.vkey))
            assert (proven.position, proven.head.size, proven.cosigned) == (position, size, ())


def test_who_asks_for_a_witness_gets_one_or_a_no(issued):
    policy = trusting(issued.vkey, quorum="w1")
    plain = issued.receipt(5, 9)
    with pytest.raises(ReceiptInvalid, match="0 witnesses signed, the quorum 'w1' is not met"):
        plain.check(issued.entry(5), policy)
    seen = issued.receipt(5, 9, head=issued.witnessed_head(9, NAME, WITNESS))
    assert seen.check(issued.entry(5), policy).cosigned == (WITNESS_KEY,)
    other = issued.receipt(5, 9, head=issued.witnessed_head(9, "elsewhere", Ed25519PrivateKey.generate()))
    with pytest.raises(ReceiptInvalid, match="quorum"):
        other.check(issued.entry(5), policy)


def test_a_witness_alone_is_not_the_log(issued):
    head = issued.witnessed_head(9, NAME, WITNESS)
    text, signatures = head.split("\n\n")
    only_the_witness = text + "\n\n" + signatures.split("\n")[1] + "\n"
    with pytest.raises(ReceiptInvalid, match="not signed by its log"):
        issued.receipt(5, 9, head=only_the_witness).check(issued.entry(5), trusting(issued.vkey))


def test_a_log_that_is_not_trusted_proves_nothing(issued):
    stranger = InventedLog(origin="elsewhere.example/log")
    with pytest.raises(ReceiptInvalid, match="does not know the log"):
        issued.receipt(5, 9).check(issued.entry(5), trusting(stranger.vkey))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text.replace("@v1", "@v2"),
        lambda text: text.replace("\n\n", "\n", 1),
        lambda text: text.replace("index 4", "index 04"),
        lambda text: text.replace("index 4", "index -4"),
        lambda text: text.replace("index 4", "Index 4"),
        lambda text: text.replace("index 4\n", ""),
        lambda text: text.replace("index 4\n", "index 4\nAAAA\n"),
        lambda text: text.replace("index 4\n", "index 4\n" + "A" * 43 + "=\n" * 1),
        lambda text: text.replace("index 4\n", "index 4\n" + ("A" * 43 + "=\n") * 64),
        lambda text: text.replace("\nindex", "\nextra not base64\nindex"),
        lambda text: text.replace("\nindex", "\nextra " + "AAAA" * 2_000 + "\nindex"),
        lambda text: text[:-1],
        lambda text: text.replace("\n", "\r\n"),
    ],
)
def test_a_spoiled_receipt_proves_nothing(issued, spoil):
    good = str(issued.receipt(5, 9))
    TlogProof.parse(good).check(issued.entry(5), trusting(issued.vkey))
    with pytest.raises(ReceiptInvalid):
        TlogProof.parse(spoil(good)).check(issued.entry(5), trusting(issued.vkey))


@given(at=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_no_byte_of_an_entry_can_be_another(at, flip):
    log = InventedLog()
    issued = Issued(log)
    entry = bytearray(issued.entry(9))
    entry[at % len(entry)] ^= flip
    with pytest.raises(ReceiptInvalid):
        issued.receipt(9, 20).check(bytes(entry), trusting(log.vkey))
