"""A bundle as it was carried: a directory, or a ZIP of one, which is unpacked beside for as long as it is looked at.

Only what a bundle has is taken out, to names of a bundle's own making and in bounded sizes: a ZIP from somebody else
may name files outside, unpack to more than any disk, or say one thing twice.
"""

import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cli.bundle.checking import BundleUnreadable
from eventstore.tiles import ENTRY_BYTES_MAX, TILE_BYTES, TILE_WIDTH

CHUNK_BYTES = 1 << 20
NOTE_BYTES_MAX, TEXT_BYTES_MAX = 20_000, 1 << 20
ENTRIES_BYTES_MAX = TILE_WIDTH * (ENTRY_BYTES_MAX + 2)
DISK_LEFT_BYTES = 256 << 20
"""What unpacking leaves free where it unpacks to."""
MEMBERS_MAX = 2_000_000
"""Files of one bundle: hundreds of millions of events."""
PARTS = (
    (re.compile(r"logs/[a-z]+/tile/entries/[x0-9/]+(\.p/[0-9]+)?"), ENTRIES_BYTES_MAX),
    (re.compile(r"logs/[a-z]+/tile/[0-9]+/[x0-9/]+(\.p/[0-9]+)?"), TILE_BYTES),
    (re.compile(r"logs/[a-z]+/(origins/[0-9]+/)?checkpoint"), NOTE_BYTES_MAX),
    (re.compile(r"policy|manifest\.json|README\.md"), TEXT_BYTES_MAX),
    (re.compile(r"(books|parquet)/[A-Za-z0-9_.-]+"), None),
)
"""What a bundle has, and how large it may be; books and tables grow with the logs, and only the disk bounds them."""
FOLDERS = frozenset({"logs", "books", "parquet"})


@contextmanager
def opened(bundle: Path) -> Iterator[Path]:
    """The bundle as a directory. Raises BundleUnreadable for a ZIP that is none, or not one of a bundle alone, and for
    a directory that holds links, pipes or files too large to be a bundle's.
    """
    if bundle.is_dir():
        _require_plain(bundle)
        yield bundle
        return
    with tempfile.TemporaryDirectory(prefix="chaoyangli-bundle-") as directory:
        try:
            with zipfile.ZipFile(bundle) as packed:
                _unpack(packed, Path(directory), bundle)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise BundleUnreadable(f"{bundle} cannot be unpacked: {error}") from error
        try:
            yield Path(directory)
        except BundleUnreadable as error:
            # Where it was unpacked to is gone when somebody reads this.
            raise BundleUnreadable(str(error).replace(directory, str(bundle))) from error


def _require_plain(bundle: Path) -> None:
    """Nothing that is read leads out of the bundle or has no end. Raises BundleUnreadable."""
    for folder, directories, files in os.walk(bundle):
        for name in (*directories, *files):
            path = Path(folder, name)
            inside, found = path.relative_to(bundle).as_posix(), path.lstat()
            bound = _bound(inside)
            if stat.S_ISLNK(found.st_mode) and (bound != 0 or inside.split("/")[0] in FOLDERS):
                raise BundleUnreadable(f"{bundle}: {inside} is a link; copy what it leads to")
            if bound == 0 or stat.S_ISDIR(found.st_mode):
                continue  # nobody reads it, or whoever does says that it is no file
            if not stat.S_ISREG(found.st_mode):
                raise BundleUnreadable(f"{bundle}: {inside} is neither a file nor a directory")
            if bound is not None and found.st_size > bound:
                raise BundleUnreadable(f"{bundle}: {inside} has {found.st_size} bytes, at most {bound} fit")


def _bound(name: str) -> int | None:
    """How large a file of this name may be; None: as large as the disk; 0: it is none of a bundle's."""
    return next((most for pattern, most in PARTS if pattern.fullmatch(name)), 0)


def _unpack(packed: zipfile.ZipFile, target: Path, bundle: Path) -> None:
    members = _wanted(packed, bundle)
    free = shutil.disk_usage(target).free - DISK_LEFT_BYTES
    needed = sum(member.file_size for member in members.values())
    if needed > free:
        raise BundleUnreadable(f"{bundle} unpacks to {needed} bytes, {max(free, 0)} are free in {target.parent}")
    for name, member in members.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with packed.open(member) as source, path.open("xb") as file:
            # zipfile gives no more than the size that it announced, and holds the content against its CRC.
            shutil.copyfileobj(source, file, CHUNK_BYTES)


def _wanted(packed: zipfile.ZipFile, bundle: Path) -> dict[str, zipfile.ZipInfo]:
    """Name in the bundle → member. Raises BundleUnreadable."""
    files = [member for member in packed.infolist() if not member.is_dir()]
    if len(files) > MEMBERS_MAX:
        raise BundleUnreadable(f"{bundle} holds {len(files)} files, a bundle has {MEMBERS_MAX} at most")
    root = _root(files, bundle)
    found: dict[str, zipfile.ZipInfo] = {}
    for member in files:
        parts = PurePosixPath(member.filename).parts
        if "\\" in member.filename or member.filename.startswith("/") or ".." in parts or ":" in member.filename:
            raise BundleUnreadable(f"{bundle} holds {member.filename!r}, a name that leads out of it")
        name = member.filename.removeprefix(root)
        bound = _bound(name)
        if bound == 0 or not member.filename.startswith(root):
            continue  # such as what a file manager lays beside: nobody reads it
        if name in found:
            raise BundleUnreadable(f"{bundle} holds {member.filename!r} twice")
        if bound is not None and member.file_size > bound:
            raise BundleUnreadable(f"{bundle}: {member.filename!r} has {member.file_size} bytes, at most {bound} fit")
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise BundleUnreadable(f"{bundle}: {member.filename!r} is packed in a way that is not read: use deflate")
        found[name] = member
    return found


def _root(files: list[zipfile.ZipInfo], bundle: Path) -> str:
    """What stands before `policy`: nothing, or the one folder that the ZIP was made of."""
    names = (member.filename for member in files)
    roots = {name.removesuffix("policy") for name in names if re.fullmatch(r"([^/]+/)?policy", name)}
    if len(roots) != 1:
        raise BundleUnreadable(f"{bundle} is no audit bundle: it holds {len(roots)} policies")
    return roots.pop()
