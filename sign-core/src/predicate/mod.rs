//! Predicate types: how each is named, recognised and checked. One file a type.
//!
//! A predicate is validated and then embedded exactly as it was given; nothing here rewrites it.

mod cyclonedx;
mod outline;
mod slsa;
mod spdx;

use crate::error::{Code, Error, Result};

pub use outline::Outline;

/// The predicate type of an image signature: the statement says no more than "I sign this".
pub const SIGN_V1: &str = "https://sigstore.dev/cosign/sign/v1";

/// One kind of predicate. Implement it to teach the library another.
pub trait PredicateType: Send + Sync {
    /// The short name that `--type` takes.
    fn name(&self) -> &'static str;

    /// Other names for the same.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The `predicateType` that is written.
    fn uri(&self) -> &'static str;

    /// Whether a statement with this `predicateType` is of this kind when read.
    fn reads(&self, uri: &str) -> bool {
        uri == self.uri()
    }

    /// Whether the document looks like one of these.
    fn recognises(&self, document: &Outline<'_>) -> bool;

    /// Checks the document.
    ///
    /// # Errors
    /// [`Code::PredicateMismatch`] that says which field is wrong.
    fn check(&self, document: &Outline<'_>) -> Result<()>;

    /// A few words about a checked document, for people: format, version, name.
    fn describe(&self, document: &Outline<'_>) -> String;
}

/// Every predicate type this library knows by name.
pub(crate) const KNOWN: &[&dyn PredicateType] =
    &[&spdx::Spdx, &cyclonedx::CycloneDx, &slsa::SlsaProvenanceV1];

/// A predicate that has been checked, with the type it will be attested as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPredicate {
    /// The `predicateType` to write.
    pub uri: String,
    /// What it is, in a few words.
    pub description: String,
}

/// Checks `document` against the type that `requested` names: `auto`, a short name or a URI.
///
/// # Errors
/// [`Code::InvalidJson`], [`Code::PredicateUnknown`], [`Code::PredicateMismatch`] or
/// [`Code::InvalidArgument`] for a name that is neither known nor a URI.
pub fn check(document: &[u8], requested: &str) -> Result<CheckedPredicate> {
    let outline = Outline::parse(document)?;
    if requested == "auto" {
        let candidates: Vec<_> = KNOWN.iter().filter(|kind| kind.recognises(&outline)).collect();
        return match candidates.as_slice() {
            [kind] => finish(**kind, &outline),
            [] => Err(Error::new(Code::PredicateUnknown, "the document is of no known type")
                .expected(format!("one of {}", names().join(", ")))
                .hint("name the type with --type, as a short name or a URI")),
            several => Err(Error::new(Code::PredicateUnknown, "the document could be of several types")
                .found(several.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "))
                .hint("name the type with --type")),
        };
    }
    if let Some(kind) = by_name(requested) {
        if !kind.recognises(&outline) {
            let found =
                KNOWN.iter().find(|kind| kind.recognises(&outline)).map_or("another document", |k| k.name());
            return Err(Error::new(Code::PredicateMismatch, "the document is not of the type asked for")
                .expected(kind.name())
                .found(found)
                .hint("use --type auto, or give the file that belongs to this type"));
        }
        return finish(kind, &outline);
    }
    let uri = parse_uri(requested)?;
    // A URI that names a known type keeps that type's promises.
    match KNOWN.iter().find(|kind| kind.reads(&uri)) {
        Some(kind) => {
            kind.check(&outline)?;
            Ok(CheckedPredicate { description: kind.describe(&outline), uri })
        }
        None => Ok(CheckedPredicate { description: "JSON object".into(), uri }),
    }
}

/// Which `predicateType` values a type name or URI given for reading stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeSelector {
    /// A short name: the whole family of URIs.
    Family(&'static str),
    /// Exactly this URI.
    Uri(String),
}

impl TypeSelector {
    /// The selector for a short name or a URI.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] for what is neither.
    pub fn parse(text: &str) -> Result<Self> {
        match by_name(text) {
            Some(kind) => Ok(Self::Family(kind.name())),
            None => parse_uri(text).map(Self::Uri),
        }
    }

    /// Whether a statement of this type is meant.
    #[must_use]
    pub fn matches(&self, predicate_type: &str) -> bool {
        match self {
            Self::Family(name) => by_name(name).is_some_and(|kind| kind.reads(predicate_type)),
            Self::Uri(uri) => uri == predicate_type,
        }
    }
}

impl std::fmt::Display for TypeSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Family(name) => f.write_str(name),
            Self::Uri(uri) => f.write_str(uri),
        }
    }
}

fn finish(kind: &dyn PredicateType, outline: &Outline<'_>) -> Result<CheckedPredicate> {
    kind.check(outline)?;
    Ok(CheckedPredicate { uri: kind.uri().into(), description: kind.describe(outline) })
}

fn by_name(name: &str) -> Option<&'static dyn PredicateType> {
    KNOWN.iter().copied().find(|kind| kind.name() == name || kind.aliases().contains(&name))
}

fn names() -> Vec<&'static str> {
    KNOWN.iter().map(|kind| kind.name()).collect()
}

fn parse_uri(text: &str) -> Result<String> {
    // Compared byte for byte when read, so it is kept as written and not normalised.
    match url::Url::parse(text) {
        Ok(url) if url.has_host() || url.scheme() == "urn" => Ok(text.to_owned()),
        _ => Err(Error::new(Code::InvalidArgument, "not a predicate type")
            .expected(format!("auto, {} or an absolute URI", names().join(", ")))
            .found(text)),
    }
}

/// A complaint about one field of a document.
fn mismatch(kind: &str, path: &str, expected: &str, found: impl std::fmt::Display) -> Error {
    Error::new(Code::PredicateMismatch, format!("not valid {kind}: {path}")).expected(expected).found(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPDX: &str = r#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"app","dataLicense":"CC0-1.0",
        "documentNamespace":"https://example.com/app","creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: t"]}}"#;
    const CYCLONEDX: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[]}"#;
    const SLSA: &str = r#"{"buildDefinition":{"buildType":"https://example.com/b","externalParameters":{}},
        "runDetails":{"builder":{"id":"https://example.com/builder"}}}"#;

    #[test]
    fn recognises_each_type_from_its_content() {
        for (document, uri) in [
            (SPDX, "https://spdx.dev/Document"),
            (CYCLONEDX, "https://cyclonedx.org/bom"),
            (SLSA, "https://slsa.dev/provenance/v1"),
        ] {
            assert_eq!(check(document.as_bytes(), "auto").unwrap().uri, uri);
        }
    }

    #[test]
    fn refuses_with_the_code_that_says_why() {
        for (document, requested, code) in [
            ("SPDXVersion: SPDX-2.3", "auto", Code::InvalidJson),
            ("<bom/>", "auto", Code::InvalidJson),
            ("[]", "auto", Code::InvalidJson),
            (r#"{"a":1,"a":2}"#, "https://example.com/p", Code::InvalidJson),
            (r#"{"x":{"a":1,"a":2}}"#, "https://example.com/p", Code::InvalidJson),
            ("{}", "auto", Code::PredicateUnknown),
            (SPDX, "cyclonedx", Code::PredicateMismatch),
            (CYCLONEDX, "spdx", Code::PredicateMismatch),
            ("{}", "https://cyclonedx.org/bom", Code::PredicateMismatch),
            ("{}", "word", Code::InvalidArgument),
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.0"}"#, "auto", Code::PredicateMismatch),
        ] {
            assert_eq!(
                check(document.as_bytes(), requested).unwrap_err().code(),
                code,
                "{document} as {requested}"
            );
        }
        assert_eq!(check(b"{\"a\":1}", "https://example.com/p").unwrap().uri, "https://example.com/p");
    }

    #[test]
    fn a_name_reads_its_family_and_a_uri_only_itself() {
        let spdx = TypeSelector::parse("spdx").unwrap();
        assert!(spdx.matches("https://spdx.dev/Document/v2.3") && spdx.matches("https://spdx.dev/Document"));
        assert!(!spdx.matches("https://spdx.dev/DocumentX"));
        let uri = TypeSelector::parse("https://spdx.dev/Document").unwrap();
        assert!(!uri.matches("https://spdx.dev/Document/v2.3"));
        assert!(TypeSelector::parse("nonsense").is_err());
    }
}
