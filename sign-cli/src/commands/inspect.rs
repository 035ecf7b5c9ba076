//! `signer inspect`: what a bundle says, and what of that is proven.

use serde_json::{Value, json};
use sign_core::{
    Artifact, Bundle, Certificate, Content, Digest, Error, HashAlgorithm, Identity, IdentityPolicy,
    IssuerRule, KeyMaterial, Pattern, Requirement, Result, Statement, VerifiedBundle,
};

use super::{Items, views};
use crate::args::Inspect;
use crate::context::Context;
use crate::files::read_file;
use crate::output::Item;

/// Largest bundle file that is read; what the parser accepts.
const MAX_BUNDLE_FILE: u64 = 128 * 1024 * 1024;

pub(crate) fn run(context: &Context, args: &Inspect) -> Items {
    let bundle = Bundle::parse_any(&read_file(&args.bundle, MAX_BUNDLE_FILE)?)
        .map_err(|e| e.context(args.bundle.display()))?;
    let mut item = Item::new(args.bundle.display().to_string());
    item = claimed(item, &bundle)?;
    match prove(context, &bundle) {
        Ok(verified) => {
            item = item
                .line("Proven against the trusted root:")
                .field("proven", Value::from(views::fields(&verified)));
            for check in verified.checks() {
                item = item.line(views::check_line(check));
            }
            item = item
                .line("Not decided here: whether this signer is the right one, and whether the file or image at hand")
                .line("has this digest. `signer verify` and `signer verify-blob` decide that.");
        }
        Err(error) => {
            item = item
                .line(format!("Not proven: {error}"))
                .field("proven", Value::Null)
                .field("whyNotProven", json!({"code": error.code().as_str(), "message": error.to_string()}));
        }
    }
    Ok(vec![item])
}

/// What the bundle says of itself. Nothing here is believed.
fn claimed(mut item: Item, bundle: &Bundle) -> Result<Item> {
    item = item.line("Claimed by the bundle:");
    if let Some(der) = bundle.leaf_certificate() {
        match Certificate::parse(der) {
            Ok(certificate) => {
                item = item
                    .line(format!("  signer     {}", certificate.san()))
                    .line(format!("  issuer     {}", certificate.issuer().unwrap_or("none")))
                    .line(format!("  valid      {} to {}", certificate.not_before(), certificate.not_after()))
                    .field("identity", certificate.san().to_string())
                    .field("issuer", certificate.issuer())
                    .field("claims", views::claims(&certificate));
                // The issuer has its line already; it is in the certificate twice, in two encodings.
                for (claim, value) in certificate.claims().filter(|(_, v)| Some(*v) != certificate.issuer()) {
                    item = item.line(format!("  {:<10} {value}", claim.as_str()));
                }
            }
            Err(error) => item = item.line(format!("  certificate that cannot be read: {error}")),
        }
    }
    if let KeyMaterial::PublicKey { hint } = &bundle.key_material {
        item = item.line(format!("  key hint   {hint}")).field("keyHint", hint.as_str());
    }
    match &bundle.content {
        Content::Message(message) => {
            let digest = message.digest.as_ref().map(|(name, bytes)| format!("{name} {}", hex(bytes)));
            item = item
                .line(format!(
                    "  signature  of a message, digest {}",
                    digest.as_deref().unwrap_or("not said")
                ))
                .field("content", "message-signature")
                .field("messageDigest", digest);
        }
        Content::Dsse(envelope) => {
            item = item
                .line(format!(
                    "  signature  of an envelope, {} bytes of {}",
                    envelope.payload.len(),
                    envelope.payload_type
                ))
                .field("content", "dsse-envelope")
                .field("payloadType", envelope.payload_type.as_str());
            if let Ok(statement) = Statement::parse(envelope.payload.clone()) {
                item = item
                    .line(format!("  type       {}", statement.predicate_type()))
                    .field("predicateType", statement.predicate_type())
                    .field("subjects", views::subjects(&statement));
                for subject in statement.subjects() {
                    let digests: Vec<_> =
                        subject.digests.iter().map(|(name, hex)| format!("{name}:{hex}")).collect();
                    let name = subject.name.as_deref().unwrap_or("");
                    item = item.line(format!("  subject    {name} {}", digests.join(" ")));
                }
            }
        }
    }
    let entries = bundle.log_entries.iter();
    let entries = entries.map(|e| json!({"kind": e.kind, "version": e.version, "logIndex": e.log_index}));
    item = item.field("logEntries", entries.collect::<Value>());
    for entry in &bundle.log_entries {
        item =
            item.line(format!("  log entry  {} {} at index {}", entry.kind, entry.version, entry.log_index));
    }
    Ok(item
        .line(format!("  timestamps {}", bundle.timestamps.len()))
        .field("timestamps", bundle.timestamps.len()))
}

/// Runs every check there is, with the signer and the digest that the bundle itself claims.
fn prove(context: &Context, bundle: &Bundle) -> Result<VerifiedBundle> {
    let unprovable = |why: &str| Error::new(sign_core::Code::KeyMaterialMismatch, why);
    let der = bundle.leaf_certificate().ok_or_else(|| unprovable("the key is not in the bundle"))?;
    let certificate = Certificate::parse(der)?;
    let issuer =
        certificate.issuer().map_or(IssuerRule::None, |issuer| IssuerRule::Matches(Pattern::exact(issuer)));
    let san = Some(Pattern::exact(certificate.san().to_string()));
    let requirement =
        Requirement::Identities(IdentityPolicy::new(vec![Identity { san, issuer, claims: vec![] }])?);
    let digest = match &bundle.content {
        Content::Message(message) => message
            .digest
            .as_ref()
            .filter(|(name, _)| name == "SHA2_256")
            .and_then(|(_, bytes)| Digest::new(HashAlgorithm::Sha256, bytes.as_slice()).ok())
            .ok_or_else(|| unprovable("the bundle does not say the SHA-256 digest of what was signed"))?,
        Content::Dsse(envelope) => Statement::parse(envelope.payload.clone())?
            .subjects()
            .iter()
            .flat_map(|subject| &subject.digests)
            .find_map(|(name, hex)| format!("{name}:{hex}").parse().ok())
            .ok_or_else(|| unprovable("no subject has a digest that could be matched"))?,
    };
    context.verifier()?.verify(bundle, &Artifact::from_digest(digest), &requirement)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
