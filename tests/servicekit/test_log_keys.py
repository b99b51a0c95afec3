"""A log's keys as files: changed with an overlap, at once when stolen, begun anew when lost; never half."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.checkpoint import KeyFileError, Signer, create_key_file, load_key_file
from eventstore.merkle import EMPTY_ROOT
from eventstore.note import VerifierKey
from servicekit.log_keys import KeyChangeRefused, KeyFiles, prepare, read_log_keys, replace_lost, retire


class Held:
    """A log's keys and its last head, as `init` and the first start leave them."""

    def __init__(self, directory: Path) -> None:
        self.files = KeyFiles(directory, "chaoyangli", "orders")
        self.head_path = directory / "head"
        create_key_file(self.files.in_force)
        self.first = read_log_keys(self.files).vkey
        self.sign()

    def signer(self) -> Signer:
        return read_log_keys(self.files).signer(self.head_path)

    def sign(self) -> str:
        return self.signer().sign(0, EMPTY_ROOT, lambda _old, _new: [])


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(tmp_path)


def test_a_key_is_changed_with_an_overlap(held: Held):
    following = prepare(held.files)
    keys = read_log_keys(held.files)
    assert (keys.vkey, keys.next_vkey, keys.good) == (held.first, following, (held.first, following))
    assert stat.S_IMODE(held.files.following.stat().st_mode) == 0o600
    published = held.sign()
    assert retire(held.files, held.head_path, published) == following
    after = read_log_keys(held.files)
    assert (after.vkey, after.next_vkey, after.former, after.stolen) == (following, None, (held.first,), ())
    assert stat.S_IMODE(held.files.in_force.stat().st_mode) == 0o600
    assert held.signer().last_signed() is not None


def test_nobody_is_left_behind(held: Held):
    with pytest.raises(KeyChangeRefused, match="there is no key to follow"):
        retire(held.files, held.head_path, held.sign())
    by_the_old_alone = held.sign()
    prepare(held.files)
    for published in (None, by_the_old_alone):
        with pytest.raises(KeyChangeRefused, match="no head signed by both"):
            retire(held.files, held.head_path, published)
    with pytest.raises(KeyChangeRefused, match="a change is under way"):
        prepare(held.files)
    assert read_log_keys(held.files).vkey == held.first


def test_a_stolen_key_goes_at_once_and_is_believed_no_more(held: Held):
    following = prepare(held.files)
    assert retire(held.files, held.head_path, None, stolen=True) == following
    after = read_log_keys(held.files)
    assert (after.good, after.stolen) == ((following,), (held.first,))
    assert held.signer().last_signed() is not None, "the head was signed again before"


def test_a_lost_key_is_replaced_once_its_head_is_seen(held: Held):
    with pytest.raises(KeyChangeRefused, match="is there"):
        replace_lost(held.files, held.first, held.head_path)
    held.files.in_force.unlink()
    stranger = VerifierKey.of("chaoyangli/orders", Ed25519PrivateKey.generate())
    with pytest.raises(KeyChangeRefused, match="did not sign the last head"):
        replace_lost(held.files, stranger, held.head_path)
    assert not held.files.ended.exists()
    made = replace_lost(held.files, held.first, held.head_path)
    after = read_log_keys(held.files)
    assert (after.vkey, after.former) == (made, (held.first,))
    assert held.signer().last_signed() is not None
    held.files.in_force.unlink()
    held.head_path.unlink()
    with pytest.raises(KeyChangeRefused, match="no last signed head"):
        replace_lost(held.files, made, held.head_path)


def test_a_change_that_was_broken_off_is_finished(held: Held):
    following = prepare(held.files)
    published = held.sign()
    # As a crash leaves it between the list and the key: the key in force is on the list of former ones.
    held.files.ended.write_text(f"former {held.first}\n")
    assert held.signer().last_signed() is not None
    assert retire(held.files, held.head_path, published) == following
    assert held.files.ended.read_text() == f"former {held.first}\n"
    assert load_key_file(held.files.in_force)


@pytest.mark.parametrize("line", ["former nonsense", "gone {first}", "former {elsewhere}"])
def test_a_list_that_is_off_is_told_with_its_line(held: Held, line: str):
    elsewhere = VerifierKey.of("chaoyangli/ledger", Ed25519PrivateKey.generate())
    held.files.ended.write_text(f"former {held.first}\n" + line.format(first=held.first, elsewhere=elsewhere) + "\n")
    with pytest.raises(KeyFileError, match="line 2"):
        read_log_keys(held.files)
