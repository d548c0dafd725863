"""``python -m synthstore``, and the program itself."""

import sys

from synthstore.cli import suggest


def main() -> None:
    """Answer a completion without importing the commands, or run one."""
    if sys.argv[1:2] == [suggest.ASKED]:
        suggest.main(sys.argv[2:])
        return
    from synthstore.cli.run import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
