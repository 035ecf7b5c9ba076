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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Thresholds, Verifier};
    use super::*;
    use crate::certificate::testing::{Key, Wish, at, authority, code_signer, issue, scts};
    use crate::clock::FixedClock;
    use crate::digest::Digest;
    use crate::encoding::base64_encode;

    /// A root and two CT logs, and the leaves it issued.
    struct Fixture {
        root_key: Key,
        leaf_key: Key,
        logs: [Key; 2],
        root: Value,
    }

    impl Fixture {
        fn new() -> Self {
            let (root_key, logs) = (Key::new(), [Key::new(), Key::new()]);
            let wish =
                Wish { subject: "CN=root", issuer: "CN=root", validity: (1, 9000), extensions: authority() };
            let certificate = issue(wish, &root_key, &root_key);
            let start = json!({"start": "1970-01-01T00:00:00Z"});
            let log = |key: &Key, url: &str| {
                json!({
                    "baseUrl": url,
                    "hashAlgorithm": "SHA2_256",
                    "publicKey": {
                        "rawBytes": base64_encode(&key.spki_der()),
                        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                        "validFor": start,
                    },
                    "logId": {"keyId": base64_encode(Digest::sha256(&key.spki_der()).as_bytes())},
                })
            };
            let root = json!({
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [],
                "ctlogs": [log(&logs[0], "https://ct1.example"), log(&logs[1], "https://ct2.example")],
                "certificateAuthorities": [{
                    "subject": {"organization": "o", "commonName": "c"},
                    "uri": "https://fulcio.example",
                    "certChain": {"certificates": [{"rawBytes": base64_encode(&certificate)}]},
                    "validFor": start,
                }],
                "timestampAuthorities": [],
            });
            Self { root_key, leaf_key: Key::new(), logs, root }
        }

        /// A leaf with SCTs by these keys, at seconds after the epoch.
        fn leaf(&self, by: &[(&Key, u64)]) -> Certificate {
            let der = |extensions| {
                let wish = Wish { subject: "", issuer: "CN=root", validity: (100, 700), extensions };
                issue(wish, &self.leaf_key, &self.root_key)
            };
            let by: Vec<_> = by.iter().map(|(key, second)| (*key, second * 1000)).collect();
            let extension = scts(&der(code_signer()), &self.root_key, &by);
            Certificate::parse(&der([code_signer(), vec![extension]].concat())).unwrap()
        }

        fn code(&self, leaf: &Certificate, scts: usize) -> Option<Code> {
            self.code_by(&self.root, leaf, scts)
        }

        fn code_by(&self, root: &Value, leaf: &Certificate, scts: usize) -> Option<Code> {
            let root = TrustedRoot::from_json(root.to_string().as_bytes()).unwrap();
            let verifier = Verifier::new(root, FixedClock(at(500)));
            let verifier = verifier.with_thresholds(Thresholds { scts, ..Thresholds::default() });
            verifier.check_certificate(leaf, at(400)).err().map(|e| e.code())
        }
    }

    #[test]
    fn gap_6_several_scts_are_read_and_each_by_a_known_log_must_verify() {
        let f = Fixture::new();
        let ([one, two], stranger) = (&f.logs, Key::new());
        assert_eq!(f.code(&f.leaf(&[(one, 100)]), 0), None);
        assert_eq!(f.code(&f.leaf(&[(one, 100), (two, 100)]), 2), None);
        // An unknown log neither proves nor disproves.
        assert_eq!(f.code(&f.leaf(&[(&stranger, 100), (two, 100)]), 0), None);
        assert_eq!(f.code(&f.leaf(&[(&stranger, 100)]), 0), Some(Code::SctInvalid));
        assert_eq!(f.code(&f.leaf(&[]), 0), Some(Code::SctInvalid));
        // One that does not verify fails the certificate: a good one beside it is no excuse.
        let impostor = Key::new();
        let mut root = f.root.clone();
        root["ctlogs"][1]["publicKey"]["rawBytes"] = json!(base64_encode(&impostor.spki_der()));
        assert_eq!(f.code_by(&root, &f.leaf(&[(one, 100)]), 0), None);
        assert_eq!(f.code_by(&root, &f.leaf(&[(one, 100), (two, 100)]), 0), Some(Code::SctInvalid));
    }

    #[test]
    fn scts_count_by_log_and_operator_in_the_logs_time() {
        let f = Fixture::new();
        let [one, two] = &f.logs;
        assert_eq!(f.code(&f.leaf(&[(one, 100), (one, 101)]), 2), Some(Code::ThresholdNotMet));
        let both = f.leaf(&[(one, 100), (two, 100)]);
        let mut root = f.root.clone();
        for log in root["ctlogs"].as_array_mut().unwrap() {
            log["operator"] = json!("one.example");
        }
        assert_eq!(f.code_by(&root, &both, 1), None);
        assert_eq!(f.code_by(&root, &both, 2), Some(Code::ThresholdNotMet));
        let mut root = f.root.clone();
        root["ctlogs"][1]["publicKey"]["validFor"]["end"] = json!("1970-01-01T00:01:40Z");
        assert_eq!(f.code_by(&root, &both, 2), None, "the end is included");
        assert_eq!(f.code_by(&root, &f.leaf(&[(one, 100), (two, 101)]), 0), Some(Code::SctInvalid));
        // The clock stands at 500.
        assert_eq!(f.code(&f.leaf(&[(one, 560)]), 0), None);
        assert_eq!(f.code(&f.leaf(&[(one, 561)]), 0), Some(Code::TimeInFuture));
    }
}
