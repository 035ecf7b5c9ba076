"""What the Rust crates make of `signer`'s bundles."""

from clients import rust
from matrix import BOTH, IDENTITIES, Cell, Refused, Verdict, row
from rows.blobs import STRANGER, our_statement, ours


def rows(crate: str, someone_else: str):
    scope = {"peer": crate, "needs": ["rust-crates"], "rekor": BOTH}

    @row(f"signer → {crate}", "file", identities=IDENTITIES, **scope)
    def _(cell: Cell) -> Verdict:
        return rust.verify(cell, crate, cell.bench.samples.blob, ours(cell))

    @row(f"signer → {crate}", "statement about a file", identities=IDENTITIES, **scope)
    def _(cell: Cell) -> Verdict:
        return rust.verify(cell, crate, cell.bench.samples.blob, our_statement(cell))

    @row(f"signer → {crate}", "file, another identity", **scope,
         refused=Refused("the signer is someone else", someone_else))
    def _(cell: Cell) -> Verdict:
        return rust.verify(cell, crate, cell.bench.samples.blob, ours(cell), subject=STRANGER)


rows("sigstore-verify", "[Ii]dentity")
rows("sigstore", "SubjectAltName does not match")
