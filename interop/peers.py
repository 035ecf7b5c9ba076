"""The independent programs: which versions, where they come from, and where they are kept.

Nothing is installed system-wide except, as root on Debian, skopeo and MariaDB's programs. Everything else lies in
`${XDG_CACHE_HOME:-~/.cache}/signer-peers`, so that a second run finds it there.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from processes import which

HERE = pathlib.Path(__file__).parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "signer-peers"

GO = {  # name: package, module version
    "cosign": ("github.com/sigstore/cosign/v3/cmd/cosign", "v3.1.3"),
    "crane": ("github.com/google/go-containerregistry/cmd/crane", "v0.22.1"),
    "oras": ("oras.land/oras/cmd/oras", "v1.3.6"),
    "syft": ("github.com/anchore/syft/cmd/syft", "v1.57.0"),
    "registry": ("github.com/distribution/distribution/v3/cmd/registry", "v3.1.2"),
}
TRILLIAN = "v1.8.0"
SERVICES = {  # of the real stack
    "fulcio": ("github.com/sigstore/fulcio", "v1.8.8"),
    "rekor-server": ("github.com/sigstore/rekor/cmd/rekor-server", "v1.5.4"),
    "rekor-v2": ("github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix", "v2.3.0"),
    "timestamp-server": ("github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server", "v2.1.3"),
    "ct_server": ("github.com/google/certificate-transparency-go/trillian/ctfe/ct_server", "v1.3.3"),
    "trillian_log_server": ("github.com/google/trillian/cmd/trillian_log_server", TRILLIAN),
    "trillian_log_signer": ("github.com/google/trillian/cmd/trillian_log_signer", TRILLIAN),
    "createtree": ("github.com/google/trillian/cmd/createtree", TRILLIAN),
}
# @sigstore/* in node/package-lock.json, sigstore-python in requirements.txt.


@dataclass(frozen=True)
class Peer:
    name: str
    path: pathlib.Path
    version: str


class Peers:
    """What is there, and why the rest is not."""

    def __init__(self):
        self.found: dict[str, Peer] = {}
        self.missing: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def __getitem__(self, name: str) -> pathlib.Path:
        return self.found[name].path

    def offer(self, name: str, obtain):
        try:
            path, version = obtain()
            self.found[name] = Peer(name, path, version)
        except Absent as reason:
            self.missing[name] = str(reason)


class Absent(Exception):
    """Why a peer cannot be had."""


def gather(names) -> Peers:
    """Finds or installs the peers called `names`."""
    CACHE.mkdir(parents=True, exist_ok=True)
    peers = Peers()
    for name in names:
        if name in GO | SERVICES:
            peers.offer(name, lambda name=name: go_install(name, *(GO | SERVICES)[name]))
        else:
            peers.offer(name, {"sigstore-python": python, "sigstore-js": node, "rust-crates": rust, "skopeo": skopeo,
                               "mariadb": mariadb, "docker-registry": docker_registry,
                               "referrers-registry": referrers_registry}[name])
    return peers


def go_install(name: str, package: str, version: str) -> tuple[pathlib.Path, str]:
    go = which("go") or absent("no go")
    binary = CACHE / "bin" / name
    if go_version(go, binary) == version:
        return binary, version
    note(f"{package}@{version} (some minutes, once)")
    staging = CACHE / f"new-{name}"  # two programs are called cosign, so each is built in a folder of its own
    staging.mkdir(exist_ok=True)
    command("go install", go, "install", "-ldflags=-s -w", f"{package}@{version}",
            env={"GOBIN": str(staging), "CGO_ENABLED": "0"})
    binary.parent.mkdir(exist_ok=True)
    next(staging.iterdir()).replace(binary)
    shutil.rmtree(staging)
    return binary, version


def go_version(go: pathlib.Path, binary: pathlib.Path) -> str | None:
    """The module version that Go wrote into the binary."""
    if not binary.exists():
        return None
    said = subprocess.run([go, "version", "-m", binary], capture_output=True, text=True).stdout
    module = re.search(r"^\tmod\t\S+\t(\S+)", said, re.MULTILINE)
    return module and module[1]


def python() -> tuple[pathlib.Path, str]:
    requirements = HERE / "requirements.txt"
    version = re.search(r"^sigstore==(.+)$", requirements.read_text(), re.MULTILINE)[1]
    venv = CACHE / f"python-{fingerprint(requirements, sys.version)}"
    if not (venv / "bin/sigstore").exists():
        note(f"sigstore=={version}")
        shutil.rmtree(venv, ignore_errors=True)
        command("venv", sys.executable, "-m", "venv", venv)
        command("pip", venv / "bin/pip", "install", "--quiet", "--requirement", requirements)
    return venv / "bin/sigstore", version


def node() -> tuple[pathlib.Path, str]:
    """The folder with our scripts and the packages they need."""
    npm = which("npm") if which("node") else None
    npm or absent("no node")
    lock = HERE / "node/package-lock.json"
    packages = json.loads((HERE / "node/package.json").read_text())["dependencies"]
    folder = CACHE / f"node-{fingerprint(lock)}"
    if not (folder / "node_modules/@sigstore/verify").exists():
        note("@sigstore/*")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "node" / name, folder)
        command("npm ci", npm, "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)
    short = {name.removeprefix("@sigstore/"): version for name, version in packages.items()}
    return folder / "node_modules", ", ".join(f"{name} {short[name]}" for name in ("verify", "sign", "oci"))


def rust() -> tuple[pathlib.Path, str]:
    """The program in rust/, outside the workspace."""
    cargo, source, target = which("cargo") or absent("no cargo"), HERE / "rust", CACHE / "rust-target"
    note("the Rust crates' verifiers") if not target.exists() else None
    command("cargo build", cargo, "build", "--locked", "--quiet", cwd=source, env={"CARGO_TARGET_DIR": str(target)})
    manifest = (source / "Cargo.toml").read_text()
    versions = [f"{name} {version}" for name, version in re.findall(r'^(sigstore\S*) = .*?"=([\d.]+)"', manifest, re.M)]
    return target / "debug/rust-verify", ", ".join(versions)


def referrers_registry() -> tuple[pathlib.Path, str]:
    """go-containerregistry's, built from registry/."""
    go = which("go") or absent("no go")
    source = HERE / "registry"
    binary = CACHE / "bin" / f"referrers-registry-{fingerprint(source / 'go.sum', (source / 'main.go').read_text())}"
    if not binary.exists():
        note("go-containerregistry's registry")
        command("go build", go, "build", "-ldflags=-s -w", "-o", binary, ".", cwd=source, env={"CGO_ENABLED": "0"})
    return binary, re.search(r"go-containerregistry (v\S+)", (source / "go.mod").read_text())[1]


def skopeo() -> tuple[pathlib.Path, str]:
    path = debian("skopeo", "skopeo")
    return path, subprocess.run([path, "--version"], capture_output=True, text=True).stdout.split()[2]


def mariadb() -> tuple[pathlib.Path, str]:
    """The programs alone: Debian's mariadb-server would start a service."""
    debian("mariadb", "mariadb-client-core")
    debian("mariadb-install-db", "mariadb-server-core")
    path = debian("mariadbd", "mariadb-server-core")
    said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    return path, re.search(r"Ver (\S+?)-", said)[1]


def debian(program: str, package: str) -> pathlib.Path:
    if not which(program):
        apt_get() or absent(f"no {program}, and no apt-get to install it with")
        os.geteuid() == 0 or absent(f"no {program}, and not root to install it")
        note(f"{package} (apt-get)")
        command("apt-get", "apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package,
                env={"DEBIAN_FRONTEND": "noninteractive"})
    return which(program) or absent(f"{package} has no {program}")


def docker_registry() -> tuple[pathlib.Path, str]:
    """Debian's. It is unpacked, not installed: installing it would start a service that listens everywhere."""
    path = which("docker-registry") or CACHE / "docker-registry/usr/bin/docker-registry"
    if not path.exists():
        apt_get() or absent("no docker-registry, and no apt-get to fetch it with")
        note("docker-registry (apt-get download)")
        folder = CACHE / "docker-registry"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        command("apt-get", "apt-get", "download", "docker-registry", cwd=folder)
        command("dpkg-deb", "dpkg-deb", "--extract", next(folder.glob("*.deb")), folder)
    said = subprocess.run([path, "--version"], capture_output=True, text=True)
    said.returncode == 0 or absent("docker-registry does not start")
    return path, said.stdout.split()[2].removeprefix("v").split("+")[0]


def build_signer(checkout: pathlib.Path) -> pathlib.Path:
    cargo = which("cargo")
    if not cargo:
        sys.exit("no cargo: install Rust, or give --signer PATH")
    subprocess.run([cargo, "build", "--release", "-p", "sign-cli", "--locked"], cwd=checkout, check=True)
    target = json.loads(subprocess.run([cargo, "metadata", "--no-deps", "--format-version=1"], cwd=checkout,
                                       check=True, capture_output=True, text=True).stdout)["target_directory"]
    return pathlib.Path(target) / "release/signer"


def apt_get() -> bool:
    return which("apt-get") is not None


def fingerprint(file: pathlib.Path, *more: str) -> str:
    return hashlib.sha256(file.read_bytes() + "".join(more).encode()).hexdigest()[:12]


def note(what: str):
    print(f"installing {what}", file=sys.stderr, flush=True)


def command(name: str, *words, env: dict[str, str] | None = None, cwd: pathlib.Path | None = None):
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=os.environ | (env or {}),
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        absent(f"{name} failed: {done.stderr.strip()[-300:]}")


def absent(reason: str):
    raise Absent(reason)
