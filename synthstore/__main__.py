"""``python -m synthstore``."""

from synthstore.cli.run import main

if __name__ == "__main__":
    main()
