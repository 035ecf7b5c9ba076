//! The client that the official Sigstore conformance suite runs:
//!
//! - `verify-bundle [--staging] --bundle F (--certificate-identity ID --certificate-oidc-issuer URL |
//!   --key PEM) [--trusted-root F] FILE_OR_DIGEST`, which needs no network and builds without the
//!   feature `net`;
//! - `sign-bundle [--staging] [--in-toto] --identity-token TOKEN --bundle OUT [--trusted-root F]
//!   [--signing-config F] FILE`.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use sign_core::{
    Artifact, Bundle, Code, Error, Identity, IdentityPolicy, Instance, IssuerRule, Pattern, PublicKey,
    Requirement, Result, SystemClock, TrustedRoot, Verifier,
};

/// Options that stand alone; each of the others has a value.
const FLAGS: &[&str] = &["--staging", "--in-toto"];

/// Runs one command.
#[allow(dead_code, reason = "a test includes this file and calls `run`")]
fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{error}\n").as_bytes());
            ExitCode::from(error.outcome().exit_status())
        }
    }
}

/// Does what `arguments` say, the program's name left out.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [command, options @ .., subject] = arguments else { return Err(usage()) };
    let options = Options::parse(options)?;
    match command.as_str() {
        "verify-bundle" => verify(&options, subject),
        #[cfg(feature = "net")]
        "sign-bundle" => sign(&options, subject),
        _ => Err(usage()),
    }
}

struct Options<'a> {
    flags: HashSet<&'a str>,
    values: HashMap<&'a str, &'a str>,
}

impl<'a> Options<'a> {
    fn parse(arguments: &'a [String]) -> Result<Self> {
        let (mut flags, mut values) = (HashSet::new(), HashMap::new());
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(name) = arguments.next() {
            let new = if FLAGS.contains(&name) {
                flags.insert(name)
            } else {
                values.insert(name, arguments.next().ok_or_else(usage)?).is_none()
            };
            if !new {
                return Err(usage());
            }
        }
        Ok(Self { flags, values })
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    fn value(&self, name: &str) -> Result<&'a str> {
        self.values.get(name).copied().ok_or_else(usage)
    }

    fn instance(&self) -> Instance {
        if self.has("--staging") { Instance::Staging } else { Instance::Public }
    }

    fn trusted_root(&self) -> Result<TrustedRoot> {
        match self.values.get("--trusted-root") {
            Some(path) => TrustedRoot::from_json(&read(path)?),
            None => TrustedRoot::embedded(self.instance()),
        }
    }
}

fn verify(options: &Options<'_>, subject: &str) -> Result<()> {
    let requirement = match options.values.get("--key") {
        Some(path) => Requirement::Key(PublicKey::from_pem(&String::from_utf8_lossy(&read(path)?))?),
        None => Requirement::Identities(IdentityPolicy::new(vec![Identity {
            san: Some(Pattern::exact(options.value("--certificate-identity")?)),
            issuer: IssuerRule::Matches(Pattern::exact(options.value("--certificate-oidc-issuer")?)),
            claims: Vec::new(),
        }])?),
    };
    let artifact = if subject.starts_with("sha256:") && !Path::new(subject).exists() {
        Artifact::from_digest(subject.parse()?)
    } else {
        File::open(subject).and_then(Artifact::from_reader).map_err(|e| unusable(subject, e))?
    };
    let bundle = Bundle::parse(&read(options.value("--bundle")?)?)?;
    let verifier = Verifier::new(options.trusted_root()?, SystemClock);
    verifier.verify(&bundle, &artifact, &requirement).map(drop)
}

#[cfg(feature = "net")]
fn sign(options: &Options<'_>, subject: &str) -> Result<()> {
    use sign_core::{Digest, HttpClient, HttpOptions, SigningConfig, SigningContext, Statement, StaticToken};

    let config = match options.values.get("--signing-config") {
        Some(path) => SigningConfig::from_json(&read(path)?)?,
        None => SigningConfig::embedded(options.instance())?,
    };
    let token = StaticToken::new(options.value("--identity-token")?);
    let out = options.value("--bundle")?;
    let http = HttpClient::new(HttpOptions::default())?;
    let context =
        SigningContext::new(http, options.trusted_root()?, config, std::sync::Arc::new(SystemClock))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Error::new(Code::Internal, "no runtime").caused_by(e))?;
    let signed = runtime.block_on(async {
        let session = context.session(&token).await?;
        if options.has("--in-toto") {
            // The statement is signed as it stands: nothing in it is written anew.
            session.sign_statement(Statement::parse(read(subject)?)?).await
        } else {
            let file = File::open(subject).and_then(Digest::sha256_reader);
            session.sign_blob(&file.map_err(|e| unusable(subject, e))?).await
        }
    })?;
    std::fs::write(out, signed.bundle.to_json()).map_err(|e| unusable(out, e))
}

fn usage() -> Error {
    Error::new(Code::InvalidArgument, "not a command of the conformance suite")
        .expected("verify-bundle --bundle FILE … FILE_OR_DIGEST, or sign-bundle --bundle FILE … FILE")
}

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| unusable(path, e))
}

fn unusable(path: &str, error: std::io::Error) -> Error {
    Error::new(Code::FileUnreadable, format!("cannot use {path}")).caused_by(error)
}
