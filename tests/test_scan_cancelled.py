"""A look that is cut short leaves nothing behind that still works, or complains."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from synthstore.scan import scanner
from synthstore.scan.pool import executor_for
from synthstore.testing.stores import build
from tests.layouts import NATIVE


def test_ctrl_c_while_workers_start_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build("native", tmp_path / "store")
    complaints: list[dict[str, Any]] = []

    @contextmanager
    def interrupted(*how: Any) -> Iterator[Executor]:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with executor_for(*how) as executor:
            yield executor

    async def look() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(scanner.scan(built.root, NATIVE))
        await asyncio.sleep(0.05)
        gc.collect()

    monkeypatch.setattr(scanner, "executor_for", interrupted)
    asyncio.run(look())
    assert complaints == []
