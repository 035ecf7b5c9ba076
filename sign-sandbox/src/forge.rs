//! The services' own hands: certificates, log signatures and timestamps that are right in form and as
//! wrong in content as a test wants.
//!
//! A check is shown to work by evidence that fails at it and nowhere before. Such evidence needs the
//! keys that a real service would never lend: hence here, and only in a sandbox.

use std::sync::Arc;

use const_oid::db::rfc5912::ID_SHA_256;
use der::Encode;
use der::asn1::OctetString;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::TbsCertificate;
use x509_cert::attr::Attribute;
use x509_tsp::MessageImprint;

use crate::clock::Clock;
use crate::ctlog::CtLog;
use crate::fault::Faults;
use crate::fulcio::{self, leaf};
use crate::note::{self, NoteKey};
use crate::oidc::{Claims, Identity};
use crate::pki::{Authority, BoxError};
use crate::rekor_v1::RekorV1;
use crate::rekor_v2::RekorV2;
use crate::sandbox::{REKOR_ORIGIN, RekorVersion, SandboxError, Urls};
use crate::trust::{LogKey, Trust};
use crate::tsa::{Tsa, reply};

/// The keys of a Sigstore, without its servers.
#[derive(Clone)]
pub struct Forge {
    pub(crate) urls: Urls,
    /// When the services began.
    pub(crate) start: Timestamp,
    /// Root and intermediate.
    pub(crate) fulcio: [Authority; 2],
    pub(crate) ct: Arc<CtLog>,
    pub(crate) rekor1: Arc<RekorV1>,
    pub(crate) rekor2: Arc<RekorV2>,
    /// Root, intermediate and signer.
    pub(crate) tsa: [Authority; 3],
}

impl Forge {
    /// Services at the same addresses and with the same names, and with other keys: all that an
    /// attacker can set up.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn stranger(&self) -> Result<Self, SandboxError> {
        let start = self.start;
        let (clock, faults) = (Clock::new(move || start), Faults::default());
        Ok(Self {
            fulcio: fulcio::chain(&clock)?.into(),
            ct: Arc::new(CtLog::new()?),
            rekor1: Arc::new(RekorV1::new(clock.clone(), faults.clone())?),
            rekor2: Arc::new(RekorV2::new(REKOR_ORIGIN, faults.clone())?),
            tsa: Tsa::new(clock, faults)?.authorities(),
            ..self.clone()
        })
    }

    /// The same services with the certificate authority of `other`.
    #[must_use]
    pub fn with_authorities_of(&self, other: &Self) -> Self {
        Self { fulcio: other.fulcio.clone(), ..self.clone() }
    }

    /// The same services with Fulcio's root certificate changed and signed anew by itself.
    ///
    /// # Errors
    /// When the certificate cannot be encoded.
    pub fn with_root(&self, change: impl FnOnce(&mut TbsCertificate)) -> Result<Self, SandboxError> {
        let [root, intermediate] = &self.fulcio;
        Ok(Self { fulcio: [root.reissued(root, change)?, intermediate.clone()], ..self.clone() })
    }

    /// The same services with Fulcio's intermediate certificate changed and signed anew by its root.
    ///
    /// # Errors
    /// When the certificate cannot be encoded.
    pub fn with_intermediate(&self, change: impl FnOnce(&mut TbsCertificate)) -> Result<Self, SandboxError> {
        let [root, intermediate] = &self.fulcio;
        Ok(Self { fulcio: [root.clone(), intermediate.reissued(root, change)?], ..self.clone() })
    }

    /// The same services with the timestamp authority's certificate changed and signed anew.
    ///
    /// # Errors
    /// When the certificate cannot be encoded.
    pub fn with_time_stamper(&self, change: impl FnOnce(&mut TbsCertificate)) -> Result<Self, SandboxError> {
        let [root, intermediate, leaf] = &self.tsa;
        let leaf = leaf.reissued(intermediate, change)?;
        Ok(Self { tsa: [root.clone(), intermediate.clone(), leaf], ..self.clone() })
    }

    /// Sigstore's `TrustedRoot` for these services.
    ///
    /// # Errors
    /// When a time is out of range.
    pub fn trusted_root(&self) -> Result<Value, SandboxError> {
        let chain = |authorities: &[Authority]| authorities.iter().rev().map(|a| a.der().to_vec()).collect();
        let files = Trust {
            urls: &self.urls,
            now: self.start,
            fulcio: chain(&self.fulcio),
            tsa: chain(&self.tsa),
            ct: LogKey { public_key: self.ct.public_key_der(), id: self.ct.id() },
            rekor1: LogKey { public_key: self.rekor1.public_key_der(), id: self.rekor1.log_id() },
            rekor2: LogKey { public_key: self.rekor2.public_key_der(), id: self.rekor2.log_id() },
        }
        .files()?;
        Ok(serde_json::from_str(&files.trusted_root).map_err(BoxError::from)?)
    }

    /// What Fulcio would certify at `at`, without SCTs and not yet signed.
    ///
    /// # Errors
    /// When the identity has characters that a certificate cannot hold.
    pub fn precertificate(
        &self,
        identity: &Identity,
        public_key: SubjectPublicKeyInfoOwned,
        at: Timestamp,
    ) -> Result<TbsCertificate, SandboxError> {
        let issuer = match identity {
            Identity::Email(_) => self.urls.oidc.clone(),
            Identity::Workflow(_) => self.urls.oidc_github.clone(),
        };
        let [_, intermediate] = &self.fulcio;
        let claims = Claims { issuer, subject: String::new(), identity: identity.clone() };
        Ok(leaf::precertificate(intermediate, &claims, public_key, at)?)
    }

    /// The CT log's SCT over a certificate of this Fulcio.
    ///
    /// # Errors
    /// When the certificate cannot be encoded.
    pub fn sct(&self, precertificate: &TbsCertificate, at: Timestamp) -> Result<Vec<u8>, SandboxError> {
        let [_, intermediate] = &self.fulcio;
        let tbs = precertificate.to_der().map_err(BoxError::from)?;
        Ok(self.ct.add(&tbs, intermediate.key_hash()?, at)?)
    }

    /// Signs a certificate that carries `scts`, in that order; the DER of it.
    ///
    /// # Errors
    /// When the certificate cannot be encoded.
    pub fn certify(&self, mut tbs: TbsCertificate, scts: &[Vec<u8>]) -> Result<Vec<u8>, SandboxError> {
        let [_, intermediate] = &self.fulcio;
        if !scts.is_empty() {
            leaf::embed(&mut tbs, scts)?;
        }
        Ok(intermediate.issue(tbs)?.to_der().map_err(BoxError::from)?)
    }

    /// The id of a log, as entries name it.
    #[must_use]
    pub fn log_id(&self, log: RekorVersion) -> [u8; 32] {
        match log {
            RekorVersion::V1 => self.rekor1.log_id(),
            RekorVersion::V2 => self.rekor2.log_id(),
        }
    }

    /// A log's signature over anything.
    #[must_use]
    pub fn sign_as_log(&self, log: RekorVersion, message: &[u8]) -> Vec<u8> {
        self.note_key(log).sign(message)
    }

    /// A log's checkpoint for a tree of any size and root, under any origin.
    #[must_use]
    pub fn checkpoint(&self, log: RekorVersion, origin: &str, size: usize, root: &[u8; 32]) -> String {
        note::checkpoint(origin, size, root, self.note_key(log))
    }

    /// A granted RFC 3161 response over `message`; `change` alters the attributes before they are signed.
    ///
    /// # Errors
    /// When the response cannot be encoded.
    pub fn timestamp(
        &self,
        message: &[u8],
        at: Timestamp,
        change: impl FnOnce(&mut Vec<Attribute>),
    ) -> Result<Vec<u8>, SandboxError> {
        let digest = Sha256::digest(message).to_vec();
        let stamp = reply::Stamp {
            imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifierOwned { oid: ID_SHA_256, parameters: None },
                hashed_message: OctetString::new(digest).map_err(BoxError::from)?,
            },
            nonce: None,
            at,
            with_certificate: true,
        };
        let [_, _, signer] = &self.tsa;
        Ok(reply::granted(signer, stamp, change)?)
    }

    fn note_key(&self, log: RekorVersion) -> &dyn NoteKey {
        match log {
            RekorVersion::V1 => self.rekor1.note_key(),
            RekorVersion::V2 => self.rekor2.as_ref(),
        }
    }
}

impl std::fmt::Debug for Forge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forge").field("urls", &self.urls).finish_non_exhaustive()
    }
}
