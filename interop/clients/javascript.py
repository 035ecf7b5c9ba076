"""sigstore-js, through the small scripts in node/."""

import pathlib

from matrix import Cell, Verdict
from processes import Result

SCRIPTS = pathlib.Path(__file__).parent.parent / "node"


def verify(cell: Cell, file, bundle, *, subject: str | None = None) -> Verdict:
    identity = cell.identity
    return Verdict.of(_node(cell, "verify.js", bundle, cell.stack.trusted_root, subject or identity.subject,
                            identity.issuer, file))


def sign(cell: Cell, file, kind: str = "blob") -> tuple[pathlib.Path, Result]:
    """`kind` is "blob" or, for a file that is an in-toto statement, "statement"."""
    bundle, token = cell.file("bundle.sigstore.json"), cell.file("token")
    token.write_text(cell.token())
    return bundle, _node(cell, "sign.js", cell.stack.signing_config(cell.rekor), token, bundle, kind, file)


def attach(cell: Cell, repository: str, digest: str, bundle, uri: str) -> Result:
    return _node(cell, "attach.js", repository, digest, bundle, uri, *cell.registry.login)


def _node(cell: Cell, script: str, *words) -> Result:
    return cell.env.run("node", SCRIPTS / script, *words, extra={"NODE_PATH": str(cell.peers["sigstore-js"])})
