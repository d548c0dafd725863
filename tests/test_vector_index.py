"""MemoryVectorIndex by itself, against FAISS."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from synthstore import MemoryVectorIndex, OperationError, UsageError
from synthstore.store.vector_index import INDEX_NAME, MAPPING_NAME
from synthstore.testing.flat_bytes import parse
from synthstore.testing.stores import unit_vectors

VECTORS = unit_vectors(200, 24, seed=4)
NAMES = [f"v{n}" for n in range(200)]


def faiss() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import faiss as module  # noqa: PLC0415
    found: ModuleType = module
    return found


async def filled(folder: Path | None = None, *, metric: str = "ip") -> MemoryVectorIndex:
    index = MemoryVectorIndex(folder, metric=metric)
    await index.add_vectors(NAMES, VECTORS)
    return index


async def test_the_constructor_touches_nothing(tmp_path: Path) -> None:
    index = MemoryVectorIndex(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert (index.ntotal, index.dimension) == (0, None)
    assert await index.search([1.0], 3) == []


@pytest.mark.parametrize("metric", ["ip", "l2"])
async def test_a_search_finds_what_faiss_finds(metric: str) -> None:
    index = await filled(metric=metric)
    theirs = faiss().IndexFlatIP(24) if metric == "ip" else faiss().IndexFlatL2(24)
    theirs.add(VECTORS)
    for query in unit_vectors(20, 24, seed=9):
        scores, found = theirs.search(query[None, :], 7)
        hits = await index.search(query, 7)
        assert [name for name, _ in hits] == [NAMES[n] for n in found[0]]
        sign = 1 if metric == "ip" else -1
        assert np.allclose([score for _, score in hits], sign * scores[0], atol=1e-5)


async def test_vectors_come_change_and_go() -> None:
    index = MemoryVectorIndex()
    await index.add_vector("a", VECTORS[0])
    await index.add_vector("b", VECTORS[1])
    with pytest.raises(UsageError, match="already"):
        await index.add_vector("a", VECTORS[2])
    await index.update_vector("a", VECTORS[2])
    assert (await index.search(VECTORS[2], 1))[0][0] == "a"
    assert await index.remove_vector("a") is True
    assert await index.remove_vector("a") is False
    assert (index.ntotal, "a" in index, "b" in index) == (1, False, True)
    assert [name for name, _ in await index.search(VECTORS[2], 5)] == ["b"]


async def test_the_right_ones_stay_whatever_goes() -> None:
    index = await filled()
    for n in range(0, 200, 3):
        await index.remove_vector(NAMES[n])
    for n in range(200):
        hit = (await index.search(VECTORS[n], 1))[0][0]
        assert (hit == NAMES[n]) == (n % 3 != 0)


@pytest.mark.parametrize("vector", [[1.0], [float("nan")] * 24, [[0.0] * 24], ["x"] * 24])
async def test_what_is_no_vector_of_it_is_refused(vector: list[float]) -> None:
    index = await filled()
    with pytest.raises(UsageError):
        await index.add_vector("new", vector)
    with pytest.raises(UsageError):
        await index.update_vector("v1", vector)
    assert index.ntotal == 200
    assert (await index.search(VECTORS[1], 1))[0][0] == "v1"


async def test_faiss_reads_what_is_saved(tmp_path: Path) -> None:
    index = await filled(tmp_path / "vectors")
    await index.save()
    theirs = faiss().read_index(str(tmp_path / "vectors" / INDEX_NAME))
    assert theirs.ntotal == 200
    again = MemoryVectorIndex(tmp_path / "vectors")
    await again.load()
    assert again.ntotal == 200
    assert await again.search(VECTORS[5], 4) == await index.search(VECTORS[5], 4)
    assert await again.verify() == []


async def test_a_store_has_the_same_numbers(tmp_path: Path) -> None:
    from synthstore.testing.spelling import numeric  # noqa: PLC0415

    index = await filled(tmp_path)
    await index.save()
    flat = parse((tmp_path / INDEX_NAME).read_bytes())
    assert set(flat.ids.tolist()) == {numeric(name) for name in NAMES}


async def test_a_save_cut_between_its_files_can_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = await filled(tmp_path)
    await index.save()
    await index.remove_vector("v0")
    await index.add_vector("new", unit_vectors(1, 24, seed=77)[0])
    before = {
        tmp_path / name: (tmp_path / name).read_bytes() for name in (INDEX_NAME, MAPPING_NAME)
    }
    from synthstore.files.durable import atomic_write as real  # noqa: PLC0415
    from synthstore.store import vector_index  # noqa: PLC0415

    for allowed in range(3):
        for path, raw in before.items():
            path.write_bytes(raw)
        done = 0

        def cut(path: Path, content: object, mode: int, allowed: int = allowed) -> str:
            nonlocal done
            done += 1
            if done > allowed:
                raise OperationError("cut")
            return real(path, content, mode)  # type: ignore[arg-type]

        monkeypatch.setattr(vector_index, "atomic_write", cut)
        with pytest.raises(OperationError):
            await index.save()
        monkeypatch.setattr(vector_index, "atomic_write", real)
        found = MemoryVectorIndex(tmp_path)
        await found.load()
        assert found.ntotal == 200
        assert ("v0" in found, "new" in found) == ((True, False) if allowed < 2 else (False, True))


async def test_damage_is_told_and_not_loaded(tmp_path: Path) -> None:
    index = await filled(tmp_path)
    await index.save()
    (tmp_path / MAPPING_NAME).write_text('{"v0": 1}')
    assert any("200 vectors have no name" in said for said in await index.verify())
    (tmp_path / INDEX_NAME).write_bytes((tmp_path / INDEX_NAME).read_bytes()[:-9])
    assert any("cut short" in said for said in await index.verify())
    with pytest.raises(OperationError, match="cut short"):
        await MemoryVectorIndex(tmp_path).load()


async def test_rebuilding_is_all_or_nothing() -> None:
    index = await filled()
    with pytest.raises(UsageError):
        await index.rebuild({"a": VECTORS[0], "b": [1.0]})
    assert index.ntotal == 200
    await index.rebuild({"a": [1.0, 0.0], "b": [0.0, 1.0]})
    assert (index.ntotal, index.dimension) == (2, 2)
    assert (await index.search([0.0, 2.0], 1))[0][0] == "b"


async def test_other_types_are_faiss_own(tmp_path: Path) -> None:
    index = MemoryVectorIndex(tmp_path, factory="IDMap2,HNSW16", metric="l2", dimension=24)
    await index.add_vectors(NAMES, VECTORS)
    assert (await index.search(VECTORS[8], 1))[0][0] == "v8"
    await index.save()
    again = MemoryVectorIndex(tmp_path)
    await again.load()
    assert again.ntotal == 200
    (hit,) = await again.search(VECTORS[9], 1)
    assert (hit[0], round(hit[1], 5)) == ("v9", 0.0)
    with pytest.raises(OperationError, match="cannot let a vector go"):
        await again.remove_vector("v9")
    with pytest.raises(UsageError, match="trained"):
        await MemoryVectorIndex(factory="IVF4,Flat").add_vectors(NAMES, VECTORS)


@contextmanager
def modules_called() -> Iterator[set[str]]:
    """The files whose code this very thread enters."""
    entered: set[str] = set()
    sys.setprofile(lambda frame, _event, _arg: entered.add(Path(frame.f_code.co_filename).name))
    try:
        yield entered
    finally:
        sys.setprofile(None)


async def test_the_loop_s_thread_does_none_of_the_work(tmp_path: Path) -> None:
    index = MemoryVectorIndex(tmp_path)
    with modules_called() as entered:
        await index.add_vectors(NAMES[2:], VECTORS[2:])
        await index.add_vector("v0", VECTORS[0])
        await index.update_vector("v0", VECTORS[1])
        await index.search(VECTORS[0], 3)
        await index.remove_vector("v0")
        await index.save()
        await index.load()
        assert await index.verify() == []
        await index.rebuild({"a": VECTORS[0]})
    assert "vector_index.py" in entered
    work = {"vector_table.py", "vector_files.py", "flat_index.py", "vectors.py", "durable.py"}
    assert not entered & work


async def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError):
        MemoryVectorIndex(metric="cosine")
    with pytest.raises(UsageError, match="folder"):
        await MemoryVectorIndex().save()
    with pytest.raises(UsageError, match="1 or more"):
        await (await filled()).search(VECTORS[0], 0)
