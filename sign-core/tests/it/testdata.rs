//! `testdata/`: each case verifies, or is refused for the reason that its README names.

use std::path::Path;

use serde_json::Value;
use sign_core::{Artifact, Bundle, FixedClock, TrustedRoot, Verifier};

use crate::sandbox::requirement;

#[test]
fn bundles_verify_or_fail_as_their_readme_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/bundle");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let expected: Value = serde_json::from_slice(&read("expected.json")).unwrap();
    let text = |name: &str| expected[name].as_str().unwrap();
    let requirement = requirement(text("identity"), text("issuer"));
    let root = TrustedRoot::from_json(&read("trusted_root.json")).unwrap();
    let verifier = Verifier::new(root, FixedClock(text("time").parse().unwrap()));

    let (mut good, mut bad, mut wrong) = (0, 0, Vec::new());
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !folder.join(&name).is_dir() {
            continue;
        }
        let readme = String::from_utf8(read(&format!("{name}/README.md"))).unwrap();
        assert_eq!(readme.lines().count(), 1, "{name}: a README has one line");
        let artifact = Artifact::from_bytes(&read(&format!("{name}/artifact")));
        let verdict = Bundle::parse(&read(&format!("{name}/bundle.sigstore.json")))
            .and_then(|bundle| verifier.verify(&bundle, &artifact, &requirement));
        let expected = name.ends_with("_fail").then(|| readme.split('`').nth(1).unwrap_or("no code"));
        let found = verdict.err();
        if expected != found.as_ref().map(|error| error.code().as_str()) {
            wrong.push(format!("{name}: expected {expected:?}, found {found:?}"));
        }
        if name.ends_with("_fail") { bad += 1 } else { good += 1 }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(good >= 4 && bad >= 6, "{good} good and {bad} bad cases were found");
}
