"""The Rust crates `sigstore-verify` and `sigstore`, through the program in rust/."""

from matrix import Cell, Verdict


def verify(cell: Cell, crate: str, file, bundle, *, subject: str | None = None) -> Verdict:
    return Verdict.of(cell.env.run(cell.peers["rust-crates"], crate, bundle, cell.stack.trusted_root,
                                   subject or cell.identity.subject, cell.identity.issuer, file))
