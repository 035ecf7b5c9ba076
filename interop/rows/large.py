"""A large SBOM: more than most servers and readers are set up for."""

from clients import cosign, signer
from matrix import Cell, Verdict, row
from rows.images import push

SCOPE = {"rekor": [2], "identities": ["email"], "registries": ["referrers"]}


def ours(cell: Cell) -> str:
    def make():
        image = push(cell, "large")
        signer.attest(cell, image, cell.bench.samples.large_spdx)
        return image

    return cell.once("large", make)


@row("signer → signer", "SPDX attestation of over 5 MB", peer="signer", **SCOPE)
def _(cell: Cell) -> Verdict:
    return signer.verify(cell, ours(cell), "spdx")


@row("signer → cosign", "SPDX attestation of over 5 MB", peer="cosign", needs=["cosign"], **SCOPE)
def _(cell: Cell) -> Verdict:
    return cosign.verify_attestation(cell, ours(cell), "spdxjson")
