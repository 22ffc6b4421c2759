//! The action catalogue: every HTTP operation that agents may ask for, mapped to one action with typed arguments. What
//! is not in it is denied.

use std::collections::BTreeMap;

use killick_proof::call::ParsedCall;
use killick_proof::grammar::{ActionSchemas, ArgumentSchema};
use killick_proof::json::Json;
use killick_proof::token::CatalogueRef;
use killick_proof::Refusal;
use serde::{Deserialize, Serialize};

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

/// One HTTP operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// `verb:resource`, e.g. `read:invoices`. Several operations may share an action if they have one upstream and
    /// the same arguments; otherwise the catalogue is refused.
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

/// A checked catalogue, indexed for matching.
#[derive(Debug)]
pub struct Catalogue {
    document: CatalogueDocument,
}

/// Why a catalogue is refused, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("catalogue: {0}")]
pub struct CatalogueError(pub String);

/// An operation that a call matched, with its arguments as the token's constraints see them: optional ones that the
/// call omits are `null`.
#[derive(Clone, Debug)]
pub struct Matched<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// The arguments.
    pub arguments: BTreeMap<String, Json>,
}

impl Catalogue {
    /// Checks and indexes a document: unique `(method, path)`, no two templates that match one path, unique argument
    /// names, one upstream and one argument list per action, known upstreams, bounds.
    pub fn new(document: CatalogueDocument) -> Result<Self, CatalogueError> {
        let _ = document;
        todo!()
    }

    /// The document.
    pub const fn document(&self) -> &CatalogueDocument {
        &self.document
    }

    /// Id and version.
    pub fn reference(&self) -> CatalogueRef {
        CatalogueRef { id: self.document.id.clone(), version: self.document.version }
    }

    /// Finds the call's operation and reads its arguments. Errs with `tool.unknown`, `arg.missing`, `arg.type`,
    /// `arg.unlisted`, `http.content_type`.
    pub fn match_call(&self, call: &ParsedCall) -> Result<Matched<'_>, Refusal> {
        let _ = call;
        todo!()
    }

    /// The operation of an action, for clients that know the action and its arguments only. The first, if several.
    pub fn operation(&self, action: &str) -> Option<&Operation> {
        self.document.operations.iter().find(|operation| operation.action == action)
    }
}

impl ActionSchemas for Catalogue {
    fn actions(&self) -> Vec<String> {
        todo!()
    }

    fn arguments(&self, action: &str) -> Option<Vec<ArgumentSchema>> {
        let _ = action;
        todo!()
    }
}
