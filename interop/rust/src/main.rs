//! `rust-verify sigstore-verify|sigstore BUNDLE TRUSTED_ROOT SUBJECT ISSUER FILE`: what the Rust crates say.

use std::error::Error;
use std::fs::{self, File};
use std::process::ExitCode;

type Result = std::result::Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [verifier, bundle, root, subject, issuer, file] = words[..] else {
        eprintln!("usage: rust-verify sigstore-verify|sigstore BUNDLE TRUSTED_ROOT SUBJECT ISSUER FILE");
        return ExitCode::from(2);
    };
    let verdict = match verifier {
        "sigstore-verify" => sigstore_verify(bundle, root, subject, issuer, file),
        "sigstore" => sigstore(bundle, root, subject, issuer, file),
        _ => Err("unknown verifier".into()),
    };
    match verdict {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn sigstore_verify(bundle: &str, root: &str, subject: &str, issuer: &str, file: &str) -> Result {
    use sigstore_verify::{VerificationPolicy, Verifier, trust_root::TrustedRoot, types::Bundle};

    let root = TrustedRoot::from_json(&fs::read_to_string(root)?)?;
    let bundle = Bundle::from_json(&fs::read_to_string(bundle)?)?;
    let policy = VerificationPolicy::new(subject, issuer);
    Verifier::new(&root)?.verify(fs::read(file)?.as_slice(), &bundle, &policy)?;
    Ok(())
}

fn sigstore(bundle: &str, root: &str, subject: &str, issuer: &str, file: &str) -> Result {
    use sigstore::bundle::verify::{blocking::Verifier, policy::Identity};
    use sigstore::rekor::apis::configuration::Configuration;
    use sigstore::trust::sigstore::SigstoreTrustRoot;

    let root = SigstoreTrustRoot::from_trusted_root_json_unchecked(&fs::read(root)?)?;
    let bundle = serde_json::from_slice(&fs::read(bundle)?)?;
    // Offline: what is in the bundle has to do.
    Verifier::new(Configuration::default(), root)?.verify(
        File::open(file)?,
        bundle,
        &Identity::new(subject, issuer),
        true,
    )?;
    Ok(())
}
