//! Steps 3 to 5: the certificate. Profile, path to a trusted authority at every trusted time, SCTs.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::verified::Check;
use crate::certificate::{Certificate, Path, Sct, check_leaf, embedded_scts, is_self_issued};
use crate::crypto::verifies_with_scheme;
use crate::error::{Code, Error, Result};
use crate::trust::TrustedRoot;

/// Checks `certificate` at each of `times`. A stolen key with one early time must not pass because
/// another time is right.
pub(super) fn check_certificate(
    root: &TrustedRoot,
    certificate: &Certificate,
    times: &[Timestamp],
    checks: &mut Vec<Check>,
) -> Result<()> {
    check_leaf(certificate)?;
    checks.push(Check::new("certificate-profile", "code signing with one name"));
    let path = path(root, certificate, times)?;
    let at = times.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    checks.push(Check::new("certificate-chain", format!("valid at {at}")));
    check_scts(root, certificate, &path, checks)
}

/// A path inside one authority of the trusted root, good at every time.
fn path(root: &TrustedRoot, certificate: &Certificate, times: &[Timestamp]) -> Result<Path> {
    let (first, rest) = times
        .split_first()
        .ok_or_else(|| Error::new(Code::TimestampMissing, "no trusted time for the certificate"))?;
    let mut failure: Option<Error> = None;
    for authority in root.certificate_authorities() {
        let path = match Path::build(certificate, &authority.intermediates, &authority.root, *first) {
            Ok(path) => path,
            Err(error) => {
                // An authority that did issue it has more to say than one that did not.
                if failure.as_ref().is_none_or(|f| f.code() == Code::CertificateUntrusted) {
                    failure = Some(error);
                }
                continue;
            }
        };
        if let Some(time) = times.iter().find(|time| !authority.window.contains(**time)) {
            failure = Some(
                Error::new(Code::CertificateUntrusted, "the certificate authority was not trusted then")
                    .expected(authority.window)
                    .found(time),
            );
            continue;
        }
        match rest.iter().try_for_each(|time| path.check_at(*time)) {
            Ok(()) => return Ok(path),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| {
        Error::new(Code::CertificateUntrusted, "the trusted root lists no certificate authority")
    }))
}

/// At least one SCT by a trusted log, where the root lists any; and none that is wrong.
fn check_scts(
    root: &TrustedRoot,
    certificate: &Certificate,
    path: &Path,
    checks: &mut Vec<Check>,
) -> Result<()> {
    if !root.lists_ct_logs() {
        return Ok(());
    }
    let mut logs = BTreeSet::new();
    let scts = embedded_scts(certificate)?;
    for sct in &scts {
        let mut candidates = root.ct_logs_with_id(&sct.log_id).peekable();
        if candidates.peek().is_none() {
            // By a log that is not known here: it neither proves nor disproves.
            continue;
        }
        let signed = sct.signed_data(certificate, path.issuer_key_hash())?;
        let scheme = sct.scheme()?;
        let good = candidates.find(|log| {
            log.window.contains(sct.timestamp)
                && verifies_with_scheme(&log.key_der, &signed, &sct.signature, scheme)
        });
        let Some(log) = good else { return Err(bad_sct(root, sct)) };
        logs.insert(&log.id);
        checks.push(Check::new("signed-certificate-timestamp", format!("{} by {}", sct.timestamp, log.url)));
    }
    if logs.is_empty() {
        return Err(Error::new(Code::SctInvalid, "no trusted CT log vouches for the certificate")
            .expected("a signed certificate timestamp by a log of the trusted root")
            .found(if scts.is_empty() { "none" } else { "only by unknown logs" })
            .hint("without it, a certificate could have been issued in secret"));
    }
    Ok(())
}

fn bad_sct(root: &TrustedRoot, sct: &Sct) -> Error {
    let outside = root.ct_logs_with_id(&sct.log_id).all(|log| !log.window.contains(sct.timestamp));
    let error = Error::new(Code::SctInvalid, "the signed certificate timestamp does not verify");
    if outside {
        error.expected("a time at which the CT log was trusted").found(sct.timestamp)
    } else {
        error
    }
}

/// Before 0.3 a bundle may carry a chain, but never the root: a reader that trusted it would trust
/// whatever it is given.
pub(super) fn check_no_root(chain: &[Vec<u8>]) -> Result<()> {
    for der in chain.iter().skip(1) {
        if is_self_issued(der)? {
            return Err(Error::new(Code::BundleMalformed, "the bundle carries a root certificate")
                .expected("the leaf, and intermediates at most")
                .hint("trust comes from the trusted root alone"));
        }
    }
    Ok(())
}
