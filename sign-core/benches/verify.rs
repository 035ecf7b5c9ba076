//! One verified bundle, beside the bare signature checks that it needs and beside `sigstore-verify`.
//!
//! All are timed in turns in one run, so that a busy machine slows all of them; the best round counts.
//! The bare checks are those of AWS-LC with keys that still have to be parsed: what the bundle could be
//! verified with if nothing had to be read, compared or looked up. What is above a leaf certificate
//! in the trusted root is not among them, since it is the same for every bundle.

#![allow(missing_docs, reason = "a benchmark")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey,
};
use sign_core::{
    Artifact, Bundle, Digest, HttpClient, HttpOptions, Identity, IdentityPolicy, Instance, IssuerRule,
    Pattern, Requirement, SigningContext, StatementBuilder, StaticToken, SystemClock, TrustConfig,
    TrustedRoot, Verifier,
};
use sign_sandbox::{RekorVersion, Sandbox, SandboxOptions};
use sigstore_verify::VerificationPolicy;
use sigstore_verify::types::Bundle as PeerBundle;

const CONTENT: &[u8] = b"content";
const EMAIL: &str = "dev@example.com";
const ISSUER: &str = "https://token.actions.githubusercontent.com";
const WORKFLOW: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
/// Size of what is hashed under a bare signature: a certificate, a note or an envelope have about that.
const MESSAGE: [u8; 1024] = [7; 1024];
/// A few bundles long, and shorter than a time slice: of many rounds, some are not interrupted.
const ROUND: Duration = Duration::from_millis(3);
const ROUNDS: usize = 300;

/// What a bundle's signatures are made with.
#[derive(Clone, Copy)]
enum Key {
    P256,
    P384,
    Ed25519,
}

struct Case {
    name: String,
    bundle: Vec<u8>,
    artifact: Vec<u8>,
    /// None for the production root that both libraries bring along.
    root: Option<String>,
    identity: String,
    issuer: String,
    keys: Vec<Key>,
}

fn main() {
    let mut cases = sandbox_cases();
    cases.extend(conformance_cases());
    // `cargo bench --bench verify -- production` measures those alone.
    if let Some(filter) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        cases.retain(|case| case.name.contains(&filter));
    }
    println!(
        "{:<34} {:>9} {:>19} {:>19} {:>19} {:>19}",
        "microseconds (ratio to bare)", "bare", "ours", "ours, parsing", "sigstore-verify", "same, parsing"
    );
    for case in &cases {
        measure(case);
    }
}

fn measure(case: &Case) {
    let root = case.root.as_ref();
    let ours = Verifier::new(
        root.map_or_else(
            || TrustedRoot::embedded(Instance::Public),
            |json| TrustedRoot::from_json(json.as_bytes()),
        )
        .unwrap(),
        SystemClock,
    );
    let requirement = Requirement::Identities(
        IdentityPolicy::new(vec![Identity {
            san: Some(Pattern::exact(&case.identity)),
            issuer: IssuerRule::Matches(Pattern::exact(&case.issuer)),
            claims: Vec::new(),
        }])
        .unwrap(),
    );
    let peer_root = match root {
        Some(json) => sigstore_trust_root::TrustedRoot::from_json(json),
        None => {
            sigstore_trust_root::TrustedRoot::from_embedded(sigstore_trust_root::SigstoreInstance::PublicGood)
        }
    };
    let peer = sigstore_verify::Verifier::new(&peer_root.unwrap()).unwrap();
    let peer_policy = VerificationPolicy::new(case.identity.as_str(), case.issuer.as_str());

    let parsed = Bundle::parse(&case.bundle).unwrap();
    let text = std::str::from_utf8(&case.bundle).unwrap();
    let peer_parsed = PeerBundle::from_json(text).unwrap();
    let checks = bare(&case.keys);
    let verify = |bundle: &Bundle| {
        black_box(ours.verify(bundle, &Artifact::from_bytes(&case.artifact), &requirement).unwrap());
    };
    let peer_verify = |bundle: &PeerBundle| {
        black_box(peer.verify(case.artifact.as_slice(), bundle, &peer_policy).unwrap());
    };
    let mut runs: [(&mut dyn FnMut(), f64); 5] = [
        (&mut || checks.iter().for_each(|check| check()), f64::MAX),
        (&mut || verify(&parsed), f64::MAX),
        (&mut || verify(&Bundle::parse(black_box(&case.bundle)).unwrap()), f64::MAX),
        (&mut || peer_verify(&peer_parsed), f64::MAX),
        (&mut || peer_verify(&PeerBundle::from_json(black_box(text)).unwrap()), f64::MAX),
    ];
    for _ in 0..ROUNDS {
        for (run, best) in &mut runs {
            *best = best.min(once(run));
        }
    }
    let bare = runs[0].1;
    print!("{:<34} {bare:>9.1}", case.name);
    for (_, time) in &runs[1..] {
        print!(" {time:>9.1} ({:>5.2}×)", time / bare);
    }
    println!();
}

/// Microseconds a run takes, over one round.
fn once(run: &mut dyn FnMut()) -> f64 {
    let (start, mut count) = (Instant::now(), 0u32);
    while start.elapsed() < ROUND {
        run();
        count += 1;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(count)
}

type Check = Box<dyn Fn()>;

/// The bare checks, each with its own key.
fn bare(keys: &[Key]) -> Vec<Check> {
    let random = SystemRandom::new();
    keys.iter()
        .map(|key| -> Check {
            match key {
                Key::P256 => {
                    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
                    let signature = pair.sign(&random, &MESSAGE).unwrap();
                    let public = pair.public_key().as_ref().to_vec();
                    Box::new(move || {
                        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &public);
                        key.verify(black_box(&MESSAGE), signature.as_ref()).unwrap();
                    })
                }
                Key::P384 => {
                    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
                    let signature = pair.sign(&random, &MESSAGE).unwrap();
                    let public = pair.public_key().as_ref().to_vec();
                    Box::new(move || {
                        let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, &public);
                        key.verify(black_box(&MESSAGE), signature.as_ref()).unwrap();
                    })
                }
                Key::Ed25519 => {
                    let pair = Ed25519KeyPair::generate().unwrap();
                    let signature = pair.sign(&MESSAGE);
                    let public = pair.public_key().as_ref().to_vec();
                    Box::new(move || {
                        let key = UnparsedPublicKey::new(&ED25519, &public);
                        key.verify(black_box(&MESSAGE), signature.as_ref()).unwrap();
                    })
                }
            }
        })
        .collect()
}

/// Bundles made just now. Both logs' have a timestamp; certificate and timestamp are by P-384 keys.
fn sandbox_cases() -> Vec<Case> {
    use Key::{Ed25519, P256, P384};
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut cases = Vec::new();
    for (version, log, keys) in [
        // SCT, entry timestamp, checkpoint, signature; certificate, timestamp
        (RekorVersion::V1, "v1 log", vec![P256, P256, P256, P256, P384, P384]),
        // SCT, signature; checkpoint; certificate, timestamp
        (RekorVersion::V2, "v2 log", vec![P256, P256, Ed25519, P384, P384]),
    ] {
        let (bundles, root, issuer) = runtime.block_on(sign(version));
        for (kind, bundle) in ["message", "DSSE"].into_iter().zip(bundles) {
            cases.push(Case {
                name: format!("sandbox, {kind}, {log}, timestamp"),
                bundle,
                artifact: CONTENT.to_vec(),
                root: Some(root.clone()),
                identity: EMAIL.into(),
                issuer: issuer.clone(),
                keys: keys.clone(),
            });
        }
    }
    cases
}

async fn sign(version: RekorVersion) -> (Vec<Vec<u8>>, String, String) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let trust = TrustConfig::from_json(sandbox.trust_config(version).as_bytes()).unwrap();
    let http = HttpClient::new(HttpOptions::default()).unwrap();
    let context =
        SigningContext::new(http, trust.trusted_root, trust.signing_config, Arc::new(SystemClock)).unwrap();
    let token = StaticToken::new(sandbox.token(&sign_sandbox::Identity::email(EMAIL)));
    let session = context.session(&token).await.unwrap();
    let message = session.sign_blob(&Digest::sha256(CONTENT)).await.unwrap();
    let statement = StatementBuilder::new("https://example.com/predicate")
        .subject(None, &Digest::sha256(CONTENT), BTreeMap::new())
        .build(b"{}")
        .unwrap();
    let statement = session.sign_statement(statement).await.unwrap();
    let bundles = vec![message.bundle.to_json(), statement.bundle.to_json()];
    (bundles, sandbox.trusted_root().to_owned(), sandbox.urls().oidc.clone())
}

/// Bundles of Sigstore's own instances, where the conformance data lies beside this checkout.
fn conformance_cases() -> Vec<Case> {
    use Key::{Ed25519, P256, P384};
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    if !data.is_dir() {
        println!("skipped: the conformance data is not beside this checkout");
        return Vec::new();
    }
    let production = vec![P256, P256, P256, P256, P384];
    let staging = vec![P256, P256, Ed25519, P384, P384];
    [
        ("production, message, v1 log", "happy-path-v0.3-new-mediaType", production.clone()),
        ("production, DSSE, v1 log", "happy-path-intoto-in-dsse-v3", production),
        ("staging, message, v2 log, timestamp", "rekor2-happy-path", staging.clone()),
        ("staging, DSSE, v2 log, timestamp", "rekor2-dsse-happy-path", staging),
    ]
    .into_iter()
    .map(|(name, folder, keys)| {
        let folder: PathBuf = data.join("bundle-verify").join(folder);
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        Case {
            name: name.into(),
            bundle: std::fs::read(folder.join("bundle.sigstore.json")).unwrap(),
            artifact: std::fs::read(folder.join("artifact"))
                .or_else(|_| std::fs::read(data.join("a.txt")))
                .unwrap(),
            root: text("trusted_root.json"),
            identity: text("identity").map_or(WORKFLOW.into(), |text| text.trim().to_owned()),
            issuer: text("issuer").map_or(ISSUER.into(), |text| text.trim().to_owned()),
            keys,
        }
    })
    .collect()
}
