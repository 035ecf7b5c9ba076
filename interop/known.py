"""What the peers get wrong: cells that do not come out as they should, and why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refused:
    """What is expected when the last program is to refuse: why, and how it says so."""

    reason: str
    words: str  # a regular expression; a crash is no refusal


@dataclass(frozen=True)
class Shortcoming:
    direction: str
    what: str
    reason: str
    words: str = ""  # how a peer refuses what it should accept; empty where it accepts what it should refuse
    rekor: tuple[int | None, ...] = (None, 1, 2)
    stacks: tuple[str, ...] = ("sandbox", "real")
    registries: tuple[str | None, ...] = (None, "referrers", "tag schema", "login")

    def covers(self, cell) -> bool:
        return (self.direction == cell.row.direction and self.what == cell.row.what
                and cell.rekor in self.rekor and cell.stack.name in self.stacks
                and cell.registry_name in self.registries)

    @property
    def expectation(self) -> Refused | None:
        return Refused(self.reason, self.words) if self.words else None


SHORTCOMINGS = [
    Shortcoming(
        "signer → cosign", "attestation where a signature is asked for",
        "`cosign verify` takes any statement about the image for a signature, an SBOM included",
    ),
    Shortcoming(
        "signer → oras", "discover",
        "go-containerregistry lists referrers under their config's media type, not their artifactType",
        words=r"application/vnd\.oci\.empty", stacks=("real",), registries=("referrers",),
    ),
    *(Shortcoming(
        "signer → sigstore", what, "the crate knows the entries of Rekor v1 only",
        words="transparency materials are inconsistent", rekor=(2,),
    ) for what in ("file", "statement about a file")),
]


@dataclass(frozen=True)
class Difference:
    """Something in which the sandbox is not like the real services, and why that is no mistake."""

    thing: str
    line: str  # a regular expression for a line of the comparison: "- " only real has it, "+ " only the sandbox
    reason: str


DIFFERENCES = [
    Difference("CA certificates", r"OID 2\.5\.29\.(15|19) ",
               "the real stack's CA is made with openssl by this script, in the order of its configuration"),
    Difference("TSA certificates", r"(signature|signed|key): .*OID 1\.2\.840\.10045",
               "the curve is the deployment's choice; the sandbox's is the public instance's, P-384"),
    Difference("TSA certificates", r"OID 2\.5\.29\.19 BOOLEAN ff",
               "the sandbox limits the length of the chain, which a CA should"),
    Difference("TSA certificates", r"3: extension: OID 2\.5\.29\.37 BOOLEAN ff", "the same extension in another place"),
    Difference("timestamp token", r"message: \[0\]\(\)",
               "an empty set of certificates where none was asked for; RFC 5652 wants it left out"),
    Difference("answers of the services", r"Rekor v2 checkpoint",
               "the real Rekor v2 writes its tiles to a bucket, from which something else serves them"),
    Difference("answers of the services", r"Rekor v1 log: /inactiveShards", "an empty list, which Go writes as null"),
    Difference("answers of the services", r"TSA, nonsense",
               "the real TSA writes the same JSON, under the type of a reply"),
]
