"""What a log signed under an origin that a loss ended is held against what the log says of that loss."""

import json
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.bundle.checking import check
from cli.bundle.earlier import earlier_path
from eventstore.merkle import leaf_hash, root_hash
from eventstore.note import format_note, sign
from eventstore.tiles import decode_entries, encode_entries
from tests.cli.audit.histories import EXAMPLES
from tests.cli.bundle.bundles import KEYS, put, write

SERVICES = ("orders", "volunteers", "ledger", "notify")
LEFT, SIGNED = 300, 310
"""Events that are left of volunteers' log, and how many its first origin had signed last."""
OLD, NEW = "chaoyangli/volunteers", "chaoyangli/volunteers/2"
LOST_ROOT, OTHER_ROOT = bytes([7] * 32), bytes([8] * 32)
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes([99] * 32))


def example(service, event_type, position, data=None):
    said = json.loads((EXAMPLES / service / f"{event_type}.json").read_text(encoding="utf-8"))
    said |= {"position": position}
    said["data"] |= data or {}
    return json.dumps(said, separators=(",", ":")).encode()


def log():
    """What is left, then the loss."""
    of_loss = {
        "old_origin": OLD,
        "new_origin": NEW,
        "signed_size": SIGNED,
        "signed_root": LOST_ROOT.hex(),
        "first_lost": LEFT + 1,
        "last_lost": SIGNED,
        "proven_size": 0,
    }
    left = [example("volunteers", "PersonRegistered", number) for number in range(1, LEFT + 1)]
    return [*left, example("volunteers", "LossAccepted", LEFT + 1, of_loss)]


@pytest.fixture
def bundle(tmp_path):
    first = {"orders": "PersonDataErased", "ledger": "PersonDataErased", "notify": "ContactSet"}
    logs = {service: [example(service, name, 1)] for service, name in first.items()}
    names = {service: f"chaoyangli/{service}" for service in SERVICES} | {"volunteers": NEW}
    return write(tmp_path / "bundle", {"volunteers": log(), **logs}, names)


def head(size, root, origin=OLD, key=KEYS["volunteers"]):
    text = f"{origin}\n{size}\n{b64encode(root).decode()}\n"
    return format_note(text, [sign(text, origin, key)])


def root(size):
    return root_hash([leaf_hash(body) for body in log()[:size]])


@pytest.mark.parametrize(
    "text",
    [
        head(SIGNED, LOST_ROOT),
        head(SIGNED, LOST_ROOT, key=OTHER_KEY),  # its key was changed since; the log itself names this head
        *(head(size, root(size)) for size in (0, 1, 255, 256, 257, LEFT)),
        head(LEFT + 5, OTHER_ROOT),  # what it counts is lost: its signature alone speaks for it
    ],
)
def test_what_the_origin_before_signed_last_is_believed(bundle, text):
    put(earlier_path(bundle / "logs/volunteers", 1), text.encode())
    assert check(bundle).problems == []


WRONG = {
    "another root than was signed": (1, head(SIGNED, OTHER_ROOT), "is another than LossAccepted says was signed"),
    "another history": (1, head(257, OTHER_ROOT), "its 257 events are there, and do not hash to it"),
    "more than was signed": (1, head(SIGNED + 1, LOST_ROOT), f"counts {SIGNED + 1} events"),
    "of another log": (1, head(1, root(1), origin="chaoyangli/orders"), "is one of chaoyangli/orders"),
    "of today": (1, head(1, root(1), origin=NEW), f"is one of {NEW}"),
    "of lost events by nobody known": (1, head(LEFT + 5, LOST_ROOT, key=OTHER_KEY), "no key that the policy knows"),
    "of an origin that never was": (2, head(1, root(1), origin=NEW), "by its events the log was in 2 origins"),
    "of no origin": (0, head(1, root(1)), "by its events the log was in 2 origins"),
    "no head": (1, "nothing", "the head of an earlier origin cannot be read"),
    "a signature that does not fit": (
        1,
        head(1, root(1)).replace(b64encode(root(1)).decode(), b64encode(OTHER_ROOT).decode()),
        "the head of an earlier origin cannot be read",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_it_did_not_sign_is_told(bundle, what):
    generation, text, said = WRONG[what]
    put(earlier_path(bundle / "logs/volunteers", generation), text.encode())
    (problem,) = check(bundle).problems
    assert said in problem


def test_a_log_that_lacks_events_which_an_earlier_head_counts_is_told_and_nothing_breaks(bundle):
    log_files = bundle / "logs/volunteers"
    put(earlier_path(log_files, 1), head(LEFT, root(LEFT)).encode())
    (edge,) = (log_files / "tile/entries").glob("001.p/*")
    entries = decode_entries(edge.read_bytes())
    put(edge, encode_entries([*entries[:3], entries[-1]]))  # the loss itself is still told of
    problems = check(bundle).problems
    assert any("the events do not hash to the head" in problem for problem in problems)
    assert any(f"its {LEFT} events are there, and do not hash to it" in problem for problem in problems)


def test_a_head_of_no_origin_beside_a_log_that_lost_nothing_is_told(bundle):
    put(earlier_path(bundle / "logs/orders", 0), head(1, root(1), origin="chaoyangli/orders").encode())
    (problem,) = check(bundle).problems
    assert "by its events the log was in 1 origins" in problem
