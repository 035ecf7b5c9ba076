//! Signs a file: `sign_file TRUST_CONFIG TOKEN_FILE FILE > FILE.sigstore.json`.
//!
//! With a sandbox: `signer sandbox run -- sh -c 'cargo run --example sign_file -- \
//! "$SIGNER_TRUST_CONFIG" "$SIGNER_IDENTITY_TOKEN" Cargo.toml'`.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;

use sign_core::{Digest, HttpClient, HttpOptions, SigningContext, SystemClock, TokenFile, TrustConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [trust_config, token, file] = arguments.as_slice() else {
        return Err("usage: sign_file TRUST_CONFIG TOKEN_FILE FILE".into());
    };
    // Which services to ask, and what to hold against their answers.
    let trust = TrustConfig::from_json(&fs::read(trust_config)?)?;
    let http = HttpClient::new(HttpOptions::default())?;
    let context = SigningContext::new(http, trust.trusted_root, trust.signing_config, Arc::new(SystemClock))?;

    // One token, one key, one certificate, for as many signatures as are wanted.
    let token = TokenFile::new(token);
    let session = context.session(&token).await?;
    let signed = session.sign_blob(&Digest::sha256_reader(fs::File::open(file)?)?).await?;

    // What is returned was verified already; `signed.verified` says what was found.
    std::io::stdout().write_all(&signed.bundle.to_json())?;
    Ok(())
}
