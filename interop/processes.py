"""Running other programs: in a clean environment, with a deadline, and stopped when we stop."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass

# No single command takes longer than a few seconds here; a minute and a half means that it hangs.
DEADLINE = 90
# The services start within a second or two; MariaDB on a busy machine takes longer.
START = 60


class Broken(Exception):
    """A step that only prepares a cell went wrong, so that the cell has no verdict."""


@dataclass(frozen=True)
class Result:
    command: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


class Environment:
    """What a child sees: neither this user's credentials nor settings that lead out of this machine."""

    # Where the toolchains keep what they have downloaded; they are not the peers under test.
    KEPT = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR")

    def __init__(self, folder: pathlib.Path):
        home = folder / "home"
        for path in (home, folder / "docker", folder / "tmp"):
            path.mkdir(parents=True, exist_ok=True)
        (folder / "docker/config.json").write_text("{}")
        self.variables = {name: os.environ[name] for name in self.KEPT if name in os.environ} | {
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "DOCKER_CONFIG": str(folder / "docker"),
            "TMPDIR": str(folder / "tmp"),
            "NO_PROXY": "127.0.0.1,localhost",
            "NO_COLOR": "1",
            "SYFT_CHECK_FOR_APP_UPDATE": "false",
        }

    def run(self, *command, stdin: str | None = None, extra: dict[str, str] | None = None) -> Result:
        words = tuple(str(word) for word in command)
        try:
            done = subprocess.run(
                words,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=DEADLINE,
                env=self.variables | (extra or {}),
            )
        except subprocess.TimeoutExpired as late:
            raise Broken(f"{pathlib.Path(words[0]).name} did not end within {DEADLINE} s") from late
        return Result(words, done.returncode, done.stdout, done.stderr)

    def must(self, *command, **options) -> Result:
        """Runs what has to succeed for the cell to mean anything."""
        result = self.run(*command, **options)
        if result.code != 0:
            name = pathlib.Path(result.command[0]).name
            raise Broken(f"{name} {result.command[1]} ended with {result.code}: {last_words(result.said)}")
        return result


class Servers:
    """Programs that run beside the rows; all of them are stopped, last one first."""

    def __init__(self, logs: pathlib.Path):
        self.logs = logs
        self.running: list[subprocess.Popen] = []

    def start(self, name: str, *command, port: int | None = None, env: dict[str, str] | None = None):
        log = self.logs / f"{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=env,
                start_new_session=True,  # Ctrl-C is ours to handle: they are stopped in order
            )
        self.running.append(process)
        if port is not None:
            wait_until(lambda: listens(port), f"{name} listens on {port}", process, log)
        return process, log

    def stop(self):
        for process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGINT if "sandbox" in process.args else signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.running.clear()


def wait_until(ready, what: str, process: subprocess.Popen, log: pathlib.Path):
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if ready():
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"waited in vain until {what}: {last_words(log.read_text(errors='replace'))}")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def last_words(text: str) -> str:
    """The line that says what went wrong, short enough for a table: the first error, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors[:1] or lines[-1:] or ["(nothing said)"])[0][:300]


def which(name: str) -> pathlib.Path | None:
    # Servers are where root alone looks.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    return pathlib.Path(found) if found else None
