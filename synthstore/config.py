"""StoreConfig, the config file, and the one grammar of durations."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType

from synthstore.errors import PermissionDeniedError, UsageError
from synthstore.shell import as_owner, path_word

_MOST = 1 << 20
"""Bytes of a config file; a device would never end."""

SEVERITIES = ("error", "warning", "info")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")

COMMAND_LINE_ONLY = frozenset({"yes", "force", "allow_shrink", "accept"})
"""Options that no variable and no file may set: each call must mean them."""


def parse_duration(text: str) -> float:
    """Seconds of ``30s``, ``10m``, ``26h`` or ``30d``; raises UsageError for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text!r} is no duration", hint="write a number and a unit: 30s, 10m, 26h or 30d"
        )
    return float(int(match[1]) * _UNITS[match[2]])


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """How a store is kept; the keys and defaults of the design, checked when made."""

    storage_path: Path = Path("storage")
    """The store's directory; a relative one is meant from the current folder."""
    index_backup_count: int = 3
    """How many rotated copies of the catalog are kept."""
    auto_repair: bool = True
    """Whether opening a store as a library also repairs what can lose nothing."""
    backup_interval: int = 3600
    """Seconds between two copies of the catalog."""
    flush_threshold: int = 20
    """Pending changes before the change log is forced to disk."""
    cache_size: int = 1000
    """Entities that the library keeps in memory."""
    chunk_size: int = 1000
    """Entities that batch operations take at a time."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise UsageError(f"{name} must be a whole number from {least} up, not {value!r}")
        if type(self.auto_repair) is not bool:
            raise UsageError(f"auto_repair must be true or false, not {self.auto_repair!r}")


_LEAST = {
    "index_backup_count": 0,
    "backup_interval": 0,
    "flush_threshold": 1,
    "cache_size": 0,
    "chunk_size": 1,
}


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a config file says, checked; ``ConfigFile()`` is an empty one."""

    path: Path | None = None
    store: StoreConfig = field(default_factory=StoreConfig)
    severities: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """``error``, ``warning`` or ``info`` by finding code; the codes are not checked here."""
    commands: Mapping[str, Mapping[str, object]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """A command's options by name with underscores, as the file has them."""


def config_path(option: str | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Which config file holds: ``--config``, else ``$SYNTHSTORE_CONFIG``, else the user's own.

    None where nothing was named and the user has none. A file that was named must exist.
    """
    named = option or environ.get("SYNTHSTORE_CONFIG")
    if named:
        return Path(named).expanduser()
    path = Path(environ.get("HOME") or "~").expanduser() / ".config" / "synthstore" / "config.toml"
    try:
        return path if path.is_file() else None
    except PermissionError:
        # Another's home, as sudo may leave it in the environment: what is there is not this user's.
        return None


def load_config(path: Path | None, options: Mapping[str, Collection[str]]) -> ConfigFile:
    """Read and check a config file; ``options`` are the option names that each command has.

    Raises UsageError naming the file, and the key where one is to blame.
    """
    if path is None:
        return ConfigFile()
    document = _read(path)
    for name in document:
        if name not in {"store", "severity", *options}:
            raise UsageError(f"{path}: unknown table or key {name!r}")
    return ConfigFile(
        path=path,
        store=_store(path, _table(path, document, "store")),
        severities=_severities(path, _table(path, document, "severity")),
        commands={
            name: _options(path, name, _table(path, document, name), known)
            for name, known in options.items()
            if name in document
        },
    )


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MOST + 1)
        text = raw.decode("utf-8")
    except PermissionError as error:
        raise PermissionDeniedError(
            f"{path}: this user may not read the config file", hint=_readable(path)
        ) from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8") from error
    if len(raw) > _MOST:
        raise UsageError(f"{path}: larger than any config file")
    import tomllib  # noqa: PLC0415 - most calls have no config file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error


def _readable(path: Path) -> str:
    with suppress(OSError):
        owner = path.stat().st_uid
        if owner != os.geteuid():
            return f"run it as its owner: {as_owner(owner)}; or name another file with --config"
    return f"chmod u+r {path_word(path)}"


def _table(path: Path, document: Mapping[str, object], name: str) -> Mapping[str, object]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {name!r} must be a table: [{name}]")
    return table


def _store(path: Path, table: Mapping[str, object]) -> StoreConfig:
    known = {f.name for f in fields(StoreConfig)}
    for key in table:
        if key not in known:
            raise UsageError(f"{path}: unknown key {key!r} in [store]")
    values = dict(table)
    try:
        if "storage_path" in values:
            values["storage_path"] = _folder(values["storage_path"])
        if isinstance(values.get("backup_interval"), str):
            values["backup_interval"] = int(parse_duration(str(values["backup_interval"])))
        return StoreConfig(**values)  # type: ignore[arg-type]
    except UsageError as error:
        raise UsageError(f"{path}: [store]: {error.message}", hint=error.hint) from error


def _folder(value: object) -> Path:
    if not isinstance(value, str) or not value:
        raise UsageError(f"storage_path must be a path, not {value!r}")
    return Path(value).expanduser()


def _severities(path: Path, table: Mapping[str, object]) -> Mapping[str, str]:
    for code, label in table.items():
        if label not in SEVERITIES:
            raise UsageError(
                f"{path}: [severity]: {code} must be one of {', '.join(SEVERITIES)}, not {label!r}"
            )
    return {code: str(label) for code, label in table.items()}


def _options(
    path: Path, command: str, table: Mapping[str, object], known: Collection[str]
) -> Mapping[str, object]:
    values = {key.replace("-", "_"): value for key, value in table.items()}
    for name, key in zip(values, table, strict=True):
        if name in COMMAND_LINE_ONLY:
            raise UsageError(
                f"{path}: {key!r} in [{command}] may only be given on the command line"
            )
        if name not in known:
            raise UsageError(f"{path}: unknown key {key!r} in [{command}]")
    return values
