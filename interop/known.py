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
    rekor: tuple[int, ...] = (1, 2)
    stacks: tuple[str, ...] = ("sandbox", "real")

    def covers(self, cell) -> bool:
        return (self.direction == cell.row.direction and self.what == cell.row.what
                and cell.rekor in (None, *self.rekor) and cell.stack.name in self.stacks)

    @property
    def expectation(self) -> Refused | None:
        return Refused(self.reason, self.words) if self.words else None


SHORTCOMINGS = [
    Shortcoming(
        "signer → cosign", "attestation where a signature is asked for",
        "`cosign verify` takes any statement about the image for a signature, an SBOM included",
    ),
]
