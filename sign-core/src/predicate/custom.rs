//! cosign's generic attestation: some text and when it was said.
//!
//! cosign wraps any file into this form. Here a document must have it already: wrapping would put a
//! text where the user gave an object, and a time that nobody stated. A type URI of one's own attests
//! any JSON object as it is.
//!
//! Source: cosign, predicate type `https://cosign.sigstore.dev/attestation/v1`.

use super::PredicateType;
use super::document::Document;
use crate::error::Result;

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "custom"
    }

    fn title(&self) -> &'static str {
        "cosign generic attestation"
    }

    fn uri(&self) -> &'static str {
        "https://cosign.sigstore.dev/attestation/v1"
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.has("Data") && document.names().all(|name| matches!(name, "Data" | "Timestamp"))
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        document.require("Data").map_err(|e| {
            e.hint("to attest any JSON object as it is, name a type of your own: --type https://…")
        })?;
        // cosign writes an empty one where it does not know.
        match document.optional("Timestamp") {
            Some(time) if time.raw() != "\"\"" => time.time().map(|_| ()),
            _ => Ok(()),
        }
    }

    fn describe(&self, _: &Document<'_>) -> String {
        self.title().into()
    }
}
