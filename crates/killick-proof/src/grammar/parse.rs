//! The reader of the human syntax: recursive descent over characters, so that every error has its column.

mod extension;

use std::collections::BTreeMap;

use super::print::is_name;
use super::{ActionPattern, BundleRef, GrammarError, Grant, suggest};
use crate::constraint::{Constraint, Range};
use crate::json::{Json, Number};
use crate::limits::CONSTRAINT_DEPTH_MAX;
use crate::token::ConstraintMap;

/// Characters of one grant: more is no longer something that people read.
const GRANT_CHARS_MAX: usize = 65_536;
/// What can follow an argument's name.
const TESTS: [&str; 19] = [
    "<=", "<", ">=", ">", "==", "!=", "in", "not in", "has", "within", "number", "url", "path", "pattern",
    "iban", "money", "time", "fields", "cidr",
];

pub(super) fn grant(text: &str) -> Result<Grant, GrammarError> {
    let mut reader = Reader { text: text.chars().collect(), at: 0 };
    if reader.text.len() > GRANT_CHARS_MAX {
        return reader.wrong("the grant is longer than 65,536 characters");
    }
    let mut grant = Grant::new(Vec::new(), Vec::new());
    loop {
        reader.space();
        if reader.peek().is_none() {
            break;
        }
        reader.statement(&mut grant)?;
        reader.space();
        match reader.peek() {
            Some(';') => reader.at += 1,
            None => break,
            Some('(') => return reader.wrong("a deny takes no arguments"),
            Some(',') => return reader.mend("statements are separated by `;`", ";"),
            Some(_) => return reader.wrong("a `;` is expected between statements"),
        }
    }
    if grant.permits.is_empty() && grant.denies.is_empty() && grant.bundles.is_empty() {
        return reader.wrong("the grant is empty: write for instance `read:invoices`");
    }
    Ok(grant)
}

struct Reader {
    text: Vec<char>,
    at: usize,
}

impl Reader {
    fn statement(&mut self, grant: &mut Grant) -> Result<(), GrammarError> {
        let start = self.at;
        if self.peek() == Some('@') {
            return self.bundle(grant);
        }
        let word = self.action();
        if word == "deny" {
            self.space();
            let start = self.at;
            let text = self.action();
            let pattern = pattern_at(&text, start)?;
            deny(grant, pattern, start);
            return Ok(());
        }
        if let Some(verb) = word.strip_suffix(":none") {
            deny(grant, pattern_at(&format!("{verb}:*"), start)?, start);
            return Ok(());
        }
        let pattern = pattern_at(&word, start)?;
        self.space();
        let (map, columns) = if self.peek() == Some('(') { self.arguments()? } else { Default::default() };
        if grant.permits.iter().any(|(other, _)| *other == pattern) {
            return error(start, format!("`{pattern}` is granted twice"), None);
        }
        grant.permits.push((pattern, map));
        grant.columns.permits.push((start + 1, columns));
        Ok(())
    }

    /// `@name` or `@name/3`
    fn bundle(&mut self, grant: &mut Grant) -> Result<(), GrammarError> {
        let start = self.at;
        self.at += 1;
        let name = self.action();
        if !BundleRef::is_name(&name) {
            return error(start + 1, "the name of a capability bundle is expected".to_owned(), None);
        }
        let mut version = None;
        if self.peek() == Some('/') {
            self.at += 1;
            let at = self.at;
            let digits = self.action();
            version =
                digits.parse().ok().filter(|version: &u64| *version > 0 && version.to_string() == digits);
            if version.is_none() {
                return error(
                    at,
                    "the version of a capability bundle is a number from 1 on".to_owned(),
                    None,
                );
            }
        }
        if self.peek() == Some('(') {
            return self.wrong("a capability bundle takes no arguments");
        }
        if grant.bundles.iter().any(|other| other.name == name) {
            return error(start, format!("`@{name}` is named twice"), None);
        }
        grant.bundles.push(BundleRef { name, version });
        grant.columns.bundles.push(start + 1);
        Ok(())
    }

    fn arguments(&mut self) -> Result<(ConstraintMap, BTreeMap<String, usize>), GrammarError> {
        self.at += 1;
        let (mut map, mut columns) = (ConstraintMap::new(), BTreeMap::new());
        self.space();
        while self.peek() != Some(')') {
            let start = self.at;
            let (name, constraint) = self.argument()?;
            columns.insert(name.clone(), start + 1);
            if map.insert(name.clone(), constraint).is_some() {
                return error(start, format!("`{name}` is constrained twice; join the two with `and`"), None);
            }
            self.space();
            match self.peek() {
                Some(',') => {
                    self.at += 1;
                    self.space();
                    if self.peek() == Some(')') {
                        return self.wrong("an argument is expected after the comma");
                    }
                }
                Some(')') => {}
                Some(';') | None => return self.mend("the arguments do not end", ")"),
                Some(_) => return self.wrong_word("`,` or `)` is expected", &["and", "or"]),
            }
        }
        self.at += 1;
        Ok((map, columns))
    }

    fn argument(&mut self) -> Result<(String, Constraint), GrammarError> {
        let name = match self.peek() {
            Some('"') => self.string()?,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.word(),
            _ => return self.wrong("an argument's name is expected"),
        };
        let optional = self.peek() == Some('?');
        if optional {
            self.at += 1;
        }
        self.space();
        let constraint = match self.peek() {
            Some(',' | ')' | ';') | None => Constraint::Wildcard,
            Some(_) => self.either(1)?,
        };
        if !optional {
            return Ok((name, constraint));
        }
        Ok((name, Constraint::Any(vec![Constraint::Exact(Json::Null), constraint])))
    }

    /// `TEST or TEST or …`
    fn either(&mut self, depth: usize) -> Result<Constraint, GrammarError> {
        let mut clauses = vec![self.both(depth)?];
        while self.take_word("or") {
            clauses.push(self.both(depth)?);
        }
        match <[Constraint; 1]>::try_from(clauses) {
            Ok([only]) => Ok(only),
            Err(clauses) => Ok(Constraint::Any(clauses)),
        }
    }

    /// `TEST and TEST and …`; the two ends of a range, written without brackets, are one range.
    fn both(&mut self, depth: usize) -> Result<Constraint, GrammarError> {
        let (first, mut are_bare) = self.test(depth)?;
        let mut clauses = vec![first];
        while self.take_word("and") {
            let (clause, is_bare) = self.test(depth)?;
            are_bare &= is_bare;
            clauses.push(clause);
        }
        if let ([Constraint::Range(left), Constraint::Range(right)], true) = (clauses.as_slice(), are_bare)
            && let Some(range) = join(left, right)
        {
            return Ok(Constraint::Range(range));
        }
        match <[Constraint; 1]>::try_from(clauses) {
            Ok([only]) => Ok(only),
            Err(clauses) => Ok(Constraint::All(clauses)),
        }
    }

    /// One test, and whether it stands without brackets.
    fn test(&mut self, depth: usize) -> Result<(Constraint, bool), GrammarError> {
        self.space();
        if self.peek() == Some('(') {
            if depth >= CONSTRAINT_DEPTH_MAX / 2 {
                return self.wrong("brackets are nested too deep");
            }
            self.at += 1;
            let inner = self.either(depth + 1)?;
            self.space();
            if self.peek() != Some(')') {
                return self.mend("the brackets do not end", ")");
            }
            self.at += 1;
            return Ok((inner, false));
        }
        let start = self.at;
        let sign: String = self.take_while(|c| matches!(c, '<' | '>' | '=' | '!' | '≤' | '≥' | '≠'));
        let bound = |number: Number, low: bool, strict: bool| {
            let mut range = Range::default();
            if low {
                (range.min, range.min_exclusive) = (Some(number), strict);
            } else {
                (range.max, range.max_exclusive) = (Some(number), strict);
            }
            Constraint::Range(range)
        };
        let test = match sign.as_str() {
            "<=" => bound(self.number()?, false, false),
            "<" => bound(self.number()?, false, true),
            ">=" => bound(self.number()?, true, false),
            ">" => bound(self.number()?, true, true),
            "==" => self.equals()?,
            "!=" => Constraint::NotOneOf(vec![self.value(1)?]),
            "" => self.word_test()?,
            "=" => return error(start, "equality is written `==`".to_owned(), Some("==")),
            "=<" | "≤" => return error(start, format!("`{sign}` is no comparison here"), Some("<=")),
            "=>" | "≥" => return error(start, format!("`{sign}` is no comparison here"), Some(">=")),
            "<>" | "≠" => return error(start, format!("`{sign}` is no comparison here"), Some("!=")),
            _ => return error(start, format!("`{sign}` is no comparison here"), None),
        };
        Ok((test, true))
    }

    fn equals(&mut self) -> Result<Constraint, GrammarError> {
        self.space();
        if self.peek() == Some('*') {
            self.at += 1;
            return Ok(Constraint::Wildcard);
        }
        let start = self.at;
        match self.value(1)? {
            Json::Array(_) | Json::Object(_) => {
                error(start, "`==` takes a text, a number, true, false or null".to_owned(), Some("in {…}"))
            }
            scalar => Ok(Constraint::Exact(scalar)),
        }
    }

    fn word_test(&mut self) -> Result<Constraint, GrammarError> {
        let start = self.at;
        let word = self.word();
        match word.as_str() {
            "in" => self.membership(),
            "not" if self.take_word("in") => Ok(Constraint::NotOneOf(self.set()?)),
            "has" => Ok(Constraint::Contains(self.set()?)),
            "within" => Ok(Constraint::Subset(self.set()?)),
            "number" => Ok(Constraint::Range(Range::default())),
            _ => match self.extension(&word, start)? {
                Some(extension) => Ok(Constraint::Extension(extension)),
                None => {
                    self.at = start;
                    self.wrong_word("a test is expected, such as `<= 500`, `== x` or `in {A, B}`", &TESTS)
                }
            },
        }
    }

    /// After `in`: a set, or a range `0..500` that includes both ends.
    fn membership(&mut self) -> Result<Constraint, GrammarError> {
        self.space();
        if self.peek() == Some('{') {
            return Ok(Constraint::OneOf(self.set()?));
        }
        if !self.peek().is_some_and(|c| c.is_ascii_digit() || c == '-') {
            return self.wrong("`in` takes a set `{A, B}` or a range `0..500`");
        }
        let min = self.number()?;
        self.space();
        if self.peek() != Some('.') || self.text.get(self.at + 1) != Some(&'.') {
            return self.mend("the two ends of a range are joined by `..`", "..");
        }
        self.at += 2;
        let max = self.number()?;
        Ok(Constraint::Range(Range { min: Some(min), max: Some(max), ..Range::default() }))
    }

    fn set(&mut self) -> Result<Vec<Json>, GrammarError> {
        self.space();
        if self.peek() != Some('{') {
            return self.wrong("a set `{A, B}` is expected");
        }
        self.list('}', |reader| reader.value(1))
    }

    fn value(&mut self, depth: usize) -> Result<Json, GrammarError> {
        self.space();
        if depth > CONSTRAINT_DEPTH_MAX {
            return self.wrong("a value is nested too deep");
        }
        match self.peek() {
            Some('"') => self.string().map(Json::String),
            Some('-' | '0'..='9') => self.number().map(Json::Number),
            Some('[') => self.list(']', |reader| reader.value(depth + 1)).map(Json::Array),
            Some('{') => {
                let members = self.list('}', |reader| reader.member(depth + 1))?;
                Ok(Json::object(members))
            }
            Some('\'') => self.mend("texts stand in double quotes", "\""),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let start = self.at;
                let word = self.word();
                if !is_name(&word) {
                    return error(start, "a text with `..` in it stands in double quotes".to_owned(), None);
                }
                Ok(match word.as_str() {
                    "true" => Json::Bool(true),
                    "false" => Json::Bool(false),
                    "null" => Json::Null,
                    _ => Json::String(word),
                })
            }
            _ => self.wrong("a value is expected; texts other than plain words stand in double quotes"),
        }
    }

    fn member(&mut self, depth: usize) -> Result<(String, Json), GrammarError> {
        self.space();
        if self.peek() != Some('"') {
            return self.wrong("a member's name in double quotes is expected");
        }
        let name = self.string()?;
        self.space();
        if self.peek() != Some(':') {
            return self.wrong("a `:` is expected");
        }
        self.at += 1;
        Ok((name, self.value(depth)?))
    }

    fn list<T>(
        &mut self,
        close: char,
        item: impl Fn(&mut Self) -> Result<T, GrammarError>,
    ) -> Result<Vec<T>, GrammarError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            self.space();
            match self.peek() {
                Some(',') => self.at += 1,
                Some(c) if c == close => {
                    self.at += 1;
                    return Ok(items);
                }
                _ => {
                    return self.mend(
                        "the list does not end here: a `,` or its end is expected",
                        &close.to_string(),
                    );
                }
            }
        }
    }

    /// A text in double quotes, with JSON's escapes.
    fn string(&mut self) -> Result<String, GrammarError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some('\\') => self.at += 2,
                Some('"') => break,
                Some(_) => self.at += 1,
                None => return error(start, "a text does not end".to_owned(), Some("\"")),
            }
        }
        self.at += 1;
        let quoted: String = self.text.get(start..self.at).into_iter().flatten().collect();
        match Json::parse(quoted.as_bytes()) {
            Ok(Json::String(text)) => Ok(text),
            _ => error(start, "this text has an escape that JSON does not have".to_owned(), None),
        }
    }

    fn number(&mut self) -> Result<Number, GrammarError> {
        self.space();
        let start = self.at;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            let after_exponent = text.ends_with(['e', 'E']);
            let fits = match c {
                '0'..='9' | 'e' | 'E' => true,
                '.' => self.text.get(self.at + 1) != Some(&'.'),
                '-' => text.is_empty() || after_exponent,
                '+' => after_exponent,
                _ => false,
            };
            if !fits {
                break;
            }
            text.push(c);
            self.at += 1;
        }
        match Number::parse(&text) {
            Some(number) => Ok(number),
            None => error(start, "a number is expected, such as 500 or 12.50".to_owned(), None),
        }
    }

    fn action(&mut self) -> String {
        self.take_while(|c| c.is_alphanumeric() || matches!(c, ':' | '*' | '-' | '_' | '.'))
    }

    fn word(&mut self) -> String {
        self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    }

    /// Takes this word, if it is what comes next.
    fn take_word(&mut self, word: &str) -> bool {
        let start = self.at;
        self.space();
        if self.word() == word {
            return true;
        }
        self.at = start;
        false
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let taken: String = self.text.iter().skip(self.at).copied().take_while(|c| fits(*c)).collect();
        self.at += taken.chars().count();
        taken
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn wrong<T>(&self, message: &str) -> Result<T, GrammarError> {
        error(self.at, message.to_owned(), None)
    }

    fn mend<T>(&self, message: &str, suggestion: &str) -> Result<T, GrammarError> {
        error(self.at, message.to_owned(), Some(suggestion))
    }

    /// As [`Reader::wrong`], with the one of `words` that the word here may be meant to be.
    fn wrong_word<T>(&mut self, message: &str, words: &[&str]) -> Result<T, GrammarError> {
        let start = self.at;
        let word = self.word();
        error(start, message.to_owned(), suggest::near(&word, words).as_deref())
    }
}

/// The range between one's lower and the other's upper bound, if they are the two ends of one.
fn join(left: &Range, right: &Range) -> Option<Range> {
    let (low, high) = if left.min.is_some() { (left, right) } else { (right, left) };
    (low.min.is_some() && low.max.is_none() && high.max.is_some() && high.min.is_none()).then(|| Range {
        min: low.min.clone(),
        max: high.max.clone(),
        min_exclusive: low.min_exclusive,
        max_exclusive: high.max_exclusive,
    })
}

fn deny(grant: &mut Grant, pattern: ActionPattern, start: usize) {
    if !grant.denies.contains(&pattern) {
        grant.denies.push(pattern);
        grant.columns.denies.push(start + 1);
    }
}

fn pattern_at(text: &str, start: usize) -> Result<ActionPattern, GrammarError> {
    if text.is_empty() {
        return error(start, "an action is expected, such as `read:invoices`".to_owned(), None);
    }
    ActionPattern::parse(text).map_err(|inner| GrammarError { column: start + inner.column, ..inner })
}

fn error<T>(at: usize, message: String, suggestion: Option<&str>) -> Result<T, GrammarError> {
    Err(GrammarError { column: at + 1, message, suggestion: suggestion.map(str::to_owned) })
}
