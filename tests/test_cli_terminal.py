"""What a person sees on a terminal: tables, colours where wanted, a fleeting progress line."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from synthstore.errors import InterruptedByUserError
from synthstore.progress import SilentProgress
from synthstore.render.progress import LineProgress, NoProgress, line_progress, told
from synthstore.render.screen import wrapped
from synthstore.testing.stores import Built, build
from tests.program import on_terminal


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


def test_words_stay_whole_and_commands_on_one_line(hurt: Built) -> None:
    store = hurt.root.rename(hurt.root.with_name("a-rather-long-name-for-a-store"))
    terminal = on_terminal("verify", store, "--no-color", variables={"COLUMNS": "40"})
    assert terminal.finish() == 1
    lines = terminal.seen.splitlines()
    assert f"synthstore repair {store} --dry-run" in lines
    (start,) = [n for n, line in enumerate(lines) if line.startswith("error M001")]
    told = lines[start : start + 4]
    assert all(len(line) <= 40 or " " not in line.strip() for line in told)
    assert "listed in" in " ".join(lines[start : start + 6])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ["short"]),
        ("one two three four five", ["one two three", "  four five"]),
        ("  one two three four", ["  one two three", "    four"]),
        (
            "a-word-that-is-longer-than-a-line and more",
            ["a-word-that-is-longer-than-a-line", "  and more"],
        ),
        ("hint: synthstore verify /data/store", ["hint: synthstore verify /data/store"]),
    ],
)
def test_lines_of_prose(text: str, lines: list[str]) -> None:
    assert wrapped(text, 15).splitlines() == lines


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_progress_waits_a_second_and_goes_away(clock: list[float]) -> None:
    stream = io.StringIO()
    progress = LineProgress(stream=stream, color=False)
    progress.start("reading", 2000)
    progress.advance(500)
    progress.clear()
    assert stream.getvalue() == ""
    clock[0] += 2.0
    progress.advance(500)
    assert "reading" in stream.getvalue()
    assert "1,000 of 2,000 files, 500/s, 2 s left" in stream.getvalue()
    shown = len(stream.getvalue())
    progress.advance(500)
    assert len(stream.getvalue()) == shown
    progress.clear()
    progress.clear()
    # One line, then the way back up to it, and the line erased.
    assert stream.getvalue().endswith("\n\x1b[?25h\r\x1b[1A\x1b[2K")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("done", "total", "unit", "spent", "text"),
    [
        (0, 10, "files", 2.0, "0 of 10 files"),
        (5, 10, "files", 0.0, "5 of 10 files"),
        (10, 10, "rows", 5.0, "10 of 10 rows, 2/s, 0 s left"),
        (1_500, 0, "rows", 3.0, "1,500 rows, 500/s"),
        (12, 10, "rows", 6.0, "12 of 10 rows, 2/s, 0 s left"),
        (1_000, 601_000, "files", 10.0, "1,000 of 601,000 files, 100/s, 1 h 40 min left"),
        (10_000_000, 1_810_000_000, "bytes", 1.0, "10.0 MB of 1.8 GB, 10.0 MB/s, 3 min left"),
    ],
)
def test_how_far_how_fast_how_long(
    done: int, total: int, unit: str, spent: float, text: str
) -> None:
    assert told(done, total, unit, spent) == text


@pytest.mark.parametrize("kind", [NoProgress, LineProgress])
def test_ctrl_c_stops_the_work_shown_or_not(kind: type[NoProgress]) -> None:
    pressed: list[int] = []
    progress = kind(lambda: bool(pressed))
    progress.start("reading", 2)
    progress.advance(1)
    pressed.append(1)
    with pytest.raises(InterruptedByUserError):
        progress.advance(1)


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
