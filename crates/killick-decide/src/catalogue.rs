//! The action catalogue: every HTTP operation that agents may ask for, mapped to one action with typed arguments. What
//! is not in it is denied. The document and its rules are described in `docs/spec/catalogue.md`.

use std::collections::{BTreeMap, HashMap, HashSet};

use killick_proof::grammar::{ActionPattern, ActionSchemas, ArgumentSchema};
use killick_proof::token::CatalogueRef;
use serde::{Deserialize, Serialize};

use crate::limits::{ARGUMENTS_MAX, NAME_BYTES_MAX, OPERATIONS_MAX, UPSTREAMS_MAX};
use crate::route::{Routes, Segment, parse_template};

/// The document, as it stands in `catalogue.json` and in the signed bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueDocument {
    /// The catalogue's id, e.g. `acme.example/catalogue`.
    pub id: String,
    /// Grows by one with every change.
    pub version: u64,
    /// Where operations are forwarded to, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// The operations.
    pub operations: Vec<Operation>,
    /// Actions that once went to another upstream, or to none, and the version since which they go where they go now:
    /// a token made before that grants something else by the same name. The authority keeps it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moved: BTreeMap<String, u64>,
}

/// A service behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// `http://127.0.0.1:9001`
    pub url: String,
    /// Host names under which agents know it (for the sidecar's HTTP proxy), e.g. `invoices.shop.example`.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// How much harm an operation can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Changes nothing.
    Read,
    /// Changes something.
    Write,
    /// Moves money, deletes, changes who may do what.
    Critical,
}

impl Risk {
    /// `read`, `write`, `critical`
    pub const fn as_str(self) -> &'static str {
        match self {
            Risk::Read => "read",
            Risk::Write => "write",
            Risk::Critical => "critical",
        }
    }
}

/// One HTTP operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// `verb:resource`, e.g. `read:invoices`. Several operations may share an action if they have one upstream and
    /// the same arguments (name, type, required, sensitive); otherwise the catalogue is refused.
    pub action: String,
    /// Name of the upstream.
    pub upstream: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// `/invoices/{id}`; the same at the gateway and at the upstream.
    pub path: String,
    /// Its risk.
    pub risk: Risk,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Vec<Argument>,
}

/// A typed, named argument of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// Its name; unique in the operation.
    pub name: String,
    /// Where it stands in the request.
    pub place: Place,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ArgumentType,
    /// Whether a call must have it.
    #[serde(default)]
    pub required: bool,
    /// Whether its value must have a trusted source (recipient, IBAN, URL, path …).
    #[serde(default)]
    pub sensitive: bool,
}

/// Where an argument stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A `{name}` segment of the path.
    Path,
    /// A query parameter.
    Query,
    /// A member of the JSON object in the body.
    Body,
}

/// An argument's JSON type. Path and query texts are read as the type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArgumentType {
    /// A string.
    String,
    /// A number with no fraction.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An object.
    Object,
    /// An array.
    Array,
}

impl ArgumentType {
    /// Its JSON Schema name: `string`, `integer` …
    pub const fn as_str(self) -> &'static str {
        match self {
            ArgumentType::String => "string",
            ArgumentType::Integer => "integer",
            ArgumentType::Number => "number",
            ArgumentType::Boolean => "boolean",
            ArgumentType::Object => "object",
            ArgumentType::Array => "array",
        }
    }
}

/// A checked catalogue, indexed for matching.
#[derive(Debug)]
pub struct Catalogue {
    document: CatalogueDocument,
    /// Of every operation, in the document's order.
    templates: Vec<Vec<Segment>>,
    routes: Routes,
    /// Index of each action's first operation.
    actions: HashMap<String, usize>,
    /// Host name (and port, where the document gives one) → upstream.
    hosts: HashMap<String, String>,
}

/// Why a catalogue is refused, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("catalogue: {0}")]
pub struct CatalogueError(pub String);

impl Catalogue {
    /// Checks and indexes a document: unique `(method, path)`, no two templates that match one path, unique argument
    /// names, one upstream and one argument list per action, known upstreams, bounds. Errs naming the operation.
    pub fn new(document: CatalogueDocument) -> Result<Self, CatalogueError> {
        if document.id.is_empty()
            || document.id.len() > NAME_BYTES_MAX
            || document.id.chars().any(char::is_control)
        {
            return Err(CatalogueError(format!("its id is not 1 to {NAME_BYTES_MAX} printable bytes")));
        }
        if document.operations.len() > OPERATIONS_MAX {
            return Err(CatalogueError(format!("it has more than {OPERATIONS_MAX} operations")));
        }
        if document.moved.len() > OPERATIONS_MAX {
            return Err(CatalogueError(format!("it remembers more than {OPERATIONS_MAX} moved actions")));
        }
        let hosts = check_upstreams(&document.upstreams)?;
        let mut templates = Vec::with_capacity(document.operations.len());
        let mut routes = Routes::default();
        let mut actions: HashMap<String, usize> = HashMap::new();
        for (index, operation) in document.operations.iter().enumerate() {
            let refuse = |why: String| CatalogueError(format!("operation {}: {why}", operation.name()));
            let template = check_operation(operation, &document.upstreams).map_err(refuse)?;
            routes.insert(&operation.method, &template, index).map_err(|other| {
                let other = document.operations.get(other).map(Operation::name).unwrap_or_default();
                refuse(format!("a path could match both it and {other}"))
            })?;
            templates.push(template);
            let first = *actions.entry(operation.action.clone()).or_insert(index);
            if let Some(first) = document.operations.get(first).filter(|_| first != index) {
                check_same_action(first, operation).map_err(refuse)?;
            }
        }
        Ok(Self { document, templates, routes, actions, hosts })
    }

    /// The document.
    pub const fn document(&self) -> &CatalogueDocument {
        &self.document
    }

    /// Id and version.
    pub fn reference(&self) -> CatalogueRef {
        CatalogueRef { id: self.document.id.clone(), version: self.document.version }
    }

    /// The version since which an action goes to its upstream, if it ever went elsewhere.
    pub fn moved_at(&self, action: &str) -> Option<u64> {
        self.document.moved.get(action).copied()
    }

    /// The operation of an action, for clients that know the action and its arguments only. The first, if several.
    pub fn operation(&self, action: &str) -> Option<&Operation> {
        self.document.operations.get(*self.actions.get(action)?)
    }

    /// The upstream that agents know under this `Host` (RFC 9110 section 7.2): its name and record. Letter case, a
    /// final dot and the default ports 80 and 443 make no difference, unless the catalogue itself gives a port.
    pub fn upstream_of_host(&self, host: &str) -> Option<(&str, &Upstream)> {
        let host = host.to_ascii_lowercase();
        let without_port = || host.strip_suffix(":80").or_else(|| host.strip_suffix(":443")).unwrap_or(&host);
        let name = self.hosts.get(&host).or_else(|| {
            let bare = without_port();
            self.hosts.get(bare.strip_suffix('.').unwrap_or(bare))
        })?;
        self.document.upstreams.get_key_value(name).map(|(name, upstream)| (name.as_str(), upstream))
    }

    /// The operation that matches method and percent-decoded path segments, with its template.
    pub(crate) fn route(&self, method: &str, segments: &[String]) -> Option<(&Operation, &[Segment])> {
        // `/` has no segments, whichever way it was split.
        let segments = match segments {
            [only] if only.is_empty() => &[],
            segments => segments,
        };
        let index = self.routes.find(method, segments)?;
        Some((self.document.operations.get(index)?, self.templates.get(index)?))
    }

    /// The template of an action's first operation.
    pub(crate) fn template_of(&self, action: &str) -> Option<&[Segment]> {
        self.templates.get(*self.actions.get(action)?).map(Vec::as_slice)
    }
}

impl ActionSchemas for Catalogue {
    fn actions(&self) -> Vec<String> {
        let mut actions: Vec<String> = self.actions.keys().cloned().collect();
        actions.sort_unstable();
        actions
    }

    fn arguments(&self, action: &str) -> Option<Vec<ArgumentSchema>> {
        let arguments = &self.operation(action)?.arguments;
        Some(
            arguments.iter().map(|a| ArgumentSchema { name: a.name.clone(), required: a.required }).collect(),
        )
    }
}

impl Operation {
    /// `GET /invoices/{id}`, for people.
    pub fn name(&self) -> String {
        format!("`{} {}`", self.method, self.path)
    }

    /// `payments` of `create:payments`.
    pub fn resource(&self) -> &str {
        self.action.split_once(':').map_or("", |(_, resource)| resource)
    }

    /// `create` of `create:payments`.
    pub fn verb(&self) -> &str {
        self.action.split_once(':').map_or("", |(verb, _)| verb)
    }
}

impl Upstream {
    /// The URL without a final slash: a path is appended to it.
    pub fn base_url(&self) -> &str {
        self.url.strip_suffix('/').unwrap_or(&self.url)
    }
}

fn check_upstreams(
    upstreams: &BTreeMap<String, Upstream>,
) -> Result<HashMap<String, String>, CatalogueError> {
    if upstreams.len() > UPSTREAMS_MAX {
        return Err(CatalogueError(format!("it has more than {UPSTREAMS_MAX} upstreams")));
    }
    let mut hosts = HashMap::new();
    for (name, upstream) in upstreams {
        let refuse = |why: String| CatalogueError(format!("upstream `{name}`: {why}"));
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(refuse("its name is empty, too long or not printable".to_owned()));
        }
        let base = upstream.base_url();
        let authority = base.strip_prefix("http://").or_else(|| base.strip_prefix("https://"));
        // Paths are the same at the gateway and at the upstream, so the URL has none; credentials belong in the vault.
        if !authority.is_some_and(is_host) {
            return Err(refuse(format!(
                "`{}` is not `http://host[:port]` or `https://host[:port]`",
                upstream.url
            )));
        }
        for host in &upstream.hosts {
            let folded = host.to_ascii_lowercase();
            if !is_host(host) {
                return Err(refuse(format!("`{host}` is not a host name")));
            }
            if hosts.insert(folded, name.clone()).is_some() {
                return Err(refuse(format!("the host `{host}` is given twice")));
            }
        }
    }
    Ok(hosts)
}

/// Whether it is a host name, an IPv4 address or a bracketed IPv6 address, with a port or without.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_ok = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.len() <= NAME_BYTES_MAX
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        }
    };
    host_ok
        && port
            .is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

fn check_operation(
    operation: &Operation,
    upstreams: &BTreeMap<String, Upstream>,
) -> Result<Vec<Segment>, String> {
    if !is_action(&operation.action) {
        return Err(format!("`{}` is not an action of the form `verb:resource`", operation.action));
    }
    if !upstreams.contains_key(&operation.upstream) {
        return Err(format!("there is no upstream `{}`", operation.upstream));
    }
    // Closed list: CONNECT and TRACE are no operations (RFC 9110 sections 9.3.6 and 9.3.8).
    if !matches!(operation.method.as_str(), "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS")
    {
        return Err("its method is none of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".to_owned());
    }
    let template = parse_template(&operation.path).map_err(|why| format!("its path {why}"))?;
    if operation.arguments.len() > ARGUMENTS_MAX {
        return Err(format!("it has more than {ARGUMENTS_MAX} arguments"));
    }
    let mut parameters = HashSet::new();
    for segment in &template {
        if let Segment::Parameter(name) = segment
            && !parameters.insert(name.as_str())
        {
            return Err(format!("its path names `{{{name}}}` twice"));
        }
    }
    let mut names = HashSet::new();
    for argument in &operation.arguments {
        if !names.insert(argument.name.as_str()) {
            return Err(format!("the argument `{}` is given twice", argument.name));
        }
        check_argument(argument, operation)
            .map_err(|why| format!("the argument `{}` {why}", argument.name))?;
        if argument.place == Place::Path && !parameters.remove(argument.name.as_str()) {
            return Err(format!("the argument `{}` is not in the path", argument.name));
        }
    }
    if let Some(name) = parameters.iter().min() {
        return Err(format!("the path's `{{{name}}}` is not among the arguments"));
    }
    Ok(template)
}

fn check_argument(argument: &Argument, operation: &Operation) -> Result<(), String> {
    let name = argument.name.as_bytes();
    let letters_ok =
        name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if name.len() > NAME_BYTES_MAX
        || !letters_ok
        || !name.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
    {
        return Err("is not a name (a letter or `_`, then letters, digits, `_`, `-`, `.`)".to_owned());
    }
    let structured = matches!(argument.kind, ArgumentType::Object | ArgumentType::Array);
    match argument.place {
        Place::Path if !argument.required => Err("stands in the path and so is required".to_owned()),
        Place::Path | Place::Query if structured => {
            Err(format!("is of type {}, which has no one text form", argument.kind.as_str()))
        }
        // RFC 9110 sections 9.3.1, 9.3.2, 9.3.5 and 9.3.7: content has no defined meaning there.
        Place::Body if !matches!(operation.method.as_str(), "POST" | "PUT" | "PATCH") => {
            Err(format!("stands in the body, which {} has not", operation.method))
        }
        _ => Ok(()),
    }
}

/// `verb:resource` of lower-case letters, digits, `-`, `_`, `.`; the verb begins with a letter; the resource is not
/// `none`, which people write for a deny.
fn is_action(text: &str) -> bool {
    let word = |word: &str| {
        word.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'))
    };
    let parts = text.split_once(':');
    text.len() <= NAME_BYTES_MAX
        && parts.is_some_and(|(verb, resource)| word(verb) && word(resource) && resource != "none")
        && ActionPattern::parse(text).is_ok_and(|pattern| pattern.matches(text))
}

fn check_same_action(first: &Operation, operation: &Operation) -> Result<(), String> {
    let (action, other) = (&operation.action, first.name());
    if first.upstream != operation.upstream {
        return Err(format!("it shares the action `{action}` with {other}, which has another upstream"));
    }
    let signature = |operation: &Operation| {
        let arguments = operation.arguments.iter();
        arguments
            .map(|a| (a.name.clone(), (a.kind.as_str(), a.required, a.sensitive)))
            .collect::<BTreeMap<_, _>>()
    };
    if signature(first) != signature(operation) {
        return Err(format!("it shares the action `{action}` with {other}, which has other arguments"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn operation(action: &str, method: &str, path: &str, arguments: Value) -> Value {
        json!({
            "action": action, "upstream": "shop", "method": method, "path": path, "risk": "read", "arguments": arguments
        })
    }

    fn catalogue(operations: &[Value]) -> Result<Catalogue, CatalogueError> {
        let document = json!({
            "id": "acme.example/catalogue", "version": 1, "operations": operations,
            "upstreams": {
                "shop": { "url": "http://127.0.0.1:9001/", "hosts": ["Shop.example", "odd.example:8080"] },
                "other": { "url": "https://other.example" },
            },
        });
        Catalogue::new(serde_json::from_value(document).unwrap())
    }

    fn path_id() -> Value {
        json!([{ "name": "id", "place": "path", "type": "string", "required": true }])
    }

    #[test]
    fn takes_a_catalogue_and_knows_its_actions() {
        let id_in_query = json!([{ "name": "id", "place": "query", "type": "string", "required": true }]);
        let catalogue = catalogue(&[
            operation("read:invoices", "GET", "/invoices/{id}", path_id()),
            operation("read:invoices", "GET", "/invoice-by-id", id_in_query),
            operation("list:invoices", "GET", "/invoices", json!([])),
        ])
        .unwrap();
        assert_eq!(catalogue.actions(), ["list:invoices", "read:invoices"]);
        let schema = ArgumentSchema { name: "id".to_owned(), required: true };
        assert_eq!(catalogue.arguments("read:invoices"), Some(vec![schema]));
        assert_eq!(catalogue.arguments("delete:invoices"), None);
        assert_eq!(catalogue.operation("read:invoices").unwrap().path, "/invoices/{id}");
        assert_eq!(
            catalogue.reference(),
            CatalogueRef { id: "acme.example/catalogue".to_owned(), version: 1 }
        );
        assert_eq!(catalogue.document().upstreams["shop"].base_url(), "http://127.0.0.1:9001");
    }

    #[test]
    fn finds_upstreams_by_host() {
        let catalogue = catalogue(&[]).unwrap();
        for host in ["shop.example", "SHOP.example", "shop.example.", "shop.example:80", "shop.example:443"] {
            assert_eq!(catalogue.upstream_of_host(host).unwrap().0, "shop", "{host}");
        }
        assert_eq!(catalogue.upstream_of_host("odd.example:8080").unwrap().0, "shop");
        for host in ["", "example", "odd.example", "shop.example:81", "other.example", "evil-shop.example"] {
            assert!(catalogue.upstream_of_host(host).is_none(), "{host}");
        }
    }

    #[test]
    fn refuses_what_could_be_read_two_ways() {
        let argument = |members: Value| {
            let mut argument = json!({ "name": "a", "place": "query", "type": "string" });
            argument.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            json!([argument])
        };
        let get = |path: &str, arguments: Value| operation("read:x", "GET", path, arguments);
        let mut unknown_upstream = get("/x", json!([]));
        unknown_upstream["upstream"] = "nowhere".into();
        let mut other_upstream = get("/y", json!([]));
        other_upstream["upstream"] = "other".into();
        let cases: Vec<(&str, Vec<Value>)> = vec![
            ("has the segment", vec![get("/a//b", json!([]))]),
            ("could match both", vec![get("/x", json!([])), get("/x", json!([]))]),
            (
                "could match both",
                vec![
                    operation("read:x", "GET", "/x/{id}", path_id()),
                    operation("read:y", "GET", "/x/new", json!([])),
                ],
            ),
            ("no upstream", vec![unknown_upstream]),
            ("another upstream", vec![get("/x", json!([])), other_upstream]),
            ("other arguments", vec![get("/x", json!([])), get("/y", argument(json!({})))]),
            (
                "other arguments",
                vec![get("/x", argument(json!({}))), get("/y", argument(json!({ "sensitive": true })))],
            ),
            ("not among the arguments", vec![get("/x/{id}", json!([]))]),
            ("is not in the path", vec![get("/x", path_id())]),
            ("twice", vec![get("/x/{id}/{id}", path_id())]),
            ("given twice", vec![get("/x", json!([argument(json!({}))[0], argument(json!({}))[0]]))]),
            ("is required", vec![get("/x/{a}", argument(json!({ "place": "path" })))]),
            ("no one text form", vec![get("/x", argument(json!({ "type": "array" })))]),
            ("which GET has not", vec![get("/x", argument(json!({ "place": "body" })))]),
            ("is not a name", vec![get("/x", argument(json!({ "name": "a b" })))]),
            ("is not a name", vec![get("/x", argument(json!({ "name": "" })))]),
            ("its method", vec![operation("read:x", "get", "/x", json!([]))]),
            ("its method", vec![operation("read:x", "TRACE", "/x", json!([]))]),
            ("not an action", vec![operation("read", "GET", "/x", json!([]))]),
            ("not an action", vec![operation("read:*", "GET", "/x", json!([]))]),
            ("not an action", vec![operation("execute:none", "GET", "/x", json!([]))]),
            ("not an action", vec![operation("Read:x", "GET", "/x", json!([]))]),
        ];
        for (expected, operations) in cases {
            let error = catalogue(&operations).unwrap_err().to_string();
            assert!(error.contains(expected), "`{expected}` in `{error}`");
        }
    }

    #[test]
    fn refuses_upstreams_that_are_not_plain() {
        for url in [
            "",
            "127.0.0.1:1",
            "ftp://a",
            "http://",
            "http://a/b",
            "http://u:p@a",
            "http://a?x",
            "http://a:99999",
        ] {
            let document =
                json!({ "id": "c", "version": 1, "operations": [], "upstreams": { "u": { "url": url } } });
            assert!(Catalogue::new(serde_json::from_value(document).unwrap()).is_err(), "{url}");
        }
        for url in ["http://[::1]:9001", "https://a.example", "http://127.0.0.1:9001"] {
            let document =
                json!({ "id": "c", "version": 1, "operations": [], "upstreams": { "u": { "url": url } } });
            assert!(Catalogue::new(serde_json::from_value(document).unwrap()).is_ok(), "{url}");
        }
        let twice = json!({ "id": "c", "version": 1, "operations": [], "upstreams": {
            "u": { "url": "http://a", "hosts": ["h.example"] }, "v": { "url": "http://b", "hosts": ["H.example"] } } });
        assert!(Catalogue::new(serde_json::from_value(twice).unwrap()).is_err());
    }

    #[test]
    fn unknown_members_refuse_the_document() {
        let document = json!({ "id": "c", "version": 1, "operations": [], "upstreams": {}, "extra": 1 });
        assert!(serde_json::from_value::<CatalogueDocument>(document).is_err());
    }
}
