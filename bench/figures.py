#!/usr/bin/env python3
"""Figures: how fast and how small `signer` is, next to other programs on the same input, in one run.

    cargo build --release -p sign-cli --locked
    python3 bench/figures.py

These are figures and no test: a busy machine does not make them fail, unless `--strict` asks for it.

Everything runs on the embedded sandbox. Peers are looked for in the arguments, in
`${XDG_CACHE_HOME:-~/.cache}/signer-peers` and on PATH; one that is absent is named and left out.
Programs are measured in turn, whole processes, start to exit; a figure is the median.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "signer-peers"
GNU_TIME = "/usr/bin/time"
IDENTITY = "dev@example.com"
MIB = 1024 * 1024

# What the project promises; (figure, at least or at most, bound).
GOALS = {
    "sigstore-python, time": ("at least", 20),
    "cosign, time": ("at least", 5),
    "cosign, memory": ("at least", 3),
    "memory per byte of SBOM": ("below", 4),
}


@dataclass
class Measured:
    """Runs of one program."""

    seconds: list[float] = field(default_factory=list)
    kib: list[int] = field(default_factory=list)

    @property
    def time(self) -> float:
        return statistics.median(self.seconds)

    @property
    def peak(self) -> float:
        """Bytes; the most of any run."""
        return max(self.kib) * 1024


def run_once(command: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """Runs a program that must succeed; its seconds, and its peak memory in KiB as the kernel counts it."""
    with tempfile.TemporaryFile() as out:
        actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), descriptor) for descriptor in (1, 2)]
        start = time.perf_counter()
        process = os.posix_spawn(command[0], command, environment, file_actions=actions)
        _, status, usage = os.wait4(process, 0)
        seconds = time.perf_counter() - start
        if os.waitstatus_to_exitcode(status) != 0:
            out.seek(0)
            sys.exit(f"{' '.join(command)}\nfailed:\n{out.read().decode(errors='replace')}")
    return seconds, usage.ru_maxrss


def weigh(command: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """As `run_once`, with the memory that is the program's own.

    The kernel also counts what a child shares with this script until it becomes another program.
    GNU time is small enough not to matter; without it, less than this script's own size is not seen.
    """
    if not os.access(GNU_TIME, os.X_OK):
        return run_once(command, environment)
    with tempfile.NamedTemporaryFile("r") as report:
        seconds, _ = run_once([GNU_TIME, "-q", "-f", "%M", "-o", report.name, *command], environment)
        return seconds, int(report.read())


def in_turn(commands: dict[str, list[str]], environment: dict[str, str], runs: int) -> dict[str, Measured]:
    """A B C A B C …, so that a machine whose speed drifts is slow for all of them."""
    measured = {name: Measured() for name in commands}
    for name, command in commands.items():
        # Under another program's eyes it is a little slower: memory is read in runs of its own.
        measured[name].kib = [weigh(command, environment)[1] for _ in range(3)]
    for _ in range(runs):
        for name, command in commands.items():
            measured[name].seconds.append(run_once(command, environment)[0])
    return measured


class Sandbox:
    """The embedded Sigstore and registry, for as long as the block lasts."""

    def __init__(self, signer: str, folder: pathlib.Path):
        self.signer, self.data = signer, folder / "sandbox"

    def __enter__(self) -> "Sandbox":
        command = [self.signer, "sandbox", "up", "--data", str(self.data), "--identity", IDENTITY, "-o", "json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        document = self.process.stdout.readline()
        if not document.startswith('{"'):
            sys.exit("the sandbox did not start")
        result = json.loads(document)["results"][0]
        self.urls, self.environment = result["urls"], result["environment"]
        return self

    def __exit__(self, *_) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)

    def with_log(self, rekor: int) -> dict[str, str]:
        """An environment in which `signer` uses this sandbox and one of its logs."""
        config = self.data / f"trust_config.rekor{rekor}.json"
        return {**os.environ, **self.environment, "SIGNER_TRUST_CONFIG": str(config)}


def spdx(path: pathlib.Path, size: int) -> int:
    """Writes an SPDX document of about `size` bytes, the same each time, and returns its exact size."""
    head = {
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "large", "dataLicense": "CC0-1.0",
        "documentNamespace": "https://example.com/spdx/large",
        "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: figures"]},
    }  # fmt: skip
    with open(path, "w") as out:
        written = out.write(json.dumps(head)[:-1] + ', "packages": [\n')
        number = 0
        while written < size:
            package = {
                "SPDXID": f"SPDXRef-Package-{number}", "name": f"package-{number}", "versionInfo": f"1.{number}.0",
                "downloadLocation": "NOASSERTION", "licenseConcluded": "Apache-2.0",
                "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                  "referenceLocator": f"pkg:generic/package-{number}@1.{number}.0"}],
            }  # fmt: skip
            written += out.write((",\n" if number else "") + json.dumps(package))
            number += 1
        out.write("\n]}\n")
    return path.stat().st_size


def find(name: str, given: str | None) -> str | None:
    """A peer's path."""
    kept = sorted([*CACHE.glob(f"bin/{name}"), *CACHE.glob(f"python-*/bin/{name}")])
    return given or next((str(path) for path in kept), None) or shutil.which(name)


def row(name: str, measured: Measured, note: str = "") -> None:
    print(f"  {name:<34}{measured.time * 1000:>9.1f} ms{measured.peak / MIB:>9.1f} MiB   {note}".rstrip())


class Verdicts:
    """Whether the goals are met, printed at the end."""

    def __init__(self):
        self.worst: dict[str, float] = {}

    def note(self, goal: str, value: float) -> None:
        pick = min if GOALS[goal][0] == "at least" else max
        self.worst[goal] = pick(self.worst.get(goal, value), value)

    def print(self) -> bool:
        print("\nGoals (the least favourable figure of this run)")
        met = True
        for goal, (relation, bound) in GOALS.items():
            if goal not in self.worst:
                print(f"  {goal:<34}{'not measured':>12}")
                continue
            value = self.worst[goal]
            good = value >= bound if relation == "at least" else value < bound
            met &= good
            print(f"  {goal:<34}{value:>11.1f}x  {relation} {bound}: {'met' if good else 'NOT met'}")
        return met


def verification(sandbox: Sandbox, folder: pathlib.Path, peers: dict[str, str | None], runs: int, verdicts: Verdicts):
    """One small bundle, verified offline by everybody."""
    artifact = folder / "artifact"
    artifact.write_text("content\n" * 1000)
    identity = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", sandbox.urls["oidc"]]
    for rekor in (1, 2):
        environment = sandbox.with_log(rekor)
        bundle = str(folder / f"artifact.rekor{rekor}.sigstore.json")
        run_once([sandbox.signer, "sign-blob", str(artifact), "--bundle", bundle], environment)
        commands = {
            "signer": [sandbox.signer, "verify-blob", str(artifact), "--bundle", bundle, "--offline", *identity]
        }
        if peers["sigstore"]:
            config = environment["SIGNER_TRUST_CONFIG"]
            who = ["--cert-identity", IDENTITY, "--cert-oidc-issuer", sandbox.urls["oidc"]]
            verify = ["verify", "identity", "--offline", "--bundle", bundle, *who, str(artifact)]
            commands["sigstore-python"] = [peers["sigstore"], "--trust-config", config, *verify]
        if peers["cosign"]:
            root = str(sandbox.data / "trusted_root.json")
            options = ["--bundle", bundle, "--trusted-root", root, "--use-signed-timestamps", *identity]
            commands["cosign"] = [peers["cosign"], "verify-blob", *options, str(artifact)]
        measured = in_turn(commands, environment, runs)
        print(f"\nverify-blob --offline, whole process, Rekor v{rekor}, {runs} runs in turn")
        own = measured["signer"]
        for name, of_peer in measured.items():
            if name == "signer":
                row(name, own)
                continue
            row(name, of_peer, f"{of_peer.time / own.time:.1f} times as long, {of_peer.peak / own.peak:.1f} times the memory")
            verdicts.note(f"{name}, time", of_peer.time / own.time)
            if name == "cosign":
                verdicts.note("cosign, memory", of_peer.peak / own.peak)


def large_sbom(sandbox: Sandbox, folder: pathlib.Path, megabytes: int, verdicts: Verdicts) -> None:
    """A large SBOM, attested to a file and to an image, and verified."""
    artifact, sbom = folder / "artifact", folder / "large.spdx.json"
    size = spdx(sbom, megabytes * 1000 * 1000)
    identity = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", sandbox.urls["oidc"]]
    for rekor in (1, 2):
        environment = sandbox.with_log(rekor)
        bundle = str(folder / f"large.rekor{rekor}.sigstore.json")
        # An image for each log, so that what is verified is one attestation.
        layout, predicate = image(folder / f"layout.rekor{rekor}"), ["--predicate", str(sbom)]
        print(f"\nSBOM of {size / 1e6:.0f} MB, Rekor v{rekor}")
        for name, arguments in {
            "attest-blob": ["attest-blob", str(artifact), *predicate, "--bundle", bundle],
            "verify-blob": ["verify-blob", str(artifact), "--bundle", bundle, "--type", "spdx", *identity],
            "attest (oci-layout)": ["attest", layout, *predicate],
            "verify (oci-layout)": ["verify", layout, "--type", "spdx", *identity],
        }.items():
            seconds, kib = weigh([sandbox.signer, *arguments], environment)
            measured = Measured([seconds], [kib])
            row(name, measured, f"{measured.peak / size:.1f} times the file")
            verdicts.note("memory per byte of SBOM", measured.peak / size)


def image(folder: pathlib.Path) -> str:
    """Writes the smallest OCI image layout there is, and returns its reference."""
    import hashlib

    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(document: dict, media_type: str) -> dict:
        content = json.dumps(document).encode()
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    oci = "application/vnd.oci.image"
    config = blob({"architecture": "amd64", "os": "linux"}, f"{oci}.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": f"{oci}.manifest.v1+json", "config": config, "layers": []}
    manifests = [blob(manifest, f"{oci}.manifest.v1+json")]
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci-layout:{folder}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signer", default=str(ROOT / "target" / "release" / "signer"), metavar="PATH")
    parser.add_argument("--sigstore", metavar="PATH", help="the command of the PyPI package sigstore")
    parser.add_argument("--cosign", metavar="PATH")
    parser.add_argument("--runs", type=int, default=15, metavar="N")
    parser.add_argument("--megabytes", type=int, default=50, metavar="N", help="size of the large SBOM")
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument("--strict", action="store_true", help="end with status 1 when a goal is not met")
    options = parser.parse_args()
    if options.quick:
        options.runs = 5

    signer = shutil.which(options.signer)
    if signer:
        signer = os.path.abspath(signer)
    else:
        sys.exit(f"{options.signer} is not there: cargo build --release -p sign-cli --locked")
    peers = {"sigstore": find("sigstore", options.sigstore), "cosign": find("cosign", options.cosign)}
    for name, path in peers.items():
        print(f"{name}: {path or 'absent, left out'}")
    if not os.access(GNU_TIME, os.X_OK):
        print(f"{GNU_TIME} is absent: memory below that of this script cannot be seen")

    verdicts = Verdicts()
    with tempfile.TemporaryDirectory(prefix="figures-") as folder, Sandbox(signer, pathlib.Path(folder)) as sandbox:
        verification(sandbox, pathlib.Path(folder), peers, options.runs, verdicts)
        large_sbom(sandbox, pathlib.Path(folder), options.megabytes, verdicts)
    met = verdicts.print()
    return 1 if options.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main())
