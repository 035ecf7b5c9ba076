"""A multi-platform image: its index and each platform in it."""

import json

from clients import cosign, signer
from matrix import BOTH, Cell, Verdict, row
from rows.images import REGISTRIES, push

SCOPE = {"rekor": BOTH, "identities": ["email"], "registries": REGISTRIES}


def parts(cell: Cell, index: str) -> list[str]:
    """The index and its platforms, as `host/repository@digest`."""
    repository, digest = index.split("@")
    manifests = json.loads(cell.bench.samples.layout.blob(digest))["manifests"]
    return [index, *(f"{repository}@{one['digest']}" for one in manifests)]


def ours(cell: Cell) -> str:
    def make():
        index = push(cell, "platforms", "multi")
        signer.sign(cell, index, "--all-platforms")
        return index

    return cell.once("platforms", make)


def all_of(verdicts) -> Verdict:
    """The first refusal, or the last acceptance."""
    for verdict in verdicts:
        if not verdict.accepted:
            break
    return verdict


@row("signer → cosign", "index and each platform", peer="cosign", needs=["cosign"], **SCOPE)
def _(cell: Cell) -> Verdict:
    return all_of(cosign.verify(cell, part) for part in parts(cell, ours(cell)))


@row("signer → signer", "index and each platform", peer="signer", **SCOPE)
def _(cell: Cell) -> Verdict:
    return signer.verify(cell, ours(cell), options=["--all-platforms"])


@row("cosign → signer", "index and each platform", peer="cosign", needs=["cosign"], **SCOPE)
def _(cell: Cell) -> Verdict:
    index = push(cell, "their-platforms", "multi")
    cosign.sign(cell, index, "--recursive")
    return signer.verify(cell, index, options=["--all-platforms"])
