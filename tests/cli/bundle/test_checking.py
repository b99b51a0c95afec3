"""A bundle that is whole is believed; whatever is changed in it is found, and said of the file it lies in."""

import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.bundle.checking import BundleUnreadable, check
from eventstore.note import COSIGNATURE_V1, VerifierKey
from tests.cli.bundle.bundles import KEYS, bodies, origin, policy, put, write


def test_a_whole_bundle_is_believed(bundle):
    checked = check(bundle)
    assert checked.problems == []
    assert set(checked.sizes) == set(KEYS)
    assert check(bundle, policy()).ok


def flip(path, at=40):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def the_file(folder):
    return next(path for path in sorted(folder.rglob("*")) if path.is_file())


SPOILED = {
    "a byte of an event": (lambda b: flip(the_file(b / "logs/orders/tile/entries"), 400), "orders"),
    "a byte of a hash": (lambda b: flip(the_file(b / "logs/orders/tile/0")), "orders: tile/0/"),
    "a byte of a head's root": (lambda b: flip(b / "logs/ledger/checkpoint", 25), "ledger: its head"),
    "no head": (lambda b: (b / "logs/notify/checkpoint").unlink(), "notify: its head"),
    "no events": (lambda b: the_file(b / "logs/volunteers/tile/entries").unlink(), "volunteers: events from 1"),
    "no hashes": (lambda b: the_file(b / "logs/volunteers/tile/0").unlink(), "volunteers: tile/0/"),
    "another log's head": (
        lambda b: shutil.copy(b / "logs/orders/checkpoint", b / "logs/notify/checkpoint"),
        "notify: its head",
    ),
    "another amount in a journal": (
        lambda b: put(b / "books/fund.hledger", (b / "books/fund.hledger").read_bytes().replace(b"123.45", b"123.46")),
        "books/fund.hledger",
    ),
    "no trial balance": (lambda b: (b / "books/balances.csv").unlink(), "books/balances.csv"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_changed_is_found(bundle, what):
    spoil, said = SPOILED[what]
    spoil(bundle)
    problems = check(bundle).problems
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize("tamper", ["dropped", "swapped", "doubled", "of another time"])
def test_a_log_rewritten_whole_and_signed_with_another_key_is_not_believed(tmp_path, tamper):
    """Whoever rewrites everything and signs anew has another key than the policy that somebody kept."""
    logs = bodies()
    orders = logs["orders"]
    match tamper:
        case "dropped":
            del orders[3]
        case "swapped":
            orders[3], orders[4] = orders[4], orders[3]
        case "doubled":
            orders.insert(3, orders[3])
        case _:
            orders[3] = orders[3].replace(b"2026-03-02", b"2026-03-03")
    bundle = write(tmp_path / "bundle", logs)
    mine = policy().replace(
        str(VerifierKey.of(origin("orders"), KEYS["orders"])),
        str(VerifierKey.of(origin("orders"), Ed25519PrivateKey.generate())),
    )
    assert any("orders: its head" in problem for problem in check(bundle, mine).problems)
    # With its own policy it is consistent in itself, but the positions that the events name are not where they lie.
    if tamper != "of another time":
        assert any("it says that it is" in problem for problem in check(bundle).problems)


def test_who_asks_for_a_witness_is_told_when_there_was_none(bundle):
    witness = VerifierKey.of("witness.example/w1", Ed25519PrivateKey.generate(), COSIGNATURE_V1)
    asking = policy().replace("quorum none", f"witness w1 {witness}\nquorum w1")
    problems = check(bundle, asking).problems
    assert len([problem for problem in problems if "the quorum 'w1' is not met" in problem]) == 4


@pytest.mark.parametrize("text", ["", "nonsense\n"])
def test_a_directory_that_is_no_bundle_is_told_so(tmp_path, text):
    if text:
        (tmp_path / "policy").write_text(text)
    with pytest.raises(BundleUnreadable):
        check(tmp_path)
