//! The predicate types that are known by name, and finding the right one for a document.

use std::fmt;
use std::sync::Arc;

use super::document::Document;
use super::{
    PredicateType, custom, cyclonedx, link, link_v1, openvex, reference, release, scai, slsa_v0_1, slsa_v0_2,
    slsa_v1, spdx2, spdx3, test_result, vsa, vuln, vulns,
};
use crate::error::{Code, Error, Result};

/// The predicate type of an image signature: the statement says no more than "I sign this".
pub const SIGN_V1: &str = "https://sigstore.dev/cosign/sign/v1";

/// A set of predicate types. [`PredicateTypes::default`] has all that this library knows.
#[derive(Clone)]
pub struct PredicateTypes {
    kinds: Vec<Arc<dyn PredicateType>>,
}

impl Default for PredicateTypes {
    fn default() -> Self {
        let kinds: Vec<Arc<dyn PredicateType>> = vec![
            Arc::new(spdx2::Type),
            Arc::new(spdx3::Type),
            Arc::new(cyclonedx::Type),
            Arc::new(slsa_v1::Type),
            Arc::new(slsa_v0_2::Type),
            Arc::new(slsa_v0_1::Type),
            Arc::new(openvex::Type),
            Arc::new(vuln::Type),
            Arc::new(vulns::Type),
            Arc::new(vsa::Type),
            Arc::new(test_result::Type),
            Arc::new(release::Type),
            Arc::new(link::Type),
            Arc::new(link_v1::Type),
            Arc::new(scai::Type),
            Arc::new(reference::Type),
            Arc::new(custom::Type),
        ];
        Self { kinds }
    }
}

/// A predicate that has been checked, with the type it will be attested as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPredicate {
    /// The `predicateType` to write.
    pub uri: String,
    /// What it is, in a few words.
    pub description: String,
}

/// Checks `document` against the type that `requested` names: `auto`, a short name or a URI. The types
/// are those of [`PredicateTypes::default`].
///
/// # Errors
/// As [`PredicateTypes::check`].
pub fn check(document: &[u8], requested: &str) -> Result<CheckedPredicate> {
    PredicateTypes::default().check(document, requested)
}

impl PredicateTypes {
    /// The set with one type more.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] when its name, or the URI that it writes, belongs to another type.
    pub fn with(mut self, kind: impl PredicateType + 'static) -> Result<Self> {
        let taken =
            |text: &str| Error::new(Code::InvalidArgument, "two predicate types with one name").found(text);
        if kind.name() == "auto" || !self.named(kind.name()).is_empty() {
            return Err(taken(kind.name()));
        }
        if self.iter().any(|other| other.reads(kind.uri())) {
            return Err(taken(kind.uri()));
        }
        self.kinds.push(Arc::new(kind));
        Ok(self)
    }

    /// The types, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &dyn PredicateType> {
        self.kinds.iter().map(AsRef::as_ref)
    }

    /// Checks `document` against the type that `requested` names: `auto`, a short name or a URI.
    ///
    /// # Errors
    /// [`Code::InvalidJson`], [`Code::PredicateUnknown`] when the type cannot be told from the content,
    /// [`Code::PredicateMismatch`] with the place that is wrong, or [`Code::InvalidArgument`] for a name
    /// that is neither known nor a URI.
    pub fn check(&self, document: &[u8], requested: &str) -> Result<CheckedPredicate> {
        let named = self.named(requested);
        let uri = if requested == "auto" || !named.is_empty() {
            None
        } else {
            Some(self.uri(requested, "auto, ")?)
        };
        let document = Document::parse(document)?;
        if let Some(uri) = uri {
            // A URI that names a known type keeps that type's promises.
            let readers: Vec<_> = self.iter().filter(|kind| kind.reads(&uri)).collect();
            // Several where one URI serves several versions, as that of SPDX does.
            let Some(kind) = readers.iter().find(|kind| kind.recognises(&document)).or(readers.first())
            else {
                return Ok(CheckedPredicate { description: "JSON object".into(), uri });
            };
            let checked = finish(*kind, &document)?;
            return Ok(CheckedPredicate { uri, ..checked });
        }
        let recognised: Vec<_> = self.iter().filter(|kind| kind.recognises(&document)).collect();
        if requested == "auto" {
            return match recognised.as_slice() {
                [kind] => finish(*kind, &document),
                [] => Err(self.unknown(&document)),
                several => Err(ambiguous(several)),
            };
        }
        let wanted: Vec<_> =
            named.iter().copied().filter(|kind| recognised.iter().any(|k| k.name() == kind.name())).collect();
        match (wanted.as_slice(), named.as_slice()) {
            ([kind], _) => finish(*kind, &document),
            // The one type with that name knows best what is missing.
            ([], [kind]) if recognised.is_empty() => finish(*kind, &document),
            ([], _) => {
                Err(another(requested, recognised.first().map_or("an unknown document", |k| k.title())))
            }
            (several, _) => Err(ambiguous(several)),
        }
    }

    /// What a type name or URI given for reading stands for.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] for what is neither.
    pub fn selector(&self, text: &str) -> Result<TypeSelector> {
        let kinds: Vec<_> = self.kinds.iter().filter(|kind| goes_by(kind.as_ref(), text)).cloned().collect();
        let text = if kinds.is_empty() { self.uri(text, "")? } else { text.to_owned() };
        Ok(TypeSelector { text, kinds })
    }

    fn named(&self, name: &str) -> Vec<&dyn PredicateType> {
        self.iter().filter(|kind| goes_by(*kind, name)).collect()
    }

    /// Every name that can be asked for, shared ones once.
    fn names(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for kind in self.iter().filter(|kind| kind.written()) {
            // The name of the family where there is one: it is what people type.
            let shared = kind.aliases().iter().find(|alias| self.named(alias).len() > 1);
            let name = shared.copied().unwrap_or(kind.name());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(", ")
    }

    /// `text` as it is, if it is a URI; `besides` says what else it could have been.
    fn uri(&self, text: &str, besides: &str) -> Result<String> {
        // Compared byte for byte when read, so it is kept as written and not normalised.
        // The parser drops line breaks and encodes what no URI has in it (RFC 3986 §2): none of that is signed.
        let in_ascii = text.bytes().all(|b| b.is_ascii_graphic());
        match url::Url::parse(text) {
            Ok(url) if in_ascii && (url.has_host() || url.scheme() == "urn") => Ok(text.to_owned()),
            _ => Err(Error::new(Code::InvalidArgument, "not a predicate type")
                .expected(format!("{besides}{} or an absolute URI", self.names()))
                .found(text)),
        }
    }

    fn unknown(&self, document: &Document<'_>) -> Error {
        let error = Error::new(Code::PredicateUnknown, "the document is of no known type")
            .expected(format!("one of {}", self.names()));
        if document.has("_type") && document.has("predicateType") {
            return error.found("a whole in-toto statement").hint("give it with --statement");
        }
        if document.has("payloadType") || document.has("dsseEnvelope") {
            return error.found("something that is signed already").hint("give the predicate itself");
        }
        error.hint("name the type with --type, as a short name or a URI")
    }
}

impl fmt::Debug for PredicateTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(PredicateType::name)).finish()
    }
}

fn goes_by(kind: &dyn PredicateType, name: &str) -> bool {
    kind.name() == name || kind.aliases().contains(&name)
}

fn finish(kind: &dyn PredicateType, document: &Document<'_>) -> Result<CheckedPredicate> {
    if !kind.written() {
        return Err(another(kind.title(), kind.title())
            .expected("a type that is still written")
            .hint("this version is only read; write a newer one"));
    }
    kind.check(document).map_err(|e| e.context(format!("not valid {}", kind.title())))?;
    Ok(CheckedPredicate { uri: kind.uri().into(), description: kind.describe(document) })
}

fn another(requested: &str, found: &str) -> Error {
    Error::new(Code::PredicateMismatch, "the document is not of the type asked for")
        .expected(requested)
        .found(found)
        .hint("use --type auto, or give the file that belongs to this type")
}

fn ambiguous(kinds: &[&dyn PredicateType]) -> Error {
    Error::new(Code::PredicateUnknown, "the document could be of several types")
        .found(kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "))
        .hint("name the type with --type")
}

/// Which `predicateType` values a type name or URI given for reading stands for.
#[derive(Clone)]
pub struct TypeSelector {
    text: String,
    // The family that a short name means; none for exactly one URI.
    kinds: Vec<Arc<dyn PredicateType>>,
}

impl TypeSelector {
    /// The selector for a short name of [`PredicateTypes::default`], or a URI.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] for what is neither.
    pub fn parse(text: &str) -> Result<Self> {
        PredicateTypes::default().selector(text)
    }

    /// Whether a statement of this type is meant.
    #[must_use]
    pub fn matches(&self, predicate_type: &str) -> bool {
        if self.kinds.is_empty() {
            return self.text == predicate_type;
        }
        self.kinds.iter().any(|kind| kind.reads(predicate_type))
    }
}

impl fmt::Display for TypeSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for TypeSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypeSelector").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_its_family_and_a_uri_only_itself() {
        for (name, reads, not) in [
            ("spdx", "https://spdx.dev/Document/v2.3", "https://spdx.dev/DocumentX"),
            ("spdxjson", "https://spdx.dev/Document/v3", "https://spdx.dev/Document/x"),
            ("cyclonedx", "https://cyclonedx.org/bom/v1.5", "https://cyclonedx.org/bomb"),
            ("slsaprovenance", "https://slsa.dev/provenance/v0.1", "https://slsa.dev/provenance/v2"),
            ("slsaprovenance1", "https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"),
            ("openvex", "https://openvex.dev/ns/v0.2.0", "https://openvex.dev/ns/v0.3.0"),
            ("vulns", "https://in-toto.io/attestation/vulns", "https://in-toto.io/attestation/vulnsX"),
            ("link", "https://in-toto.io/Link/v1", "https://in-toto.io/Layout/v1"),
        ] {
            let selector = TypeSelector::parse(name).unwrap();
            assert!(selector.matches(reads) && !selector.matches(not), "{name}");
            assert_eq!(selector.to_string(), name);
        }
        let uri = TypeSelector::parse("https://spdx.dev/Document").unwrap();
        assert!(uri.matches("https://spdx.dev/Document") && !uri.matches("https://spdx.dev/Document/v2.3"));
        assert_eq!(TypeSelector::parse("nonsense").unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn names_are_unique_and_every_uri_is_read_by_the_type_that_writes_it() {
        let types = PredicateTypes::default();
        for kind in types.iter() {
            assert_eq!(
                types.iter().filter(|other| other.name() == kind.name()).count(),
                1,
                "{}",
                kind.name()
            );
            assert!(kind.reads(kind.uri()), "{}", kind.name());
        }
        assert!(
            types.names().starts_with("spdx, cyclonedx, slsaprovenance, openvex, vuln, "),
            "{}",
            types.names()
        );
    }
}
