"""Keys that prove nothing: the points of small order, found again from the curve's own equation (RFC 8032 §5.1)."""

import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from eventstore.ed25519 import is_small_order
from eventstore.note import COSIGNATURE_V1, ED25519, NoteError, VerifierKey
from eventstore.trust_policy import PolicyError, read_trust_policy

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
L = 2**252 + 27742317777372353535851937790883648493
Point = tuple[int, int]


def added(a: Point, b: Point) -> Point:
    k = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + k, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P)
    return x % P, y % P


def times(number: int, point: Point) -> Point:
    found = (0, 1)
    while number:
        found, point, number = added(found, point) if number & 1 else found, added(point, point), number >> 1
    return found


def at(y: int) -> Point | None:
    """A point of the curve with this y."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    return (x, y) if x * x % P == square else None


def small_order() -> set[Point]:
    """All eight: the multiples of what is left of any point when its part of large order is taken away."""
    for y in range(2, 1_000):
        point = at(y)
        if point is None:
            continue
        left = times(L, point)
        found = {times(number, left) for number in range(8)}
        if len(found) == 8:
            return found
    raise AssertionError("no point with a part of order 8")


def spellings() -> list[bytes]:
    """Every encoding of the eight: with either sign, and with y written as y + p where that fits."""
    numbers = {y for _, y in small_order()} | {y + P for _, y in small_order() if y + P < 2**255}
    return [(y | sign << 255).to_bytes(32, "little") for y in sorted(numbers) for sign in (0, 1)]


def test_every_spelling_of_every_point_of_small_order_is_weak():
    keys = spellings()
    assert len(keys) == 14
    assert all(is_small_order(key) for key in keys)


def test_under_such_a_key_one_signature_would_hold_for_every_text():
    neutral = (1).to_bytes(32, "little")
    for text in (b"80000", b"8000000"):
        Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), text)


def test_a_key_that_somebody_made_is_not_weak():
    for _ in range(100):
        assert not is_small_order(Ed25519PrivateKey.generate().public_key().public_bytes_raw())


def vkey_of(name: str, algorithm: int, public_key: bytes) -> str:
    typed = bytes((algorithm,)) + public_key
    key_id = sha256(name.encode() + b"\n" + typed).digest()[:4]
    return f"{name}+{key_id.hex()}+{base64.b64encode(typed).decode()}"


@pytest.mark.parametrize("algorithm", [ED25519, COSIGNATURE_V1])
def test_no_log_and_no_witness_is_known_by_such_a_key(algorithm):
    for key in spellings():
        with pytest.raises(NoteError, match="anybody could sign"):
            VerifierKey.parse(vkey_of("a.example", algorithm, key))
    made = Ed25519PrivateKey.generate()
    known = VerifierKey.of("a.example", made, algorithm)
    assert VerifierKey.parse(vkey_of("a.example", algorithm, known.public_key)) == known


@pytest.mark.parametrize(("words", "algorithm"), [("log", ED25519), ("witness w", COSIGNATURE_V1)])
def test_a_trust_policy_with_such_a_key_is_refused_with_its_line(words, algorithm):
    neutral = vkey_of("a.example", algorithm, (1).to_bytes(32, "little"))
    with pytest.raises(PolicyError, match=r"line 2: key a\.example: anybody could sign"):
        read_trust_policy(f"# whom I believe\n{words} {neutral}\nquorum none\n")
