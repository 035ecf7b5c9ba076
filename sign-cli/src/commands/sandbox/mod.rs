//! `signer sandbox`: an embedded Sigstore and registry, to try things out and to test against.

mod demo;
mod documents;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use sign_core::{Code, Error, Result};
use sign_sandbox::{
    Fault, Faults, Identity, RegistryAuth, RegistryOptions, Sandbox, SandboxError, SandboxOptions,
};

use crate::args::SandboxArgs;
use crate::context::{Context, write_file};

pub(crate) use demo::demo;

/// How often the token file is renewed; the tokens in it live ten minutes.
const TOKEN_RENEWAL: Duration = Duration::from_secs(240);

/// A running sandbox and the environment that leads to it.
struct Running {
    sandbox: Sandbox,
    identity: Identity,
    token_file: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// Serves until interrupted.
pub(crate) async fn up(context: &Context, args: SandboxArgs) -> Result<ExitCode> {
    let running = start(args).await?;
    if context.output.is_json() {
        let environment: serde_json::Map<_, _> = running
            .environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
            .collect();
        let document = json!({
            "schemaVersion": 1, "command": "sandbox up", "outcome": "accepted", "code": null,
            "results": [{"environment": environment, "urls": running.sandbox.urls()}],
        });
        context.output.now(&document.to_string());
    } else {
        for (name, value) in &running.environment {
            context.output.now(&format!("export {name}={}", shell_quoted(value)));
        }
        context.output.note(&format!(
            "The sandbox is up; its files are in {}. Interrupt it (Ctrl-C) to stop.",
            running.sandbox.data().display()
        ));
    }
    let interrupted = tokio::signal::ctrl_c();
    tokio::select! {
        () = renew_token(&running) => {}
        result = interrupted => {
            result.map_err(|e| Error::new(Code::Internal, "cannot wait for an interrupt").caused_by(e))?;
        }
    }
    running.sandbox.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Runs `command` with the environment of a fresh sandbox; its exit status is ours.
pub(crate) async fn run_command(
    context: &Context,
    args: SandboxArgs,
    command: Vec<OsString>,
) -> Result<ExitCode> {
    let running = start(args).await?;
    context.verbose(|| format!("the sandbox's files are in {}", running.sandbox.data().display()));
    let [program, arguments @ ..] = command.as_slice() else {
        return Err(Error::new(Code::InvalidArgument, "no command to run"));
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .envs(running.environment.iter().map(|(name, value)| (name, value)))
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| {
            Error::new(Code::InvalidArgument, format!("cannot run {}", program.to_string_lossy()))
                .found(e.to_string())
                .caused_by(e)
        })?;
    let status = tokio::select! {
        () = renew_token(&running) => None,
        status = child.wait() => Some(status),
    };
    running.sandbox.stop().await;
    match status {
        Some(Ok(status)) => {
            // Killed by a signal: the shell's convention has no better number than "failed".
            Ok(status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, ExitCode::from))
        }
        Some(Err(e)) => Err(Error::new(Code::Internal, "lost the command").caused_by(e)),
        None => Err(Error::new(Code::Internal, "the identity token could not be renewed")),
    }
}

async fn start(args: SandboxArgs) -> Result<Running> {
    let options = options(&args)?;
    let identity = match args.identity.as_str() {
        "workflow" => Identity::workflow(),
        email if email.contains('@') => Identity::email(email),
        other => {
            return Err(Error::new(Code::InvalidArgument, "not an identity to sign as")
                .expected("an e-mail address or `workflow`")
                .found(other));
        }
    };
    let sandbox = Sandbox::start(options).await.map_err(|e| match e {
        SandboxError::PortTaken { port } => Error::new(Code::PortTaken, "a port of the sandbox is taken")
            .expected(format!("127.0.0.1:{port} to be free"))
            .found("another program listening there")
            .hint("leave --port and --registry-port out to use free ports"),
        e => Error::new(Code::FileUnreadable, "the sandbox did not start").found(e.to_string()).caused_by(e),
    })?;
    let rekor = if args.rekor == 1 { 1 } else { 2 };
    let data = sandbox.data();
    let token_file = data.join("identity_token");
    let issuer = match identity {
        Identity::Email(_) => sandbox.urls().oidc.clone(),
        _ => sandbox.urls().oidc_github.clone(),
    };
    let environment = vec![
        ("SIGNER_TRUST_CONFIG", data.join(format!("trust_config.rekor{rekor}.json")).display().to_string()),
        ("SIGNER_IDENTITY_TOKEN", token_file.display().to_string()),
        ("SIGNER_SANDBOX_REGISTRY", sandbox.urls().registry.clone()),
        ("SIGNER_SANDBOX_ISSUER", issuer),
        ("SIGNER_SANDBOX_DATA", data.display().to_string()),
    ];
    let running = Running { sandbox, identity, token_file, environment };
    running.write_token()?;
    Ok(running)
}

impl Running {
    fn write_token(&self) -> Result<()> {
        write_file(&self.token_file, self.sandbox.token(&self.identity).as_bytes())
    }
}

/// Never returns while the token file can be kept fresh.
async fn renew_token(running: &Running) {
    loop {
        tokio::time::sleep(TOKEN_RENEWAL).await;
        if running.write_token().is_err() {
            return;
        }
    }
}

fn options(args: &SandboxArgs) -> Result<SandboxOptions> {
    let mut registry =
        RegistryOptions { referrers_api: !args.no_referrers_api, ..RegistryOptions::default() };
    if let Some(text) = &args.registry_auth {
        let mut parts = text.splitn(3, ':');
        registry.auth = match (parts.next(), parts.next(), parts.next()) {
            (Some("basic"), Some(username), Some(password)) => {
                RegistryAuth::Basic { username: username.into(), password: password.into() }
            }
            (Some("token"), Some(username), Some(password)) => {
                RegistryAuth::Token { username: username.into(), password: password.into() }
            }
            _ => {
                return Err(Error::new(
                    Code::InvalidArgument,
                    "not a way for the registry to ask for credentials",
                )
                .expected("basic:USER:PASSWORD or token:USER:PASSWORD"));
            }
        };
    }
    registry.latency = Duration::from_millis(args.registry_latency.unwrap_or(0));
    let faults = Faults::default();
    for name in &args.faults {
        faults.set(name.parse::<Fault>().map_err(|e| Error::new(Code::InvalidArgument, e))?);
    }
    Ok(SandboxOptions {
        data: args.data.clone(),
        registry,
        port: args.port,
        registry_port: args.registry_port,
        faults,
        ..SandboxOptions::default()
    })
}

/// `value` as one word of a POSIX shell.
fn shell_quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@=+,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.into()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::shell_quoted;

    #[test]
    fn quotes_for_a_shell() {
        assert_eq!(shell_quoted("/tmp/a-b.json"), "/tmp/a-b.json");
        assert_eq!(shell_quoted("a b"), "'a b'");
        assert_eq!(shell_quoted("it's $(x)"), r"'it'\''s $(x)'");
        assert_eq!(shell_quoted(""), "''");
    }
}
