"""Signing when a service is missing, down, or does not like the token: nothing is written, and the reason is said."""

import configs
from clients import cosign, javascript, python, signer
from matrix import BOTH, Cell, Refused, Verdict, row
from rows.images import push

# ---- without a timestamp authority -----------------------------------------------------------------
# Rekor v1 says itself when it logged an entry; v2 does not, so that nothing would ever verify.


def untimestamped(cell: Cell):
    return signer.sign_blob(cell, cell.bench.samples.blob,
                            config=configs.trust_config(cell, configs.without_timestamps))


@row("signer → cosign", "file, without a timestamp", peer="cosign", needs=["cosign"], rekor=[1])
def _(cell: Cell) -> Verdict:
    return cosign.verify_blob(cell, cell.bench.samples.blob, untimestamped(cell), timestamped=False)


@row("signer → sigstore-python", "file, without a timestamp", peer="sigstore-python", needs=["sigstore-python"],
     rekor=[1])
def _(cell: Cell) -> Verdict:
    return python.verify(cell, cell.bench.samples.blob, untimestamped(cell))


@row("signer → sigstore-js", "file, without a timestamp", peer="sigstore-js", needs=["sigstore-js"], rekor=[1])
def _(cell: Cell) -> Verdict:
    return javascript.verify(cell, cell.bench.samples.blob, untimestamped(cell))


@row("cosign → signer", "file, without a timestamp", peer="cosign", needs=["cosign"], rekor=[1])
def _(cell: Cell) -> Verdict:
    config = configs.signing_config(cell, configs.without_timestamps)
    return signer.verify_blob(cell, cell.bench.samples.blob, cosign.sign_blob(cell, cell.bench.samples.blob, config))


@row("signer", "sign without a timestamp", peer="signer", rekor=[2],
     refused=Refused("Rekor v2 gives no time, so that nobody could verify it", r"no-usable-service(?s:.*)status 2"))
def _(cell: Cell) -> Verdict:
    return signer.try_to_sign_blob(cell, cell.bench.samples.blob,
                                   config=configs.trust_config(cell, configs.without_timestamps))


# ---- a service that does not answer ----------------------------------------------------------------

DOWN = Refused("the service does not answer, and nothing is attached", r"service-unavailable(?s:.*)status 3")


def sign_while_down(cell: Cell, service: str) -> Verdict:
    image = push(cell, f"while-{service.lower()}-down")
    verdict = signer.try_to_sign(cell, image, config=configs.trust_config(cell, configs.without(service)))
    attached = signer.verify(cell, image)
    if "no-signatures" not in attached.said:
        return Verdict(True, f"something was attached: {attached.said}")
    return verdict


@row("signer → Fulcio", "down", peer="signer", rekor=[2], registries=["referrers"], refused=DOWN)
def _(cell: Cell) -> Verdict:
    return sign_while_down(cell, "caUrls")


@row("signer → Rekor", "down", peer="signer", rekor=BOTH, registries=["referrers"], refused=DOWN)
def _(cell: Cell) -> Verdict:
    return sign_while_down(cell, "rekorTlogUrls")


@row("signer → TSA", "down", peer="signer", rekor=BOTH, registries=["referrers"], refused=DOWN)
def _(cell: Cell) -> Verdict:
    return sign_while_down(cell, "tsaUrls")


# ---- tokens ----------------------------------------------------------------------------------------
# The sandbox gives out no such tokens to a client; its own tests have them.

REAL = {"stacks": ["real"], "rekor": [2]}
SEEN_BEFORE = r"token-invalid(?s:.*)status 2"
BY_FULCIO = r"service-refused(?s:.*)status 3"


def sign_with(cell: Cell, **claims) -> Verdict:
    return signer.try_to_sign_blob(cell, cell.bench.samples.blob, token=cell.stack.token(cell.identity, **claims))


@row("signer → Fulcio", "expired token", peer="signer", **REAL,
     refused=Refused("seen before any request", SEEN_BEFORE))
def _(cell: Cell) -> Verdict:
    return sign_with(cell, iat=-900, nbf=-900, exp=-300)


@row("signer → Fulcio", "token for another audience", peer="signer", **REAL,
     refused=Refused("seen before any request", SEEN_BEFORE))
def _(cell: Cell) -> Verdict:
    return sign_with(cell, aud="someone-else")


@row("signer → Fulcio", "token with an unverified address", peer="signer", **REAL,
     refused=Refused("seen before any request", SEEN_BEFORE))
def _(cell: Cell) -> Verdict:
    return sign_with(cell, email_verified=False)


@row("signer → Fulcio", "token of an unknown issuer", peer="signer", **REAL,
     refused=Refused("Fulcio refuses it, and says why", BY_FULCIO))
def _(cell: Cell) -> Verdict:
    return sign_with(cell, iss="https://issuer.invalid")


@row("signer → Fulcio", "token with another's signature", peer="signer", **REAL,
     refused=Refused("Fulcio refuses it, and says why", BY_FULCIO))
def _(cell: Cell) -> Verdict:
    head, claims, _ = cell.token().split(".")
    signature = cell.stack.token(cell.identity, email="mallory@example.com").split(".")[2]
    return signer.try_to_sign_blob(cell, cell.bench.samples.blob, token=f"{head}.{claims}.{signature}")
