"""The bare loop F: what reading a store costs when nothing is judged."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import orjson


def loop(store: Path) -> float:
    """Seconds for one thread to read, parse, convert and hash every memory file."""
    start = time.perf_counter()
    with os.scandir(store / "memories") as entries:
        for entry in entries:
            with open(entry.path, "rb") as file:  # noqa: PTH123 - nothing but the bare call
                raw = file.read()
            np.array(orjson.loads(raw)["embedding"], dtype=np.float32)
            hashlib.sha256(raw).hexdigest()
    return time.perf_counter() - start
