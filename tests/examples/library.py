"""A store as a library: save, load, search, change, delete, check."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from synthstore import (
    ConflictError,
    CorruptEntityError,
    MemoryAssembly,
    MemoryEntry,
    MemoryPersistence,
    StoreConfig,
)


async def main(folder: Path) -> None:
    config = StoreConfig(storage_path=folder, index_backup_count=5)
    async with MemoryPersistence(config, on_conflict="error") as store:
        calm = MemoryEntry(
            "The harbour was calm at noon",
            embedding=[0.9, 0.1, 0.0],
            quickrecal_score=0.8,
            metadata={"source": "log book"},
        )
        storm = MemoryEntry("A storm came up", embedding=[0.0, 0.2, 0.9])

        await store.save_memory(calm)  # durable when it returns
        await store.save_memories_batch([storm])
        await store.save_assembly(MemoryAssembly("weather", [calm.memory_id, storm.memory_id]))

        for memory_id, score in await store.search([1.0, 0.0, 0.0], k=1):
            found = await store.load_memory(memory_id)
            print(f"{score:.2f} {found.content if found else 'gone'}")  # noqa: T201

        try:
            again = await store.load_memory(calm.memory_id)
            if again is not None:
                again.metadata["seen"] = True
                await store.save_memory(again)
        except ConflictError as error:
            print("another writer was faster:", error)  # noqa: T201
        except CorruptEntityError as error:
            print("damaged, but this much is whole:", error.fields)  # noqa: T201

        await store.delete_memory(storm.memory_id)
        async for memory in store.load_memories():
            print(memory.content)  # noqa: T201

        report = await store.verify_and_repair_consistency()
        print("findings:", report["summary"]["by_code"])  # noqa: T201
    async with MemoryPersistence(config) as store:
        print("clean:", store.opening_report["clean"])  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
