"""Images: signed and attested in a registry by one side, verified by the other."""

import json

from clients import cosign, signer
from matrix import BOTH, IDENTITIES, Cell, Refused, Verdict, row
from rows.blobs import SOMEONE_ELSE, SOMEONE_ELSE_COSIGN, STRANGER

# One that has the referrers API, and one that needs the tag schema.
REGISTRIES = ("referrers", "tag schema")
EVERYWHERE = {"rekor": BOTH, "identities": IDENTITIES, "registries": REGISTRIES}
NO_SIGNATURE = Refused("an SBOM is no signature", "predicate-type-mismatch")
ONCE = {"rekor": [2], "identities": ["email"], "registries": REGISTRIES}


def push(cell: Cell, repository: str, tag: str = "single") -> str:
    """A repository of its own for each kind of cell, so that cells cannot see each other's signatures."""
    name = f"interop/{repository}-rekor{cell.rekor}-{cell.kind}"
    return cell.bench.samples.layout.push(tag, cell.registry, name)


def ours(cell: Cell) -> str:
    """The image with a signature, two SBOMs and provenance from `signer`."""

    def make():
        image, samples = push(cell, "ours"), cell.bench.samples
        signer.sign(cell, image)
        signer.attest(cell, image, samples.cyclonedx, samples.spdx, samples.provenance)
        return image

    return cell.once("ours", make)


def theirs(cell: Cell) -> str:
    """The same from cosign."""

    def make():
        image, samples = push(cell, "theirs"), cell.bench.samples
        cosign.sign(cell, image)
        for predicate, kind in ((samples.cyclonedx, "cyclonedx"), (samples.spdx, "spdxjson"),
                                (samples.provenance, "slsaprovenance1")):
            cosign.attest(cell, image, predicate, kind)
        return image

    return cell.once("theirs", make)


def only_attested(cell: Cell) -> str:
    def make():
        image = push(cell, "attested")
        signer.attest(cell, image, cell.bench.samples.cyclonedx)
        return image

    return cell.once("attested", make)


# ---- signer writes, the others read ----------------------------------------------------------------


@row("signer → cosign", "image signature", peer="cosign", needs=["cosign"], **EVERYWHERE)
def _(cell: Cell) -> Verdict:
    return cosign.verify(cell, ours(cell), options=cosign.workflow_claims(cell))


@row("signer → cosign", "image signature, another identity", peer="cosign", needs=["cosign"], **ONCE,
     refused=SOMEONE_ELSE_COSIGN)
def _(cell: Cell) -> Verdict:
    return cosign.verify(cell, ours(cell), subject=STRANGER)


@row("signer → cosign", "CycloneDX attestation", peer="cosign", needs=["cosign"], **EVERYWHERE)
def _(cell: Cell) -> Verdict:
    return cosign.verify_attestation(cell, ours(cell), "cyclonedx", options=cosign.workflow_claims(cell))


@row("signer → cosign", "SPDX attestation", peer="cosign", needs=["cosign"], **EVERYWHERE)
def _(cell: Cell) -> Verdict:
    return cosign.verify_attestation(cell, ours(cell), "spdxjson")


@row("signer → cosign", "SLSA provenance", peer="cosign", needs=["cosign"], **EVERYWHERE)
def _(cell: Cell) -> Verdict:
    return cosign.verify_attestation(cell, ours(cell), "slsaprovenance1")


@row("signer → cosign", "attestation, another identity", peer="cosign", needs=["cosign"], **ONCE,
     refused=SOMEONE_ELSE_COSIGN)
def _(cell: Cell) -> Verdict:
    return cosign.verify_attestation(cell, ours(cell), "cyclonedx", subject=STRANGER)


@row("signer → cosign", "tree", peer="cosign", needs=["cosign"], **ONCE)
def _(cell: Cell) -> Verdict:
    """cosign lists all four, under their types."""
    said = cosign.tree(cell, ours(cell))
    wanted = ("https://sigstore.dev/cosign/sign/v1", "https://cyclonedx.org/bom", "https://spdx.dev/Document",
              "https://slsa.dev/provenance/v1")
    return Verdict(all(uri in said for uri in wanted), said)


@row("signer → cosign", "download attestation", peer="cosign", needs=["cosign"], **ONCE)
def _(cell: Cell) -> Verdict:
    """One bundle a line, with the three attestations among them."""
    said = cosign.download_attestation(cell, ours(cell))
    types = {signer.predicate_type(json.loads(line)) for line in said.splitlines() if line.strip()}
    return Verdict({"https://cyclonedx.org/bom", "https://spdx.dev/Document", "https://slsa.dev/provenance/v1"} <= types,
                   f"found {sorted(types)}")


@row("signer → oras", "discover", peer="oras", needs=["oras"], **ONCE)
def _(cell: Cell) -> Verdict:
    said = cell.env.must(cell.peers["oras"], "discover", "--plain-http", "--format", "json", ours(cell)).out
    kinds = [one["artifactType"] for one in json.loads(said)["referrers"]]
    return Verdict(kinds == ["application/vnd.dev.sigstore.bundle.v0.3+json"] * 4, f"oras lists {kinds}")


@row("signer → signer", "image and attestations", peer="signer", **EVERYWHERE)
def _(cell: Cell) -> Verdict:
    signed = signer.verify(cell, ours(cell))
    return signed if not signed.accepted else signer.verify(cell, ours(cell), "cyclonedx", "spdx", "slsaprovenance1")


@row("signer → signer", "attestation where a signature is asked for", peer="signer", **ONCE,
     refused=NO_SIGNATURE)
def _(cell: Cell) -> Verdict:
    return signer.verify(cell, only_attested(cell))


@row("signer → cosign", "attestation where a signature is asked for", peer="cosign", needs=["cosign"], **ONCE,
     refused=Refused("an SBOM is no signature", "no (matching )?signatures"))
def _(cell: Cell) -> Verdict:
    return cosign.verify(cell, only_attested(cell))


# ---- cosign writes, signer reads -------------------------------------------------------------------


@row("cosign → signer", "image signature", peer="cosign", needs=["cosign"], **EVERYWHERE)
def _(cell: Cell) -> Verdict:
    return signer.verify(cell, theirs(cell))


@row("cosign → signer", "CycloneDX attestation", peer="cosign", needs=["cosign"], **EVERYWHERE)
def _(cell: Cell) -> Verdict:
    return signer.verify(cell, theirs(cell), "cyclonedx")


@row("cosign → signer", "SPDX attestation", peer="cosign", needs=["cosign"], **EVERYWHERE)
def _(cell: Cell) -> Verdict:
    return signer.verify(cell, theirs(cell), "spdx")


@row("cosign → signer", "SLSA provenance", peer="cosign", needs=["cosign"], **EVERYWHERE)
def _(cell: Cell) -> Verdict:
    return signer.verify(cell, theirs(cell), "slsaprovenance1")


@row("cosign → signer", "image signature, another identity", peer="cosign", needs=["cosign"], **ONCE,
     refused=SOMEONE_ELSE)
def _(cell: Cell) -> Verdict:
    return signer.verify(cell, theirs(cell), subject=STRANGER)


@row("cosign → signer", "attestation where a signature is asked for", peer="cosign", needs=["cosign"], **ONCE,
     refused=NO_SIGNATURE)
def _(cell: Cell) -> Verdict:
    image = push(cell, "their-attestation")
    cosign.attest(cell, image, cell.bench.samples.cyclonedx, "cyclonedx")
    return signer.verify(cell, image)
