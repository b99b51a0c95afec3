"""Trust policies as C2SP tlog-policy has them: who is known, and how many are enough."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.note import COSIGNATURE_V1, VerifierKey
from eventstore.trust_policy import PolicyError, read_trust_policy

LOG = VerifierKey.of("community/ledger", Ed25519PrivateKey.from_private_bytes(bytes(32)))
NEXT = VerifierKey.of("community/ledger", Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)))


def witness(number: int) -> VerifierKey:
    key = Ed25519PrivateKey.from_private_bytes(bytes([number + 10] * 32))
    return VerifierKey.of(f"witness.example/{number}", key, COSIGNATURE_V1)


KEYS = [witness(number) for number in range(5)]
TWO_LEVELS = f"""
# street office and charity
log {LOG}   https://community.example
witness X1 {KEYS[0]}
witness X2\t{KEYS[1]} https://x2.example/w
witness X3 {KEYS[2]}
  group X 2 X1 X2 X3
witness Y1 {KEYS[3]}
witness Y2 {KEYS[4]}
group Y any Y1 Y2
group both all X Y
quorum both
"""


def test_a_quorum_of_groups_counts_each_group_once():
    policy = read_trust_policy(TWO_LEVELS)
    assert policy.log_keys("community/ledger") == (LOG,)
    assert policy.log_keys("community/orders") == ()
    assert [one.url for one in policy.witnesses] == [None, "https://x2.example/w", None, None, None]
    enough = [{0, 1, 3}, {0, 2, 4}, {0, 1, 2, 3, 4}]
    too_few = [set(), {0, 1}, {0, 3}, {3, 4}, {0, 3, 4}]
    for numbers in enough:
        assert policy.satisfied([KEYS[number] for number in numbers]), numbers
    for numbers in too_few:
        assert not policy.satisfied([KEYS[number] for number in numbers]), numbers


def test_no_witness_is_needed_where_the_quorum_is_none():
    assert read_trust_policy("quorum none\n").satisfied([])
    assert read_trust_policy(f"log {LOG}\n", quorum_needed=False).logs == (LOG,)


def test_a_log_may_have_two_keys_while_one_takes_the_others_place():
    policy = read_trust_policy(f"log {LOG}\nlog {NEXT}\nquorum none\n")
    assert policy.log_keys(LOG.name) == (LOG, NEXT)


def test_a_key_of_the_same_name_that_nobody_listed_does_not_count():
    stranger = VerifierKey.of("witness.example/0", Ed25519PrivateKey.generate(), COSIGNATURE_V1)
    policy = read_trust_policy(f"witness w {KEYS[0]}\nquorum w\n")
    assert not policy.satisfied([stranger])
    assert policy.satisfied([stranger, KEYS[0]])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no quorum line"),
        ("quorum w\n", "line 1: w: no witness or group of this name"),
        ("quorum none\nquorum none\n", "line 2: a second quorum"),
        ("trust everybody\n", "line 1: 'trust' is none of"),
        ("log\nquorum none\n", "line 1: log: 0 items"),
        ("log chaoyangli+00000000+AAAA\nquorum none\n", "line 1: key"),
        (f"log {LOG}\nlog {LOG}\nquorum none\n", "line 2: .*another log line"),
        (f"log {KEYS[0]}\nquorum none\n", "not the key of a log"),
        (f"witness w {LOG}\nquorum none\n", "not the key of a witness"),
        (f"witness none {KEYS[0]}\nquorum none\n", "this name is taken"),
        (f"witness w {KEYS[0]}\nwitness v {KEYS[0]}\nquorum none\n", "line 2: v: another witness line"),
        (f"witness w {KEYS[0]}\nwitness w {KEYS[1]}\nquorum none\n", "line 2: w: this name is taken"),
        (f"witness w {KEYS[0]} file:///etc/passwd\nquorum none\n", "not an address"),
        (f"witness w {KEYS[0]}\ngroup g 2 w\nquorum g\n", "2 of 1 cannot be"),
        (f"witness w {KEYS[0]}\ngroup g 0 w\nquorum g\n", "'0' is neither"),
        (f"witness w {KEYS[0]}\ngroup g some w\nquorum g\n", "'some' is neither"),
        (f"witness w {KEYS[0]}\ngroup g all w w\nquorum g\n", "a member once"),
        (f"witness w {KEYS[0]}\ngroup g all w\ngroup h all w\nquorum g\n", "a member once"),
        (f"witness w {KEYS[0]}\ngroup g all h\ngroup h all w\nquorum g\n", "line 2: h: no witness"),
        ("quorum none\x00\n", "line 1: a control character"),
        ("\n" * 2_000 + "quorum none\n", "2002 lines"),
    ],
)
def test_a_policy_that_is_off_is_told_with_its_line(text, why):
    with pytest.raises(PolicyError, match=why):
        read_trust_policy(text)
