"""`make sbom`: the bill of materials of the image, CycloneDX JSON from the lock; the same lock gives the same file."""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.prod.lock"
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def made(lock: Path = LOCK) -> dict[str, Any]:
    """Give the bill of materials of a lock, without what would differ from one run to the next."""
    command = [str(Path(sys.executable).with_name("cyclonedx-py")), "requirements", str(lock)]
    options = ["--output-reproducible", "--of", "JSON", "--sv", "1.6", "--pyproject", str(ROOT / "pyproject.toml")]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the bill of materials could not be made: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    for component in found["components"]:
        # The address of an index is nobody's business but the builder's; the hashes say which file is meant.
        for reference in component.get("externalReferences", []):
            reference["url"] = f"pkg:pypi/{component['name']}@{component['version']}"
    return found


def pinned(lock: Path = LOCK) -> set[tuple[str, str]]:
    """Give the names and versions that a lock pins."""
    return {(name.lower(), version) for name, version in _PINNED.findall(lock.read_text())}


def missing(sbom: dict[str, Any], lock: Path = LOCK) -> list[str]:
    """List what the lock pins and the bill does not name with a hash."""
    named = {
        (part["name"].lower(), part["version"])
        for part in sbom["components"]
        if any(reference.get("hashes") for reference in part.get("externalReferences", []))
    }
    return sorted(f"{name}=={version}" for name, version in pinned(lock) - named)


def main(arguments: list[str] | None = None) -> int:
    """Write the bill; 1 when it is not complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "sbom.cdx.json")
    out = parser.parse_args(arguments).out
    sbom = made()
    out.write_text(json.dumps(sbom, indent=1, sort_keys=True) + "\n")
    absent = missing(sbom)
    for name in absent:
        print(f"not in the bill of materials: {name}", file=sys.stderr)
    print(f"{out.name}: {len(sbom['components'])} components")
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
