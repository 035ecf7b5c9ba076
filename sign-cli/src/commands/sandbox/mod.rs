//! `signer sandbox`: an embedded Sigstore and registry, to try things out and to test against.

mod demo;
mod documents;
mod signals;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use sign_core::{Code, Error, Result};
use sign_sandbox::{Faults, Identity, RegistryAuth, RegistryOptions, Sandbox, SandboxError, SandboxOptions};

use crate::args::SandboxArgs;
use crate::context::Context;
use crate::files::write_private;
use crate::output::{DONE, Item};

use signals::{StopSignals, exit_code};

/// How often the token file is renewed; the tokens in it live ten minutes.
const TOKEN_RENEWAL: Duration = Duration::from_secs(240);

/// A running sandbox and the environment that leads to it.
struct Running {
    sandbox: Sandbox,
    identity: Identity,
    token_file: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// The tour, or the exit status of having been stopped on it.
pub(crate) async fn demo(context: &Context) -> Result<Result<Vec<Item>, ExitCode>> {
    let mut stop = StopSignals::listen()?;
    // Dropping the tour ends its sandbox and its commands, and removes their files.
    tokio::select! {
        items = demo::demo(context) => items.map(Ok),
        signal = stop.next() => Ok(Err(signal.exit_code())),
    }
}

/// Serves until interrupted.
pub(crate) async fn up(context: &Context, args: SandboxArgs) -> Result<ExitCode> {
    // Before anything is printed: whoever reads that may already want to stop it.
    let mut stop = StopSignals::listen()?;
    let running = start(context, args).await?;
    if context.output.is_json() {
        let environment: serde_json::Map<_, _> = running
            .environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
            .collect();
        let document = json!({
            "schemaVersion": 1, "command": "sandbox up", "outcome": DONE, "code": null,
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
    let renewal_failed = tokio::select! {
        () = renew_token(&running) => true,
        _ = stop.next() => false,
    };
    running.sandbox.stop().await;
    if renewal_failed { Err(no_fresh_token()) } else { Ok(ExitCode::SUCCESS) }
}

/// Runs `command` with the environment of a fresh sandbox; its exit status is ours.
pub(crate) async fn run_command(
    context: &Context,
    args: SandboxArgs,
    command: Vec<OsString>,
) -> Result<ExitCode> {
    let mut stop = StopSignals::listen()?;
    let running = start(context, args).await?;
    context.verbose(|| format!("the sandbox's files are in {}", running.sandbox.data().display()));
    let [program, arguments @ ..] = command.as_slice() else {
        return Err(Error::new(Code::InvalidArgument, "no command to run"));
    };
    let mut child = running.command(program).args(arguments).kill_on_drop(true).spawn().map_err(|e| {
        Error::new(Code::InvalidArgument, format!("cannot run {}", program.to_string_lossy()))
            .found(e.to_string())
            .caused_by(e)
    })?;
    let status = loop {
        tokio::select! {
            () = renew_token(&running) => break None,
            status = child.wait() => break Some(status),
            // The command decides what a signal means; the sandbox is there until it ends.
            signal = stop.next() => signal.pass_on(&child),
        }
    };
    running.sandbox.stop().await;
    match status {
        Some(Ok(status)) => Ok(exit_code(status)),
        Some(Err(e)) => Err(Error::new(Code::Internal, "lost the command").caused_by(e)),
        None => Err(no_fresh_token()),
    }
}

fn no_fresh_token() -> Error {
    Error::new(Code::Internal, "the identity token could not be renewed")
        .hint("is the folder of the sandbox still there, and has the disk room?")
}

async fn start(context: &Context, args: SandboxArgs) -> Result<Running> {
    if context.global.offline {
        return Err(Error::new(Code::OfflineRequired, "the sandbox opens sockets, if only on this machine")
            .hint("leave --offline out, and SIGNER_OFFLINE unset"));
    }
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
        e @ (SandboxError::DirectoryInUse { .. } | SandboxError::ForeignDirectory { .. }) => {
            Error::new(Code::InvalidArgument, "the files of another would be replaced")
                .found(e.to_string())
                .hint("give --data an empty folder, or leave it out to use a temporary one")
        }
        e => {
            let place = args.data.as_ref().map(|data| format!(" in --data {}", data.display()));
            let message = format!("the sandbox did not start{}", place.unwrap_or_default());
            Error::new(Code::FileUnreadable, message).found(e.to_string()).caused_by(e)
        }
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
    /// `program` with the environment that leads to the sandbox, and nothing that leads elsewhere.
    fn command(&self, program: impl AsRef<OsStr>) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program);
        for elsewhere in ["SIGNER_TRUSTED_ROOT", "SIGNER_SIGNING_CONFIG", "SIGNER_INSTANCE"] {
            command.env_remove(elsewhere);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn write_token(&self) -> Result<()> {
        write_private(&self.token_file, self.sandbox.token(&self.identity).as_bytes())
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
    for fault in &args.faults {
        faults.set(*fault);
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
