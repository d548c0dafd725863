"""Others who write to a store meanwhile: a library at full speed, and one that knows no lock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.persistence_stores import ROOT

LIBRARY = """
import asyncio, random, sys
from synthstore import MemoryPersistence
from tests.persistence_stores import memory

async def main(root):
    dice, n = random.Random(7), 0
    async with MemoryPersistence(root) as store:
        print("ready", flush=True)
        while True:
            n += 1
            name = f"w-{dice.randrange(60)}"
            if dice.random() < 0.2:
                await store.delete_memory(name)
            elif dice.random() < 0.3:
                await store.save_memories_batch([memory(n + k) for k in range(8)])
            else:
                found = await store.load_memory(name)
                if found is not None:
                    found.touch()
                await store.save_memory(found or memory(n, memory_id=name))
            if n % 50 == 0:
                await store.flush()

asyncio.run(main(sys.argv[1]))
"""

FOREIGN = """
import json, os, random, sys, time
from pathlib import Path

root, log, *paths = map(Path, sys.argv[1:])
log = log.open("w")
dice, n = random.Random(3), 0
print("ready", flush=True)
while True:
    n += 1
    name = dice.choice(paths)
    path = root / name
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        continue
    document["content"] = f"said at {n}"
    document["updated_at"] = f"2026-01-01T00:00:00.{n:06}"
    aside = path.with_suffix(".swp")
    aside.write_text(json.dumps(document))
    print(name, n, file=log, flush=True)
    os.replace(aside, path)
    time.sleep(0.0005)
"""


@contextmanager
def company(program: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    """Run a program beside the body, and kill it in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, args)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # conflicts are told in thousands
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
