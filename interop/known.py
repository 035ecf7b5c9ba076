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
    stacks: tuple[str, ...] = ("sandbox", "real")
    registries: tuple[str | None, ...] = (None, "referrers", "tag schema", "login")

    def covers(self, cell) -> bool:
        return (self.direction == cell.row.direction and self.what == cell.row.what
                and cell.stack.name in self.stacks and cell.registry_name in self.registries)

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
]
