"""Bundles that sigstore-js attaches to an image, as the forge's own attestation action does."""

from clients import javascript, signer
from matrix import Cell, Verdict, row
from processes import Broken, last_words
from rows.blobs import PROVENANCE
from rows.images import push


@row("sigstore-js → signer", "attached to an image", peer="sigstore-js", needs=["sigstore-js"], rekor=[1, 2],
     identities=["workflow"], registries=["login"])
def _(cell: Cell) -> Verdict:
    """The bundle is ours, so that the row is about finding it: `tree` lists it and `verify` accepts it."""
    image = push(cell, "attached")
    name, digest = image.split("@")
    bundle = cell.file("provenance.sigstore.json")
    signer.attest(cell, image, cell.bench.samples.provenance, options=["--no-upload", "--bundle", bundle])
    done = javascript.attach(cell, name, digest, bundle, PROVENANCE)
    if done.code != 0:
        raise Broken(f"@sigstore/oci: {last_words(done.said)}")
    listed = signer.tree(cell, image)
    if PROVENANCE not in listed:
        return Verdict(False, f"signer tree lists no provenance: {listed}")
    return signer.verify(cell, image, "slsaprovenance1")
