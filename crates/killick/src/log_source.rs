//! Where a log is read from: a folder, or a server that has the folder under a URL (C2SP tlog-tiles). One connection,
//! bounded in size and time; nothing that a server sends is believed before it has been verified.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use killick_ledger::LogFolder;
use killick_tlog::LogError;
use killick_tlog::limits::{BUNDLE_BYTES_MAX, NOTE_BYTES_MAX};
use killick_tlog::tile::{CHECKPOINT_PATH, TILE_WIDTH, Tile, TileKind, WITNESSED_PATH};
use killick_tlog::verify::LogReader;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::http::{ANSWER_TIME_MAX, CONNECT_TIME_MAX};
use crate::output::{Exit, Failure, plain};

/// Who is asking, for the server's operator.
const USER_AGENT: &str = concat!("killick/", env!("CARGO_PKG_VERSION"));
/// Bytes of a full tile of hashes.
const TILE_BYTES: usize = 32 * TILE_WIDTH as usize;

/// Where a log is.
pub enum Source {
    /// A folder.
    Folder(LogFolder, PathBuf),
    /// A server.
    Server(Box<Server>),
}

impl Source {
    /// From what was given on the command line: `http://…`, `https://…` or a folder's path.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Server(Box::new(Server::new(text)?)));
        }
        let path = PathBuf::from(text);
        if !path.is_dir() {
            return Err(Failure::usage("file.missing", format!("{} is no folder", path.display())).mend(
                "name the log's folder, the one with `checkpoint` in it, or its address, http:// or https://",
            ));
        }
        Ok(Self::Folder(LogFolder::new(&path), path))
    }

    /// Why the server could not be asked, if that is why something failed.
    pub fn unreachable(&self) -> Option<Failure> {
        let Self::Server(server) = self else { return None };
        let lost = server.lost.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(
            Failure::new(
                Exit::NotReachable,
                "log.unreachable",
                format!("{} cannot be read: {lost}", server.url),
            )
            .mend("check the address; a copied folder verifies without any server"),
        )
    }
}

impl LogReader for Source {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, LogError> {
        match self {
            Self::Folder(folder, _) => folder.read(path),
            Self::Server(server) => server.read(path),
        }
    }
}

/// A log behind a URL. Must be read from a thread that may block.
pub struct Server {
    url: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    address: (String, u16),
    host: String,
    /// The path before a file's, without its last slash.
    prefix: String,
    runtime: tokio::runtime::Handle,
    connection: tokio::sync::Mutex<Option<SendRequest<Empty<Bytes>>>>,
    /// Why the server could not be reached.
    lost: Mutex<Option<String>>,
}

impl Server {
    fn new(url: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::usage("log.url", format!("`{url}` is no address of a log"))
                .mend("write e.g. https://log.example/killick; the log's files are below it")
        };
        let uri: http::Uri = url.parse().map_err(|_| wrong())?;
        let authority =
            uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        if uri.query().is_some() {
            return Err(wrong());
        }
        let secure = uri.scheme_str() == Some("https");
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if secure {
            let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
            Some((connector()?, name))
        } else {
            None
        };
        Ok(Self {
            url: url.to_owned(),
            tls,
            address: (host, authority.port_u16().unwrap_or(if secure { 443 } else { 80 })),
            host: authority.as_str().to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            runtime: tokio::runtime::Handle::current(),
            connection: tokio::sync::Mutex::new(None),
            lost: Mutex::new(None),
        })
    }

    fn lose(&self, path: &str, problem: String) -> LogError {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem.clone());
        LogError::Read { path: path.to_owned(), problem }
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, String> {
        let connecting = async {
            let stream = TcpStream::connect(&self.address).await.map_err(|error| plain(&error))?;
            let _ = stream.set_nodelay(true);
            match &self.tls {
                Some((connector, name)) => {
                    let stream = connector.connect(name.clone(), stream).await;
                    handshake(stream.map_err(|error| plain(&error))?).await
                }
                None => handshake(stream).await,
            }
        };
        tokio::time::timeout(CONNECT_TIME_MAX, connecting)
            .await
            .unwrap_or_else(|_| Err("no answer in 5 s".to_owned()))
    }

    async fn get(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, LogError> {
        let lost = |problem: String| self.lose(path, problem);
        let mut connection = self.connection.lock().await;
        let kept = match connection.take() {
            Some(mut kept) => kept.ready().await.is_ok().then_some(kept),
            None => None,
        };
        let mut sender = match kept {
            Some(kept) => kept,
            None => self.connect().await.map_err(lost)?,
        };
        let request = Request::get(format!("{}/{path}", self.prefix))
            .header(header::HOST, &self.host)
            .header(header::USER_AGENT, USER_AGENT)
            .body(Empty::new())
            .map_err(|error| lost(error.to_string()))?;
        let answer = sender.send_request(request).await.map_err(|error| lost(error.to_string()))?;
        match answer.status() {
            // We have asked for no encoding.
            StatusCode::OK if answer.headers().contains_key(header::CONTENT_ENCODING) => {
                let problem = "the server sends it encoded".to_owned();
                return Err(LogError::Read { path: path.to_owned(), problem });
            }
            StatusCode::OK => {}
            // Not kept open: whatever else it says is not waited for.
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            other => return Err(lost(format!("the server answers {other}"))),
        }
        let body = Limited::new(answer.into_body(), bytes_max).collect().await;
        let body = body.map_err(|error| match error.downcast::<http_body_util::LengthLimitError>() {
            Ok(_) => {
                LogError::Format { what: path.to_owned(), problem: format!("more than {bytes_max} bytes") }
            }
            Err(error) => lost(error.to_string()),
        })?;
        *connection = Some(sender);
        Ok(Some(body.to_bytes().to_vec()))
    }
}

impl LogReader for Server {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, LogError> {
        let bytes_max = match path {
            CHECKPOINT_PATH | WITNESSED_PATH => NOTE_BYTES_MAX,
            tile => match Tile::parse(tile)?.kind() {
                TileKind::Hashes(_) => TILE_BYTES,
                TileKind::Entries => BUNDLE_BYTES_MAX,
            },
        };
        let got = async { tokio::time::timeout(ANSWER_TIME_MAX, self.get(path, bytes_max)).await };
        self.runtime.block_on(got).unwrap_or_else(|_| Err(self.lose(path, "no answer in 60 s".to_owned())))
    }
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Empty<Bytes>>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

/// TLS by the system's own roots, or those in `SSL_CERT_FILE`.
fn connector() -> Result<TlsConnector, Failure> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let sentence = "this machine has no certificates of authorities to check https:// with";
        return Err(Failure::check("tls.roots", sentence)
            .mend("install ca-certificates, or name a file of them in SSL_CERT_FILE"));
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
