"""Images that others carry around: digests stay, and what is attached still verifies."""

import hashlib
import json

import oci
from clients import signer
from matrix import Cell, Refused, Verdict, row
from rows.images import REGISTRIES, ours, push

SCOPE = {"rekor": [2], "identities": ["email"], "registries": REGISTRIES}


@row("skopeo → registry → skopeo", "images in and out", peer="skopeo", needs=["skopeo"], rekor=[None],
     identities=[None], registries=REGISTRIES)
def _(cell: Cell) -> Verdict:
    """Nothing changes on the way, neither in an image nor in an index."""
    layout, remote, back = cell.bench.samples.layout, f"{cell.registry.host}/skopeo/in-and-out", cell.file("layout")
    for tag, descriptor in layout.tags.items():
        copy = (cell.peers["skopeo"], "copy", "--all", "--quiet", "--preserve-digests", "--insecure-policy",
                "--src-tls-verify=false", "--dest-tls-verify=false")
        cell.env.must(*copy, f"oci:{layout.path}:{tag}", f"docker://{remote}:{tag}")
        seen = oci.manifest(cell.registry, "skopeo/in-and-out", tag)
        if digest(seen) != descriptor["digest"]:
            return Verdict(False, f"the registry has {digest(seen)} for {tag}")
        cell.env.must(*copy, f"docker://{remote}:{tag}", f"oci:{back}:{tag}")
    digests = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"]
               for one in json.loads((back / "index.json").read_text())["manifests"]}
    return Verdict(digests == {tag: one["digest"] for tag, one in layout.tags.items()}, f"came back as {digests}")


@row("skopeo → signer", "image that skopeo pushed", peer="skopeo", needs=["skopeo"], **SCOPE)
def _(cell: Cell) -> Verdict:
    image = f"{cell.registry.host}/skopeo/signed"
    cell.env.must(cell.peers["skopeo"], "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false",
                  f"oci:{cell.bench.samples.layout.path}:single", f"docker://{image}:1")
    signer.sign(cell, f"{image}:1")
    return signer.verify(cell, f"{image}:1")


@row("signer → crane → signer", "image under another tag", peer="crane", needs=["crane"], **SCOPE)
def _(cell: Cell) -> Verdict:
    image = ours(cell)
    copy = image.split("@")[0] + ":copied-by-crane"
    cell.env.must(cell.peers["crane"], "copy", image, copy)
    return signer.verify(cell, copy)


@row("signer → crane → signer", "image alone in another repository", peer="crane", needs=["crane"], **SCOPE,
     refused=Refused("crane leaves the referrers behind", "no-signatures"))
def _(cell: Cell) -> Verdict:
    copy = f"{cell.registry.host}/copies/crane:1"
    cell.env.must(cell.peers["crane"], "copy", ours(cell), copy)
    return signer.verify(cell, copy)


@row("signer → oras → signer", "image with its referrers", peer="oras", needs=["oras"], **SCOPE)
def _(cell: Cell) -> Verdict:
    copy = f"{cell.registry.host}/copies/oras:1"
    cell.env.must(cell.peers["oras"], "copy", "--recursive", "--from-plain-http", "--to-plain-http", ours(cell), copy)
    signed = signer.verify(cell, copy)
    return signed if not signed.accepted else signer.verify(cell, copy, "cyclonedx", "spdx", "slsaprovenance1")


@row("signer → oras → signer", "from one registry to the other", peer="oras", needs=["oras"], **SCOPE)
def _(cell: Cell) -> Verdict:
    """From referrers to tag schema and back: neither side may lose what is attached."""
    other = next(cell.bench.registries[name] for name in REGISTRIES if name != cell.registry_name)
    image = push(cell, "moving")
    signer.sign(cell, image)
    repository, moved = image.split("@")[0].split("/", 1)[1], f"{other.host}/copies/moved"
    cell.env.must(cell.peers["oras"], "copy", "--recursive", "--from-plain-http", "--to-plain-http", image,
                  f"{moved}:{repository.replace('/', '-')}")
    return signer.verify(cell, f"{moved}:{repository.replace('/', '-')}")


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
