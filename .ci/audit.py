"""Ask whether a version that is installed here has a known vulnerability; skip where nobody knows.

Exit code 1 only for vulnerabilities: a database that cannot be reached is no reason to stop.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 90
"""For each step: no step may hang, whatever the network does."""


OPTIONS = ("--timeout", "5", "--progress-spinner", "off", "--format", "json")


def main() -> int:
    """Install pip-audit aside, run it on this interpreter's packages, and tell what it found."""
    with tempfile.TemporaryDirectory() as folder:
        place, report = Path(folder), Path(folder) / "report.json"
        packages = next(path for path in sys.path if path.endswith("site-packages"))
        try:
            ask([sys.executable, "-m", "venv", place / "venv"])
            ask([place / "venv/bin/pip", "install", "--quiet", "pip-audit"])
            ask([place / "venv/bin/pip-audit", *OPTIONS, "--path", packages, "--output", report])
            dependencies = json.loads(report.read_text())["dependencies"]
        except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            return skip(f"{type(error).__name__}: {error}")
    return tell(dependencies)


def ask(command: list[str | Path]) -> None:
    """Run one step, silently; what it failed to write tells, for vulnerabilities fail it, too."""
    subprocess.run(command, timeout=SECONDS, capture_output=True, check=False)  # noqa: S603 - ours


def tell(dependencies: list[dict[str, object]]) -> int:
    """Print the vulnerabilities, or why there is no knowing."""
    known = [one for one in dependencies if "vulns" in one]
    if not known:
        return skip(f"the database knows none of {len(dependencies)} packages")
    found = [one for one in known if one["vulns"]]
    for one in found:
        print(f"vulnerable: {one['name']} {one['version']}: {one['vulns']}")  # noqa: T201 - its output
    print(f"dependency audit: {len(known)} packages, {len(found)} vulnerable")  # noqa: T201
    return 1 if found else 0


def skip(why: str) -> int:
    """Say that nothing was audited, and why."""
    print(f"dependency audit skipped: {why}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
