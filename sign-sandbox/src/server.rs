//! The listeners and the tasks behind them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::sandbox::SandboxError;

/// How long requests under way may take to finish once the sandbox is told to stop: a fault may hang one.
const GRACE: Duration = Duration::from_secs(1);

/// Listens on 127.0.0.1, on a free port if there is no `port`.
pub(crate) async fn listen(port: Option<u16>) -> Result<TcpListener, SandboxError> {
    let port = port.unwrap_or(0);
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse { SandboxError::PortTaken { port } } else { error.into() }
    })
}

/// Where `listener` listens, without a scheme.
pub(crate) fn address(listener: &TcpListener) -> io::Result<String> {
    Ok(listener.local_addr()?.to_string())
}

/// The running servers. Dropping this closes their ports at once and lets requests under way finish.
#[derive(Debug)]
pub(crate) struct Servers {
    /// Its end tells the open connections to close.
    stopping: watch::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Servers {
    pub(crate) fn new() -> Self {
        Self { stopping: watch::Sender::new(()), tasks: Vec::new() }
    }

    /// Serves `router` until the end.
    pub(crate) fn serve(&mut self, listener: TcpListener, router: Router) {
        let mut stopping = self.stopping.subscribe();
        let server = axum::serve(listener, router).with_graceful_shutdown(async move {
            // Nothing is ever sent: this ends when the sender does.
            while stopping.changed().await.is_ok() {}
        });
        self.tasks.push(tokio::spawn(async move {
            // axum documents that this never fails: it waits and tries again when accepting does.
            let _ = server.await;
        }));
    }

    /// Closes the ports and waits a moment for requests under way.
    pub(crate) async fn stop(mut self) {
        let tasks = std::mem::take(&mut self.tasks);
        let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        drop(self);
        let all = futures_util::future::join_all(tasks);
        tokio::pin!(all);
        if tokio::time::timeout(GRACE, &mut all).await.is_err() {
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
            all.await;
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
