//! The strict reader of JSON (RFC 8259). What it makes of what it reads is the caller's choice: a value of its own, a view
//! of the bytes, or nothing.

use std::borrow::Cow;

use super::{Number, View};
use crate::limits::JSON_NUMBER_CHARS_MAX;
use crate::refusal::{Code, Refusal};

/// What the reader makes of what it reads.
pub(super) trait Build<'a>: Sized {
    /// The members of an object that is being read.
    type Members: Default;

    fn scalar(scalar: Scalar<'a>) -> Self;
    /// `None` if the text is no number.
    fn number(text: &'a str) -> Option<Self>;
    fn array(items: Vec<Self>) -> Self;
    fn object(members: Self::Members) -> Self;
    /// Adds a member. Whether its name is a new one.
    fn insert(members: &mut Self::Members, name: Cow<'a, str>, value: Self) -> bool;
}

/// A value that holds no others and is no number.
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    String(Cow<'a, str>),
}

/// Nothing: for what is passed over. Members are not compared.
impl Build<'_> for () {
    type Members = ();

    fn scalar(_: Scalar<'_>) -> Self {}

    fn number(text: &str) -> Option<Self> {
        Number::parse(text).map(drop)
    }

    fn array(_: Vec<Self>) -> Self {}

    fn object((): ()) -> Self {}

    fn insert((): &mut (), _: Cow<'_, str>, (): ()) -> bool {
        true
    }
}

/// Reads exactly one value.
pub(super) fn value<'a, T: Build<'a>>(bytes: &'a [u8], depth_max: usize) -> Result<T, Refusal> {
    let mut reader = Reader::new(bytes, depth_max)?;
    let value = reader.value(0)?;
    reader.end()?;
    Ok(value)
}

/// The text of the one top-level member `key`, without building anything else: what AAT draft section 7 step 2c calls
/// minimal parsing. `None` if the bytes are not JSON, not an object, or have no such member, or not just one, or it is
/// not a string.
pub(super) fn top_level_string<'a>(bytes: &'a [u8], key: &str, depth_max: usize) -> Option<Cow<'a, str>> {
    let mut reader = Reader::new(bytes, depth_max).ok()?;
    let mut found = None;
    reader.space();
    reader.byte(b'{').ok()?;
    let mut more = !reader.closes(b'}');
    while more {
        let name = reader.name().ok()?;
        if name == key {
            let Ok(View::String(text)) = reader.value(1) else { return None };
            if found.replace(text).is_some() {
                return None;
            }
        } else {
            reader.value::<()>(1).ok()?;
        }
        more = reader.comma_or(b'}').ok()?;
    }
    reader.end().ok()?;
    found
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth_max: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], depth_max: usize) -> Result<Self, Refusal> {
        // A byte order mark is no JSON whitespace (RFC 8259 section 8.1), so that it is refused below like any other
        // stray character.
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { text, at: 0, depth_max }),
            Err(error) => {
                Err(Refusal::new(Code::JsonInvalid, format!("not UTF-8 at byte {}", error.valid_up_to())))
            }
        }
    }

    fn value<T: Build<'a>>(&mut self, depth: usize) -> Result<T, Refusal> {
        self.space();
        Ok(T::scalar(match self.peek() {
            Some(b'{') => return self.object(depth),
            Some(b'[') => return self.array(depth),
            Some(b'"') => Scalar::String(self.string()?),
            Some(b't') => self.word("true", Scalar::Bool(true))?,
            Some(b'f') => self.word("false", Scalar::Bool(false))?,
            Some(b'n') => self.word("null", Scalar::Null)?,
            Some(b'-' | b'0'..=b'9') => return self.number(),
            _ => return self.wrong("a value is expected"),
        }))
    }

    fn object<T: Build<'a>>(&mut self, depth: usize) -> Result<T, Refusal> {
        self.deeper(depth)?;
        self.at += 1;
        let mut members = T::Members::default();
        let mut more = !self.closes(b'}');
        while more {
            let start = self.at;
            let name = self.name()?;
            let value = self.value(depth + 1)?;
            if !T::insert(&mut members, name, value) {
                return Err(Refusal::new(
                    Code::JsonDuplicateKey,
                    format!("an object has the same member twice, at byte {start}"),
                ));
            }
            more = self.comma_or(b'}')?;
        }
        Ok(T::object(members))
    }

    fn array<T: Build<'a>>(&mut self, depth: usize) -> Result<T, Refusal> {
        self.deeper(depth)?;
        self.at += 1;
        let mut items = Vec::new();
        let mut more = !self.closes(b']');
        while more {
            items.push(self.value(depth + 1)?);
            more = self.comma_or(b']')?;
        }
        Ok(T::array(items))
    }

    fn deeper(&self, depth: usize) -> Result<(), Refusal> {
        if depth < self.depth_max {
            return Ok(());
        }
        let why = format!("JSON nested deeper than {} at byte {}", self.depth_max, self.at);
        Err(Refusal::new(Code::LimitDepth, why))
    }

    /// A member's name and its colon.
    fn name(&mut self) -> Result<Cow<'a, str>, Refusal> {
        self.space();
        if self.peek() != Some(b'"') {
            return self.wrong("a member's name is expected");
        }
        let name = self.string()?;
        self.space();
        self.byte(b':')?;
        Ok(name)
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Refusal> {
        self.at += 1;
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut plain = self.at;
        loop {
            // Most of a string is neither its end nor an escape: look for the next byte that may be.
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            self.at += plain_bytes(rest);
            match self.peek() {
                Some(b'"') => {
                    let tail = self.text.get(plain..self.at).unwrap_or_default();
                    let whole = match owned {
                        Some(text) => Cow::Owned(text + tail),
                        None => Cow::Borrowed(self.text.get(start..self.at).unwrap_or_default()),
                    };
                    self.at += 1;
                    return Ok(whole);
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_default();
                    text.push_str(self.text.get(plain..self.at).unwrap_or_default());
                    self.at += 1;
                    let escaped = self.escape()?;
                    owned.get_or_insert_default().push(escaped);
                    plain = self.at;
                }
                Some(_) => return self.wrong("a control character in a string"),
                None => return self.wrong("a string does not end"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Refusal> {
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            Some(letter @ (b'"' | b'\\' | b'/')) => char::from(letter),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => {
                self.at -= 1;
                return self.wrong("an unknown escape");
            }
        })
    }

    /// The four hex digits after `\u`, and the second half of a surrogate pair (RFC 8259 section 7). A lone surrogate
    /// is no character: two readers would turn it into different strings.
    fn unicode(&mut self) -> Result<char, Refusal> {
        let first = self.hex()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).map_or_else(|| self.wrong("no such character"), Ok);
        }
        if first < 0xdc00 && self.rest().starts_with("\\u") {
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let scalar = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return char::from_u32(scalar).map_or_else(|| self.wrong("no such character"), Ok);
            }
        }
        self.wrong("a lone surrogate")
    }

    fn hex(&mut self) -> Result<u32, Refusal> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                self.at += 4;
                Ok(value)
            }
            None => self.wrong("four hex digits are expected"),
        }
    }

    fn number<T: Build<'a>>(&mut self) -> Result<T, Refusal> {
        let rest = self.rest();
        let length =
            rest.bytes().take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
        let text = rest.get(..length).unwrap_or_default();
        if length > JSON_NUMBER_CHARS_MAX {
            let why = format!("a number longer than {JSON_NUMBER_CHARS_MAX} characters at byte {}", self.at);
            return Err(Refusal::new(Code::ArgNumber, why));
        }
        let Some(number) = T::number(text) else {
            return self.wrong("not a number, or one beyond all bounds");
        };
        self.at += length;
        Ok(number)
    }

    fn word(&mut self, word: &str, value: Scalar<'a>) -> Result<Scalar<'a>, Refusal> {
        if !self.rest().starts_with(word) {
            return self.wrong("a value is expected");
        }
        self.at += word.len();
        Ok(value)
    }

    /// Whether the array or object that has just begun is empty.
    fn closes(&mut self, close: u8) -> bool {
        self.space();
        let closes = self.peek() == Some(close);
        if closes {
            self.at += 1;
        }
        closes
    }

    /// After an element: whether another one follows.
    fn comma_or(&mut self, close: u8) -> Result<bool, Refusal> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(b) if b == close => {
                self.at += 1;
                Ok(false)
            }
            _ => self.wrong("a comma or the end of the list is expected"),
        }
    }

    fn byte(&mut self, byte: u8) -> Result<(), Refusal> {
        if self.peek() != Some(byte) {
            return self.wrong(&format!("`{}` is expected", char::from(byte)));
        }
        self.at += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { self.wrong("something follows the value") }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong<T>(&self, why: &str) -> Result<T, Refusal> {
        Err(Refusal::new(Code::JsonInvalid, format!("{why} at byte {}", self.at)))
    }
}

/// How many bytes of a string follow that are neither its end nor an escape nor a control character. Eight are looked at
/// at once: this is where the time of reading a token goes.
fn plain_bytes(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (chunks, tail) = bytes.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        // The high bit of each byte that is below `bound`. Of bytes above the lowest such one it may be set too, since a
        // borrow carries upward: the lowest is what counts.
        let below = |word: u64, bound: u64| word.wrapping_sub(EACH * bound) & !word & HIGH;
        let is_byte = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
        let found = below(word, 0x20) | is_byte(b'"') | is_byte(b'\\');
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let at = tail.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)).unwrap_or(tail.len());
    chunks.len() * 8 + at
}

#[cfg(test)]
mod tests {
    use super::plain_bytes;

    #[test]
    fn the_end_of_the_plain_part_is_found_whatever_stands_beside_it() {
        let one_by_one = |bytes: &[u8]| bytes.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f));
        for length in 0..=19 {
            for at in 0..length {
                for byte in 0..=255 {
                    for around in [b'a', 0x20, 0x21, 0x5b, 0x5d, 0x7f, 0x80, 0xff] {
                        let mut bytes = vec![around; length];
                        bytes[at] = byte;
                        assert_eq!(plain_bytes(&bytes), one_by_one(&bytes).unwrap_or(length), "{bytes:02x?}");
                        if let Some(next) = bytes.get_mut(at + 1) {
                            *next = 0x00;
                            assert_eq!(
                                plain_bytes(&bytes),
                                one_by_one(&bytes).unwrap_or(length),
                                "{bytes:02x?}"
                            );
                        }
                    }
                }
            }
        }
    }
}
