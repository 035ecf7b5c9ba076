"""cosign 3."""

from matrix import Cell, Verdict
from processes import Result


def sign_blob(cell: Cell, file, config=None):
    bundle = cell.file("bundle.sigstore.json")
    _must(cell, "sign-blob", *_signing(cell, config), "--bundle", bundle, file)
    return bundle


def attest_blob(cell: Cell, file, predicate, kind: str):
    bundle = cell.file("bundle.sigstore.json")
    _must(cell, "attest-blob", *_signing(cell), "--bundle", bundle, "--predicate", predicate, "--type", kind, file)
    return bundle


def verify_blob(cell: Cell, file, bundle, *, subject: str | None = None, timestamped: bool = True) -> Verdict:
    stamps = ["--use-signed-timestamps"] if timestamped else []
    return _verdict(cell, "verify-blob", "--bundle", bundle, *stamps, *who(cell, subject), file)


def verify_blob_attestation(cell: Cell, file, bundle, kind: str, *, subject: str | None = None) -> Verdict:
    return _verdict(cell, "verify-blob-attestation", "--bundle", bundle, "--type", kind, "--use-signed-timestamps",
                    *who(cell, subject), file)


def sign(cell: Cell, image: str, *options):
    _must(cell, "sign", *_signing(cell), *options, image)


def attest(cell: Cell, image: str, predicate, kind: str):
    _must(cell, "attest", *_signing(cell), "--predicate", predicate, "--type", kind, image)


def verify(cell: Cell, image: str, *, subject: str | None = None, options=()) -> Verdict:
    return _verdict(cell, "verify", "--use-signed-timestamps", *who(cell, subject), *options, image)


def verify_attestation(cell: Cell, image: str, kind: str, *, subject: str | None = None, options=()) -> Verdict:
    return _verdict(cell, "verify-attestation", "--type", kind, "--use-signed-timestamps", *who(cell, subject),
                    *options, image)


def tree(cell: Cell, image: str) -> str:
    return _must(cell, "tree", image).said


def download_attestation(cell: Cell, image: str) -> str:
    return _must(cell, "download", "attestation", image).out


def workflow_claims(cell: Cell):
    """What cosign asks of the certificate besides its name."""
    if cell.kind != "workflow":
        return ()
    return ("--certificate-github-workflow-repository", "octo-org/octo-repo",
            "--certificate-github-workflow-ref", "refs/heads/main",
            "--certificate-github-workflow-name", "release",
            "--certificate-github-workflow-trigger", "push")


def who(cell: Cell, subject: str | None):
    return ("--trusted-root", cell.stack.trusted_root,
            "--certificate-identity", subject or cell.identity.subject,
            "--certificate-oidc-issuer", cell.identity.issuer)


def _signing(cell: Cell, config=None):
    return ("--yes", "--signing-config", config or cell.stack.signing_config(cell.rekor),
            "--trusted-root", cell.stack.trusted_root, "--identity-token", cell.token())


def _verdict(cell: Cell, *words) -> Verdict:
    return Verdict.of(cell.env.run(cell.peers["cosign"], *words))


def _must(cell: Cell, *words) -> Result:
    return cell.env.must(cell.peers["cosign"], *words)
