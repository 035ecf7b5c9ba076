//! Steps 3 to 5: the certificate. Profile, path to a trusted authority at every trusted time, SCTs.

use jiff::Timestamp;

use super::Context;
use super::threshold::Authorities;
use super::time::not_in_future;
use super::verdict::Record;
use crate::certificate::{Certificate, CtLog, Path, Sct, check_leaf, embedded_scts};
use crate::error::{Code, Error, Result};
use crate::trust::TrustedRoot;

/// Checks `certificate` at each of `times`. A stolen key with one early time must not pass because
/// another time is right.
pub(super) fn check_certificate(
    context: &Context<'_>,
    certificate: &Certificate,
    times: &[Timestamp],
    record: &mut Record,
) -> Result<()> {
    record.check("certificate-profile", |_| {
        check_leaf(certificate)?;
        Ok(((), "code signing, with one name".into()))
    })?;
    let path = record.check("certificate-chain", |_| {
        let path = path(context.root, certificate, times)?;
        let at = times.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Ok((path, format!("valid at {at}")))
    })?;
    check_scts(context, certificate, &path, record)
}

/// A path inside one authority of the trusted root, good at every time.
fn path(root: &TrustedRoot, certificate: &Certificate, times: &[Timestamp]) -> Result<Path> {
    let (first, rest) = times
        .split_first()
        .ok_or_else(|| Error::new(Code::TimestampMissing, "no trusted time for the certificate"))?;
    let mut failure: Option<Error> = None;
    for authority in root.certificate_authorities() {
        let path = match authority.path(certificate, *first) {
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
    context: &Context<'_>,
    certificate: &Certificate,
    path: &Path,
    record: &mut Record,
) -> Result<()> {
    const NAME: &str = "signed-certificate-timestamp";
    let required = context.thresholds.scts;
    if !context.root.lists_ct_logs() && required == 0 {
        record.skip(NAME, "the trusted root lists no CT logs");
        return Ok(());
    }
    let scts = match embedded_scts(certificate) {
        Ok(scts) => scts,
        Err(error) => return record.check(NAME, |_| Err(error)),
    };
    let mut authorities = Authorities::default();
    for sct in &scts {
        let mut candidates = context.root.ct_logs_with_id(&sct.log_id).peekable();
        if candidates.peek().is_none() {
            // By a log that is not known here: it neither proves nor disproves.
            record.skip(
                NAME,
                &format!("by a log that the trusted root does not list: {}", hex::encode(sct.log_id)),
            );
            continue;
        }
        let log = record.check(NAME, |_| {
            let log = check_sct(context, sct, certificate, path)?;
            Ok((log, format!("{} by {}", sct.timestamp, log.url)))
        })?;
        authorities.add(&log.authority, &log.id);
    }
    if authorities.count() == 0 {
        let found = if scts.is_empty() { "none" } else { "only by unknown logs" };
        let error = Error::new(Code::SctInvalid, "no trusted CT log vouches for the certificate")
            .expected("a signed certificate timestamp by a log of the trusted root")
            .found(found)
            .hint("without it, a certificate could have been issued in secret");
        return record.check(NAME, |_| Err(error));
    }
    if required > 0 {
        record.check("sct-threshold", |_| {
            authorities.at_least(required, "CT logs")?;
            Ok(((), format!("{} of {required}", authorities.count())))
        })?;
    }
    Ok(())
}

/// Which of the logs with its id signed the SCT.
fn check_sct<'a>(
    context: &Context<'a>,
    sct: &Sct,
    certificate: &Certificate,
    path: &Path,
) -> Result<&'a CtLog> {
    not_in_future(sct.timestamp, context.now)?;
    let signed = sct.signed_data(certificate, path.issuer_key_hash())?;
    let mut signers =
        context.root.ct_logs_with_id(&sct.log_id).filter(|log| sct.is_by(log, &signed)).peekable();
    let invalid = |message: &str| Error::new(Code::SctInvalid, message);
    let Some(first) = signers.peek().copied() else {
        return Err(invalid("the signed certificate timestamp does not verify"));
    };
    signers
        .find(|log| log.window.contains(sct.timestamp))
        .ok_or_else(|| invalid("the CT log was not trusted then").expected(first.window).found(sct.timestamp))
}
