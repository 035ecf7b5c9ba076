//! The bundles that are mutated: the conformance suite's, where its data lies beside the checkout, and
//! the sandbox's.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sign_core::{
    Artifact, Bundle, BundleVersion, Error, HashAlgorithm, Identity, IdentityPolicy, Instance, IssuerRule,
    KeyMaterial, Pattern, PublicKey, Requirement, SystemClock, TrustedRoot, Verifier,
};
use sigstore_verify::VerificationPolicy;
use sigstore_verify::types::Bundle as OracleBundle;

use crate::kit::{CONTENT, Case, EMAIL, Key, V1, V2, body, kit, logged};

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const BEACON: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";

/// A bundle with what both verifiers need to judge it.
pub struct Subject {
    pub name: String,
    pub bundle: Vec<u8>,
    pub json: Option<Value>,
    pub key: bool,
    artifact: Vec<u8>,
    /// The verifier and what it asks for, or why there is none.
    judge: Result<(Verifier, Requirement), Error>,
    oracle: Result<sigstore_verify::Verifier, String>,
    policy: VerificationPolicy,
}

impl Subject {
    fn new(
        name: &str,
        bundle: Vec<u8>,
        artifact: Vec<u8>,
        root: Option<&[u8]>,
        key: Option<&str>,
        (san, issuer): (&str, &str),
    ) -> Self {
        use sigstore_trust_root::{SigstoreInstance, TrustedRoot as OracleRoot};
        let own_root = match root {
            Some(json) => TrustedRoot::from_json(json),
            None => TrustedRoot::embedded(Instance::Public),
        };
        let oracle_root = match root {
            Some(json) => OracleRoot::from_json(std::str::from_utf8(json).unwrap()),
            None => OracleRoot::from_embedded(SigstoreInstance::PublicGood),
        };
        let requirement = match key {
            Some(pem) => PublicKey::from_pem(pem).map(Requirement::Key),
            None => IdentityPolicy::new(vec![Identity {
                san: Some(Pattern::exact(san)),
                issuer: IssuerRule::Matches(Pattern::exact(issuer)),
                claims: Vec::new(),
            }])
            .map(Requirement::Identities),
        };
        Self {
            name: name.to_owned(),
            json: serde_json::from_slice(&bundle).ok(),
            bundle,
            key: key.is_some(),
            artifact,
            judge: own_root.and_then(|root| Ok((Verifier::new(root, SystemClock), requirement?))),
            oracle: oracle_root
                .map_err(|e| e.to_string())
                .and_then(|root| sigstore_verify::Verifier::new(&root).map_err(|e| e.to_string())),
            policy: VerificationPolicy::new(san, issuer),
        }
    }

    /// Our verdict, and the bundle as it was read.
    pub fn ours(&self, bundle: &[u8]) -> Result<Bundle, String> {
        let (verifier, requirement) = self.judge.as_ref().map_err(ToString::to_string)?;
        let artifact = Artifact::from_bytes(&self.artifact);
        Bundle::parse(bundle)
            .and_then(|bundle| verifier.verify(&bundle, &artifact, requirement).map(|_| bundle))
            .map_err(|e| e.to_string())
    }

    /// The independent verdict.
    pub fn oracle(&self, bundle: &[u8]) -> Result<(), String> {
        let verifier = self.oracle.as_ref().map_err(Clone::clone)?;
        let bundle = std::str::from_utf8(bundle).map_err(|e| e.to_string())?;
        let bundle = OracleBundle::from_json(bundle).map_err(|e| e.to_string())?;
        verifier.verify(self.artifact.as_slice(), &bundle, &self.policy).map(drop).map_err(|e| e.to_string())
    }
}

/// The suite's cases, in the order of their names; none where the data is not there, which is said.
pub fn suite() -> Vec<Subject> {
    let data: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    if !data.is_dir() {
        eprintln!("skipped: the conformance data is not beside this checkout");
        return Vec::new();
    }
    let folders = std::fs::read_dir(data.join("bundle-verify")).unwrap();
    let mut folders: Vec<_> =
        folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let subject = |folder: &PathBuf| {
        let read = |name: &str| std::fs::read(folder.join(name)).ok();
        let text = |name: &str| read(name).map(|bytes| String::from_utf8(bytes).unwrap().trim().to_owned());
        Subject::new(
            &folder.file_name().unwrap().to_string_lossy(),
            read("bundle.sigstore.json").unwrap(),
            read("artifact").unwrap_or_else(|| std::fs::read(data.join("a.txt")).unwrap()),
            read("trusted_root.json").as_deref(),
            text("key.pub").as_deref(),
            (text("identity").as_deref().unwrap_or(BEACON), text("issuer").as_deref().unwrap_or(ISSUER)),
        )
    };
    folders.iter().map(subject).collect()
}

/// The sandbox's bundles: message and envelope, both logs, and the older versions.
fn sandbox() -> Vec<Subject> {
    let root = kit().own.trusted_root().unwrap().to_string();
    let mut subjects = Vec::new();
    let mut add = |name: &str, case: &Case| {
        case.accepted();
        let json = case.bundle.to_json();
        let who = (EMAIL, kit().issuer.as_str());
        subjects.push(Subject::new(name, json, CONTENT.to_vec(), Some(root.as_bytes()), None, who));
    };
    for (name, log) in [("v1", V1), ("v2", V2)] {
        let (message, envelope) = (Case::message(log), Case::envelope(log));
        for (kind, case) in [("message", message), ("envelope", envelope)] {
            add(&format!("sandbox-{kind}-{name}"), &case);
            let mut chained = case;
            let leaf = chained.bundle.leaf_certificate().unwrap().to_vec();
            chained.bundle.key_material = KeyMaterial::Chain(vec![leaf]);
            chained.bundle.version = BundleVersion::V0_2;
            add(&format!("sandbox-{kind}-{name}-chain"), &chained);
            if log == V1 {
                chained.bundle.version = BundleVersion::V0_1;
                add(&format!("sandbox-{kind}-{name}-0.1"), &chained);
            }
        }
    }
    add("sandbox-several-scts", &several_scts());
    add("sandbox-other-hash", &other_hash());
    subjects
}

/// A certificate that the CT log has vouched for twice.
fn several_scts() -> Case {
    let (forge, key, at) = (&kit().own, Key::new(), kit().now);
    let tbs = forge.precertificate(&sign_sandbox::Identity::email(EMAIL), key.spki(), at).unwrap();
    let scts = [forge.sct(&tbs, at).unwrap(), forge.sct(&tbs, at).unwrap()];
    let certificate = forge.certify(tbs, &scts).unwrap();
    Case::with(forge, V2, None, key, KeyMaterial::Certificate(certificate))
}

/// A `hashedrekord` that names the artifact by SHA-512.
fn other_hash() -> Case {
    let mut case = Case::message(V1);
    let (kind, version, mut body) = body(&case.bundle, V1, &case.key);
    let digest = HashAlgorithm::Sha512.hash(CONTENT).hex();
    body["spec"]["data"]["hash"] = json!({ "algorithm": "sha512", "value": digest });
    case.bundle.log_entries = vec![logged(&kit().own, V1, (kind, version, body), kit().now)];
    case
}

/// Every bundle that both verifiers can be asked about: the oracle takes managed keys in another way.
pub fn all() -> Vec<Subject> {
    let mut subjects = suite();
    subjects.extend(sandbox());
    subjects.retain(|subject| {
        subject.json.is_some() && !subject.key && subject.judge.is_ok() && subject.oracle.is_ok()
    });
    subjects
}
