"""The bare loop F: what reading a store costs when nothing is judged."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import orjson

from tests.benchmarks.metering import Usage


def loop(store: Path) -> Usage:
    """What it takes one thread to read, parse, convert and hash every memory file."""
    start, used = time.perf_counter(), time.process_time()
    with os.scandir(store / "memories") as entries:
        for entry in entries:
            with open(entry.path, "rb") as file:  # noqa: PTH123 - nothing but the bare call
                raw = file.read()
            np.array(orjson.loads(raw)["embedding"], dtype=np.float32)
            hashlib.sha256(raw).hexdigest()
    return Usage(time.perf_counter() - start, time.process_time() - used)
