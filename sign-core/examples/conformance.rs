//! The client that the official Sigstore conformance suite runs:
//! `verify-bundle --bundle F (--certificate-identity ID --certificate-oidc-issuer URL | --key PEM)
//! [--trusted-root F] FILE_OR_DIGEST`. It needs no network and builds without the feature `net`.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use sign_core::{
    Artifact, Bundle, Code, Error, Identity, IdentityPolicy, Instance, IssuerRule, Pattern, PublicKey,
    Requirement, Result, SystemClock, TrustedRoot, Verifier,
};

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{error}\n").as_bytes());
            ExitCode::from(error.outcome().exit_status())
        }
    }
}

fn run(arguments: Vec<String>) -> Result<()> {
    let usage = || Error::new(Code::InvalidArgument, "usage: verify-bundle --bundle FILE … FILE_OR_DIGEST");
    let [command, options @ .., subject] = arguments.as_slice() else { return Err(usage()) };
    if command != "verify-bundle" || options.len() % 2 != 0 {
        return Err(usage());
    }
    let options: HashMap<&str, &str> =
        options.chunks(2).filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str()))).collect();
    let option = |name: &str| options.get(name).copied().ok_or_else(usage);

    let root = match options.get("--trusted-root") {
        Some(path) => TrustedRoot::from_json(&read(path)?)?,
        None => TrustedRoot::embedded(Instance::Public)?,
    };
    let requirement = match options.get("--key") {
        Some(path) => Requirement::Key(PublicKey::from_pem(&String::from_utf8_lossy(&read(path)?))?),
        None => Requirement::Identities(IdentityPolicy::new(vec![Identity {
            san: Some(Pattern::exact(option("--certificate-identity")?)),
            issuer: IssuerRule::Matches(Pattern::exact(option("--certificate-oidc-issuer")?)),
            claims: Vec::new(),
        }])?),
    };
    let artifact = if subject.starts_with("sha256:") && !Path::new(subject).exists() {
        Artifact::from_digest(subject.parse()?)
    } else {
        File::open(subject).and_then(Artifact::from_reader).map_err(|e| unreadable(subject, e))?
    };
    let bundle = Bundle::parse(&read(option("--bundle")?)?)?;
    Verifier::new(root, SystemClock).verify(&bundle, &artifact, &requirement).map(drop)
}

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| unreadable(path, e))
}

fn unreadable(path: &str, error: std::io::Error) -> Error {
    Error::new(Code::FileUnreadable, format!("cannot read {path}")).caused_by(error)
}
