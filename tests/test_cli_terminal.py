"""What a person sees on a terminal: tables, colours where wanted, a fleeting progress line."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from synthstore.progress import SilentProgress
from synthstore.render.progress import LineProgress, NoProgress, line_progress
from tests.program import on_terminal
from tests.stores import Built, build


@pytest.fixture
def hurt(tmp_path: Path) -> Built:
    built = build("native", tmp_path / "store")
    built.file(built.memories[9]).unlink()
    return built


def test_colours_and_a_table(hurt: Built) -> None:
    terminal = on_terminal("verify", hurt.root, variables={"COLORTERM": "", "NO_COLOR": ""})
    assert terminal.finish() == 1
    assert "Severity" in terminal.seen
    assert "\x1b[" in terminal.seen
    assert "-listed" not in terminal.seen


@pytest.mark.parametrize(
    ("args", "variables"),
    [(("--no-color",), {}), ((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"})],
)
def test_no_colours(hurt: Built, args: tuple[str, ...], variables: dict[str, str]) -> None:
    terminal = on_terminal("verify", hurt.root, *args, variables=variables)
    assert terminal.finish() == 1
    assert "Severity" in terminal.seen
    assert "\x1b" not in terminal.seen
    assert f"synthstore repair {hurt.root} --dry-run" in terminal.seen


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_progress_waits_a_second_and_goes_away(clock: list[float]) -> None:
    stream = io.StringIO()
    progress = LineProgress(stream)
    progress.start("reading", 2000)
    progress.advance(500)
    progress.clear()
    assert stream.getvalue() == ""
    clock[0] += 1.1
    progress.advance(500)
    assert stream.getvalue() == "\rreading 1,000 of 2,000"
    progress.advance(500)
    progress.clear()
    progress.clear()
    assert stream.getvalue() == "\rreading 1,000 of 2,000\r" + " " * 22 + "\r"


def test_progress_is_silent_off_a_terminal(clock: list[float]) -> None:
    progress = line_progress(wanted=True)
    assert isinstance(progress, NoProgress)
    progress.start("reading", 1)
    clock[0] += 9
    progress.advance(1)
    progress.clear()
    silent = SilentProgress()
    silent.start("reading", 1)
    silent.advance(1)
