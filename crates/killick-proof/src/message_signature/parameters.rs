//! Signature parameters (RFC 9421 section 2.3) and the two fields that carry signatures (section 4).

use sfv::{BareItem, Dictionary, FieldType as _, InnerList, List, ListEntry, Parser};

use super::component::Component;
use super::message::Message;
use super::structured::{quoted, refuse_repeats};
use crate::limits::MESSAGE_SIGNATURES_MAX;
use crate::refusal::{Code, Refusal};

/// What a signature says of itself, apart from what it covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `created`, seconds since the epoch.
    pub created: Option<u64>,
    /// `expires`, seconds since the epoch.
    pub expires: Option<u64>,
    /// `nonce`
    pub nonce: Option<String>,
    /// `alg`: a name of the HTTP Signature Algorithms registry.
    pub alg: Option<String>,
    /// `keyid`
    pub keyid: Option<String>,
    /// `tag`
    pub tag: Option<String>,
}

/// The covered components and the metadata of one signature, with the text that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureParameters {
    components: Vec<Component>,
    metadata: Metadata,
    /// Names of parameters that are not known here. They are signed, and mean nothing.
    others: Vec<String>,
    text: String,
}

impl SignatureParameters {
    /// New parameters, serialised in the order `created`, `expires`, `nonce`, `alg`, `keyid`, `tag`. Errs
    /// (`sig.coverage`) if a component is there twice, or a text is not printable ASCII or a time too large to be
    /// written.
    pub fn new(components: &[Component], metadata: &Metadata) -> Result<Self, Refusal> {
        let names: Vec<String> = components.iter().map(Component::to_string).collect();
        let mut text = format!("({})", names.join(" "));
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!(";{name}={value}"));
            }
        };
        let texts = |value: &Option<String>| value.as_deref().map(quoted);
        add("created", metadata.created.map(|secs| secs.to_string()));
        add("expires", metadata.expires.map(|secs| secs.to_string()));
        add("nonce", texts(&metadata.nonce));
        add("alg", texts(&metadata.alg));
        add("keyid", texts(&metadata.keyid));
        add("tag", texts(&metadata.tag));
        Self::parse(&text)
    }

    /// Reads a serialised inner list with parameters, e.g. `("@method");created=1;keyid="k"`: what follows the label in
    /// `Signature-Input`. The order of what is read is kept; the text is its strict serialisation. Errs with
    /// `sig.coverage`, and with `http.ambiguous` if a parameter is there twice.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        refuse_repeats(&format!("a={text}"))?;
        let list: Option<List> = Parser::new(text).parse().ok();
        match list.as_deref() {
            Some([ListEntry::InnerList(inner)]) => Self::of_list(inner),
            _ => refuse("the signature's input is not a list of components"),
        }
    }

    fn of_list(inner: &InnerList) -> Result<Self, Refusal> {
        let components = Component::of_items(&inner.items)?;
        let (mut metadata, mut others) = (Metadata::default(), Vec::new());
        for (name, value) in &inner.params {
            match (name.as_str(), value) {
                ("created", BareItem::Integer(secs)) => metadata.created = Some(seconds(i64::from(*secs))?),
                ("expires", BareItem::Integer(secs)) => metadata.expires = Some(seconds(i64::from(*secs))?),
                ("nonce", BareItem::String(text)) => metadata.nonce = Some(text.as_str().to_owned()),
                ("alg", BareItem::String(text)) => metadata.alg = Some(text.as_str().to_owned()),
                ("keyid", BareItem::String(text)) => metadata.keyid = Some(text.as_str().to_owned()),
                ("tag", BareItem::String(text)) => metadata.tag = Some(text.as_str().to_owned()),
                ("created" | "expires" | "nonce" | "alg" | "keyid" | "tag", _) => {
                    return refuse("a parameter of the signature has the wrong type");
                }
                (other, _) => others.push(other.to_owned()),
            }
        }
        let list: List = vec![ListEntry::InnerList(inner.clone())];
        let text = list.serialize().unwrap_or_default();
        Ok(Self { components, metadata, others, text })
    }

    /// The covered components in their order.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// `created`, `expires`, `nonce`, `alg`, `keyid`, `tag`.
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Names of parameters that are not known here (RFC 9421 section 6.3 lets others be registered). They are part of
    /// what is signed; an application may refuse them.
    pub fn others(&self) -> &[String] {
        &self.others
    }

    /// The strict serialisation: the value of `@signature-params`, the last line of the base.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Every signature of a message, by label, not yet looked into.
#[derive(Clone, Debug)]
pub struct Signatures {
    inputs: Dictionary,
    values: Dictionary,
}

impl Signatures {
    /// Reads `Signature-Input` and `Signature`, from the header section and the trailers (RFC 9421 sections 4.1 and
    /// 4.2). Errs with `pop.missing` if there is none, with `http.ambiguous` if a label or parameter is there twice, with
    /// `sig.coverage` if a field is malformed or a label is in one of them alone, and with `limit.size`.
    pub fn read(message: &Message) -> Result<Self, Refusal> {
        let inputs = dictionary(message, "signature-input")?;
        let values = dictionary(message, "signature")?;
        if inputs.is_empty() && values.is_empty() {
            return Err(Refusal::new(Code::PopMissing, "the message carries no signature"));
        }
        if inputs.len() != values.len() || !inputs.keys().all(|label| values.contains_key(label)) {
            return refuse("a label is in one of `signature-input` and `signature` alone");
        }
        if inputs.len() > MESSAGE_SIGNATURES_MAX {
            let why = format!("the message has more than {MESSAGE_SIGNATURES_MAX} signatures");
            return Err(Refusal::new(Code::LimitSize, why));
        }
        Ok(Self { inputs, values })
    }

    /// The labels, in the order of `Signature-Input`.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.inputs.keys().map(|label| label.as_str())
    }

    /// One signature: its parameters and its bytes. `None` if the label is not there. Errs with `sig.coverage` if what
    /// it covers is not understood and with `sig.invalid` if it is not a byte sequence.
    pub fn get(&self, label: &str) -> Option<Result<(SignatureParameters, Vec<u8>), Refusal>> {
        let (input, value) = (self.inputs.get(label)?, self.values.get(label)?);
        Some(match (input, value) {
            (ListEntry::InnerList(inner), ListEntry::Item(item)) if item.params.is_empty() => {
                match &item.bare_item {
                    BareItem::ByteSequence(bytes) => {
                        SignatureParameters::of_list(inner).map(|parameters| (parameters, bytes.clone()))
                    }
                    _ => Err(Refusal::new(Code::SigInvalid, "the signature is not a byte sequence")),
                }
            }
            (ListEntry::InnerList(_), _) => {
                Err(Refusal::new(Code::SigInvalid, "the signature is not a byte sequence"))
            }
            _ => refuse("the signature's input is not a list of components"),
        })
    }
}

/// All lines of a dictionary field as one dictionary; empty if the field is not there.
fn dictionary(message: &Message, name: &str) -> Result<Dictionary, Refusal> {
    let lines: Vec<&[u8]> = message.headers().values(name).chain(message.trailers().values(name)).collect();
    parse_dictionary(&lines.join(b", ".as_slice()), name)
}

/// A dictionary in which nothing is named twice.
pub(super) fn parse_dictionary(bytes: &[u8], name: &str) -> Result<Dictionary, Refusal> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return refuse(&format!("the field `{name}` is not ASCII"));
    };
    refuse_repeats(text)?;
    Parser::new(text)
        .parse()
        .or_else(|_| refuse(&format!("the field `{name}` is not a dictionary (RFC 9651)")))
}

fn seconds(secs: i64) -> Result<u64, Refusal> {
    u64::try_from(secs).or_else(|_| refuse("a time of the signature is before the epoch"))
}

fn refuse<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::SigCoverage, why))
}
