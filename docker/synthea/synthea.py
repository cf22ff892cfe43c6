"""Generates invented patients with Synthea 3.3.0 from Maven Central; the same options give the same bytes.

    docker/synthea/synthea OUT [--patients 12] [--seed 42] [--ages 60-85] [--as-of 20250301]

OUT gets one file of NDJSON for each resource type, its lines sorted: Synthea's threads write them in any order. Only
the standard library is used. The first time Maven downloads about 200 MB; 12 patients then take about half a minute.
"""

# ruff: noqa: T201 -- printing is what this command is for
# ruff: noqa: S603 -- it starts java and mvn, found in known places or on the PATH
# ruff: noqa: INP001 -- a script, not a package

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "hapi"))

from hapi import HapiError, find_jdk  # type: ignore[import-not-found]  # noqa: E402 -- the path is set above

LIBRARIES = HERE / "target" / "lib"
STAMP = HERE / "target" / "built-from"
HEAP = "1500m"


class SyntheaError(Exception):
    """What went wrong and what to do about it, in words for a person."""


def fetch(java_home: Path) -> None:
    """Let Maven put the libraries into target/lib, unless they are those of this pom."""
    pom = (HERE / "pom.xml").read_text()
    if STAMP.is_file() and STAMP.read_text() == pom:
        return
    maven = shutil.which("mvn")
    if maven is None:
        raise SyntheaError("Maven (mvn) was not found. Install it, for example with 'apt-get install maven'.")
    print("fetching Synthea (the first time, Maven downloads about 200 MB) ...", file=sys.stderr)
    words = ["dependency:copy-dependencies", f"-DoutputDirectory={LIBRARIES}", "-DincludeScope=runtime"]
    run([maven, "-B", "-q", *words], java_home)
    STAMP.write_text(pom)


def run(command: list[str], java_home: Path, cwd: Path = HERE) -> None:
    """Run a command.

    Raises:
        SyntheaError: it failed; with the end of what it said.
    """
    environment = {**os.environ, "JAVA_HOME": str(java_home)}
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-2000:]
        raise SyntheaError(f"{Path(command[0]).name} ended with {done.returncode}:\n{said}")


def generate(folder: Path, *, patients: int, seed: int, ages: str, as_of: str) -> int:
    """Generate patients into a folder; the number of resources.

    Args:
        folder: made if need be; its .ndjson files are replaced.
        patients: living ones; those who died meanwhile come on top.
        seed: of the people and of their practitioners.
        ages: such as ``60-85``.
        as_of: the day up to which their lives are told, as YYYYMMDD.
    """
    java_home, _ = find_jdk()
    fetch(java_home)
    with tempfile.TemporaryDirectory(prefix="synthea-") as work:
        settings = {
            "exporter.baseDirectory": work,
            "exporter.fhir.export": "true",
            "exporter.fhir.bulk_data": "true",
            "exporter.fhir.use_us_core_ig": "true",
            "exporter.hospital.fhir.export": "true",
            "exporter.practitioner.fhir.export": "true",
            "exporter.years_of_history": "1",
        }
        command = [str(java_home / "bin" / "java"), f"-Xmx{HEAP}", "-cp", f"{LIBRARIES}/*", "App"]
        command += ["-s", str(seed), "-cs", str(seed), "-p", str(patients), "-a", ages, "-r", as_of, "-e", as_of]
        command += [f"--{name}={value}" for name, value in settings.items()]
        run([*command, "Massachusetts"], java_home, cwd=Path(work))
        return gather(Path(work) / "fhir", folder)


def gather(found: Path, folder: Path) -> int:
    """Write what was generated, one sorted file for each type; the number of resources."""
    lines: dict[str, list[str]] = {}
    for path in sorted(found.glob("*.ndjson")):
        lines.setdefault(path.name.partition(".")[0], []).extend(path.read_text(encoding="utf-8").splitlines())
    if not lines:
        raise SyntheaError("Synthea wrote no .ndjson file")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.ndjson"):
        old.unlink()
    for kind, rows in sorted(lines.items()):
        (folder / f"{kind}.ndjson").write_text("".join(f"{row}\n" for row in sorted(rows)), encoding="utf-8")
    return sum(len(rows) for rows in lines.values())


def main() -> int:
    """Read the command line and generate."""
    parser = argparse.ArgumentParser(description="Invented patients of Synthea 3.3.0.")
    parser.add_argument("folder", type=Path, metavar="OUT")
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--ages", default="60-85")
    parser.add_argument("--as-of", default="20250301", metavar="YYYYMMDD")
    chosen = parser.parse_args()
    try:
        count = generate(
            chosen.folder, patients=chosen.patients, seed=chosen.seed, ages=chosen.ages, as_of=chosen.as_of
        )
    except (SyntheaError, HapiError) as problem:
        print(f"synthea: {problem}", file=sys.stderr)
        return 1
    print(f"{count} resources in {chosen.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
