"""The program of a child process, the only one to import FAISS.

A damaged file can crash FAISS, hang it or eat the memory; in here that costs nobody anything. Run
as a script by ``faiss_process``, so it imports nothing of synthstore. ``argv[1]`` is the task as
JSON. The answer on standard output is ``MAGIC``, the length of a JSON header, the header, and raw
numbers or bytes; never a pickle.
"""

from __future__ import annotations

import json
import os
import re
import resource
import struct
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, BinaryIO, Final

import numpy as np

MAGIC: Final = b"FSSCHILD"
LENGTH: Final = struct.Struct("<I")
METRICS: Final = {"ip": 0, "l2": 1}

_SOURCE: Final = re.compile(r"Error in .* at \S+:\d+: ", re.DOTALL)
_CONDITION: Final = re.compile(r"Error: '.*' failed(: |$)", re.DOTALL)
_BLOCK: Final = 1 << 22
_LOOPS: Final = 1 << 20
_Answer = tuple[dict[str, object], Callable[[BinaryIO], object]]
"""The header, and what writes all that follows it."""

# Types that keep every float as it came.
_EXACT: Final = (
    "IndexFlat",
    "IndexFlatIP",
    "IndexFlatL2",
    "IndexHNSWFlat",
    "IndexIVFFlat",
    "IndexNSGFlat",
    "IndexNNDescentFlat",
)


class _RefusedError(Exception):
    """The task cannot be done; ``kind`` tells whose fault it is."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _File:
    """An open file as FAISS wants to read it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.offset = 0

    def read(self, count: int) -> bytes:
        raw = os.pread(self._fd, count, self.offset)
        self.offset += len(raw)
        return raw


def main() -> None:
    """Do the one task and answer it."""
    task = json.loads(sys.argv[1])
    with os.fdopen(os.dup(1), "wb") as out:
        # FAISS prints at times; the answer must not have that in it.
        os.dup2(2, 1)
        faiss = _load_faiss()
        _confine(task["memory"], task["seconds"])
        # What goes wrong before this is the machine's fault, after it the file's.
        out.write(MAGIC)
        out.flush()
        header, write = _answer(faiss, task)
        text = json.dumps(header).encode()
        out.write(LENGTH.pack(len(text)) + text)
        write(out)


def _answer(faiss: Any, task: dict[str, Any]) -> _Answer:
    try:
        return {"read": _read, "build": _build}[task["task"]](faiss, task)
    except _RefusedError as refused:
        return {"refused": refused.kind, "message": str(refused)}, _write_nothing
    except MemoryError:
        message = "it needs more memory than its size explains"
        return {"refused": "memory", "message": message}, _write_nothing


def _write_nothing(_: BinaryIO) -> None:
    pass


def _load_faiss() -> Any:
    # Every module is imported by the tests and by --help; FAISS takes a tenth of a second.
    import faiss  # noqa: PLC0415
    import faiss.contrib.factory_tools  # noqa: PLC0415

    return faiss


def _confine(memory: int, seconds: int) -> None:
    """From here on: little memory, no new files (an index can name others), no core dump."""
    for limit, value in (
        (resource.RLIMIT_AS, _address_space() + memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (lowest, hard))


def _address_space() -> int:
    """Bytes that the interpreter and FAISS take before any file is read."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - no pathlib in here
            pages = int(statm.read().split()[0])
    except OSError:
        return 1 << 30
    return pages * resource.getpagesize()


def _plain(error: BaseException) -> str:
    """FAISS's message without its C++ signature, source line and condition; perhaps nothing."""
    told = _CONDITION.sub("", _SOURCE.sub("", str(error)))
    return " ".join(told.split())[:200]


def _load(faiss: Any, fd: int, size: int) -> Any:
    faiss.set_deserialization_vector_byte_limit(max(size, _LOOPS))
    faiss.set_deserialization_loop_limit(max(size, _LOOPS))
    file = _File(fd)
    reader = faiss.PyCallbackIOReader(file.read)
    reader.name = "the file"
    try:
        index = faiss.read_index(reader)
    except RuntimeError as error:
        reason = _plain(error) or "a size in it is out of range"
        raise _RefusedError("damaged", f"FAISS cannot read it: {reason}") from None
    # FAISS itself bounds neither by the file's size where a vector takes no bytes.
    if index is None or not 0 <= index.ntotal <= size or (index.ntotal and not index.d):
        raise _RefusedError("damaged", "its header is not plausible")
    if file.offset != size:
        raise _RefusedError("damaged", f"{size - file.offset} bytes follow after its end")
    return index


def _read(faiss: Any, task: dict[str, Any]) -> _Answer:
    index = _load(faiss, task["fd"], task["size"])
    contents = _Contents(faiss, index)
    ids = contents.ids()
    fits = 4 * index.ntotal * index.d <= task["vectors_limit"]
    vectors = task["with_vectors"] and fits and contents.can_reconstruct()
    header = {
        "description": _describe(faiss, index),
        "metric": _metric_name(index.metric_type),
        "dim": index.d,
        "ntotal": len(ids),
        "has_ids": contents.has_ids,
        "exact": contents.exact and vectors == task["with_vectors"],
        "vectors": vectors,
    }
    blocks = chain([ids], contents.vectors() if vectors else ())
    return header, lambda out: out.writelines(block.data for block in blocks)


def _metric_name(number: int) -> str:
    return next((name for name, known in METRICS.items() if known == number), str(number))


def _describe(faiss: Any, index: Any) -> str:
    prefix = ""
    while isinstance(index, faiss.IndexIDMap):
        prefix += "IDMap2," if isinstance(index, faiss.IndexIDMap2) else "IDMap,"
        index = faiss.downcast_index(index.index)
    try:
        name = faiss.contrib.factory_tools.reverse_index_factory(index)
    except (NotImplementedError, AssertionError, KeyError, AttributeError):
        name = type(index).__name__
    return prefix + str(name)


class _Contents:
    """Ids and vectors of a loaded index, whatever its type."""

    def __init__(self, faiss: Any, index: Any) -> None:
        self._faiss = faiss
        # It owns what is taken out of it below, and frees that with itself.
        self._owner = index
        self._dim = index.d
        claimed = (index.ntotal, index.d)
        self._maps = []
        self._transforms = []
        while isinstance(index, faiss.IndexIDMap | faiss.IndexPreTransform):
            if isinstance(index, faiss.IndexIDMap):
                self._maps.append(faiss.vector_to_array(index.id_map))
            else:
                self._transforms.append(index)
            index = faiss.downcast_index(index.index)
        if claimed != (index.ntotal, self._dim if self._transforms else index.d):
            raise _RefusedError("damaged", "its headers contradict each other")
        self._core = index
        self._lists = self._inverted() if isinstance(index, faiss.IndexIVF) else None
        self.has_ids = bool(self._maps) or self._lists is not None
        self.exact = type(index).__name__ in _EXACT and not self._transforms

    def _inverted(self) -> list[Any]:
        """The ids in each inverted list."""
        faiss, lists = self._faiss, self._core.invlists
        sizes = [lists.list_size(number) for number in range(lists.nlist)]
        # Fewer are no damage: FAISS counts a vector with a NaN, but puts it in no list.
        if sum(sizes) > self._core.ntotal:
            raise _RefusedError("damaged", "its lists hold more vectors than it claims")
        return [
            faiss.rev_swig_ptr(lists.get_ids(number), size).copy() if size else np.empty(0, "<i8")
            for number, size in enumerate(sizes)
        ]

    def ids(self) -> Any:
        """int64, shape (ntotal,)."""
        ids = np.arange(self._core.ntotal) if self._lists is None else self._listed()
        for id_map in reversed(self._maps):
            if ids.size and not 0 <= ids.min() <= ids.max() < len(id_map):
                raise _RefusedError("damaged", "its lists hold positions that its ids do not reach")
            ids = id_map[ids]
        return ids

    def _listed(self) -> Any:
        return np.concatenate([np.empty(0, "<i8"), *(self._lists or ())])

    def can_reconstruct(self) -> bool:
        """Whether the type can give its vectors back: tried on one.

        FAISS aborts the process where it finds out in the midst of several.
        """
        if not self._core.ntotal:
            return True
        try:
            if self._lists is None:
                self._core.reconstruct(0)
            next(self.vectors(), None)
        except RuntimeError:
            return False
        return True

    def vectors(self) -> Iterator[Any]:
        """The vectors in the order of ``ids``, a block of rows at a time."""
        for block in self._stored() if self._lists is None else self._stored_in_lists():
            yield self._untransformed(block)

    def _untransformed(self, vectors: Any) -> Any:
        pointer = self._faiss.swig_ptr
        for transform in reversed(self._transforms):
            full = np.empty((len(vectors), transform.d), "f4")
            transform.reverse_chain(len(vectors), pointer(vectors), pointer(full))
            vectors = full
        return vectors

    def _rows(self) -> int:
        return _BLOCK // (4 * max(1, int(self._dim))) or 1

    def _stored(self) -> Iterator[Any]:
        total, rows = self._core.ntotal, self._rows()
        for start in range(0, total, rows):
            yield self._core.reconstruct_n(start, min(rows, total - start))

    def _stored_in_lists(self) -> Iterator[Any]:
        rows = self._rows()
        for number, ids in enumerate(self._lists or ()):
            for start in range(0, len(ids), rows):
                block = np.empty((min(rows, len(ids) - start), self._core.d), "f4")
                for at, vector in enumerate(block, start):
                    pointer = self._faiss.swig_ptr(vector)
                    self._core.reconstruct_from_offset(number, at, pointer)
                yield block


def _build(faiss: Any, task: dict[str, Any]) -> _Answer:
    vectors = _receive(task["ntotal"] * task["dim"], "<f4").reshape(task["ntotal"], task["dim"])
    ids = _receive(task["ntotal"], "<i8")
    if task["factory"] is None:
        index = _load(faiss, task["fd"], task["size"])
        index.reset()
    else:
        index = _create(faiss, task)
    if not index.is_trained:
        _attempt("train", index.train, vectors)
    if not _takes_ids(faiss, index):
        index = faiss.IndexIDMap2(index)
    _attempt("add", index.add_with_ids, vectors, ids)
    header: dict[str, object] = {"description": _describe(faiss, index)}
    return header, lambda out: faiss.write_index(index, faiss.PyCallbackIOWriter(out.write))


def _receive(count: int, kind: str) -> Any:
    array = np.empty(count, kind)
    at, raw = 0, array.view("u1")
    while at < len(raw):
        taken = os.readv(0, [raw[at:].data])
        if not taken:
            raise _RefusedError("failed", "the vectors did not arrive whole")
        at += taken
    return array


def _create(faiss: Any, task: dict[str, Any]) -> Any:
    try:
        return faiss.index_factory(task["dim"], task["factory"], METRICS[task["metric"]])
    except RuntimeError as error:
        raise _RefusedError("factory", _plain(error) or "it says no more") from None


def _attempt(kind: str, do: Any, *arrays: Any) -> None:
    try:
        do(*arrays)
    except RuntimeError as error:
        raise _RefusedError(kind, _plain(error) or "it says no more") from None


def _takes_ids(faiss: Any, index: Any) -> bool:
    while isinstance(index, faiss.IndexPreTransform):
        index = faiss.downcast_index(index.index)
    return isinstance(index, faiss.IndexIDMap | faiss.IndexIVF)


if __name__ == "__main__":
    main()
