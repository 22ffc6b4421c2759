//! The admin API of a running killick, over the socket in its data folder.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;

use crate::folder::Folder;
use crate::http::{HttpError, over_unix};
use crate::output::{Exit, Failure};

/// A client of the admin API.
#[derive(Clone, Debug)]
pub struct Admin {
    folder: Folder,
}

impl Admin {
    /// The admin API of the killick that runs on this folder.
    pub fn of(folder: &Folder) -> Self {
        Self { folder: folder.clone() }
    }

    /// `GET path`
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None).await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// `DELETE path`
    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::DELETE, path, None).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "killick")
            .header("connection", "close");
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(bytes)).map_err(|error| {
            Failure::usage("name.invalid", format!("`{path}` cannot be asked for: {error}"))
        })?;
        let answer = over_unix(&self.folder.admin_socket(), request)
            .await
            .map_err(|error| self.unreachable(&error))?;
        let value: Value = if answer.body().is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(answer.body()).map_err(|_| {
                Failure::new(Exit::NotReachable, "admin.answer", "what answers on admin.sock is no killick")
                    .mend("check --dir, and that client and server are of one version")
            })?
        };
        if answer.status().is_success() { Ok(value) } else { Err(problem(answer.status().as_u16(), &value)) }
    }

    fn unreachable(&self, error: &HttpError) -> Failure {
        let dir = self.folder.path().display();
        match error {
            HttpError::Unreachable(why) if why.contains("permission") => Failure::new(
                Exit::NotReachable,
                "admin.permission",
                format!("you may not administer the killick in {dir}"),
            )
            .mend("run this as the user that runs `killick up`"),
            HttpError::Unreachable(_) => Failure::new(
                Exit::NotReachable,
                "admin.unreachable",
                format!("no killick is running on {dir}"),
            )
            .mend(format!("start it with `killick up --dir {dir}`, or name its folder with --dir")),
            HttpError::Broken(why) => Failure::new(
                Exit::NotReachable,
                "admin.broken",
                format!("the killick on {dir} did not answer to the end: {why}"),
            )
            .mend("see its log; `killick doctor` names what is wrong"),
        }
    }
}

/// A problem+json answer (RFC 9457) as a failure.
fn problem(status: u16, value: &Value) -> Failure {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let exit = match status {
        401 | 403 => Exit::Denied,
        500.. => Exit::CheckFailed,
        _ => Exit::Usage,
    };
    let sentence = text("detail")
        .or_else(|| text("title"))
        .map_or_else(|| format!("the answer was {status}"), str::to_owned);
    let failure = Failure::new(exit, text("code").unwrap_or("admin.refused"), sentence);
    match text("mend") {
        Some(mend) if !mend.is_empty() => failure.mend(mend),
        _ => failure,
    }
}

/// One segment of a path, percent-encoded (RFC 3986 section 2.1).
pub fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
