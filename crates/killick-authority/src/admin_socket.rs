//! The admin API's unix socket: mode 0600, and every peer's user is checked.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::AuthorityError;
use crate::limits::ADMIN_CONNECTIONS_MAX;

/// Bytes of `sun_path` on Linux, its end included (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// A socket that is bound and not yet served.
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Binds the socket. One that a dead process left behind is removed; one that answers is another killick's, and
    /// an error.
    pub fn bind(path: &Path) -> Result<Self, AuthorityError> {
        if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            return Err(AuthorityError::setup(
                format!(
                    "the path of the admin socket, `{}`, is longer than {SOCKET_PATH_BYTES_MAX} bytes",
                    path.display()
                ),
                "use a shorter --dir",
            ));
        }
        remove_stale(path)?;
        let listener =
            UnixListener::bind(path).map_err(|error| AuthorityError::io("bind the socket", path, &error))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| AuthorityError::io("protect the socket", path, &error))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves until `shutdown` completes and the requests under way are answered, then removes the socket.
    pub async fn serve(
        self,
        router: Router,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), AuthorityError> {
        let Self { listener, path } = self;
        let guarded = SameUser {
            listener,
            uid: nix::unistd::geteuid().as_raw(),
            slots: Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX)),
        };
        let served = axum::serve(guarded, router).with_graceful_shutdown(shutdown).await;
        let _ = std::fs::remove_file(&path);
        served.map_err(|error| AuthorityError::io("serve", &path, &error))
    }
}

/// Binds and serves; see [`AdminSocket`].
pub async fn serve_admin(
    router: Router,
    path: &Path,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AuthorityError> {
    AdminSocket::bind(path)?.serve(router, shutdown).await
}

fn remove_stale(path: &Path) -> Result<(), AuthorityError> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(AuthorityError::io("look at", path, &error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(AuthorityError::setup(
            format!("`{}` is in the way: it is not a socket", path.display()),
            "move it away",
        ));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(AuthorityError::setup(
            format!("another killick answers on `{}`", path.display()),
            "stop it first, or use another --dir",
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)
            .map_err(|error| AuthorityError::io("remove the old socket", path, &error)),
        Err(error) => Err(AuthorityError::io("connect to the socket that is there,", path, &error)),
    }
}

/// Accepts connections of this user and of root, a bounded number at once.
struct SameUser {
    listener: UnixListener,
    uid: u32,
    slots: Arc<Semaphore>,
}

impl Listener for SameUser {
    type Io = AdminStream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok(slot) = self.slots.clone().acquire_owned().await else {
                // Never closed; if it were, nobody could be served.
                std::future::pending::<()>().await;
                continue;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(peer) if peer.uid() == self.uid || peer.uid() == 0 => {
                        return (AdminStream { stream, _slot: slot }, ());
                    }
                    Ok(peer) => {
                        tracing::warn!(uid = peer.uid(), "another user was turned away from the admin socket")
                    }
                    Err(error) => tracing::warn!(%error, "a peer of the admin socket has no credentials"),
                },
                Err(error) => {
                    tracing::warn!(%error, "the admin socket could not accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(())
    }
}

/// A connection and its place among those permitted.
struct AdminStream {
    stream: UnixStream,
    _slot: OwnedSemaphorePermit,
}

impl AsyncRead for AdminStream {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for AdminStream {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
