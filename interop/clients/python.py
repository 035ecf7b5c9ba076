"""sigstore-python."""

from matrix import Cell, Verdict


def sign(cell: Cell, file):
    bundle = cell.file("bundle.sigstore.json")
    cell.env.must(cell.peers["sigstore-python"], *_config(cell), "sign", "--identity-token", cell.token(),
                  "--bundle", bundle, file)
    return bundle


def attest(cell: Cell, file, predicate, uri: str):
    bundle = cell.file("bundle.sigstore.json")
    cell.env.must(cell.peers["sigstore-python"], *_config(cell), "attest", "--identity-token", cell.token(),
                  "--predicate", predicate, "--predicate-type", uri, "--bundle", bundle, file)
    return bundle


def verify(cell: Cell, file, bundle, *, subject: str | None = None) -> Verdict:
    return Verdict.of(cell.env.run(
        cell.peers["sigstore-python"], *_config(cell), "verify", "identity", "--offline", "--bundle", bundle,
        "--cert-identity", subject or cell.identity.subject, "--cert-oidc-issuer", cell.identity.issuer, file))


def _config(cell: Cell):
    return ("--trust-config", cell.stack.trust_config(cell.rekor))
