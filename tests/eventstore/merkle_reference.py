"""The definitions of RFC 6962 §2.1 as they stand there: slow, recursive, and sharing nothing with the engine."""

from collections.abc import Sequence
from hashlib import sha256


class ReferenceTree:
    """A tree over entries; every method is one definition of the RFC, over leaves begin ≤ i < end."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.entries = list(entries)
        self._known: dict[tuple[int, int], bytes] = {}

    def mth(self, begin: int, end: int) -> bytes:
        if (begin, end) not in self._known:
            self._known[begin, end] = self._mth(begin, end)
        return self._known[begin, end]

    def _mth(self, begin: int, end: int) -> bytes:
        if begin == end:
            return sha256(b"").digest()
        if end - begin == 1:
            return sha256(b"\x00" + self.entries[begin]).digest()
        k = self.k(end - begin)
        return sha256(b"\x01" + self.mth(begin, begin + k) + self.mth(begin + k, end)).digest()

    @staticmethod
    def k(n: int) -> int:
        k = 1
        while k * 2 < n:
            k *= 2
        return k

    def path(self, m: int, n: int) -> list[bytes]:
        return self._path(m, 0, n)

    def _path(self, m: int, begin: int, end: int) -> list[bytes]:
        if end - begin == 1:
            return []
        k = self.k(end - begin)
        if m < k:
            return [*self._path(m, begin, begin + k), self.mth(begin + k, end)]
        return [*self._path(m - k, begin + k, end), self.mth(begin, begin + k)]

    def proof(self, m: int, n: int) -> list[bytes]:
        return self._subproof(m, 0, n, complete=True) if 0 < m < n else []

    def _subproof(self, m: int, begin: int, end: int, *, complete: bool) -> list[bytes]:
        if m == end - begin:
            return [] if complete else [self.mth(begin, end)]
        k = self.k(end - begin)
        if m <= k:
            return [*self._subproof(m, begin, begin + k, complete=complete), self.mth(begin + k, end)]
        return [*self._subproof(m - k, begin + k, end, complete=False), self.mth(begin, begin + k)]

    def node(self, level: int, index: int) -> bytes:
        return self.mth(index << level, (index + 1) << level)

    def leaf_hashes(self) -> list[bytes]:
        return [self.mth(index, index + 1) for index in range(len(self.entries))]


def invented_entries(count: int, history: str = "main") -> list[bytes]:
    """Entries of an invented log; another `history` has other bytes in every entry."""
    return [f"{history} entry {number}".encode() for number in range(count)]
