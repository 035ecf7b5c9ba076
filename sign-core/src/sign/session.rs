//! A session: one identity, one key and one certificate for many signatures.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::{try_join, try_join_all};
use jiff::SignedDuration;
use tokio::sync::Mutex;

use super::issue::{Credential, SigningIdentity, issue};
use super::{Signed, SigningContext};
use crate::bundle::{Bundle, BundleVersion, Content, KeyMaterial, MAX_BUNDLE_BYTES, MessageSignature};
use crate::certificate::Certificate;
use crate::digest::{Digest, HashAlgorithm};
use crate::envelope::{Envelope, EnvelopeSignature, INTOTO_PAYLOAD_TYPE, pae_digest};
use crate::error::{Code, Error, Result};
use crate::identity::TokenSource;
use crate::policy::{Identity, IdentityPolicy, IssuerRule, Pattern};
use crate::rekor::{self, Proposal, Requests};
use crate::signer::Signer;
use crate::statement::Statement;
use crate::tlog::LogEntry;
use crate::tsa::{self, Nonce};
use crate::verify::{Artifact, Requirement};

/// Least validity that a certificate must have left: log and timestamp authority may take this long,
/// and what they date must fall within it.
const MIN_VALIDITY_LEFT: SignedDuration = SignedDuration::from_mins(2);
/// Largest payload: its base64 and everything else must fit into a bundle that can be read again.
const MAX_PAYLOAD_BYTES: usize = (MAX_BUNDLE_BYTES - 1024 * 1024) / 4 * 3;

/// Signs in the name of one identity; many signatures may be under way at the same time.
pub struct Session<'a> {
    context: &'a SigningContext,
    tokens: &'a dyn TokenSource,
    /// The caller's key, which a renewal keeps; an ephemeral one is replaced together with its
    /// certificate.
    signer: Option<Arc<dyn Signer>>,
    current: RwLock<Arc<Credential>>,
    renewing: Mutex<()>,
}

/// A signature and what log and timestamp authority say about it.
struct Recorded {
    signature: Vec<u8>,
    log_entries: Vec<LogEntry>,
    timestamps: Vec<Vec<u8>>,
}

impl<'a> Session<'a> {
    pub(super) async fn start(
        context: &'a SigningContext,
        tokens: &'a dyn TokenSource,
        signer: Option<Arc<dyn Signer>>,
    ) -> Result<Self> {
        let credential = issue(context, tokens, signer.clone()).await?;
        let current = RwLock::new(Arc::new(credential));
        Ok(Self { context, tokens, signer, current, renewing: Mutex::new(()) })
    }

    /// The certificate in use.
    #[must_use]
    pub fn certificate(&self) -> Arc<Certificate> {
        Arc::clone(&self.current().certificate)
    }

    /// In whose name the session signs.
    #[must_use]
    pub fn identity(&self) -> SigningIdentity {
        self.current().identity.clone()
    }

    /// Signs a statement in an envelope, logs and timestamps it, and verifies the result.
    ///
    /// # Errors
    /// What the services answer; the code of the failed check when the result does not verify.
    pub async fn sign_statement(&self, statement: Statement) -> Result<Signed> {
        let artifact = subject_digest(&statement)?;
        let payload = statement.into_payload();
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(Error::new(Code::LimitExceeded, "the statement is too large for a bundle")
                .expected(format!("at most {MAX_PAYLOAD_BYTES} bytes"))
                .found(format!("{} bytes", payload.len())));
        }
        let credential = self.credential().await?;
        let digest = pae_digest(credential.signer.scheme().hash(), INTOTO_PAYLOAD_TYPE, &payload);
        let envelope = Some((INTOTO_PAYLOAD_TYPE, payload.as_slice()));
        let mut recorded = self.record(&credential, &digest, envelope).await?;
        let sig = std::mem::take(&mut recorded.signature);
        let content = Content::Dsse(Envelope {
            payload_type: INTOTO_PAYLOAD_TYPE.to_owned(),
            payload,
            signatures: vec![EnvelopeSignature { keyid: String::new(), sig }],
        });
        self.finish(&credential, recorded, content, artifact)
    }

    /// Signs an artifact by its digest, logs and timestamps it, and verifies the result.
    ///
    /// # Errors
    /// As [`Session::sign_statement`].
    pub async fn sign_blob(&self, digest: &Digest) -> Result<Signed> {
        let credential = self.credential().await?;
        let scheme = credential.signer.scheme();
        if digest.algorithm() != scheme.hash() {
            return Err(Error::new(Code::InvalidArgument, "the key signs digests of another algorithm")
                .expected(scheme.hash().as_str())
                .found(digest.algorithm().as_str()));
        }
        let mut recorded = self.record(&credential, digest, None).await?;
        let content = Content::Message(MessageSignature {
            digest: Some((scheme.hash_name().to_owned(), digest.as_bytes().to_vec())),
            signature: std::mem::take(&mut recorded.signature),
        });
        self.finish(&credential, recorded, content, digest.clone())
    }

    fn current(&self) -> Arc<Credential> {
        // The lock is only held to copy or replace a pointer, so a panic cannot leave it half done.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The credential, renewed if it would end too soon. Concurrent signatures wait for one renewal.
    async fn credential(&self) -> Result<Arc<Credential>> {
        let _one_at_a_time = self.renewing.lock().await;
        let current = self.current();
        let left = current.certificate.not_after().duration_since(self.context.clock.now());
        if left >= MIN_VALIDITY_LEFT {
            return Ok(current);
        }
        let renewed = issue(self.context, self.tokens, self.signer.clone()).await.map_err(|e| {
            e.context(format_args!(
                "stopped before logging: the certificate ends at {} and could not be renewed",
                current.certificate.not_after()
            ))
        })?;
        current.require_same_identity(&renewed)?;
        let renewed = Arc::new(renewed);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&renewed);
        Ok(renewed)
    }

    /// Signs `digest`, then asks all logs and timestamp authorities at once.
    async fn record(
        &self,
        credential: &Credential,
        digest: &Digest,
        envelope: Option<(&str, &[u8])>,
    ) -> Result<Recorded> {
        let context = self.context;
        let signature = credential.signer.sign_digest(digest).await?;
        let proposal = Proposal {
            scheme: credential.signer.scheme(),
            certificate: &credential.certificate_der,
            digest,
            signature: &signature,
            envelope,
        };
        let requests = Requests::new(&context.logs, &proposal)?;
        let logs = context.logs.iter().map(|log| rekor::write(&context.http, log, &requests, &proposal));
        let stamps = context.timestamp_authorities.iter().map(|url| async {
            tsa::timestamp(&context.http, url, &signature, nonce()?, context.clock.as_ref()).await
        });
        let (log_entries, timestamps) = try_join(try_join_all(logs), try_join_all(stamps)).await?;
        Ok(Recorded { signature, log_entries, timestamps })
    }

    /// Builds the bundle and verifies it as any reader would, so that nothing leaves this library
    /// that it would not accept itself.
    fn finish(
        &self,
        credential: &Credential,
        recorded: Recorded,
        content: Content,
        artifact: Digest,
    ) -> Result<Signed> {
        let bundle = Bundle {
            version: BundleVersion::V0_3,
            key_material: KeyMaterial::Certificate(credential.certificate_der.clone()),
            log_entries: recorded.log_entries,
            timestamps: recorded.timestamps,
            content,
        };
        let identity = Identity {
            san: Some(Pattern::exact(credential.identity.san.as_str())),
            issuer: IssuerRule::Matches(Pattern::exact(credential.identity.issuer.as_str())),
            claims: Vec::new(),
        };
        let requirement = Requirement::Identities(IdentityPolicy::new(vec![identity])?);
        let verified = self
            .context
            .verifier
            .verify(&bundle, &Artifact::from_digest(artifact), &requirement)
            .map_err(|e| e.context("the new signature does not verify, nothing was attached"))?;
        Ok(Signed { bundle, verified })
    }
}

/// The digest that the statement is verified against: the first of its first subject that is usable.
fn subject_digest(statement: &Statement) -> Result<Digest> {
    let algorithms = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
    let digests = statement.subjects().first().map(|subject| &subject.digests);
    algorithms
        .iter()
        .filter_map(|algorithm| {
            let hex = digests?.get(algorithm.as_str())?;
            format!("{}:{hex}", algorithm.as_str()).parse().ok()
        })
        .next()
        .ok_or_else(|| {
            Error::new(Code::InvalidStatement, "the first subject has no digest that can be verified")
                .expected("sha256, sha384 or sha512 in lowercase hexadecimal")
                .hint("name the artifact by its digest in the statement's subject")
        })
}

fn nonce() -> Result<Nonce> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| Error::new(Code::Internal, "the system gives no random numbers"))?;
    Ok(Nonce::new(random))
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("identity", &self.identity()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(digests: &str) -> Statement {
        let text = format!(
            r#"{{"_type":"{}","subject":[{{"digest":{{{digests}}}}}],"predicateType":"p","predicate":{{}}}}"#,
            crate::statement::STATEMENT_V1
        );
        Statement::parse(text.into_bytes()).unwrap()
    }

    #[test]
    fn verifies_against_the_statements_own_first_subject() {
        let (short, long) = (Digest::sha256(b"a"), HashAlgorithm::Sha512.hash(b"a"));
        let both = format!(r#""sha512":"{}","sha256":"{}""#, long.hex(), short.hex());
        assert_eq!(subject_digest(&statement(&both)).unwrap(), short);
        let only = format!(r#""sha256":"UPPER","sha512":"{}""#, long.hex());
        assert_eq!(subject_digest(&statement(&only)).unwrap(), long);
        for bad in [r#""gitCommit":"abc""#, r#""sha256":"00""#] {
            assert_eq!(subject_digest(&statement(bad)).unwrap_err().code(), Code::InvalidStatement);
        }
    }
}
