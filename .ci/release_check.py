"""Refuse a release whose tag, package and changelog do not name the same version.

The version stands in one place, `reconciler/__init__.py`. Usage: release_check.py vX.Y.Z
"""

from __future__ import annotations

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[1]


def find_problems(tag: str, root: pathlib.Path = ROOT) -> list[str]:
    """Everything that keeps `tag` from being released, one sentence each; empty when nothing does."""
    source = (root / "reconciler" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if found is None:
        return ["reconciler/__init__.py names no version."]
    version = found[1]
    problems = []
    if tag != f"v{version}":
        problems.append(f"The tag is {tag or 'missing'}, and reconciler/__init__.py says {version}.")
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", changes, re.MULTILINE):
        problems.append(f"CHANGELOG.md has no section '## {version} - YYYY-MM-DD'.")
    return problems


if __name__ == "__main__":
    found_problems = find_problems(*sys.argv[1:2] or [""])
    sys.stderr.writelines(f"{problem}\n" for problem in found_problems)
    sys.exit(bool(found_problems))
