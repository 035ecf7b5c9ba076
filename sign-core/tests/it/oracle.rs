//! The conformance data, judged here and by an independent verifier, case by case and under mutation.
//!
//! The data lies beside a checkout of the project's developers; without it this says so and passes.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sign_core::{
    Artifact, Bundle, Identity, IdentityPolicy, Instance, IssuerRule, Pattern, PublicKey, Requirement,
    SystemClock, TrustedRoot, Verifier,
};
use sigstore_verify::VerificationPolicy;
use sigstore_verify::types::Bundle as OracleBundle;

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const BEACON: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";

struct Case {
    name: String,
    bundle: Vec<u8>,
    artifact: Vec<u8>,
    root: Option<Vec<u8>>,
    key: Option<String>,
    identity: String,
    issuer: String,
}

fn data() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: the conformance data is not beside this checkout");
    None
}

fn cases(data: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(data.join("bundle-verify")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let read = |name: &str| std::fs::read(folder.join(name)).ok();
        let text = |name: &str, default: &str| {
            read(name).map_or(default.to_owned(), |bytes| String::from_utf8(bytes).unwrap().trim().to_owned())
        };
        cases.push(Case {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            bundle: read("bundle.sigstore.json").unwrap(),
            artifact: read("artifact").unwrap_or_else(|| std::fs::read(data.join("a.txt")).unwrap()),
            root: read("trusted_root.json"),
            key: read("key.pub").map(|bytes| String::from_utf8(bytes).unwrap()),
            identity: text("identity", BEACON),
            issuer: text("issuer", ISSUER),
        });
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

impl Case {
    fn ours(&self, bundle: &[u8]) -> sign_core::Result<Bundle> {
        let root = match &self.root {
            Some(json) => TrustedRoot::from_json(json)?,
            None => TrustedRoot::embedded(Instance::Public)?,
        };
        let requirement = match &self.key {
            Some(pem) => Requirement::Key(PublicKey::from_pem(pem)?),
            None => Requirement::Identities(IdentityPolicy::new(vec![Identity {
                san: Some(Pattern::exact(&self.identity)),
                issuer: IssuerRule::Matches(Pattern::exact(&self.issuer)),
                claims: Vec::new(),
            }])?),
        };
        let bundle = Bundle::parse(bundle)?;
        let artifact = Artifact::from_bytes(&self.artifact);
        Verifier::new(root, SystemClock).verify(&bundle, &artifact, &requirement)?;
        Ok(bundle)
    }

    fn oracle(&self, bundle: &[u8]) -> Result<(), String> {
        use sigstore_trust_root::{SigstoreInstance, TrustedRoot};
        let root = match &self.root {
            Some(json) => TrustedRoot::from_json(std::str::from_utf8(json).unwrap()),
            None => TrustedRoot::from_embedded(SigstoreInstance::PublicGood),
        };
        let verifier =
            sigstore_verify::Verifier::new(&root.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        let bundle = std::str::from_utf8(bundle).map_err(|e| e.to_string())?;
        let bundle = OracleBundle::from_json(bundle).map_err(|e| e.to_string())?;
        let policy = VerificationPolicy::new(self.identity.as_str(), self.issuer.as_str());
        verifier.verify(self.artifact.as_slice(), &bundle, &policy).map(drop).map_err(|e| e.to_string())
    }
}

#[test]
fn the_verdicts_are_those_of_the_suite_and_of_the_oracle() {
    let Some(data) = data() else { return };
    let cases = cases(&data);
    assert_eq!(cases.len(), 70);
    for case in cases {
        let expected = !case.name.ends_with("_fail");
        let ours = case.ours(&case.bundle);
        assert_eq!(ours.is_ok(), expected, "{}: {ours:?}", case.name);
        // The oracle takes managed keys through another policy; those cases are judged above alone.
        if case.key.is_none() {
            assert_eq!(case.oracle(&case.bundle).is_ok(), expected, "the oracle on {}", case.name);
        }
    }
}

#[test]
fn what_the_oracle_refuses_is_refused_under_mutation_too() {
    let Some(data) = data() else { return };
    let mut tried = 0;
    for case in cases(&data) {
        if case.name.ends_with("_fail") || case.key.is_some() {
            continue;
        }
        let document: Value = serde_json::from_slice(&case.bundle).unwrap();
        let original = case.ours(&case.bundle).unwrap();
        let mut texts = Vec::new();
        strings(&document, String::new(), &mut texts);
        for (pointer, text) in texts {
            for position in [0, text.len() / 2, text.len().saturating_sub(3)] {
                let mut bytes = text.clone().into_bytes();
                let Some(byte) = bytes.get_mut(position) else { continue };
                *byte = if *byte == b'B' { b'C' } else { b'B' };
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                let mut mutant = document.clone();
                *mutant.pointer_mut(&pointer).unwrap() = Value::String(changed);
                let mutant = mutant.to_string();
                tried += 1;
                if let Ok(accepted) = case.ours(mutant.as_bytes()) {
                    let told = case.oracle(mutant.as_bytes());
                    assert!(
                        told.is_ok() || accepted == original,
                        "{} {pointer} at {position}: {told:?}",
                        case.name
                    );
                }
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}

fn strings(value: &Value, at: String, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(key, child)| strings(child, format!("{at}/{key}"), out))
        }
        Value::Array(array) => {
            array.iter().enumerate().for_each(|(index, child)| strings(child, format!("{at}/{index}"), out));
        }
        Value::String(text) => out.push((at, text.clone())),
        _ => {}
    }
}
