"""Builds, starts and stops a real HAPI FHIR R4 server on loopback, from published Maven artifacts.

Only the standard library is used, so that it runs before anything is installed. Linux only: a process is
known by its id and its start time in /proc, so that ``stop`` never ends a stranger who got the same id.
"""

# ruff: noqa: T201 -- printing is what this command is for
# ruff: noqa: S603 -- it starts java and mvn, found in known places or on the PATH
# ruff: noqa: INP001 -- a script, not a package

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
JAR = HERE / "target" / "caretally-hapi.jar"
BUILD_STAMP = HERE / "target" / "built-from"
CACHE = HERE / "cache"
PROJECT = HERE.parents[1]
MAIN_CLASS = "caretally.hapi.HapiServer"
VALIDATOR_CLASS = "caretally.hapi.Validator"
OLDEST_JAVA = 17
AOT_JAVA = 25  # the first release whose start-up cache also remembers compiled profiles in one step
SETTINGS = (
    "batch.nudge.ms",
    "client.ids",
    "db.pool",
    "ddl",
    "export.file.max",
    "external.refs",
    "integrity",
    "jetty.threads",
    "log",
    "page.default",
    "page.max",
    "placeholders",
    "search.reuse.ms",
    "server.ids",
    "subscription.ms",
    "validate.requests",
    "warm",
)
READY = re.compile(r"^READY (\S+)", re.MULTILINE)
EXIT_FAILED, EXIT_NOT_RUNNING = 1, 3


class HapiError(Exception):
    """What went wrong and what to do about it, in words for a person."""


# --- the Java it runs on -------------------------------------------------------------------------------


def java_major(home: Path) -> int:
    """The major version of the Java under `home`; 0 where there is none."""
    java = home / "bin" / "java"
    if not os.access(java, os.X_OK):
        return 0
    release = home / "release"
    told = release.read_text(encoding="utf-8", errors="replace") if release.is_file() else ""
    found = re.search(r'^JAVA_VERSION="(\d+)', told, re.MULTILINE)
    if not found:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
        found = re.search(r'version "(\d+)', answer)
    return int(found.group(1)) if found else 0


def find_jdk() -> tuple[Path, int]:
    """The home and major version of the JDK to use: CARETALLY_JDK, else the newest one installed."""
    chosen = os.environ.get("CARETALLY_JDK")
    if chosen:
        homes = [Path(chosen)]
    else:
        homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
        homes += sorted(Path("/usr/lib/jvm").glob("*"))
        on_path = shutil.which("javac")
        homes += [Path(on_path).resolve().parent.parent] if on_path else []
    rated = [(java_major(home), home) for home in homes if (home / "bin" / "javac").exists()]
    major, home = max(rated, default=(0, Path()), key=lambda pair: pair[0])
    if major < OLDEST_JAVA:
        looked = ", ".join(str(home) for home in homes) or "/usr/lib/jvm and the PATH"
        raise HapiError(
            f"no JDK {OLDEST_JAVA} or newer found (looked at: {looked}). Install one, for example with "
            "'apt-get install default-jdk-headless', or set CARETALLY_JDK to its home."
        )
    return home, major


def sources_digest() -> str:
    """SHA-256 over everything the jar is built from."""
    digest = hashlib.sha256()
    for path in [HERE / "pom.xml", *sorted((HERE / "src").rglob("*"))]:
        if path.is_file():
            digest.update(str(path.relative_to(HERE)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def build() -> None:
    """Runs Maven unless the jar was made from exactly these sources; a second build waits for the first."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        digest = sources_digest()
        if JAR.is_file() and BUILD_STAMP.is_file() and BUILD_STAMP.read_text() == digest:
            return
        maven = shutil.which("mvn")
        if maven is None:
            raise HapiError("Maven (mvn) was not found. Install it, for example with 'apt-get install maven'.")
        home, _ = find_jdk()
        BUILD_STAMP.unlink(missing_ok=True)
        print("building the HAPI server (the first time, Maven downloads about 350 MB) ...", file=sys.stderr)
        done = subprocess.run(
            [maven, "-B", "-q", "-DskipTests", "package"],
            cwd=HERE,
            env={**os.environ, "JAVA_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise HapiError(f"Maven could not build {HERE} (exit {done.returncode}):\n{done.stdout}{done.stderr}")
        BUILD_STAMP.write_text(digest)


# --- one running server --------------------------------------------------------------------------------


def start_time(pid: int) -> str | None:
    """When the kernel started process `pid` (clock ticks after boot); None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def read_state(path: Path) -> dict[str, str] | None:
    """The state of the server that `path` speaks of, when that very process still runs."""
    try:
        state: dict[str, str] = json.loads(path.read_text())
        return state if start_time(int(state["pid"])) == state["start_time"] else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as problem:
        raise HapiError(f"{path} is not a state file of this command ({problem!r}). Remove it.") from problem


def end_process(state: dict[str, str], patience_s: float) -> None:
    """TERM, a wait of `patience_s` seconds, then KILL: only ever the process that `state` describes."""
    pid = int(state["pid"])

    def runs() -> bool:
        return start_time(pid) == state["start_time"]

    for sign, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 10.0)):
        if not runs():
            return
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + wait_s
        while runs() and time.monotonic() < deadline:
            time.sleep(0.05)
            reap(pid)


def reap(pid: int) -> None:
    """Collects the exit of `pid` where it is our own child: a zombie would look alive to others."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def java_options(major: int, *, heap: str, training: bool) -> list[str]:
    """JVM options that make a start short; with a start-up cache where one was trained."""
    # The jar's modification time is part of the name: a JVM refuses a cache that was made with other jars.
    kind = "aot" if major >= AOT_JAVA else "jsa"
    cache = CACHE / f"java{major}-{JAR.stat().st_mtime_ns:x}.{kind}"
    options = ["-XX:+UseSerialGC", "-Xms512m", f"-Xmx{heap}", "-Djava.awt.headless=true"]
    if major >= AOT_JAVA:
        options += ["-Xlog:aot*=error"]
        options += [f"-XX:AOTCacheOutput={cache}"] if training else []
        options += [f"-XX:AOTCache={cache}"] if cache.is_file() and not training else []
    else:
        options += ["-Xlog:cds*=off"]
        options += [f"-XX:ArchiveClassesAtExit={cache}"] if training else []
        options += [f"-XX:SharedArchiveFile={cache}"] if cache.is_file() and not training else []
    if major < AOT_JAVA or not (cache.is_file() or training):
        # Without remembered profiles the second compiler costs a start more than a short run gets back.
        options += ["-XX:TieredStopAtLevel=1"]
    return options


def fail_with_log(message: str, log: Path, *, lines: int = 40) -> NoReturn:
    """Raises with the end of the server's own log in the message."""
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:] if log.is_file() else []
    shown = "\n".join(f"    {line}" for line in tail) or "    (the log is empty)"
    raise HapiError(f"{message} The last lines of {log}:\n{shown}")


def wait_for(marker: re.Pattern[str], state: dict[str, str], log: Path, timeout_s: float) -> re.Match[str]:
    """Waits until the log has `marker`; raises when the server ends first or `timeout_s` seconds pass."""
    deadline = time.monotonic() + timeout_s
    pid = int(state["pid"])
    while True:
        reap(pid)
        alive = start_time(pid) == state["start_time"]
        found = marker.search(log.read_text(encoding="utf-8", errors="replace"))
        if found:
            return found
        if not alive:
            fail_with_log("the HAPI server ended before it was ready.", log)
        if time.monotonic() > deadline:
            fail_with_log(f"the HAPI server was not ready within {timeout_s:g} s.", log)
        time.sleep(0.1)


def launch(options: argparse.Namespace, *, training: bool = False) -> tuple[dict[str, str], Path]:
    """Starts the JVM in a session of its own and writes the state file; does not wait."""
    home, major = find_jdk()
    build()
    state_file: Path = options.state
    state_file.parent.mkdir(parents=True, exist_ok=True)
    log = state_file.with_suffix(".log")
    properties = {"port": str(options.port), "owner.pid": str(options.owner)}
    for name in ("db_url", "db_user", "db_password_file"):
        if getattr(options, name):
            properties[name.replace("_", ".")] = getattr(options, name)
    properties.update(setting.split("=", 1) for setting in options.set)
    command = [
        str(home / "bin" / "java"),
        *java_options(major, heap=options.heap, training=training),
        *(f"-Dcaretally.{name}={value}" for name, value in properties.items()),
        "-cp",
        str(JAR),
        MAIN_CLASS,
    ]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is for whoever waits, not for the server
        )
    state = {"pid": str(process.pid), "start_time": start_time(process.pid) or "", "log": str(log)}
    state_file.write_text(json.dumps(state))
    return state, log


# --- the commands --------------------------------------------------------------------------------------


def start(options: argparse.Namespace) -> int:
    """Starts a server, waits until it answers, prints its base URL."""
    running = read_state(options.state)
    if running:
        where = running.get("base_url", "(not ready yet)")
        raise HapiError(f"a server already runs at {where}, pid {running['pid']}. Stop it first: hapi stop")
    began = time.monotonic()
    state, log = launch(options)
    try:
        state["base_url"] = wait_for(READY, state, log, options.timeout).group(1)
        options.state.write_text(json.dumps(state))
    except BaseException:
        end_process(state, patience_s=10)
        options.state.unlink(missing_ok=True)
        raise
    print(f"ready after {time.monotonic() - began:.0f} s, pid {state['pid']}, log {log}", file=sys.stderr)
    print(state["base_url"], flush=True)
    return 0


def stop(options: argparse.Namespace) -> int:
    """Ends the server of the state file; one that is gone already is no error."""
    state = read_state(options.state)
    if state:
        end_process(state, patience_s=options.timeout)
    options.state.unlink(missing_ok=True)
    print(f"stopped pid {state['pid']}" if state else "no server runs", file=sys.stderr)
    return 0


def status(options: argparse.Namespace) -> int:
    """Prints the base URL of the running server; exit 3 when none runs."""
    state = read_state(options.state)
    if state is None:
        print("no server runs", file=sys.stderr)
        return EXIT_NOT_RUNNING
    print(f"pid {state['pid']}, log {state['log']}", file=sys.stderr)
    print(state.get("base_url", "starting"))
    return 0


def train(options: argparse.Namespace) -> int:
    """Runs the server once to write a start-up cache for this JDK, which shortens later starts."""
    began = time.monotonic()
    state, log = launch(options, training=True)
    try:
        wait_for(re.compile(r"^WARM ", re.MULTILINE), state, log, options.timeout)
    finally:
        end_process(state, patience_s=300)  # the cache is written while the JVM ends
        options.state.unlink(missing_ok=True)
    for stale in sorted(CACHE.glob("java*"), key=lambda path: path.stat().st_mtime)[:-1]:
        stale.unlink()
    print(
        f"trained in {time.monotonic() - began:.0f} s: {', '.join(p.name for p in CACHE.glob('java*'))}",
        file=sys.stderr,
    )
    return 0


def validate(options: argparse.Namespace) -> int:
    """Validates JSON and NDJSON against R4 and profiles/; prints one JSON line a resource; exit 1 with an error."""
    home, _ = find_jdk()
    build()
    command = [
        str(home / "bin" / "java"),
        # A run is short: the second compiler would cost more than it gives.
        *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Xmx{options.heap}", "-Dcaretally.log=OFF"),
        *("-cp", str(JAR), VALIDATOR_CLASS),
    ]
    for folder in options.definitions or (PROJECT / "profiles" / "resources", PROJECT / "mappings" / "terminology"):
        command += ["--definitions", str(folder)]
    command += ["--rules", str(PROJECT / "profiles" / "applies.json"), *map(str, options.paths)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    sys.stdout.write(done.stdout)
    if done.returncode != 0:
        raise HapiError(f"the validator ended with exit {done.returncode}; what it said is above")
    found = [message["severity"] for line in done.stdout.splitlines() for message in json.loads(line)["messages"]]
    counted = ", ".join(f"{found.count(name)} {name}" for name in ("fatal", "error", "warning", "information"))
    print(f"{len(done.stdout.splitlines())} resources: {counted}", file=sys.stderr)
    return EXIT_FAILED if {"fatal", "error"} & set(found) else 0


def jdk(_: argparse.Namespace) -> int:
    """Prints the home of the JDK that is used."""
    print(find_jdk()[0])
    return 0


def build_only(_: argparse.Namespace) -> int:
    """Builds the server where that is needed."""
    build()
    return 0


def setting(text: str) -> str:
    """A `name=value` for a system property of the server; a name that it does not read is refused."""
    name, equals, _ = text.partition("=")
    if not equals or name not in SETTINGS:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE with a name of: {', '.join(SETTINGS)}")
    return text


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="hapi", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True)
    made: dict[str, argparse.ArgumentParser] = {}
    for action in (start, stop, status, train):
        made[action.__name__] = commands.add_parser(action.__name__, help=action.__doc__)
        made[action.__name__].set_defaults(action=action)
        default = CACHE / ("train.json" if action is train else "server.json")
        made[action.__name__].add_argument(
            "--state", type=Path, default=default, help="state file (default: %(default)s)"
        )
    made["stop"].add_argument("--timeout", type=float, default=30.0, help="seconds between TERM and KILL")
    commands.add_parser("build", help=build.__doc__).set_defaults(action=build_only)
    commands.add_parser("jdk", help=jdk.__doc__).set_defaults(action=jdk)
    checking = commands.add_parser("validate", help=validate.__doc__)
    checking.set_defaults(action=validate)
    checking.add_argument("paths", nargs="+", type=Path, help="files, or folders of .json and .ndjson")
    checking.add_argument("--definitions", type=Path, action="append", help="folders of profiles instead of ours")
    checking.add_argument("--heap", default="2g", help="largest Java heap (default: %(default)s)")
    for name in ("start", "train"):
        made[name].add_argument("--timeout", type=float, default=300.0, help="seconds to wait for readiness")
        made[name].add_argument("--heap", default="2g", help="largest Java heap (default: %(default)s)")
        made[name].add_argument("--port", type=int, default=0, help="0 (the default): any free port")
        made[name].add_argument("--db-url", default="", help="JDBC URL; default: H2 in memory, gone at the stop")
        made[name].add_argument("--db-user", default="")
        made[name].add_argument("--db-password-file", default="")
        made[name].add_argument("--owner", type=int, default=0, help="the server ends when this process is gone")
        made[name].add_argument("--set", type=setting, action="append", default=[], metavar="NAME=VALUE")
    return top


def main() -> int:
    """Runs one command; every failure is one message and a non-zero exit."""
    options = parser().parse_args()
    # TERM unwinds like Ctrl-C, so that an interrupted start leaves no server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        result: int = options.action(options)
    except HapiError as problem:
        print(f"hapi: {problem}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return result


if __name__ == "__main__":
    sys.exit(main())
