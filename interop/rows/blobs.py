"""Files: bundles that `signer` writes, read by the others, and the other way round."""

from clients import cosign, javascript, python, signer
from matrix import BOTH, IDENTITIES, Cell, Refused, Verdict, row
from processes import Broken, last_words

PROVENANCE = "https://slsa.dev/provenance/v1"
STRANGER = "mallory@example.com"
# How each program says so.
SOMEONE_ELSE = Refused("the signer is someone else", "identity-mismatch")
SOMEONE_ELSE_COSIGN = Refused("the signer is someone else", "expected SAN value")
SOMEONE_ELSE_PYTHON = Refused("the signer is someone else", "SANs do not match")
SOMEONE_ELSE_JS = Refused("the signer is someone else", "UNTRUSTED_SIGNER_ERROR")


def ours(cell: Cell):
    return signer.sign_blob(cell, cell.bench.samples.blob)


def our_statement(cell: Cell):
    return signer.attest_blob(cell, cell.bench.samples.blob, cell.bench.samples.provenance)


# ---- signer writes, the others read ----------------------------------------------------------------


@row("signer → cosign", "file", peer="cosign", needs=["cosign"], rekor=BOTH, identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    return cosign.verify_blob(cell, cell.bench.samples.blob, ours(cell))


@row("signer → cosign", "statement about a file", peer="cosign", needs=["cosign"], rekor=BOTH, identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    return cosign.verify_blob_attestation(cell, cell.bench.samples.blob, our_statement(cell), "slsaprovenance1")


@row("signer → cosign", "file, another identity", peer="cosign", needs=["cosign"], rekor=BOTH,
     refused=SOMEONE_ELSE_COSIGN)
def _(cell: Cell) -> Verdict:
    return cosign.verify_blob(cell, cell.bench.samples.blob, ours(cell), subject=STRANGER)


@row("signer → sigstore-python", "file", peer="sigstore-python", needs=["sigstore-python"], rekor=BOTH,
     identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    return python.verify(cell, cell.bench.samples.blob, ours(cell))


@row("signer → sigstore-python", "statement about a file", peer="sigstore-python", needs=["sigstore-python"],
     rekor=BOTH, identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    return python.verify(cell, cell.bench.samples.blob, our_statement(cell))


@row("signer → sigstore-python", "file, another identity", peer="sigstore-python", needs=["sigstore-python"],
     rekor=BOTH, refused=SOMEONE_ELSE_PYTHON)
def _(cell: Cell) -> Verdict:
    return python.verify(cell, cell.bench.samples.blob, ours(cell), subject=STRANGER)


@row("signer → sigstore-js", "file", peer="sigstore-js", needs=["sigstore-js"], rekor=BOTH, identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    return javascript.verify(cell, cell.bench.samples.blob, ours(cell))


@row("signer → sigstore-js", "statement about a file", peer="sigstore-js", needs=["sigstore-js"], rekor=BOTH,
     identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    return javascript.verify(cell, cell.bench.samples.blob, our_statement(cell))


@row("signer → sigstore-js", "file, another identity", peer="sigstore-js", needs=["sigstore-js"], rekor=BOTH,
     refused=SOMEONE_ELSE_JS)
def _(cell: Cell) -> Verdict:
    return javascript.verify(cell, cell.bench.samples.blob, ours(cell), subject=STRANGER)


# ---- the others write, signer reads ----------------------------------------------------------------


@row("cosign → signer", "file", peer="cosign", needs=["cosign"], rekor=BOTH, identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    return signer.verify_blob(cell, cell.bench.samples.blob, cosign.sign_blob(cell, cell.bench.samples.blob))


@row("cosign → signer", "statement about a file", peer="cosign", needs=["cosign"], rekor=BOTH, identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    bundle = cosign.attest_blob(cell, cell.bench.samples.blob, cell.bench.samples.provenance, "slsaprovenance1")
    return signer.verify_blob(cell, cell.bench.samples.blob, bundle, kind="slsaprovenance1")


@row("cosign → signer", "file, another identity", peer="cosign", needs=["cosign"], rekor=BOTH,
     refused=SOMEONE_ELSE)
def _(cell: Cell) -> Verdict:
    bundle = cosign.sign_blob(cell, cell.bench.samples.blob)
    return signer.verify_blob(cell, cell.bench.samples.blob, bundle, subject=STRANGER)


@row("sigstore-python → signer", "file", peer="sigstore-python", needs=["sigstore-python"], rekor=BOTH,
     identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    return signer.verify_blob(cell, cell.bench.samples.blob, python.sign(cell, cell.bench.samples.blob))


@row("sigstore-python → signer", "statement about a file", peer="sigstore-python", needs=["sigstore-python"],
     rekor=BOTH, identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    bundle = python.attest(cell, cell.bench.samples.blob, cell.bench.samples.provenance, PROVENANCE)
    return signer.verify_blob(cell, cell.bench.samples.blob, bundle, kind=PROVENANCE)


@row("sigstore-python → signer", "file, another identity", peer="sigstore-python", needs=["sigstore-python"],
     rekor=BOTH, refused=SOMEONE_ELSE)
def _(cell: Cell) -> Verdict:
    bundle = python.sign(cell, cell.bench.samples.blob)
    return signer.verify_blob(cell, cell.bench.samples.blob, bundle, subject=STRANGER)


@row("sigstore-js → signer", "file", peer="sigstore-js", needs=["sigstore-js"], rekor=BOTH, identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    bundle, done = javascript.sign(cell, cell.bench.samples.blob)
    return _read(cell, bundle, done)


@row("sigstore-js → signer", "statement about a file", peer="sigstore-js", needs=["sigstore-js"], rekor=[1],
     identities=IDENTITIES)
def _(cell: Cell) -> Verdict:
    bundle, done = javascript.sign(cell, cell.bench.samples.statement, "statement")
    return _read(cell, bundle, done)


@row("sigstore-js → Rekor", "statement about a file", peer="sigstore-js", needs=["sigstore-js"], rekor=[2],
     refused=Refused("it proposes a dsse entry, which Rekor v2 no longer takes", "CREATE_ENTRY_ERROR"))
def _(cell: Cell) -> Verdict:
    return Verdict.of(javascript.sign(cell, cell.bench.samples.statement, "statement")[1])


@row("sigstore-js → signer", "file, another identity", peer="sigstore-js", needs=["sigstore-js"], rekor=BOTH,
     refused=SOMEONE_ELSE)
def _(cell: Cell) -> Verdict:
    bundle, done = javascript.sign(cell, cell.bench.samples.blob)
    return _read(cell, bundle, done, subject=STRANGER)


def _read(cell: Cell, bundle, done, **options) -> Verdict:
    if done.code != 0:
        raise Broken(f"@sigstore/sign: {last_words(done.said)}")
    return signer.verify_blob(cell, cell.bench.samples.blob, bundle, **options)
