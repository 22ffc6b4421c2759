//! Seeded choices, and JSON whose spelling is a matter of choice.

use std::fmt::Write as _;

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `count` - 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = self.below(at + 1);
            items.swap(at, other);
        }
    }

    /// Some of the items, in their order; at least `least`.
    pub(crate) fn some<T: Clone>(&mut self, items: &[T], least: usize) -> Vec<T> {
        let mut kept: Vec<T> = items.iter().filter(|_| self.percent(60)).cloned().collect();
        while kept.len() < least {
            kept.push(self.pick(items).clone());
        }
        kept
    }
}

/// JSON before it is written down.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw {
    /// As it stands, whatever it is.
    Text(String),
    /// A number of hundredths: `150` is 1.5, spelled in one of several ways.
    Hundredths(i64),
    Str(String),
    Arr(Vec<Raw>),
    Obj(Vec<(String, Raw)>),
}

impl Raw {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Raw::Text(text.into())
    }

    pub(crate) fn str(text: impl Into<String>) -> Self {
        Raw::Str(text.into())
    }

    pub(crate) fn int(value: i64) -> Self {
        Raw::Hundredths(value * 100)
    }

    pub(crate) fn obj<const N: usize>(members: [(&str, Raw); N]) -> Self {
        Raw::Obj(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The bytes, in the plainest spelling.
    pub(crate) fn plain(&self) -> String {
        self.spelled(&mut Rng(0), 0)
    }

    /// The bytes, spelled by chance: blanks, escapes, the order of members, the form of numbers.
    pub(crate) fn by_chance(&self, rng: &mut Rng) -> String {
        let style = 1 + rng.below(4);
        self.spelled(rng, style)
    }

    fn spelled(&self, rng: &mut Rng, style: usize) -> String {
        let mut out = String::new();
        self.write(rng, style, &mut out);
        out
    }

    fn write(&self, rng: &mut Rng, style: usize, out: &mut String) {
        let blank = |rng: &mut Rng, out: &mut String| {
            if style == 3 && rng.percent(30) {
                out.push(*rng.pick(&[' ', '\n', '\t', '\r']));
            }
        };
        match self {
            Raw::Text(text) => out.push_str(text),
            Raw::Hundredths(value) => out.push_str(&number(*value, rng, style)),
            Raw::Str(text) => string(text, rng, style, out),
            Raw::Arr(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    blank(rng, out);
                    item.write(rng, style, out);
                    blank(rng, out);
                }
                out.push(']');
            }
            Raw::Obj(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if style == 2 {
                    rng.shuffle(&mut members);
                }
                out.push('{');
                for (index, (name, value)) in members.into_iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    blank(rng, out);
                    string(name, rng, style, out);
                    blank(rng, out);
                    out.push(':');
                    value.write(rng, style, out);
                    blank(rng, out);
                }
                out.push('}');
            }
        }
    }
}

fn number(hundredths: i64, rng: &mut Rng, style: usize) -> String {
    let (sign, magnitude) = (if hundredths < 0 { "-" } else { "" }, hundredths.unsigned_abs());
    let (whole, cents) = (magnitude / 100, magnitude % 100);
    let plain = match (cents, cents % 10) {
        (0, _) => format!("{sign}{whole}"),
        (_, 0) => format!("{sign}{whole}.{}", cents / 10),
        _ => format!("{sign}{whole}.{cents:02}"),
    };
    match if style == 0 { 0 } else { rng.below(6) } {
        1 => format!("{hundredths}e-2"),
        2 => format!("{sign}{whole}.{cents:02}000"),
        3 if hundredths != 0 => format!("{hundredths}0E-3"),
        4 if whole > 0 => format!("{sign}0.{magnitude}e{}", magnitude.to_string().len() as i64 - 2),
        5 if hundredths == 0 => "-0".to_owned(),
        _ => plain,
    }
}

fn string(text: &str, rng: &mut Rng, style: usize, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            _ if c < ' ' || (style == 4 && rng.percent(30)) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}
