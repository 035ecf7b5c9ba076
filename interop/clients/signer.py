"""`signer`, as a user would call it."""

import base64
import json

from matrix import Cell, Verdict
from processes import Broken, Result, last_words


def sign_blob(cell: Cell, file, **environment):
    bundle = cell.file("bundle.sigstore.json")
    _must(cell, "sign-blob", file, "--bundle", bundle, **environment)
    return bundle


def try_to_sign_blob(cell: Cell, file, **environment) -> Verdict:
    """For what is not to succeed: the verdict says the exit status, and no bundle may be left behind."""
    bundle = cell.file("bundle.sigstore.json")
    result = _run(cell, "sign-blob", file, "--bundle", bundle, **environment)
    if result.code != 0 and bundle.exists():
        raise Broken("signer failed, and left a bundle")
    return Verdict(result.code == 0, f"{result.said}\nexit status {result.code}")


def try_to_sign(cell: Cell, image: str, **environment) -> Verdict:
    result = _run(cell, "sign", image, **environment)
    return Verdict(result.code == 0, f"{result.said}\nexit status {result.code}")


def attest_blob(cell: Cell, file, predicate, kind: str = "auto"):
    bundle = cell.file("bundle.sigstore.json")
    _must(cell, "attest-blob", file, "--bundle", bundle, "--predicate", predicate, "--type", kind)
    return bundle


def verify_blob(cell: Cell, file, bundle, *, kind: str | None = None, subject: str | None = None) -> Verdict:
    return verdict(_run(cell, "verify-blob", file, "--bundle", bundle, "--offline", *_type(kind), *who(cell, subject)))


def sign(cell: Cell, image: str, *options):
    _must(cell, "sign", image, *options)


def attest(cell: Cell, image: str, *predicates, options=()):
    _must(cell, "attest", image, *(word for one in predicates for word in ("--predicate", one)), *options)


def verify(cell: Cell, image: str, *kinds: str, subject: str | None = None, options=()) -> Verdict:
    types = [word for kind in kinds for word in _type(kind)]
    return verdict(_run(cell, "verify", image, *types, *who(cell, subject), *options))


def tree(cell: Cell, image: str) -> str:
    return _must(cell, "tree", image).out


def predicate_type(bundle: dict) -> str:
    return json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))["predicateType"]


def who(cell: Cell, subject: str | None):
    return ("--certificate-identity", subject or cell.identity.subject,
            "--certificate-oidc-issuer", cell.identity.issuer)


def verdict(result: Result) -> Verdict:
    """Only exit status 1 is a refusal: 2 and 3 say that no verdict was reached."""
    if result.code not in (0, 1):
        raise Broken(f"signer {result.command[1]} ended with {result.code}: {last_words(result.err)}")
    return Verdict.of(result)


def _type(kind: str | None):
    return ("--type", kind) if kind else ()


def _environment(cell: Cell, *, config=None, token: str | None = None) -> dict[str, str]:
    extra = {
        "SIGNER_TRUST_CONFIG": str(config or cell.stack.trust_config(cell.rekor)),
        "SIGNER_IDENTITY_TOKEN": token or cell.token(),
    }
    if cell.registry_name and cell.registry.login:
        extra["SIGNER_REGISTRY_USERNAME"], extra["SIGNER_REGISTRY_PASSWORD"] = cell.registry.login
    return extra


def _run(cell: Cell, *words, **environment) -> Result:
    return cell.env.run(cell.peers["signer"], *words, extra=_environment(cell, **environment))


def _must(cell: Cell, *words, **environment) -> Result:
    return cell.env.must(cell.peers["signer"], *words, extra=_environment(cell, **environment))
