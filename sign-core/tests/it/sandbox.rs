//! Signing against a whole Sigstore on loopback, and verifying the result here and by the oracle.

use std::collections::BTreeMap;
use std::sync::Arc;

use sign_core::{
    Artifact, Bundle, Code, Digest, HttpClient, HttpOptions, Identity, IdentityPolicy, IssuerRule, Pattern,
    Requirement, Signed, SigningContext, StatementBuilder, StaticToken, SystemClock, TrustConfig, Verifier,
};
use sign_sandbox::{Fault, RekorVersion, Sandbox, SandboxOptions};

pub const EMAIL: &str = "dev@example.com";
pub const CONTENT: &[u8] = b"content";

/// A sandbox and what signing and verifying with it need.
pub struct Bench {
    pub sandbox: Sandbox,
    pub trust: TrustConfig,
    pub context: SigningContext,
    pub token: StaticToken,
}

impl Bench {
    pub async fn start(version: RekorVersion) -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let trust = TrustConfig::from_json(sandbox.trust_config(version).as_bytes()).unwrap();
        let http = HttpClient::new(HttpOptions::default()).unwrap();
        let context = SigningContext::new(
            http,
            trust.trusted_root.clone(),
            trust.signing_config.clone(),
            Arc::new(SystemClock),
        )
        .unwrap();
        let token = StaticToken::new(sandbox.token(&sign_sandbox::Identity::email(EMAIL)));
        Self { sandbox, trust, context, token }
    }

    pub async fn blob(&self) -> Signed {
        self.context.session(&self.token).await.unwrap().sign_blob(&Digest::sha256(CONTENT)).await.unwrap()
    }

    pub async fn statement(&self) -> Signed {
        let statement = StatementBuilder::new("https://example.com/predicate")
            .subject(None, &Digest::sha256(CONTENT), BTreeMap::new())
            .build(br#"{"n": 1.10}"#)
            .unwrap();
        self.context.session(&self.token).await.unwrap().sign_statement(statement).await.unwrap()
    }

    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.trust.trusted_root.clone(), SystemClock)
    }

    pub fn requirement(&self) -> Requirement {
        requirement(EMAIL, &self.sandbox.urls().oidc)
    }
}

pub fn requirement(san: &str, issuer: &str) -> Requirement {
    let identity = Identity {
        san: Some(Pattern::exact(san)),
        issuer: IssuerRule::Matches(Pattern::exact(issuer)),
        claims: Vec::new(),
    };
    Requirement::Identities(IdentityPolicy::new(vec![identity]).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_verifies_and_nothing_else_does() {
    for version in [RekorVersion::V1, RekorVersion::V2] {
        let bench = Bench::start(version).await;
        let verifier = bench.verifier();
        for signed in [bench.blob().await, bench.statement().await] {
            let bundle = Bundle::parse(&signed.bundle.to_json()).unwrap();
            assert_eq!(bundle, signed.bundle);
            let good = Artifact::from_bytes(CONTENT);
            let verified = verifier.verify(&bundle, &good, &bench.requirement()).unwrap();
            assert_eq!(verified.log_entries().len(), 1);
            assert!(verified.checks().len() >= 7, "{:?}", verified.checks());
            if let Some(statement) = verified.statement() {
                assert_eq!(statement.predicate(), br#"{"n": 1.10}"#);
            }
            let code = |artifact: &Artifact, requirement: &Requirement| {
                verifier.verify(&bundle, artifact, requirement).unwrap_err().code()
            };
            let other = code(&Artifact::from_bytes(b"tnetnoc"), &bench.requirement());
            assert!(matches!(other, Code::DigestMismatch | Code::SubjectMismatch), "{other}");
            let issuer = &bench.sandbox.urls().oidc;
            assert_eq!(code(&good, &requirement("eve@example.com", issuer)), Code::IdentityMismatch);
            assert_eq!(code(&good, &requirement(EMAIL, "https://issuer.example")), Code::IssuerMismatch);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_one_sandbox_is_worth_nothing_in_another() {
    let (here, there) = (Bench::start(RekorVersion::V2).await, Bench::start(RekorVersion::V2).await);
    let signed = here.statement().await;
    let artifact = Artifact::from_bytes(CONTENT);
    there.verifier().verify(&signed.bundle, &artifact, &here.requirement()).unwrap_err();
    here.verifier().verify(&signed.bundle, &artifact, &here.requirement()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bundle_must_prove_follows_from_the_trusted_root() {
    let bench = Bench::start(RekorVersion::V2).await;
    let signed = bench.statement().await.bundle.to_json();
    let mut without_entry: serde_json::Value = serde_json::from_slice(&signed).unwrap();
    without_entry["verificationMaterial"]["tlogEntries"] = serde_json::json!([]);
    let without_entry = Bundle::parse(without_entry.to_string().as_bytes()).unwrap();
    let with_entry = Bundle::parse(&signed).unwrap();
    let verdict = |bundle: &Bundle, without: &[&str]| {
        let mut root: serde_json::Value = serde_json::from_str(bench.sandbox.trusted_root()).unwrap();
        for list in without {
            root[*list] = serde_json::json!([]);
        }
        let root = sign_core::TrustedRoot::from_json(root.to_string().as_bytes()).unwrap();
        Verifier::new(root, SystemClock)
            .verify(bundle, &Artifact::from_bytes(CONTENT), &bench.requirement())
            .map(|verified| (verified.log_entries().len(), verified.times().len()))
            .map_err(|error| error.code())
    };
    assert_eq!(verdict(&with_entry, &[]), Ok((1, 1)));
    assert_eq!(verdict(&without_entry, &[]), Err(Code::LogEntryInvalid));
    // An instance like GitHub's: no log, no CT log, and a time by its timestamp authority.
    assert_eq!(verdict(&without_entry, &["tlogs", "ctlogs"]), Ok((0, 1)));
    assert_eq!(
        verdict(&without_entry, &["tlogs", "ctlogs", "timestampAuthorities"]),
        Err(Code::TimestampInvalid)
    );
    assert_eq!(verdict(&with_entry, &["ctlogs"]), Ok((1, 1)));
    // An entry that nobody can check is no decoration.
    assert_eq!(verdict(&with_entry, &["tlogs", "ctlogs"]), Err(Code::LogUntrusted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_verified_before_anything_is_signed() {
    let bench = Bench::start(RekorVersion::V2).await;
    for (fault, code) in [
        (Fault::FulcioNoSct, Code::SctInvalid),
        (Fault::FulcioBadSct, Code::SctInvalid),
        (Fault::FulcioOtherChain, Code::CertificateUntrusted),
        (Fault::FulcioOtherKey, Code::ServiceContradiction),
        (Fault::FulcioOtherIdentity, Code::ServiceContradiction),
        (Fault::FulcioOtherIssuer, Code::ServiceContradiction),
    ] {
        bench.sandbox.faults().set(fault);
        // The log must not even be asked: it would keep what it was shown.
        bench.sandbox.faults().set(Fault::RekorDown);
        let Err(error) = bench.context.session(&bench.token).await else { panic!("{fault:?}") };
        assert_eq!(error.code(), code, "{fault:?}: {error}");
        bench.sandbox.faults().clear();
    }
    bench.blob().await;
}
