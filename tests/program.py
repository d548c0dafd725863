"""The command line as a person or a script would use it."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from synthstore import schemas
from synthstore.cli.run import run

REGISTRY: Registry[Any] = Registry().with_resources(
    [
        (schema["$id"], Resource.from_contents(schema))
        for schema in map(schemas.load, schemas.names())
    ]
)


def validate(document: Any) -> None:
    """Hold a document against the schema that it names."""
    schema = schemas.load(document["schema"])
    jsonschema.Draft202012Validator(schema, registry=REGISTRY).validate(document)


@dataclass(frozen=True, slots=True)
class Result:
    """What one call gave."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout, held against its schema."""
        document = json.loads(self.out)
        validate(document)
        return document

    @property
    def lines(self) -> list[str]:
        """stdout line by line."""
        return self.out.splitlines()


@dataclass(frozen=True, slots=True)
class Program:
    """Calls the program in this process."""

    home: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *args: object) -> Result:
        """Run with these arguments."""
        self.capsys.readouterr()
        code = run([str(arg) for arg in args])
        return Result(code, *self.capsys.readouterr())

    def env(self, **variables: str) -> None:
        """Set environment variables for the calls to come."""
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)

    def config(self, text: str) -> Path:
        """Write the user's config file."""
        path = self.home / ".config" / "synthstore" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


def spawn(*args: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "synthstore", *map(str, args)],
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(slots=True)
class Terminal:
    """The program on a terminal of its own: what it shows, and a hand to type with."""

    process: subprocess.Popen[bytes]
    fd: int
    seen: str = ""

    def expect(self, text: str, *, within: float = 30.0) -> None:
        """Read until ``text`` stands on the screen."""
        end = time.monotonic() + within
        while text not in self.seen:
            going = self._read() and time.monotonic() < end
            assert going or text in self.seen, f"no {text!r} in {self.seen!r}"

    def type(self, text: str) -> None:
        """Send keys."""
        os.write(self.fd, text.encode())

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Press Ctrl-C, or ask it otherwise to stop."""
        self.process.send_signal(number)

    def finish(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        os.close(self.fd)
        return self.process.wait(30)

    def _read(self) -> bool:
        if not select.select([self.fd], [], [], 0.2)[0]:
            return self.process.poll() is None
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other end of a pty is closed
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


def _heed_signals() -> None:
    # A shell's background job has Ctrl-C ignored, one of nohup SIGHUP, and so would the program.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def on_terminal(
    *args: object,
    variables: Mapping[str, str] | None = None,
    first: str = "",
    cwd: Path | None = None,
) -> Terminal:
    """Start the program on a terminal, 100 columns wide; ``first`` is code to run before it."""
    ours, theirs = pty.openpty()
    main = ["-c", f"{first}\nfrom synthstore.cli.run import main; main()"]
    process = subprocess.Popen(
        [sys.executable, *(main if first else ["-m", "synthstore"]), *map(str, args)],
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"} | dict(variables or {}),
        cwd=cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_heed_signals,  # noqa: PLW1509
    )
    os.close(theirs)
    return Terminal(process, ours)


Start = Callable[..., Terminal]
