"""Small images around one file, as OCI layouts, and the plainest possible push."""

import base64
import hashlib
import io
import json
import pathlib
import tarfile
import urllib.error
import urllib.parse
import urllib.request

from stack import Registry

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
PLATFORMS = ("amd64", "arm64")


class Layout:
    def __init__(self, path: pathlib.Path):
        self.path = path
        (path / "blobs/sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.tags: dict[str, dict] = {}

    def image(self, program: pathlib.Path, tag: str) -> str:
        """One layer with `program` in it. The digest depends on nothing else."""
        return self._tag(tag, self._image(self._layer(program), "amd64"))

    def index(self, program: pathlib.Path, tag: str) -> str:
        layer = self._layer(program)
        platforms = [self._image(layer, architecture) | {"platform": {"architecture": architecture, "os": "linux"}}
                     for architecture in PLATFORMS]
        return self._tag(tag, self._document(INDEX, {"manifests": platforms}))

    def blob(self, digest: str) -> bytes:
        return (self.path / "blobs" / digest.replace(":", "/")).read_bytes()

    def push(self, tag: str, registry: Registry, repository: str) -> str:
        """Pushes the image and what is below it; returns `host/repository@digest`."""
        descriptor = self.tags[tag]
        self._push(descriptor, registry, repository)
        send(registry, "PUT", f"/v2/{repository}/manifests/{tag}", self.blob(descriptor["digest"]),
             descriptor["mediaType"])
        return f"{registry.host}/{repository}@{descriptor['digest']}"

    def _push(self, descriptor: dict, registry: Registry, repository: str):
        digest, kind, content = descriptor["digest"], descriptor["mediaType"], self.blob(descriptor["digest"])
        if kind in (INDEX, MANIFEST):
            document = json.loads(content)
            for below in document.get("manifests", []) or [document["config"], *document["layers"]]:
                self._push(below, registry, repository)
            send(registry, "PUT", f"/v2/{repository}/manifests/{digest}", content, kind)
            return
        location = send(registry, "POST", f"/v2/{repository}/blobs/uploads/", b"")["Location"]
        query = ("&" if "?" in location else "?") + urllib.parse.urlencode({"digest": digest})
        send(registry, "PUT", location + query, content, "application/octet-stream")

    def _layer(self, program: pathlib.Path) -> dict:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo(f"usr/bin/{program.name}")
            entry.size, entry.mode = program.stat().st_size, 0o755
            with program.open("rb") as file:
                tar.addfile(entry, file)
        return self._put(LAYER, archive.getvalue())

    def _image(self, layer: dict, architecture: str) -> dict:
        config = self._put(CONFIG, json.dumps({
            "architecture": architecture, "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}).encode())
        return self._document(MANIFEST, {"config": config, "layers": [layer]})

    def _document(self, kind: str, members: dict) -> dict:
        return self._put(kind, json.dumps({"schemaVersion": 2, "mediaType": kind} | members).encode())

    def _put(self, kind: str, content: bytes) -> dict:
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        (self.path / "blobs" / digest.replace(":", "/")).write_bytes(content)
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def _tag(self, tag: str, descriptor: dict) -> str:
        self.tags[tag] = descriptor
        named = [one | {"annotations": {"org.opencontainers.image.ref.name": name}} for name, one in self.tags.items()]
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": named}))
        return descriptor["digest"]


def send(registry: Registry, method: str, path: str, body: bytes | None = None, kind: str | None = None):
    """One request to the registry; the answer's headers."""
    return _open(registry, method, path, body, {"Content-Type": kind} if kind else {})[0]


def manifest(registry: Registry, repository: str, reference: str) -> bytes:
    accept = {"Accept": f"{MANIFEST}, {INDEX}"}
    return _open(registry, "GET", f"/v2/{repository}/manifests/{reference}", None, accept)[1]


def _open(registry: Registry, method: str, path: str, body: bytes | None, headers: dict[str, str]):
    url = path if path.startswith("http") else f"http://{registry.host}{path}"
    if registry.login:
        headers = headers | {"Authorization": "Basic " + base64.b64encode(":".join(registry.login).encode()).decode()}
    request = urllib.request.Request(url, body, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as reply:
        return reply.headers, reply.read()
