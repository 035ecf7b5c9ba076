"""The trust files of a Sigstore that was put together from its services: trusted root and signing configs."""

import base64
import hashlib
import json
import pathlib
from dataclasses import dataclass

OPERATOR = "local"
SINCE = {"start": "2024-01-01T00:00:00Z"}
ROOT = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
CONFIG = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
BOTH = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"


@dataclass(frozen=True)
class Services:
    urls: dict[str, str]  # oidc, fulcio, rekor1, rekor2, tsa (with its path), ct
    fulcio_chain: str  # PEM, without a leaf
    tsa_chain: str  # PEM, leaf first
    rekor1_key: str  # PEM
    rekor2_key: str  # PEM, Ed25519
    rekor2_origin: str
    ct_key: str  # PEM


def write(folder: pathlib.Path, services: Services):
    """`trusted_root.json`, and for each Rekor version `signing_config.rekorN.json` and `trust_config.rekorN.json`."""
    root, urls = trusted_root(services), services.urls
    put(folder / "trusted_root.json", root)
    for version in (1, 2):
        config = signing_config(urls, version)
        put(folder / f"signing_config.rekor{version}.json", config)
        put(folder / f"trust_config.rekor{version}.json",
            {"mediaType": BOTH, "trustedRoot": root, "signingConfig": config})


def trusted_root(services: Services) -> dict:
    urls, ec = services.urls, "PKIX_ECDSA_P256_SHA_256"
    return {
        "mediaType": ROOT,
        "tlogs": [
            log(urls["rekor1"], services.rekor1_key, ec),
            log(urls["rekor2"], services.rekor2_key, "PKIX_ED25519", services.rekor2_origin),
        ],
        "certificateAuthorities": [authority(urls["fulcio"], services.fulcio_chain)],
        "ctlogs": [log(urls["ct"], services.ct_key, ec)],
        "timestampAuthorities": [authority(urls["tsa"], services.tsa_chain)],
    }


def signing_config(urls: dict[str, str], rekor: int) -> dict:
    service = lambda url, version: [{"url": url, "majorApiVersion": version, "validFor": SINCE, "operator": OPERATOR}]
    return {
        "mediaType": CONFIG,
        "caUrls": service(urls["fulcio"], 1),
        "oidcUrls": service(urls["oidc"], 1),
        "rekorTlogUrls": service(urls[f"rekor{rekor}"], rekor),
        "tsaUrls": service(urls["tsa"], 1),
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaConfig": {"selector": "ANY"},
    }


def log(url: str, pem: str, details: str, origin: str | None = None) -> dict:
    key = der(pem)[0]
    # An ordinary log is known by the hash of its key, a Rekor v2 log by C2SP's note key id, in full.
    identified = key if origin is None else origin.encode() + b"\n\x01" + key[-32:]
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": text(key), "keyDetails": details, "validFor": SINCE},
        "logId": {"keyId": text(hashlib.sha256(identified).digest())},
        "operator": OPERATOR,
    }


def authority(url: str, pem: str) -> dict:
    return {
        "subject": {"organization": "example.com", "commonName": "local"},
        "uri": url,
        "certChain": {"certificates": [{"rawBytes": text(one)} for one in der(pem)]},
        "validFor": SINCE,
        "operator": OPERATOR,
    }


def der(pem: str) -> list[bytes]:
    blocks = pem.split("-----BEGIN ")[1:]
    return [base64.b64decode("".join(block.split("-----END")[0].splitlines()[1:])) for block in blocks]


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def put(path: pathlib.Path, document: dict):
    path.write_text(json.dumps(document, indent=1))
