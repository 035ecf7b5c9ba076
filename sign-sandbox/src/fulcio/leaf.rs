//! The leaf: Fulcio's certificate profile and the extensions of its `oid-info` document.

use const_oid::ObjectIdentifier;
use der::Encode;
use der::asn1::{Ia5String, OctetString, Utf8StringRef};
use jiff::{SignedDuration, Timestamp};
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::TbsCertificate;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::name::Name;

use crate::ctlog;
use crate::oidc::{Claims, Identity, Workflow};
use crate::pki::{self, Authority, BoxError, Purpose};

/// How long a certificate is good: Fulcio's ten minutes.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Fulcio's arc; the last number is the extension.
const FULCIO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1");
/// RFC 6962 section 3.3: the list of signed certificate timestamps.
const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");
/// Where the workflows' repositories are.
const SERVER: &str = "https://github.com";

/// The certificate for `claims` as the CT log hears of it.
pub(crate) fn precertificate(
    authority: &Authority,
    claims: &Claims,
    spki: SubjectPublicKeyInfoOwned,
    now: Timestamp,
) -> Result<TbsCertificate, BoxError> {
    let name = match &claims.identity {
        Identity::Email(address) => GeneralName::Rfc822Name(Ia5String::new(address)?),
        Identity::Workflow(workflow) => {
            GeneralName::UniformResourceIdentifier(Ia5String::new(&at_server(&workflow.job_workflow_ref))?)
        }
    };
    let mut extensions = vec![
        pki::extension(&KeyUsage(KeyUsages::DigitalSignature.into()), true)?,
        Purpose::CodeSigning.extension(false)?,
        // RFC 5280 section 4.1.2.6: critical because the subject is empty.
        pki::extension(&SubjectAltName(vec![name]), true)?,
        old(1, &claims.issuer)?,
    ];
    if let Identity::Workflow(workflow) = &claims.identity {
        extensions.extend(old_workflow(workflow)?);
    }
    extensions.push(new(8, &claims.issuer)?);
    if let Identity::Workflow(workflow) = &claims.identity {
        extensions.extend(new_workflow(workflow)?);
    }
    extensions.push(new(24, &claims.subject)?);
    let validity = pki::period(now, now.checked_add(LIFETIME)?)?;
    authority.tbs(Name::default(), validity, spki, extensions)
}

/// Adds the list of SCTs: RFC 6962 section 3.3.
pub(crate) fn embed(tbs: &mut TbsCertificate, scts: &[Vec<u8>]) -> Result<(), BoxError> {
    let list = OctetString::new(ctlog::list(scts)?)?.to_der()?;
    let extension = pki::raw_extension(SCT_LIST, false, list)?;
    tbs.extensions.get_or_insert_default().push(extension);
    Ok(())
}

fn old_workflow(workflow: &Workflow) -> Result<Vec<Extension>, BoxError> {
    [
        (2, &workflow.event_name),
        (3, &workflow.sha),
        (4, &workflow.workflow),
        (5, &workflow.repository),
        (6, &workflow.ref_),
    ]
    .into_iter()
    .map(|(number, value)| old(number, value))
    .collect()
}

fn new_workflow(workflow: &Workflow) -> Result<Vec<Extension>, BoxError> {
    let Workflow { repository, run_id, run_attempt, .. } = workflow;
    let run = format!("{repository}/actions/runs/{run_id}/attempts/{run_attempt}");
    [
        (9, &at_server(&workflow.job_workflow_ref)),
        (10, &workflow.job_workflow_sha),
        (11, &workflow.runner_environment),
        (12, &at_server(repository)),
        (13, &workflow.sha),
        (14, &workflow.ref_),
        (15, &workflow.repository_id),
        (16, &at_server(&workflow.repository_owner)),
        (17, &workflow.repository_owner_id),
        (18, &at_server(&workflow.workflow_ref)),
        (19, &workflow.workflow_sha),
        (20, &workflow.event_name),
        (21, &at_server(&run)),
        (22, &workflow.repository_visibility),
    ]
    .into_iter()
    .map(|(number, value)| new(number, value))
    .collect()
}

fn at_server(path: &str) -> String {
    format!("{SERVER}/{path}")
}

/// An extension up to number 6: the text alone, without an ASN.1 type around it.
fn old(number: u8, value: &str) -> Result<Extension, BoxError> {
    pki::raw_extension(FULCIO.push_arc(number.into())?, false, value)
}

/// An extension from number 8 on: a DER UTF8String.
fn new(number: u8, value: &str) -> Result<Extension, BoxError> {
    pki::raw_extension(FULCIO.push_arc(number.into())?, false, Utf8StringRef::new(value)?.to_der()?)
}
