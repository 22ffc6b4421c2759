//! HTTP/1.1 as an attacker speaks it: the bytes that go out are exactly the bytes that were written down.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::RedteamError;
use crate::limits::{BODY_BYTES_MAX, HEAD_BYTES_MAX, REPLY_TIME_MAX};

/// A request, header fields in order and as spelt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// Header fields other than `host` and `content-length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The bytes on the wire.
    pub fn to_bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || !matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE") {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The value of the first field of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Replaces every field of this name by one with this value, or adds it.
    pub fn set_header(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.headers.iter().position(|(field, _)| field.eq_ignore_ascii_case(name)) {
            Some(at) => {
                if let Some(field) = self.headers.get_mut(at) {
                    field.1 = value;
                }
            }
            None => self.headers.push((name.to_owned(), value)),
        }
    }

    /// Removes every field of this name.
    pub fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
    }
}

/// A response. Header names are lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of the first field of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// One connection, kept open.
#[derive(Debug)]
pub struct Wire {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Wire {
    /// Connects to `http://host:port`.
    pub async fn connect(url: &str) -> Result<Self, RedteamError> {
        let host = host_of(url)?;
        let connecting = timeout(REPLY_TIME_MAX, TcpStream::connect(host));
        let stream = connecting
            .await
            .map_err(|_| too_long())?
            .map_err(|error| RedteamError::io(format!("connecting to {host}"), error))?;
        stream.set_nodelay(true).map_err(|error| RedteamError::io("setting up a connection", error))?;
        Ok(Self { stream: BufReader::new(stream), host: host.to_owned() })
    }

    /// Sends a request and reads the reply.
    pub async fn send(&mut self, request: &Request) -> Result<Reply, RedteamError> {
        let bytes = request.to_bytes(&self.host);
        self.send_bytes(&bytes, request.method == "HEAD").await
    }

    /// Sends these very bytes and reads one reply.
    pub async fn send_bytes(&mut self, bytes: &[u8], is_head: bool) -> Result<Reply, RedteamError> {
        self.write(bytes).await?;
        self.read(is_head).await
    }

    /// Sends these very bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), RedteamError> {
        let writing = timeout(REPLY_TIME_MAX, self.stream.get_mut().write_all(bytes));
        writing.await.map_err(|_| too_long())?.map_err(|error| RedteamError::io("sending a request", error))
    }

    /// Reads one reply.
    pub async fn read(&mut self, is_head: bool) -> Result<Reply, RedteamError> {
        timeout(REPLY_TIME_MAX, read_reply(&mut self.stream, is_head)).await.map_err(|_| too_long())?
    }

    /// `host:port`, as the `host` field says it.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// Sends one request over a connection of its own.
pub async fn once(url: &str, request: &Request) -> Result<Reply, RedteamError> {
    Wire::connect(url).await?.send(request).await
}

fn host_of(url: &str) -> Result<&str, RedteamError> {
    url.strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'))
        .filter(|host| !host.is_empty() && !host.contains('/'))
        .ok_or_else(|| RedteamError::Missing(format!("a URL of the form http://host:port (it has `{url}`)")))
}

fn too_long() -> RedteamError {
    RedteamError::Time(Duration::as_secs(&REPLY_TIME_MAX))
}

async fn read_reply(stream: &mut BufReader<TcpStream>, is_head: bool) -> Result<Reply, RedteamError> {
    let mut read = 0;
    let status_line = line(stream, &mut read).await?;
    let status = status_line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .and_then(|digits| digits.parse::<u16>().ok())
        .ok_or_else(|| RedteamError::Reply(format!("`{status_line}` is no status line")))?;
    let mut headers = Vec::new();
    loop {
        let field = line(stream, &mut read).await?;
        if field.is_empty() {
            break;
        }
        let (name, value) = field
            .split_once(':')
            .ok_or_else(|| RedteamError::Reply(format!("`{field}` is no header field")))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let body = if is_head || status == 204 || status == 304 || (100..200).contains(&status) {
        Vec::new()
    } else {
        body(stream, &headers).await?
    };
    Ok(Reply { status, headers, body })
}

async fn body(
    stream: &mut BufReader<TcpStream>,
    headers: &[(String, String)],
) -> Result<Vec<u8>, RedteamError> {
    let failed = |error| RedteamError::io("reading a reply", error);
    let mut body = Vec::new();
    if find(headers, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let mut read = 0;
            let size = line(stream, &mut read).await?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| RedteamError::Reply(format!("`{size}` is no chunk size")))?;
            if size == 0 {
                while !line(stream, &mut read).await?.is_empty() {}
                return Ok(body);
            }
            take(stream, size, &mut body).await?;
            line(stream, &mut read).await?;
        }
    }
    match find(headers, "content-length") {
        Some(length) => {
            let length = length
                .parse()
                .map_err(|_| RedteamError::Reply(format!("`{length}` is no content length")))?;
            take(stream, length, &mut body).await?;
        }
        None => {
            let bound = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX);
            stream.take(bound).read_to_end(&mut body).await.map_err(failed)?;
        }
    }
    Ok(body)
}

async fn take(
    stream: &mut BufReader<TcpStream>,
    size: usize,
    into: &mut Vec<u8>,
) -> Result<(), RedteamError> {
    if into.len().saturating_add(size) > BODY_BYTES_MAX {
        return Err(RedteamError::Reply("a reply is too long".to_owned()));
    }
    let mut part = vec![0; size];
    stream.read_exact(&mut part).await.map_err(|error| RedteamError::io("reading a reply", error))?;
    into.append(&mut part);
    Ok(())
}

async fn line(stream: &mut BufReader<TcpStream>, read: &mut usize) -> Result<String, RedteamError> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(HEAD_BYTES_MAX.saturating_sub(*read)).unwrap_or(0);
    let got = stream
        .take(bound)
        .read_until(b'\n', &mut bytes)
        .await
        .map_err(|error| RedteamError::io("reading a reply", error))?;
    *read += got;
    if bytes.pop() != Some(b'\n') {
        return Err(RedteamError::Reply("the connection closed before a reply".to_owned()));
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| RedteamError::Reply("a reply's head is not text".to_owned()))
}
