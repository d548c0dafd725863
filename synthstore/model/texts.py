"""Many short texts without an object for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class Texts:
    """Texts in their order: as their bytes while all are ASCII and of one length, as most times."""

    __slots__ = ("_joined", "_size", "_texts")

    def __init__(self) -> None:
        self._size = 0
        self._joined = bytearray()
        self._texts: list[str] | None = None

    def extend(self, texts: Sequence[str]) -> None:
        """Append some."""
        if self._texts is None:
            joined, size = "".join(texts), self._size or len(next(iter(texts), ""))
            if size and joined.isascii() and {size}.issuperset(map(len, texts)):
                self._size = size
                self._joined += joined.encode("ascii")
                return
            self._texts = list(self)
            self._joined.clear()
        self._texts += texts

    @property
    def packed(self) -> tuple[bytearray, int] | None:
        """The bytes of all and the size of each; None where they are not of one."""
        return (self._joined, self._size) if self._texts is None else None

    def __len__(self) -> int:
        """How many there are."""
        return len(self._joined) // (self._size or 1) if self._texts is None else len(self._texts)

    def __getitem__(self, at: int) -> str:
        """One of them."""
        if self._texts is not None:
            return self._texts[at]
        start = at * self._size
        return self._joined[start : start + self._size].decode("ascii")

    def __iter__(self) -> Iterator[str]:
        """Each in turn."""
        return map(self.__getitem__, range(len(self))) if self._texts is None else iter(self._texts)
