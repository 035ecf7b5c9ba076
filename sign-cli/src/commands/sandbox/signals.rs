//! Being asked to stop, and the status of a command that ended.

use std::process::{ExitCode, ExitStatus};

use sign_core::{Code, Error, Result};
use tokio::process::Child;

/// A request to stop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    /// From the keyboard (SIGINT): the terminal sends it to a command that runs inside, too.
    Interrupt,
    /// From a service manager or a script (SIGTERM), to this process alone.
    #[cfg(unix)]
    Terminate,
}

impl Stop {
    /// Sends the command what it did not get by itself.
    pub(super) fn pass_on(self, child: &Child) {
        #[cfg(unix)]
        if let (Self::Terminate, Some(id)) = (self, child.id()) {
            let process = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
            // A command that has just ended needs no signal any more.
            let _ = process.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        }
        #[cfg(not(unix))]
        let _ = (self, child);
    }
}

/// SIGINT and SIGTERM from now on.
#[cfg(unix)]
pub(super) struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    pub(super) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|e| Error::new(Code::Internal, "cannot wait for signals").caused_by(e))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    pub(super) async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupt,
            _ = self.terminate.recv() => Stop::Terminate,
        }
    }
}

/// Ctrl-C from now on.
#[cfg(not(unix))]
pub(super) struct StopSignals;

#[cfg(not(unix))]
impl StopSignals {
    pub(super) fn listen() -> Result<Self> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) -> Stop {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Stop::Interrupt
    }
}

/// The status of a command as ours; that of one that a signal ended as a shell tells it, 128 and more.
pub(super) fn exit_code(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    #[cfg(not(unix))]
    let signal = None;
    let code = status.code().or(signal).and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
