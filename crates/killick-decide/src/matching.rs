//! From a call to its operation and arguments, and to the request that is forwarded: whatever the catalogue does not
//! list is refused, and what is forwarded is built from what was read.

use std::collections::BTreeMap;

use killick_proof::call::{ParsedBody, ParsedCall};
use killick_proof::json::Json;
use killick_proof::{Code, Refusal};

use crate::argument::{has_type, percent_encode, quote, read_text};
use crate::catalogue::{Argument, Catalogue, Operation, Place};
use crate::route::Segment;

/// An operation that a call matched, its arguments, and the request to forward, rebuilt from them.
#[derive(Clone, Debug)]
pub struct Matched<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// The arguments as the token's constraints see them: optional ones that the call omits are `null`.
    pub arguments: BTreeMap<String, Json>,
    /// The path: the template's literals as the catalogue writes them, arguments percent-encoded.
    pub path: String,
    /// The query with its `?`, in the catalogue's order, or empty.
    pub query: String,
    /// The body: JSON with exact numbers, or empty.
    pub body: Vec<u8>,
    /// `application/json` where there is a body.
    pub content_type: Option<&'static str>,
}

/// The operation that a call's method and path name; its arguments are not read yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) operation: &'a Operation,
    template: &'a [Segment],
}

/// The parts of a call that the catalogue speaks of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) method: &'a str,
    pub(crate) segments: &'a [String],
    pub(crate) query: &'a [(String, String)],
    pub(crate) body: &'a ParsedBody,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(call: &'a ParsedCall) -> Self {
        Self { method: call.method(), segments: call.segments(), query: call.query(), body: call.body() }
    }
}

impl Catalogue {
    /// Finds the call's operation and reads its arguments. Errs with `tool.unknown`, `arg.missing`, `arg.type`,
    /// `arg.unlisted`, `path.noncanonical`.
    pub fn match_call(&self, call: &ParsedCall) -> Result<Matched<'_>, Refusal> {
        let parts = Parts::of(call);
        self.find(&parts)?.read(&parts)
    }

    /// Finds the operation alone. Errs with `tool.unknown`.
    pub(crate) fn find(&self, parts: &Parts<'_>) -> Result<Found<'_>, Refusal> {
        let (operation, template) = self.route(parts.method, parts.segments).ok_or_else(|| {
            Refusal::new(Code::ToolUnknown, "no operation of the catalogue has this method and path")
        })?;
        Ok(Found { operation, template })
    }
}

impl<'a> Found<'a> {
    /// Reads the arguments and rebuilds the request.
    pub(crate) fn read(self, parts: &Parts<'_>) -> Result<Matched<'a>, Refusal> {
        let operation = self.operation;
        let mut arguments = BTreeMap::new();
        let path = self.read_path(parts.segments, &mut arguments)?;
        self.refuse_unlisted(parts)?;
        let mut query = String::new();
        let mut body = BTreeMap::new();
        for argument in &operation.arguments {
            let value = match argument.place {
                Place::Path => continue,
                Place::Query => read_query(argument, parts.query, &mut query)?,
                Place::Body => read_member(argument, parts.body, &mut body)?,
            };
            if value == Json::Null && argument.required {
                return Err(Refusal::new(
                    Code::ArgMissing,
                    format!("the argument {} is required", quote(&argument.name)),
                ));
            }
            arguments.insert(argument.name.clone(), value);
        }
        let (body, content_type) = match parts.body {
            ParsedBody::Empty => (Vec::new(), None),
            ParsedBody::Json(_) => (Json::Object(body).to_bytes(), Some("application/json")),
        };
        Ok(Matched { operation, arguments, path, query, body, content_type })
    }

    fn read_path(
        self,
        segments: &[String],
        arguments: &mut BTreeMap<String, Json>,
    ) -> Result<String, Refusal> {
        let mut path = String::new();
        for (segment, text) in self.template.iter().zip(segments) {
            path.push('/');
            match segment {
                Segment::Literal(literal) => path.push_str(literal),
                Segment::Parameter(name) => {
                    // Dot segments would be resolved by the upstream (RFC 3986 section 5.2.4); separators and control
                    // characters are decoded once more by too many.
                    if text == "."
                        || text == ".."
                        || text.contains(['/', '\\'])
                        || text.chars().any(char::is_control)
                    {
                        let detail = format!("the path's {} is no plain segment", quote(name));
                        return Err(Refusal::new(Code::PathNoncanonical, detail));
                    }
                    let argument =
                        self.operation.arguments.iter().find(|a| a.place == Place::Path && a.name == *name);
                    let value = argument.and_then(|argument| read_text(argument.kind, text));
                    arguments.insert(name.clone(), value.ok_or_else(|| wrong_type(name, argument))?);
                    percent_encode(text, &mut path);
                }
            }
        }
        if path.is_empty() {
            path.push('/');
        }
        Ok(path)
    }

    /// Whatever the catalogue does not list is refused, also where it would be harmless: it would not be forwarded,
    /// and the caller should know.
    fn refuse_unlisted(self, parts: &Parts<'_>) -> Result<(), Refusal> {
        let listed = |name: &str, place: Place| {
            self.operation.arguments.iter().any(|a| a.place == place && a.name == name)
        };
        let refuse = |what: String| {
            Err(Refusal::new(
                Code::ArgUnlisted,
                format!("{what} is not an argument of {}", quote(&self.operation.action)),
            ))
        };
        if let Some((name, _)) = parts.query.iter().find(|(name, _)| !listed(name, Place::Query)) {
            return refuse(format!("{} in the query", quote(name)));
        }
        match parts.body {
            ParsedBody::Empty => Ok(()),
            ParsedBody::Json(_) if !self.operation.arguments.iter().any(|a| a.place == Place::Body) => {
                refuse("a body".to_owned())
            }
            ParsedBody::Json(Json::Object(members)) => {
                match members.keys().find(|name| !listed(name, Place::Body)) {
                    Some(name) => refuse(format!("{} in the body", quote(name))),
                    None => Ok(()),
                }
            }
            ParsedBody::Json(_) => Err(Refusal::new(Code::ArgType, "the body is not a JSON object")),
        }
    }
}

fn read_query(argument: &Argument, query: &[(String, String)], out: &mut String) -> Result<Json, Refusal> {
    // INVARIANT: names are unique in a parsed call, so the first is the only one.
    let Some((name, text)) = query.iter().find(|(name, _)| *name == argument.name) else {
        return Ok(Json::Null);
    };
    let value = read_text(argument.kind, text).ok_or_else(|| wrong_type(name, Some(argument)))?;
    out.push(if out.is_empty() { '?' } else { '&' });
    percent_encode(name, out);
    out.push('=');
    percent_encode(text, out);
    Ok(value)
}

fn read_member(
    argument: &Argument,
    body: &ParsedBody,
    out: &mut BTreeMap<String, Json>,
) -> Result<Json, Refusal> {
    let value = match body {
        ParsedBody::Json(body) => body.get(&argument.name),
        ParsedBody::Empty => None,
    };
    let Some(value) = value else { return Ok(Json::Null) };
    // An explicit `null` is of no type: `null` means absent to the constraints, and must not mean two things.
    if !has_type(argument.kind, value) {
        return Err(wrong_type(&argument.name, Some(argument)));
    }
    out.insert(argument.name.clone(), value.clone());
    Ok(value.clone())
}

fn wrong_type(name: &str, argument: Option<&Argument>) -> Refusal {
    let kind = argument.map_or("listed", |argument| argument.kind.as_str());
    Refusal::new(
        Code::ArgType,
        format!("the argument {} is not of type {kind}, or not in its one form", quote(name)),
    )
}

#[cfg(test)]
mod tests {
    use killick_proof::json::Number;
    use proptest::prelude::*;

    use super::*;
    use crate::catalogue::ArgumentType;

    fn catalogue() -> Catalogue {
        let text = include_str!("../../../vectors/decision/catalogue.json");
        Catalogue::new(serde_json::from_str(text).unwrap()).unwrap()
    }

    fn segments(path: &str) -> Vec<String> {
        path.split('/').skip(1).map(str::to_owned).collect()
    }

    fn read<'a>(
        catalogue: &'a Catalogue,
        method: &str,
        segments: &[String],
        query: &[(String, String)],
        body: &ParsedBody,
    ) -> Result<Matched<'a>, Refusal> {
        let parts = Parts { method, segments, query, body };
        catalogue.find(&parts)?.read(&parts)
    }

    /// Percent-decodes, as an upstream does.
    fn decode(text: &str) -> String {
        let mut bytes = text.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            let mut hex = || char::from(bytes.next().unwrap()).to_digit(16).unwrap() as u8;
            out.push(if byte == b'%' { hex() * 16 + hex() } else { byte });
        }
        String::from_utf8(out).unwrap()
    }

    fn pairs(query: &str) -> Vec<(String, String)> {
        let split = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap();
            (decode(name), decode(value))
        };
        query.strip_prefix('?').map(|query| query.split('&').map(split).collect()).unwrap_or_default()
    }

    /// Reads the forwarded request as an upstream would, and again by the catalogue.
    fn read_forwarded<'a>(catalogue: &'a Catalogue, matched: &Matched<'_>) -> Matched<'a> {
        let segments: Vec<String> = matched.path.split('/').skip(1).map(decode).collect();
        let body = match matched.body.as_slice() {
            [] => ParsedBody::Empty,
            bytes => ParsedBody::Json(Json::parse(bytes).unwrap()),
        };
        read(catalogue, &matched.operation.method, &segments, &pairs(&matched.query), &body).unwrap()
    }

    #[test]
    fn dot_segments_and_separators_are_refused_in_path_arguments() {
        let catalogue = catalogue();
        for bad in [".", "..", "a/b", "a\\b", "/", "\u{0}", "a\nb"] {
            let segments = ["invoices".to_owned(), bad.to_owned()];
            let refusal = read(&catalogue, "GET", &segments, &[], &ParsedBody::Empty).unwrap_err();
            assert_eq!(refusal.code(), Code::PathNoncanonical, "{bad:?}");
        }
        for good in ["...", "a..b", "INV%2e", " "] {
            let segments = ["invoices".to_owned(), good.to_owned()];
            assert!(read(&catalogue, "GET", &segments, &[], &ParsedBody::Empty).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn omitted_arguments_are_null_to_the_constraints_and_absent_to_the_upstream() {
        let catalogue = catalogue();
        let query = [("limit".to_owned(), "5".to_owned())];
        let matched = read(&catalogue, "GET", &segments("/invoices"), &query, &ParsedBody::Empty).unwrap();
        assert_eq!(matched.arguments["status"], Json::Null);
        assert_eq!(matched.arguments["limit"], Json::Number(Number::from_i64(5)));
        assert_eq!(matched.query, "?limit=5");
        assert_eq!(matched.arguments.len(), 4);
    }

    #[test]
    fn the_root_has_no_segments() {
        let document = serde_json::json!({ "id": "c", "version": 1, "upstreams": { "u": { "url": "http://a" } },
            "operations": [{ "action": "read:root", "upstream": "u", "method": "GET", "path": "/", "risk": "read" }] });
        let catalogue = Catalogue::new(serde_json::from_value(document).unwrap()).unwrap();
        for segments in [vec![], vec![String::new()]] {
            assert_eq!(read(&catalogue, "GET", &segments, &[], &ParsedBody::Empty).unwrap().path, "/");
        }
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            any::<i64>().prop_map(|n| Json::Number(Number::from_i64(n))),
            "-?[1-9][0-9]{0,18}\\.[0-9]{1,6}".prop_map(|text| Json::Number(Number::parse(&text).unwrap())),
            ".{0,12}".prop_map(Json::String),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
                prop::collection::btree_map(".{0,6}", inner, 0..4).prop_map(Json::Object),
            ]
        })
    }

    /// Names that are listed somewhere, near ones, and any.
    fn name() -> impl Strategy<Value = String> {
        let listed =
            ["iban", "amount", "currency", "copies", "urgent", "tags", "meta", "status", "limit", "open"];
        prop_oneof![
            4 => prop::sample::select(listed.to_vec()).prop_map(str::to_owned),
            1 => prop::sample::select(vec!["Iban", "iban ", "__proto__", "amount[]", "", "id", "sku"]).prop_map(str::to_owned),
            1 => ".{0,8}",
        ]
    }

    fn body() -> impl Strategy<Value = ParsedBody> {
        let likely = (
            ".{0,20}".prop_map(Json::String),
            any::<i64>().prop_map(|n| Json::Number(Number::from_i64(n))),
            prop::collection::btree_map(name(), json(), 0..3),
        );
        prop_oneof![
            1 => Just(ParsedBody::Empty),
            1 => json().prop_map(ParsedBody::Json),
            4 => likely.prop_map(|(iban, amount, more)| {
                let mut members = BTreeMap::from([("iban".to_owned(), iban), ("amount".to_owned(), amount)]);
                members.insert("currency".to_owned(), Json::from("EUR"));
                members.extend(more);
                ParsedBody::Json(Json::Object(members))
            }),
        ]
    }

    fn query() -> impl Strategy<Value = Vec<(String, String)>> {
        let value = prop_oneof!["[a-z0-9]{0,4}", ".{0,8}", Just("true".to_owned())];
        prop::collection::btree_map(name(), value, 0..3).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// The heart of the forwarding rule: whatever arrives, what is forwarded holds only what the catalogue lists,
        /// and reads back as exactly the arguments that were decided on.
        #[test]
        fn nothing_unlisted_is_ever_forwarded(
            route in prop::sample::select(vec![
                ("GET", "/invoices"), ("GET", "/invoices/x"), ("POST", "/payments"), ("POST", "/transfers"),
                ("GET", "/products/17"), ("PATCH", "/products/17/notes"), ("DELETE", "/invoices/x"),
            ]),
            segment in prop_oneof![Just(None), ".{0,12}".prop_map(Some)],
            query in query(),
            body in body(),
        ) {
            let catalogue = catalogue();
            let (method, path) = route;
            let mut segments = segments(path);
            if let (Some(text), Some(last)) = (segment, segments.get_mut(1)) {
                *last = text;
            }
            if let Ok(matched) = read(&catalogue, method, &segments, &query, &body) {
                let listed = |place: Place| -> Vec<&str> {
                    let arguments = matched.operation.arguments.iter().filter(|argument| argument.place == place);
                    arguments.map(|argument| argument.name.as_str()).collect()
                };
                for (name, _) in pairs(&matched.query) {
                    prop_assert!(listed(Place::Query).contains(&name.as_str()), "{name}");
                }
                if let Ok(Json::Object(members)) = Json::parse(&matched.body) {
                    for name in members.keys() {
                        prop_assert!(listed(Place::Body).contains(&name.as_str()), "{name}");
                    }
                } else {
                    prop_assert!(matched.body.is_empty());
                }
                prop_assert!(matched.path.bytes().all(|byte| byte.is_ascii_graphic()));
                let again = read_forwarded(&catalogue, &matched);
                prop_assert_eq!(&again.arguments, &matched.arguments);
                prop_assert_eq!((again.path, again.query, again.body), (matched.path, matched.query, matched.body));
            }
        }

        /// What a client builds from an action and arguments is read back as exactly those.
        #[test]
        fn a_built_request_reads_back(
            id in "[^/\\\\\\pC]{1,12}", status in prop::option::of(".{0,12}"), limit in any::<i64>(),
            iban in ".{0,12}", more in json(),
        ) {
            prop_assume!(id != "." && id != "..");
            let catalogue = catalogue();
            let integer = Json::Number(Number::from_i64(limit));
            for (action, arguments) in [
                ("read:invoices", vec![("id", Json::String(id))]),
                ("list:invoices", vec![("status", status.map_or(Json::Null, Json::String)), ("limit", integer.clone())]),
                ("create:payments", vec![
                    ("iban", Json::String(iban)), ("amount", integer), ("currency", Json::from("EUR")),
                    ("tags", Json::Array(vec![more])),
                ]),
            ] {
                let arguments: BTreeMap<String, Json> =
                    arguments.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                let request = catalogue.request_for(action, &arguments).unwrap();
                let (path, query) = match request.target.split_once('?') {
                    Some((path, query)) => (path, format!("?{query}")),
                    None => (request.target.as_str(), String::new()),
                };
                let segments: Vec<String> = path.split('/').skip(1).map(decode).collect();
                let body = match request.body.as_slice() {
                    [] => ParsedBody::Empty,
                    bytes => ParsedBody::Json(Json::parse(bytes).unwrap()),
                };
                let matched = read(&catalogue, &request.method, &segments, &pairs(&query), &body).unwrap();
                prop_assert_eq!(&matched.operation.action, action);
                for argument in &matched.operation.arguments {
                    let expected = arguments.get(&argument.name).unwrap_or(&Json::Null);
                    prop_assert_eq!(&matched.arguments[&argument.name], expected);
                }
            }
        }
    }

    #[test]
    fn clients_are_told_what_is_wrong() {
        let catalogue = catalogue();
        let error = |action: &str, arguments: &[(&str, Json)]| {
            let arguments =
                arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            catalogue.request_for(action, &arguments).unwrap_err().to_string()
        };
        assert!(error("raed:invoices", &[]).contains("did you mean `read:invoices`?"));
        assert!(error("read:invoices", &[]).contains("needs the argument `id` (string)"));
        assert!(
            error("read:invoices", &[("id", Json::from("a")), ("x", Json::Null)]).contains("no argument `x`")
        );
        for id in ["", ".", "..", "a/b"] {
            assert!(error("read:invoices", &[("id", Json::from(id))]).contains("in a path"), "{id}");
        }
        assert!(error("read:products", &[("sku", Json::from("17"))]).contains("type integer"));
        assert!(error("list:invoices", &[("open", Json::from("true"))]).contains("type boolean"));

        let integer = Json::Number(Number::from_i64(17));
        assert_eq!(catalogue.read_argument("read:products", "sku", "17"), Ok(integer));
        assert_eq!(catalogue.read_argument("read:invoices", "id", "17"), Ok(Json::from("17")));
        let tags = Json::Array(vec![Json::from("a")]);
        assert_eq!(catalogue.read_argument("create:payments", "tags", r#"["a"]"#), Ok(tags));
        for (name, text) in
            [("amount", "1e3"), ("tags", "{}"), ("tags", "a"), ("meta", "[]"), ("urgent", "yes"), ("x", "1")]
        {
            assert!(catalogue.read_argument("create:payments", name, text).is_err(), "{name}={text}");
        }
        assert_eq!(catalogue.operation("create:payments").unwrap().arguments[1].kind, ArgumentType::Number);
    }
}
