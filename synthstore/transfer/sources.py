"""Where rows come from: a file, a pipe, or a generator of samples."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

from synthstore.errors import UsageError
from synthstore.files.durable import told
from synthstore.scan.workers import LARGE_FILE, PROCESSES_PAY_FROM
from synthstore.transfer.formats import FORMATS, named, told_by
from synthstore.transfer.formats.base import Format, Found, Row
from synthstore.transfer.formats.jsonl import JsonLines
from synthstore.transfer.formats.packing import Stream, is_packed, suffix_of
from synthstore.transfer.making import sample
from synthstore.transfer.portions import Portion, chunks, held

_PEEK = 64


class Source(ABC):
    """Rows in their order."""

    name: str
    """For reports."""
    repeatable: ClassVar[bool] = True
    """Whether it can be opened a second time, with the same rows."""

    def require(self) -> None:  # noqa: B027 - most need nothing
        """Raise UsageError or OperationError where it will have no rows to give."""

    @abstractmethod
    def rows(self) -> Generator[Found]:
        """The rows, each read when it is asked for; close the iterator early to let go."""

    def portions(self) -> Generator[Portion]:
        """The rows, cut into what one worker is to do at a time."""
        with closing(self.rows()) as rows:
            yield from held(rows)

    @property
    @abstractmethod
    def large(self) -> bool:
        """Whether several workers are worth their start."""


@dataclass(frozen=True)
class FileSource(Source):
    """A file, or whatever else has a name and can be read."""

    path: Path
    format: str | None = None
    """None: by its name, else by its beginning."""

    @property
    def name(self) -> str:  # type: ignore[override]
        """As it was given."""
        return str(self.path)

    @property
    def repeatable(self) -> bool:  # type: ignore[override]
        """Only a regular file gives its rows again."""
        return self.path.is_file()

    def require(self) -> None:
        """Raise UsageError where there is none, OperationError for one that cannot be read."""
        with told(self.path, "read"):
            if not self.path.exists():
                raise UsageError(f"there is no file {self.path}", hint="check the path; - is stdin")
            # Opened only where that takes nothing from it.
            if self.path.is_dir() or (self.path.is_file() and not os.access(self.path, os.R_OK)):
                self.path.open("rb").close()
            self.path.stat()

    @property
    def large(self) -> bool:
        """By its size; a pipe may hold anything."""
        with told(self.path, "read"):
            status = self.path.stat()
        return not stat.S_ISREG(status.st_mode) or status.st_size > LARGE_FILE

    def rows(self) -> Generator[Found]:
        """The rows of the file."""
        with self._opened() as file:
            yield from _rows(file, self._format())

    def portions(self) -> Generator[Portion]:
        """The rows; those of plain JSON Lines are left to the workers to read."""
        with self._opened() as file:
            cut = chunks(file, self.path) if self._is_plain(file) else None
            if cut is not None:
                yield from cut
                return
        yield from super().portions()

    def _is_plain(self, file: BinaryIO) -> bool:
        """Whether it is a regular file, not compressed, with a record a line."""
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return False
        beginning = os.pread(file.fileno(), _PEEK, 0)
        form = self._format() or told_by(beginning)
        return isinstance(form, JsonLines) and not is_packed(beginning)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with told(self.path, "read"):
            file = self.path.open("rb")
        with file:
            yield file

    def _format(self) -> Format | None:
        if self.format is not None:
            return FORMATS[self.format]
        return named(suffix_of(self.path.name)[0])


@dataclass(frozen=True)
class PipeSource(Source):
    """An open stream, such as stdin."""

    stream: BinaryIO
    format: str | None = None
    name: str = "-"
    repeatable = False

    @property
    def large(self) -> bool:
        """Who knows."""
        return True

    def rows(self) -> Generator[Found]:
        """The rows of the stream."""
        return _rows(self.stream, FORMATS[self.format] if self.format is not None else None)


@dataclass(frozen=True)
class SampleSource(Source):
    """Memories and assemblies made for tests."""

    n: int
    dim: int
    seed: int

    @property
    def name(self) -> str:  # type: ignore[override]
        """What was asked for."""
        return f"sample of {self.n} memories, {self.dim} numbers each, seed {self.seed}"

    def require(self) -> None:
        """Raise UsageError for a sample that cannot be made."""
        sample(self.n, self.dim, self.seed)

    @property
    def large(self) -> bool:
        """By their number."""
        return self.n > PROCESSES_PAY_FROM

    def rows(self) -> Generator[Found]:
        """The records, numbered from 1."""
        records = sample(self.n, self.dim, self.seed)
        return (Row(number, record) for number, record in enumerate(records, 1))


def _rows(file: BinaryIO, form: Format | None) -> Generator[Found]:
    stream = Stream(file)
    form = form or told_by(stream.peek(_PEEK)[:_PEEK])
    form.require()
    yield from form.read(stream)
