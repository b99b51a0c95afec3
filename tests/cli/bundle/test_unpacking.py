"""A ZIP of a bundle is unpacked as a bundle and nothing else: no name leads out of it, no size is open."""

import zipfile
from pathlib import Path

import pytest

from cli.bundle import unpacking
from cli.bundle.checking import BundleUnreadable, check
from cli.bundle.unpacking import NOTE_BYTES_MAX, opened
from tests.cli.program import say


def packed(bundle: Path, target: Path, *, folder: str = "", beside: dict[str, bytes] | None = None, **zipping) -> Path:
    with zipfile.ZipFile(target, "w", **zipping) as file:
        for path in sorted(bundle.rglob("*")):
            if path.is_file():
                file.write(path, folder + path.relative_to(bundle).as_posix())
        for name, content in (beside or {}).items():
            file.writestr(name, content)
    return target


def files(place: Path) -> dict[str, bytes]:
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("folder", ["", "2026-11/"])
def test_a_zip_of_the_bundle_or_of_its_folder_is_the_bundle(whole, tmp_path, folder):
    carried = packed(
        whole, tmp_path / "b.zip", folder=folder, compression=zipfile.ZIP_DEFLATED,
        beside={"__MACOSX/._policy": b"", f"{folder}.DS_Store": b"x", "notes.txt": b"y"},
    )  # fmt: skip
    with opened(carried) as directory:
        assert files(directory) == files(whole)
        assert check(directory).ok
    assert not directory.exists()
    assert say("audit", "verify", carried, "--before", whole).code == 0


REFUSED = {
    "a way up": ({"../policy2": b"x"}, "a name that leads out of it"),
    "a way up within": ({"books/../../x": b"x"}, "a name that leads out of it"),
    "from the root": ({"/etc/motd": b"x"}, "a name that leads out of it"),
    "of another system": ({"books\\..\\x": b"x"}, "a name that leads out of it"),
    "on a drive": ({"C:/x": b"x"}, "a name that leads out of it"),
    "two bundles": ({"other/policy": b"x"}, "it holds 2 policies"),
    "a head of no size": (
        {"logs/orders/origins/1/checkpoint": bytes(NOTE_BYTES_MAX + 1)},
        f"has {NOTE_BYTES_MAX + 1} bytes, at most {NOTE_BYTES_MAX} fit",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_bundle_holds_is_refused_and_nothing_is_unpacked(whole, tmp_path, what):
    beside, said = REFUSED[what]
    refused(packed(whole, tmp_path / "b.zip", beside=beside), said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.zip"]


def refused(carried: Path, said: str) -> None:
    with pytest.raises(BundleUnreadable, match=said), opened(carried):
        pass


def test_a_name_that_stands_twice_is_refused(whole, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        carried = packed(whole, tmp_path / "b.zip", beside={"books/fund.hledger": b"another"})
    refused(carried, "'books/fund.hledger' twice")


def test_more_than_the_disk_holds_is_refused_before_it_is_filled(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "DISK_LEFT_BYTES", 1 << 60)
    refused(packed(whole, tmp_path / "b.zip"), "unpacks to [0-9]+ bytes, 0 are free")


def test_a_file_larger_than_it_announces_is_refused(whole, tmp_path):
    content = b"0" * 200_000
    carried = packed(whole, tmp_path / "b.zip", beside={"books/more.csv": content}, compression=zipfile.ZIP_DEFLATED)
    announced, lie = (size.to_bytes(4, "little") for size in (len(content), 10))
    assert carried.read_bytes().count(announced) == 2
    carried.write_bytes(carried.read_bytes().replace(announced, lie))
    refused(carried, "cannot be unpacked: Bad CRC-32")


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"policy"])
def test_what_is_no_zip_is_told(tmp_path, content):
    (tmp_path / "b.zip").write_bytes(content)
    refused(tmp_path / "b.zip", "cannot be unpacked")
    assert say("audit", "verify", tmp_path / "b.zip").code == 2


def test_other_ways_of_packing_are_refused_they_know_no_bounds(whole, tmp_path):
    refused(packed(whole, tmp_path / "b.zip", compression=zipfile.ZIP_BZIP2), "packed in a way")
