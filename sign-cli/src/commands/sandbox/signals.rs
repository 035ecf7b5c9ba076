//! Being asked to stop, and the status of a command that ended.

use std::process::{ExitCode, ExitStatus};

use sign_core::{Code, Error, Result};
use tokio::process::Child;

/// A request to stop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    /// From the keyboard (SIGINT): the terminal sends it to a command that runs inside, too.
    Interrupt,
    /// Any other: from a service manager, a script, or a terminal that goes away.
    #[cfg(unix)]
    Other(rustix::process::Signal),
}

impl Stop {
    /// Sends the command what it did not get by itself.
    pub(super) fn pass_on(self, child: &Child) {
        #[cfg(unix)]
        if let (Self::Other(signal), Some(id)) = (self, child.id()) {
            let process = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
            // A command that has just ended needs no signal any more.
            let _ = process.map(|pid| rustix::process::kill_process(pid, signal));
        }
        #[cfg(not(unix))]
        let _ = (self, child);
    }

    /// The exit status of somebody who was stopped before the end, as a shell tells it.
    pub(super) fn exit_code(self) -> ExitCode {
        let signal = match self {
            Self::Interrupt => 2,
            #[cfg(unix)]
            Self::Other(signal) => signal.as_raw(),
        };
        u8::try_from(128 + signal).map_or(ExitCode::FAILURE, ExitCode::from)
    }
}

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT from now on: each would end this process at once, and leave its files
/// and its command behind.
#[cfg(unix)]
pub(super) struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    /// None where it is ignored: under `nohup` that is on purpose.
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl StopSignals {
    pub(super) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|e| Error::new(Code::Internal, "cannot wait for signals").caused_by(e))
        };
        let hang_up = if ignores_hang_up() { None } else { Some(listen(SignalKind::hangup())?) };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            quit: listen(SignalKind::quit())?,
            hang_up,
        })
    }

    pub(super) async fn next(&mut self) -> Stop {
        use rustix::process::Signal;
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupt,
            _ = self.terminate.recv() => Stop::Other(Signal::TERM),
            _ = self.quit.recv() => Stop::Other(Signal::QUIT),
            _ = hang_up => Stop::Other(Signal::HUP),
        }
    }
}

/// Whether whoever started this process had it ignore SIGHUP, where the system tells (`proc(5)`, `SigIgn`).
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Signal n is bit n - 1, and SIGHUP is signal 1.
    mask.is_some_and(|mask| mask & 1 == 1)
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
