"""``python -m synthstore``, and the program itself."""

import sys

from synthstore.errors import InterruptedByUserError

_OBJECTS_BETWEEN_COLLECTIONS = 2_000_000


def main() -> None:
    """Answer a completion without importing the commands, or run one."""
    try:
        _main()
    except KeyboardInterrupt:
        # Nothing was begun yet: a command that runs says itself what state the store is in.
        sys.exit(InterruptedByUserError.exit_code)


def _main() -> None:
    # Imported only where Ctrl-C is no traceback.
    import gc  # noqa: PLC0415
    import os  # noqa: PLC0415

    from synthstore.cli import ahead, streams, suggest  # noqa: PLC0415

    streams.occupy()
    if sys.argv[1:2] == [suggest.ASKED]:
        suggest.main(sys.argv[2:])
        return
    # Facts, rows and findings make no cycles, and to look for some among millions takes seconds.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # Else numpy starts threads that hardly anything uses, and that spin a while in each process.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    ahead.start(sys.argv[1:])
    from synthstore.cli.run import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
