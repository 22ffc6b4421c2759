//! Small colliding sets of constraints and values of every type, so that what is drawn meets, and meets at its bounds.
//!
//! Everything is drawn from a row of numbers, in which 0 always stands for the simplest choice: so proptest shrinks what
//! fails, and a loop can draw millions from a seed.

use killick_proof::constraint::Constraint;
use killick_proof::json::Json;

/// Numbers to draw from; zeros when they are used up.
pub struct Draws(Box<dyn Iterator<Item = u32>>);

/// What a family of constraints and values is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Core,
    Url,
    Path,
    Pattern,
    Iban,
    Money,
    Time,
    Fields,
    Cidr,
}

pub const TOPICS: [Topic; 9] = [
    Topic::Core,
    Topic::Url,
    Topic::Path,
    Topic::Pattern,
    Topic::Iban,
    Topic::Money,
    Topic::Time,
    Topic::Fields,
    Topic::Cidr,
];

impl Draws {
    pub fn new(numbers: impl IntoIterator<Item = u32> + 'static) -> Self {
        Self(Box::new(numbers.into_iter()))
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.next().unwrap_or_default() as usize % bound
    }

    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// A constraint about the topic, of its own type or of a core type whose values are about it.
    pub fn constraint(&mut self, topic: Topic, depth: usize) -> Constraint {
        // What is drawn may be no constraint (its minimum above its maximum): then another.
        for _ in 0..8 {
            let text = self.constraint_text(topic, depth);
            if let Ok(constraint) = Constraint::from_json(&Json::parse(text.as_bytes()).unwrap()) {
                return constraint;
            }
        }
        Constraint::Wildcard
    }

    fn constraint_text(&mut self, topic: Topic, depth: usize) -> String {
        let clauses = |draws: &mut Self, least: usize| {
            let count = least + draws.below(3);
            let clauses: Vec<String> =
                (0..count).map(|_| draws.constraint(topic, depth - 1).to_json().to_text()).collect();
            clauses.join(",")
        };
        let values = |draws: &mut Self| {
            let count = draws.below(4);
            (0..count).map(|_| draws.value(topic).to_text()).collect::<Vec<_>>().join(",")
        };
        match self.below(if depth == 0 { 10 } else { 14 }) {
            0 => r#"{"constraint_type":"wildcard"}"#.to_owned(),
            1 => format!(r#"{{"constraint_type":"exact","value":{}}}"#, self.value(topic).to_text()),
            2 => format!(r#"{{"constraint_type":"one_of","values":[{}]}}"#, values(self)),
            3 => format!(r#"{{"constraint_type":"not_one_of","excluded":[{}]}}"#, values(self)),
            4..=9 => self.own(topic),
            10 | 11 => format!(r#"{{"constraint_type":"any","constraints":[{}]}}"#, clauses(self, 1)),
            _ => format!(r#"{{"constraint_type":"all","constraints":[{}]}}"#, clauses(self, 0)),
        }
    }

    /// The JSON form of a constraint of the topic's own type.
    fn own(&mut self, topic: Topic) -> String {
        let (kind, members) = match topic {
            Topic::Core => return self.core(),
            Topic::Url => ("killick_url", self.url_members()),
            Topic::Path => ("killick_path", format!(r#""root":"{}""#, self.pick(&ROOTS))),
            Topic::Pattern => ("killick_pattern", format!(r#""pattern":"{}""#, self.letters(b"ab*?/.", 6))),
            Topic::Iban => match self.below(3) {
                0 => ("killick_iban", String::new()),
                1 => ("killick_iban", format!(r#""countries":[{}]"#, self.texts(&["DE", "NL", "GB", "MT"]))),
                _ => ("killick_iban", format!(r#""ibans":[{}]"#, self.texts(&IBANS))),
            },
            Topic::Money => ("killick_currency_amount", self.money_members()),
            Topic::Time => ("killick_time_window", self.time_members()),
            Topic::Fields => {
                let allowed = self.texts(&["a", "b", "c", ""]);
                let required = if self.once_in(2) { self.texts(&["a", "b"]) } else { String::new() };
                ("killick_fields", format!(r#""allowed":[{allowed}],"required":[{required}]"#))
            }
            Topic::Cidr => ("killick_cidr", format!(r#""networks":[{}]"#, self.texts(&NETWORKS))),
        };
        let comma = if members.is_empty() { "" } else { "," };
        format!(r#"{{"constraint_type":"{kind}"{comma}{members}}}"#)
    }

    fn core(&mut self) -> String {
        let mut bound = |name: &str| match self.below(3) {
            0 => String::new(),
            1 => format!(r#","{name}":{}"#, self.pick(&NUMBERS)),
            _ => format!(r#","{name}":{},"{name}_inclusive":false"#, self.pick(&NUMBERS)),
        };
        let (min, max) = (bound("min"), bound("max"));
        let scalars = self.texts(&["a", "b", "1"]);
        match self.below(4) {
            0 | 1 => format!(r#"{{"constraint_type":"range"{min}{max}}}"#),
            2 => format!(r#"{{"constraint_type":"contains","required":[{scalars}]}}"#),
            _ => format!(r#"{{"constraint_type":"subset","allowed":[1,{scalars}]}}"#).replace(",]", "]"),
        }
    }

    fn url_members(&mut self) -> String {
        let schemes = self.texts(&["https", "http", "wss"]);
        let host = if self.once_in(2) { "host_suffix" } else { "host" };
        let name = self.host();
        let port = self.pick(&["", "", "", "", r#","port":443"#, r#","port":80"#, r#","port":8443"#]);
        let prefix = self.pick(&["/", "/", "/hooks/", "/hooks", "/hooks/a", "/hooks/a/", "/h"]);
        format!(r#""schemes":["https",{schemes}],"{host}":"{name}"{port},"path_prefix":"{prefix}""#)
            .replace(",]", "]")
    }

    fn host(&mut self) -> &'static str {
        if self.once_in(2) { self.pick(&HOSTS) } else { self.pick(&["acme.example", "hooks.acme.example"]) }
    }

    fn money_members(&mut self) -> String {
        let mut limits = Vec::new();
        for code in ["EUR", "JPY", "KWD"] {
            let amounts = amounts_of(code);
            let bounds = match self.below(5) {
                0 => String::new(),
                1 => format!(r#""max":"{}""#, self.pick(amounts)),
                2 => format!(r#""min":"{}""#, self.pick(amounts)),
                3 => format!(r#""min":"{}","max":"{}""#, self.pick(amounts), self.pick(amounts)),
                _ => continue,
            };
            limits.push(format!(r#""{code}":{{{bounds}}}"#));
        }
        let names = if self.once_in(6) { r#","amount_member":"value""# } else { "" };
        format!(r#""limits":{{{}}}{names}"#, limits.join(","))
    }

    fn time_members(&mut self) -> String {
        let mut members = Vec::new();
        for name in ["not_before", "not_after"] {
            if !self.once_in(3) {
                members.push(format!(r#""{name}":"{}""#, self.pick(&INSTANTS)));
            }
        }
        if self.once_in(2) {
            let (from, to) = (self.pick(&HOURS), self.pick(&HOURS));
            members.push(format!(r#""daily":{{"from":"{from}","to":"{to}"}}"#));
        }
        members.join(",")
    }

    /// A value that a constraint about the topic may or may not accept, often just beside one that it does.
    pub fn value(&mut self, topic: Topic) -> Json {
        if topic == Topic::Core || self.once_in(12) {
            return self.core_value();
        }
        let text = match topic {
            Topic::Core => String::new(),
            Topic::Url => {
                let scheme = self.pick(&["https", "https", "http", "wss"]);
                let port = self.pick(&["", "", ":443", ":80", ":8443"]);
                let path =
                    self.pick(&["/", "", "/hooks", "/hooks/", "/hooks/a", "/hooks/a/b", "/hooksa", "/h"]);
                let query = self.pick(&["", "", "", "?q=1"]);
                format!("{scheme}://{}{port}{path}{query}", self.host())
            }
            Topic::Path => {
                let below = self.pick(&["", "/a", "/a/b", "-private", "2026"]);
                format!("{}{below}", self.pick(&ROOTS))
            }
            Topic::Pattern => self.letters(b"abc/.?*", 7),
            Topic::Iban => self.pick(&IBANS).to_owned(),
            Topic::Money => return self.money_value(),
            Topic::Time => {
                if self.once_in(2) {
                    let (hour, minute) = (self.pick(&HOURS), self.pick(&["00", "59", "59.999999999"]));
                    format!("2026-01-0{}T{hour}:{minute}Z", 1 + self.below(3))
                } else {
                    self.pick(&INSTANTS).to_owned()
                }
            }
            Topic::Fields => {
                let names = self.texts(&["a", "b", "c", "d"]);
                let members: Vec<String> = names
                    .split(',')
                    .filter(|name| !name.is_empty())
                    .map(|name| format!("{name}:1"))
                    .collect();
                return Json::parse(format!("{{{}}}", members.join(",")).as_bytes()).unwrap_or(Json::Null);
            }
            Topic::Cidr => self.pick(&ADDRESSES).to_owned(),
        };
        Json::from(if self.once_in(3) { self.spoiled(&text) } else { text })
    }

    fn core_value(&mut self) -> Json {
        let texts =
            ["null", "true", "-1", "0", "1", "1.5", "2", "3", "\"a\"", "\"b\"", "\"1\"", "[]", "{\"a\":1}"];
        match self.below(3) {
            0 | 1 => Json::parse(self.pick(&texts).as_bytes()).unwrap(),
            _ => {
                let count = self.below(4);
                Json::Array((0..count).map(|_| Json::parse(self.pick(&texts).as_bytes()).unwrap()).collect())
            }
        }
    }

    fn money_value(&mut self) -> Json {
        let code = self.pick(&["EUR", "EUR", "JPY", "KWD", "USD"]);
        let pool = self.pick(&["EUR", "JPY", "KWD"]);
        let amount = if self.once_in(3) { self.pick(amounts_of(pool)) } else { self.pick(amounts_of(code)) };
        let amount = if self.once_in(5) { self.spoiled(amount) } else { amount.to_owned() };
        match self.below(3) {
            0 => Json::from(format!("{code} {amount}")),
            1 => Json::object([("amount", Json::from(amount)), ("currency", Json::from(code))]),
            _ => Json::object([("value", Json::from(amount)), ("currency", Json::from(code))]),
        }
    }

    /// The text with one small thing put in, taken out or changed, such as an attacker would.
    fn spoiled(&mut self, text: &str) -> String {
        let letters: Vec<char> = text.chars().collect();
        let at = self.below(letters.len() + 1);
        let (before, after) = letters.split_at(at);
        let kept =
            if self.once_in(2) { after.iter().skip(1).collect::<String>() } else { after.iter().collect() };
        format!("{}{}{kept}", before.iter().collect::<String>(), self.pick(&TRICKS))
    }

    /// Some of the texts, quoted, with commas.
    fn texts(&mut self, texts: &[&str]) -> String {
        let chosen: Vec<String> =
            texts.iter().filter(|_| self.once_in(2)).map(|text| format!("\"{text}\"")).collect();
        chosen.join(",")
    }

    fn letters(&mut self, letters: &[u8], most: usize) -> String {
        let count = self.below(most + 1);
        (0..count).map(|_| char::from(self.pick(letters))).collect()
    }
}

fn amounts_of(code: &str) -> &'static [&'static str] {
    match code {
        "JPY" => &["0", "1", "499", "500", "501", "500.0"],
        "KWD" => &["0", "0.001", "499.999", "500", "500.000", "500.001"],
        _ => {
            &["0", "0.01", "1", "1.00", "499.99", "500", "500.0", "500.00", "500.01", "999999999999999999.99"]
        }
    }
}

const NUMBERS: [&str; 6] = ["0", "1", "1.5", "2", "3", "-1"];
const HOSTS: [&str; 8] = [
    "acme.example",
    "hooks.acme.example",
    "a.hooks.acme.example",
    "xn--caf-dma.acme.example",
    "a.xn--caf-dma.acme.example",
    "evilacme.example",
    "evil.example",
    "example",
];
const ROOTS: [&str; 6] = ["/srv/reports", "/srv", "/", "/srv/reports/2026", "/srv/reports-private", "/etc"];
const IBANS: [&str; 6] = [
    "DE89370400440532013000",
    "DE75512108001245126199",
    "NL91ABNA0417164300",
    "GB29NWBK60161331926819",
    "MT84MALT011000012345MTLCAST001S",
    "NO9386011117947",
];
const INSTANTS: [&str; 9] = [
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.000000001Z",
    "2025-12-31T23:59:59.999999999Z",
    "2026-01-02T12:00:00Z",
    "2026-01-02T14:00:00+02:00",
    "2026-01-02T12:00:00.5Z",
    "2026-01-31T23:59:59Z",
    "2026-02-01T00:00:00+00:01",
    "9999-12-31T23:59:59Z",
];
const HOURS: [&str; 6] = ["00:00", "08:00", "12:00", "18:00", "23:59", "24:00"];
const NETWORKS: [&str; 10] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.3/32",
    "0.0.0.0/0",
    "192.168.0.0/16",
    "2001:db8::/32",
    "2001:db8:1::/48",
    "::/0",
    "::1/128",
    "fd00::/8",
];
const ADDRESSES: [&str; 20] = [
    "10.0.0.0",
    "10.255.255.255",
    "11.0.0.0",
    "9.255.255.255",
    "10.1.2.3",
    "10.1.0.0/16",
    "10.0.0.0/7",
    "10.0.0.0/8",
    "10.1.2.0/24",
    "192.168.1.1",
    "0.0.0.0/0",
    "2001:db8::",
    "2001:db8:1::5",
    "2001:db9::",
    "2001:db8:1::/48",
    "::1",
    "::ffff:10.1.2.3",
    "::ffff:10.0.0.0/104",
    "::ffff:a01:203",
    "::/0",
];
/// What turns one reading into another.
const TRICKS: [&str; 30] = [
    "", "/", "//", ".", "..", "/../", "/./", "\\", "%", "%2e", "%2F", "%2f", "%00", "@", ":", "#", "?", ";",
    "\t", "\n", " ", "0", "-", "+", "A", "é", "\u{200d}", "\u{ff0f}", "e2", "\u{0}",
];
