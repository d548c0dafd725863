"""What the shells' completions ask for: the runs of a store, the snapshots of a repository.

Asked between two key strokes, so it imports next to nothing, reads only names and small records,
and never touches the network; whatever is not there is no suggestion.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

ASKED = "__complete"
"""The word behind which a completion asks: ``synthstore __complete runs WORDS...``."""

_RUNS = ".synthstore/runs"
_SNAPSHOT = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d\d\.\d{6}Z-([0-9a-f]{8})[0-9a-f]{8}")
_MOST = 50


def answer(args: Sequence[str], environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(id, what it is), newest first; ``args`` is what is wanted and the words typed so far."""
    wanted, *words = args or [""]
    # bash takes the sign in --repo=REPO for a word.
    words = [_plain(word) for word in words if word != "="]
    try:
        if wanted == "runs":
            yield from runs(words)
        if wanted == "snapshots":
            yield from snapshots(repository(words, environ))
    except OSError:
        return


def _plain(word: str) -> str:
    """A word as the shell would pass it on, for completions get it as it was typed."""
    try:
        parts = shlex.split(word)
    except ValueError:
        parts = [word]
    # Not Path.expanduser, which raises where there is no home, and spells URLs anew.
    return os.path.expanduser(parts[0]) if parts else ""  # noqa: PTH111


def runs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The finished runs of the store that one of the words names."""
    store = next((Path(word) for word in words if word and Path(word, _RUNS).is_dir()), None)
    if store is None:
        return
    for folder in sorted((store / _RUNS).iterdir(), reverse=True)[:_MOST]:
        try:
            done = json.loads((folder / "done").read_bytes())
            yield folder.name, f"{done['command']}, {done['files']} files"
        except (OSError, ValueError, KeyError, TypeError):
            continue


def repository(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """The repository that ``REPO@...`` or ``--repo REPO`` names, else the environment."""
    last = words[-1] if words else ""
    if "@" in last:
        return last.rpartition("@")[0]
    for word, after in pairwise((*words, "")):
        if word == "--repo" and after:
            return after
        if word.startswith("--repo="):
            return word.removeprefix("--repo=")
    return environ.get("SYNTHSTORE_REPOSITORY", "")


def snapshots(repo: str) -> Iterator[tuple[str, str]]:
    """The snapshots of a repository in a directory, and the word for the newest."""
    if not repo or not Path(repo, "snapshots").is_dir():
        return
    yield "latest", "the newest"
    names = sorted((path.name for path in Path(repo, "snapshots").iterdir()), reverse=True)
    for name in names[:_MOST]:
        found = _SNAPSHOT.fullmatch(name)
        if found is not None:
            year, month, day, hour, minute, short = found.groups()
            yield short, f"{year}-{month}-{day} {hour}:{minute}Z"


def main(args: Sequence[str]) -> None:
    """Print the answer, a suggestion a line, its description behind a tab."""
    for name, what in answer(args, os.environ):
        sys.stdout.write(f"{name}\t{what}\n")
