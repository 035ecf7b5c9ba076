"""The sandbox beside the real services: what they hand out has the same shape, or the difference is explained.

Only on the real stack, which has a sandbox beside it for this.
"""

import base64
import copy
import difflib
import json
import re
import urllib.error
import urllib.request

import der
from clients import signer
from known import DIFFERENCES
from matrix import BOTH, IDENTITIES, Bench, Cell, Verdict, row


def bundle(cell: Cell) -> dict:
    return cell.once("likeness", lambda: json.loads(signer.sign_blob(cell, cell.bench.samples.blob).read_text()))


def material(cell: Cell) -> dict:
    return bundle(cell)["verificationMaterial"]


def certificate(cell: Cell) -> bytes:
    return base64.b64decode(material(cell)["certificate"]["rawBytes"])


def shapes(lines: list[str]) -> list[str]:
    """RFC 5280 section 4.1.2.4 leaves it to the issuer which kind of string a part of a name is."""
    return [re.sub(r"(OID 2\.5\.4\.\d+) (Printable|UTF8)String", r"\1 string", line) for line in lines]


def leaf(cell: Cell) -> list[str]:
    return shapes(der.certificate(certificate(cell)))


def sct(cell: Cell) -> list[str]:
    """RFC 6962 sections 3.2 and 3.3: how many SCTs, and of the first what does not differ each time."""
    [(_, listed)] = der.elements(der.extension(certificate(cell), "1.3.6.1.4.1.11129.2.4.2"))
    length = int.from_bytes(listed[2:4], "big")
    first, more = listed[4:4 + length], len(listed) - 4 - length
    # version, 32 bytes of log id, 8 of time, extensions with their length before them, hash and signature algorithm
    extensions = int.from_bytes(first[41:43], "big")
    return [f"version {first[0]}", f"{extensions} bytes of extensions",
            f"algorithms {first[43 + extensions:45 + extensions].hex()}", f"{more} bytes of further SCTs"]


def entry(cell: Cell) -> list[str]:
    found = material(cell)["tlogEntries"][0]
    body = json.loads(base64.b64decode(found["canonicalizedBody"]))
    return members(found) + ["body"] + members(body)


def promise(cell: Cell) -> list[str]:
    return [der.shape(base64.b64decode(material(cell)["tlogEntries"][0]["inclusionPromise"]["signedEntryTimestamp"]))]


def checkpoint(cell: Cell) -> list[str]:
    """Numbers, hashes and signatures by their kind, everything else as it stands."""
    text = material(cell)["tlogEntries"][0]["inclusionProof"]["checkpoint"]["envelope"]
    text = re.sub(r"(?m)^(\S+ - )\d+$", r"\1TREE", text)
    text = re.sub(r"(?m)^\d+$", "SIZE", text)
    text = re.sub(r"(?m)^[A-Za-z0-9+/]{43}=$", "ROOT", text)
    return re.sub(r"(?m)^(— \S+) [A-Za-z0-9+/=]+$", r"\1 SIGNATURE", text).split("\n")


def token(cell: Cell) -> list[str]:
    stamps = material(cell)["timestampVerificationData"]["rfc3161Timestamps"]
    return shapes(der.timestamp(base64.b64decode(stamps[0]["signedTimestamp"])))


def authorities(which: str):
    def chain_of(cell: Cell) -> list[str]:
        root = json.loads(cell.stack.trusted_root.read_text())
        chain = root[which][0]["certChain"]["certificates"]
        return [f"{len(chain) - at}: {line}" for at, one in enumerate(chain)
                for line in shapes(der.certificate(base64.b64decode(one["rawBytes"])))]

    return chain_of


def trusted_root(cell: Cell) -> list[str]:
    return members(json.loads(cell.stack.trusted_root.read_text()))


def answers(cell: Cell) -> list[str]:
    """What the services answer to plain requests, and to nonsense: status, kind, members."""
    urls = cell.stack.urls
    tsa = urls["tsa"].removesuffix("/api/v1/timestamp")
    return [line for name, url, kind, body in (
        ("Fulcio configuration", f"{urls['fulcio']}/api/v2/configuration", None, None),
        ("Fulcio trust bundle", f"{urls['fulcio']}/api/v2/trustBundle", None, None),
        ("Fulcio, nonsense", f"{urls['fulcio']}/api/v2/signingCert", "application/json", b"{}"),
        ("Fulcio, not JSON", f"{urls['fulcio']}/api/v2/signingCert", "application/json", b"}"),
        ("Rekor v1 log", f"{urls['rekor1']}/api/v1/log", None, None),
        ("Rekor v1, nonsense", f"{urls['rekor1']}/api/v1/log/entries", "application/json", b"{}"),
        ("Rekor v1, no such entry", f"{urls['rekor1']}/api/v1/log/entries/{'0' * 64}", None, None),
        ("Rekor v2 checkpoint", f"{urls['rekor2']}/api/v2/checkpoint", None, None),
        ("Rekor v2, nonsense", f"{urls['rekor2']}/api/v2/log/entries", "application/json", b"{}"),
        ("TSA chain", f"{tsa}/api/v1/timestamp/certchain", None, None),
        ("TSA, nonsense", f"{tsa}/api/v1/timestamp", "application/timestamp-query", b"nonsense"),
        ("TSA, JSON", f"{tsa}/api/v1/timestamp", "application/json",
         json.dumps({"artifactHash": "A" * 43 + "=", "hashAlgorithm": "sha256"}).encode()),
        ("TSA, other type", f"{tsa}/api/v1/timestamp", "text/plain", b"nonsense"),
    ) for line in answer(name, url, kind, body)]


def answer(name: str, url: str, kind: str | None, body: bytes | None) -> list[str]:
    request = urllib.request.Request(url, body, {"Content-Type": kind} if kind else {})
    try:
        reply = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as refusal:
        reply = refusal
    content, kind = reply.read(), reply.headers.get("Content-Type", "no type").split(";")[0]
    lines = [f"{name}: {reply.status}, {kind}"]
    return lines + ([f"{name}: {line}" for line in members(json.loads(content))] if kind == "application/json" else [])


def members(document, path: str = "") -> list[str]:
    """The paths of a JSON document, with the kinds of their values; of a list, its first member's if it has any."""
    if isinstance(document, dict):
        return [line for name in sorted(document) for line in members(document[name], f"{path}/{name}")]
    if isinstance(document, list):
        inside = [line for one in document[:1] if isinstance(one, dict) for line in members(one, f"{path}[]")]
        return [f"{path} list", *inside]
    return [f"{path} {type(document).__name__}"]


def compare(cell: Cell, thing: str, look) -> Verdict:
    twin = copy.copy(cell)
    twin.bench = cell.bench.once("twin", lambda: Bench(cell.stack.twin, {}, cell.peers, cell.env,
                                                       cell.file("twin"), cell.bench.samples))
    lines = [line for line in difflib.ndiff(look(cell), look(twin)) if line[0] in "+-"]
    unexplained = [line for line in lines
                   if not any(one.thing == thing and re.search(one.line, line) for one in DIFFERENCES)]
    # "-" is what the real service has and the sandbox has not.
    return Verdict(not unexplained, "error: " + "; ".join(unexplained))


def like(thing: str, look, **axes):
    @row("sandbox like real", thing, peer="sandbox", stacks=["real"], **axes)
    def _(cell: Cell) -> Verdict:
        return compare(cell, thing, look)


like("leaf certificate", leaf, rekor=[1], identities=IDENTITIES)
like("SCT", sct, rekor=[1])
like("CA certificates", authorities("certificateAuthorities"))
like("TSA certificates", authorities("timestampAuthorities"))
like("timestamp token", token, rekor=[1])
like("log entry", entry, rekor=BOTH)
like("signed entry timestamp", promise, rekor=[1])
like("checkpoint", checkpoint, rekor=BOTH)
like("trusted root", trusted_root)
like("answers of the services", answers)
