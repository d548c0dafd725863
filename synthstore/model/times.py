"""Times as stores spell them: ISO text, naive ones in UTC, or seconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from synthstore.model.catalog import Scalar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what times without a zone are held against
_SECONDS_A_DAY = 86_400
_MICROSECOND = timedelta(microseconds=1)
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
"""From the year 1 to 9999: what no calendar names is no time."""
_MILLISECONDS = 1000


def instant_us(value: object) -> int | None:
    """The instant that ``value`` names, in microseconds since the epoch, UTC; None if it is none.

    Milliseconds are not guessed at: they lie beyond the year 9999 when read as seconds.
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        since = moment - (_NAIVE_EPOCH if moment.tzinfo is None else _EPOCH)
        # As a division by a microsecond, in half the time.
        return (since.days * _SECONDS_A_DAY + since.seconds) * 1_000_000 + since.microseconds
    # A bool is an int to Python, and no time to anybody.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not _FIRST_SECOND <= value <= _LAST_SECOND:
        return None
    return round(value * 1_000_000)


def in_seconds(value: Scalar) -> Scalar:
    """A number of milliseconds as seconds, which it cannot be itself; all else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= _LAST_SECOND:
        return value
    return value / _MILLISECONDS


def same_time(one: Scalar, other: Scalar) -> bool:
    """Whether two spellings name one instant; what is no time equals only itself.

    A float of seconds resolves no single microsecond in our century, so it may be one off.
    """
    if one == other and isinstance(one, str) == isinstance(other, str):
        return True
    first, second = instant_us(one), instant_us(other)
    if first is None or second is None:
        return False
    return abs(first - second) <= (isinstance(one, float) or isinstance(other, float))


def iso_text(us: int) -> str:
    """Spell an instant in microseconds as Memory Cores do: ISO with the offset ``+00:00``."""
    return (_EPOCH + us * _MICROSECOND).isoformat(timespec="microseconds")


def seconds(us: int) -> float:
    """Spell an instant in microseconds as seconds since the epoch."""
    return us / 1_000_000
