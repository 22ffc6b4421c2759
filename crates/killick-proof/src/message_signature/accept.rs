//! `Accept-Signature` (RFC 9421 section 5): what another party would like to have signed.

use sfv::{BareItem, ListEntry};

use super::component::{Component, Parameter};
use super::message::Message;
use super::parameters::{Metadata, SignatureParameters, parse_dictionary};
use crate::refusal::{Code, Refusal};

/// One signature that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedSignature {
    /// The label under which it shall come.
    pub label: String,
    /// Exactly what it shall cover.
    pub components: Vec<Component>,
    /// Whether it shall say when it was made.
    pub created: bool,
    /// Whether it shall say when it ends.
    pub expires: bool,
    /// The nonce to sign.
    pub nonce: Option<String>,
    /// The algorithm to use.
    pub alg: Option<String>,
    /// The key to use.
    pub keyid: Option<String>,
    /// The tag to sign.
    pub tag: Option<String>,
}

impl RequestedSignature {
    /// Reads the `Accept-Signature` field of a message, all lines. Empty if there is none. Errs with `sig.coverage` for
    /// what is malformed or not known here, and with `http.ambiguous` if something is named twice.
    pub fn read(message: &Message) -> Result<Vec<Self>, Refusal> {
        let lines: Vec<&[u8]> = message.headers().values("accept-signature").collect();
        let wanted = parse_dictionary(&lines.join(b", ".as_slice()), "accept-signature")?;
        wanted.iter().map(|(label, entry)| Self::of_entry(label.as_str(), entry)).collect()
    }

    fn of_entry(label: &str, entry: &ListEntry) -> Result<Self, Refusal> {
        let ListEntry::InnerList(inner) = entry else {
            return refuse("a requested signature is not a list of components");
        };
        let mut wanted = Self {
            label: label.to_owned(),
            components: Component::of_items(&inner.items)?,
            created: false,
            expires: false,
            nonce: None,
            alg: None,
            keyid: None,
            tag: None,
        };
        for (name, value) in &inner.params {
            match (name.as_str(), value) {
                // Section 5.1: these two have no value when they are asked for.
                ("created", BareItem::Boolean(true)) => wanted.created = true,
                ("expires", BareItem::Boolean(true)) => wanted.expires = true,
                ("nonce", BareItem::String(text)) => wanted.nonce = Some(text.as_str().to_owned()),
                ("alg", BareItem::String(text)) => wanted.alg = Some(text.as_str().to_owned()),
                ("keyid", BareItem::String(text)) => wanted.keyid = Some(text.as_str().to_owned()),
                ("tag", BareItem::String(text)) => wanted.tag = Some(text.as_str().to_owned()),
                // Section 5.2: what cannot be fulfilled fails.
                _ => return refuse("a requested signature has a parameter that cannot be fulfilled here"),
            }
        }
        Ok(wanted)
    }

    /// Whether every component can be in a message of this kind (section 5.2, step 2.3): `@status` and `req` only in
    /// responses, what is derived from a request only with `req` there.
    pub fn applies_to(&self, message: &Message) -> bool {
        let in_response = matches!(message, Message::Response(_));
        self.components.iter().all(|component| {
            match (component.of_request(), component.has(&Parameter::Req)) {
                (_, true) => in_response,
                (Some(of_request), false) => of_request != in_response,
                (None, false) => true,
            }
        })
    }

    /// The parameters of a signature that fulfils the request. `created` and `expires` are times in seconds, used if they
    /// are asked for. Errs with `sig.coverage` if the key that is asked for is not `keyid`.
    pub fn parameters(
        &self,
        created: u64,
        expires: u64,
        keyid: &str,
    ) -> Result<SignatureParameters, Refusal> {
        if self.keyid.as_deref().is_some_and(|wanted| wanted != keyid) {
            return refuse("the requested signature is one of another key");
        }
        let metadata = Metadata {
            created: self.created.then_some(created),
            expires: self.expires.then_some(expires),
            nonce: self.nonce.clone(),
            alg: self.alg.clone(),
            keyid: Some(keyid.to_owned()),
            tag: self.tag.clone(),
        };
        SignatureParameters::new(&self.components, &metadata)
    }

    /// Whether a signature with these parameters is the one that was asked for (section 5.2, last paragraphs): the same
    /// components, in whatever order, and everything that was requested; more may be there.
    pub fn is_fulfilled_by(&self, parameters: &SignatureParameters) -> bool {
        let made = parameters.metadata();
        let same = |wanted: &Option<String>, made: &Option<String>| wanted.is_none() || wanted == made;
        self.components.len() == parameters.components().len()
            && self.components.iter().all(|wanted| parameters.components().contains(wanted))
            && (!self.created || made.created.is_some())
            && (!self.expires || made.expires.is_some())
            && same(&self.nonce, &made.nonce)
            && same(&self.alg, &made.alg)
            && same(&self.keyid, &made.keyid)
            && same(&self.tag, &made.tag)
    }
}

fn refuse<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::SigCoverage, why))
}
