//! Messages as HTTP/1.1 writes them (RFC 9112): one whole message in, a [`Message`] out.

use super::message::{FieldLines, Message, Request, Response};
use crate::limits::{BODY_BYTES_MAX, HEADER_BYTES_MAX, HEADERS_MAX};
use crate::refusal::{Code, Refusal};

/// Reads one request or response. Lines end with CRLF or, as in a file that was edited, LF (RFC 9112 section 2.2); the
/// content is as long as `Content-Length` says, or chunked, with its trailers. What follows it may be one line end
/// (section 2.2) and nothing else. A response without either has the rest as its content (section 6.3). `scheme` is that
/// of the connection.
///
/// Errs with `http.framing` for what is no such message, with `http.target_form` and `http.ambiguous` as
/// [`Request::new`], with `limit.size` beyond the bounds of [`crate::limits`].
pub fn read_message(bytes: &[u8], scheme: &str) -> Result<Message, Refusal> {
    let mut lines = Lines { rest: bytes };
    let start = match lines.next()? {
        b"" => lines.next()?,
        start => start,
    };
    let Ok(start) = std::str::from_utf8(start) else { return refuse("the first line is not ASCII") };
    let headers = lines.fields()?;
    match start.strip_prefix("HTTP/1.") {
        Some(rest) => response(rest, headers, lines),
        None => request(start, scheme, headers, lines),
    }
}

/// RFC 9112 section 3: method, target and version, one space between them.
fn request(start: &str, scheme: &str, headers: FieldLines, lines: Lines<'_>) -> Result<Message, Refusal> {
    let parts: Vec<&str> = start.split(' ').collect();
    let [method, target, version] = parts.as_slice() else {
        return refuse("the first line is neither that of an HTTP/1.1 request nor of a response");
    };
    if !matches!(*version, "HTTP/1.0" | "HTTP/1.1") {
        return refuse("the version is neither HTTP/1.1 nor HTTP/1.0");
    }
    let (body, trailers) = content(&headers, lines, Without::Nothing)?;
    let request = Request::new(method, scheme, target, headers)?;
    Ok(request.with_body(body).with_trailers(trailers).into())
}

/// RFC 9112 section 4: version, three digits, a reason that says nothing.
fn response(rest: &str, headers: FieldLines, lines: Lines<'_>) -> Result<Message, Refusal> {
    let status = rest.get(2..5).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let version = rest.get(..2).is_some_and(|version| matches!(version, "0 " | "1 "));
    let reason = rest.get(5..).is_some_and(|reason| reason.is_empty() || reason.starts_with(' '));
    let (Some(status), true, true) = (status.and_then(|digits| digits.parse().ok()), version, reason) else {
        return refuse("the first line is not that of an HTTP/1.1 response");
    };
    // Section 6.3, rules 1 and 8.
    let without = match status {
        100..=199 | 204 | 304 => Without::Nothing,
        _ => Without::ToTheEnd,
    };
    let (body, trailers) = content(&headers, lines, without)?;
    Ok(Response::new(status, headers)?.with_body(body).with_trailers(trailers).into())
}

/// What the content is if no field says its length.
enum Without {
    Nothing,
    ToTheEnd,
}

fn content(
    headers: &FieldLines,
    mut lines: Lines<'_>,
    without: Without,
) -> Result<(Vec<u8>, FieldLines), Refusal> {
    let lengths: Vec<&[u8]> = headers.values("content-length").collect();
    let codings: Vec<&[u8]> = headers.values("transfer-encoding").collect();
    match (lengths.as_slice(), codings.as_slice(), without) {
        ([], [], Without::Nothing) => {
            lines.end()?;
            Ok((Vec::new(), FieldLines::new()))
        }
        ([], [], Without::ToTheEnd) => Ok((bounded(lines.rest)?.to_vec(), FieldLines::new())),
        ([length], [], _) => {
            let body = lines.take(number(length, 10)?)?.to_vec();
            lines.end()?;
            Ok((body, FieldLines::new()))
        }
        ([], [coding], _) if coding.eq_ignore_ascii_case(b"chunked") => lines.chunked(),
        // RFC 9112 section 6.1 and 6.3: both, or one twice, is how messages are smuggled.
        _ => refuse("the length of the content is stated twice, or in a way that is not read here"),
    }
}

/// What has not been read yet.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// The next line without its end. Errs for a CR that ends no line (RFC 9112 section 2.2).
    fn next(&mut self) -> Result<&'a [u8], Refusal> {
        let Some(end) = self.rest.iter().position(|b| *b == b'\n') else {
            return refuse("the message ends within its head");
        };
        let line = self.rest.get(..end).unwrap_or_default();
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.contains(&b'\r') {
            return refuse("a line has a carriage return within it");
        }
        Ok(line)
    }

    /// Field lines up to the empty one, those that begin with white space joined to the one before (section 5.2).
    fn fields(&mut self) -> Result<FieldLines, Refusal> {
        let mut raw: Vec<(&str, Vec<u8>)> = Vec::new();
        let mut bytes = 0_usize;
        loop {
            let line = self.next()?;
            bytes = bytes.saturating_add(line.len());
            if raw.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
                let why = format!("more than {HEADERS_MAX} field lines or {HEADER_BYTES_MAX} bytes of them");
                return Err(Refusal::new(Code::LimitSize, why));
            }
            if line.is_empty() {
                break;
            }
            if matches!(line.first(), Some(b' ' | b'\t')) {
                let Some((_, value)) = raw.last_mut() else {
                    return refuse("the first field line is folded");
                };
                value.push(b'\n');
                value.extend_from_slice(line);
                continue;
            }
            let colon = line.iter().position(|b| *b == b':');
            let (name, value) = match colon {
                Some(colon) => {
                    (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default())
                }
                None => return refuse("a field line has no colon"),
            };
            let Ok(name) = std::str::from_utf8(name) else { return refuse("a field name is not ASCII") };
            raw.push((name, value.to_vec()));
        }
        let mut fields = FieldLines::new();
        for (name, value) in raw {
            fields.push(name, &value)?;
        }
        Ok(fields)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Refusal> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return refuse("the content is shorter than its stated length");
        };
        self.rest = rest;
        bounded(taken)
    }

    /// RFC 9112 section 7.1. Chunk extensions mean nothing to anybody and are refused.
    fn chunked(&mut self) -> Result<(Vec<u8>, FieldLines), Refusal> {
        let mut body = Vec::new();
        loop {
            let size = number(self.next()?, 16)?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(self.take(size)?);
            bounded(&body)?;
            if !self.next()?.is_empty() {
                return refuse("a chunk is longer than its stated size");
            }
        }
        let trailers = self.fields()?;
        self.end()?;
        Ok((body, trailers))
    }

    fn end(&self) -> Result<(), Refusal> {
        if matches!(self.rest, b"" | b"\n" | b"\r\n") {
            return Ok(());
        }
        refuse("there is something after the message")
    }
}

fn bounded(content: &[u8]) -> Result<&[u8], Refusal> {
    if content.len() > BODY_BYTES_MAX {
        let why = format!("the content is longer than {BODY_BYTES_MAX} bytes");
        return Err(Refusal::new(Code::LimitSize, why));
    }
    Ok(content)
}

/// Digits and nothing else.
fn number(text: &[u8], radix: u32) -> Result<usize, Refusal> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let digits = !text.is_empty() && text.len() <= 8 && text.chars().all(|c| c.is_digit(radix));
    match usize::from_str_radix(text, radix) {
        Ok(number) if digits => Ok(number),
        _ => refuse("the length of the content is not a number"),
    }
}

fn refuse<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::HttpFraming, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<u8>, Code> {
        read_message(text.as_bytes(), "https")
            .map(|message| message.body().to_vec())
            .map_err(|refusal| refusal.code())
    }

    #[test]
    fn content_is_as_long_as_stated_and_bounded() {
        let head = "POST / HTTP/1.1\nHost: a\n";
        let of = |length: usize| read(&format!("{head}Content-Length: {length}\n\n{}", "x".repeat(length)));
        assert_eq!(of(0), Ok(Vec::new()));
        assert_eq!(of(BODY_BYTES_MAX).map(|body| body.len()), Ok(BODY_BYTES_MAX));
        assert_eq!(of(BODY_BYTES_MAX + 1), Err(Code::LimitSize));
        let chunk = format!("{:x}\n{}\n", BODY_BYTES_MAX / 2 + 1, "x".repeat(BODY_BYTES_MAX / 2 + 1));
        let chunked = format!("{head}Transfer-Encoding: chunked\n\n");
        assert_eq!(
            read(&format!("{chunked}{chunk}0\n\n")).map(|body| body.len()),
            Ok(BODY_BYTES_MAX / 2 + 1)
        );
        assert_eq!(read(&format!("{chunked}{chunk}{chunk}0\n\n")), Err(Code::LimitSize));
        let to_the_end = |length: usize| read(&format!("HTTP/1.1 200 OK\n\n{}", "x".repeat(length)));
        assert_eq!(to_the_end(BODY_BYTES_MAX).map(|body| body.len()), Ok(BODY_BYTES_MAX));
        assert_eq!(to_the_end(BODY_BYTES_MAX + 1), Err(Code::LimitSize));
        let many = "a: b\n".repeat(HEADERS_MAX + 1);
        assert_eq!(read(&format!("GET / HTTP/1.1\n{many}\n")), Err(Code::LimitSize));
        let large = "x".repeat(HEADER_BYTES_MAX);
        assert_eq!(read(&format!("GET / HTTP/1.1\nA: {large}\n\n")), Err(Code::LimitSize));
    }

    #[test]
    fn chunks_are_strict() {
        let read = |chunks: &str| read(&format!("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n{chunks}"));
        assert_eq!(read("2\nhi\n0\n\n"), Ok(b"hi".to_vec()));
        for bad in
            ["2\nhi\n", "2\nhello\n0\n\n", "2;x\nhi\n0\n\n", "\n0\n\n", "0x2\nhi\n0\n\n", "-1\n", "0\n\nmore"]
        {
            assert_eq!(read(bad), Err(Code::HttpFraming), "{bad:?}");
        }
    }
}
