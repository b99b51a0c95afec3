"""Where backups and copies of keys may lie, and what a disk without room is left with."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.losses import servers_of, up
from tests.cli.program import say
from tests.support.servers import temporary_directory

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
OK, CHECK_FAILED, NO_ANSWER = 0, 1, 4


@pytest.fixture(scope="module")
def data():
    with temporary_directory() as place:
        place.chmod(0o755)
        with up(place / "data"):
            pass
        with servers_of(place / "data"):
            yield place / "data"


@contextmanager
def no_file_longer_than(length: int) -> Iterator[None]:
    """The kernel refuses longer ones to this process, as it refuses every one on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_keys_and_backups_in_one_directory_are_refused_before_anything_is_written(data, tmp_path):
    together = tmp_path / "together"
    said = say("backup", "--to", together, "--keys-to", tmp_path / "." / "together", "--data", data)
    assert said.code == CHECK_FAILED
    assert "keep the two apart" in said.err
    assert not together.exists()


def test_keys_are_not_written_among_backups_nor_a_backup_among_keys(data, tmp_path):
    backups, keys = tmp_path / "backups", tmp_path / "keys"
    assert say("backup", "--to", backups, "--keys-to", keys, "--data", data).code == OK
    there = {path.name for home in (backups, keys) for path in home.iterdir()}
    for words, holds in (
        (("backup", "keys", "--to", backups), f"{backups} holds"),
        (("backup", "--to", keys, "--without-keys"), f"{keys} holds"),
        (("backup", "--to", backups, "--keys-to", backups / "." / ".." / "backups"), "both in"),
        (("backup", "--to", tmp_path / "new", "--keys-to", backups), f"{backups} holds"),
    ):
        said = say(*words, "--data", data)
        assert said.code == CHECK_FAILED, said
        assert holds in said.err
        assert "keep the two apart" in said.err
    assert {path.name for home in (backups, keys) for path in home.iterdir()} == there
    assert say("backup", "list", "--to", backups).code == OK


def test_a_backup_that_finds_no_room_names_its_directory_and_takes_away_what_it_wrote(data, tmp_path):
    with no_file_longer_than(1024):
        said = say("backup", "--to", tmp_path / "full", "--without-keys", "--data", data)
    assert said.code == NO_ANSWER, said
    assert said.err.strip() == f"chaoyangli: {tmp_path / 'full'}: File too large"
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["backup.lock"]


def test_keys_that_find_no_place_are_named_before_the_backup_is_written(data, tmp_path):
    (tmp_path / "file").write_text("")
    said = say("backup", "--to", tmp_path / "backups", "--keys-to", tmp_path / "file" / "keys", "--data", data)
    assert said.code == NO_ANSWER, said
    assert str(tmp_path / "file") in said.err
    assert not list((tmp_path / "backups").glob("2*"))


def test_a_backup_whose_keys_find_no_room_is_kept_and_says_so(data, tmp_path):
    large = data / "secrets" / "large"
    large.write_bytes(bytes(1024 * 1024))
    try:
        with no_file_longer_than(512 * 1024):
            said = say("backup", "--to", tmp_path / "backups", "--keys-to", tmp_path / "keys", "--data", data)
    finally:
        large.unlink()
    assert said.code == CHECK_FAILED, said
    (made,) = say("backup", "list", "--to", tmp_path / "backups", "--json").document
    assert f"{made['path']} is finished, and there is no copy of its keys: {tmp_path / 'keys'}: File too" in said.err
    assert f"chaoyangli backup keys --to {tmp_path / 'keys'}" in said.err
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["backup.lock"]


def test_what_somebody_is_writing_just_now_is_no_key(data, tmp_path):
    """As `subscribers add` and a change of a log's key have files while they write them, and leave them when killed."""
    unfinished = [data / "secrets" / "subscribers" / ".city.0123456789abcdef", data / "secrets" / "x.former_vkeys.new"]
    unfinished[0].parent.mkdir(exist_ok=True)
    for path in unfinished:
        path.write_text('{"name": "ci')
    try:
        made = Path(say("backup", "keys", "--to", tmp_path / "keys", "--data", data, "--json").document["keys"])
    finally:
        for path in unfinished:
            path.unlink()
    names = {path.name for path in made.rglob("*")}
    assert "volunteers.kek" in names
    assert names.isdisjoint(path.name for path in unfinished)
