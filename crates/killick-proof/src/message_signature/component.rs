//! Component identifiers (RFC 9421 section 2): a name and its parameters.

use std::fmt;

use sfv::{BareItem, Item, List, ListEntry, Parser};

use super::message::is_field_name;
use super::structured::{quoted, refuse_repeats};
use crate::limits::COVERED_COMPONENTS_MAX;
use crate::refusal::{Code, Refusal};

/// A parameter of a component identifier (RFC 9421 section 6.5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parameter {
    /// `sf`: the field in the strict serialisation of its structured type (section 2.1.1).
    Sf,
    /// `key`: one member of a dictionary field (section 2.1.2).
    Key(String),
    /// `bs`: each line of the field as a byte sequence (section 2.1.3).
    Bs,
    /// `tr`: from the trailers (section 2.1.4).
    Tr,
    /// `req`: from the request that the response answers (section 2.4).
    Req,
    /// `name`: one parameter of the query, encoded (section 2.2.8).
    Name(String),
}

/// Which part of a message a line of the signature base is about. Two are equal if names and parameters are, whatever
/// the order of the parameters (RFC 9421 section 2); the order is kept as it came, since it is signed.
#[derive(Clone, Debug)]
pub struct Component {
    name: String,
    parameters: Vec<Parameter>,
}

/// What is derived from a request (RFC 9421 section 2.2). `@status`, of responses, is beside them.
const OF_REQUESTS: [&str; 8] =
    ["@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query", "@query-param"];

impl Component {
    /// A component with its parameters in the order in which they are signed. Errs (`sig.coverage`) for a name that is
    /// neither a lower-case field name nor a derived component known here, for `@signature-params`, and for parameters
    /// that are there twice, do not go with the name or not with each other.
    pub fn new(name: &str, parameters: Vec<Parameter>) -> Result<Self, Refusal> {
        let component = Self { name: name.to_owned(), parameters };
        if component.kinds().len() != component.parameters.len() {
            return refuse("a component has a parameter twice");
        }
        match name.strip_prefix('@') {
            Some(_) => component.check_derived()?,
            None => component.check_field()?,
        }
        Ok(component)
    }

    /// Reads one identifier as it is written, e.g. `"@query-param";name="id"`. Errs with `sig.coverage`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match Self::parse_list(text)?.as_slice() {
            [one] => Ok(one.clone()),
            _ => refuse("there is more than one component, or none"),
        }
    }

    /// Reads identifiers separated by spaces, e.g. `"@method" "content-digest";req`, with or without the parentheses.
    /// Errs (`sig.coverage`) also if one is there twice.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, Refusal> {
        let text = text.trim_matches(' ');
        let list = if text.starts_with('(') { text.to_owned() } else { format!("({text})") };
        refuse_repeats(&format!("a={list}"))?;
        let parsed: Option<List> = Parser::new(&list).parse().ok();
        match parsed.as_deref() {
            Some([ListEntry::InnerList(inner)]) if inner.params.is_empty() => Self::of_items(&inner.items),
            _ => refuse("the components are not strings separated by spaces"),
        }
    }

    /// The components of an inner list. Each must be there once (RFC 9421 section 2).
    pub(super) fn of_items(items: &[Item]) -> Result<Vec<Self>, Refusal> {
        if items.len() > COVERED_COMPONENTS_MAX {
            return refuse(&format!("more than {COVERED_COMPONENTS_MAX} components are covered"));
        }
        let mut components: Vec<Self> = Vec::with_capacity(items.len());
        for item in items {
            let component = Self::of_item(item)?;
            if components.contains(&component) {
                return refuse(&format!("the component {component} is covered twice"));
            }
            components.push(component);
        }
        Ok(components)
    }

    fn of_item(item: &Item) -> Result<Self, Refusal> {
        let BareItem::String(name) = &item.bare_item else {
            return refuse("a covered component is not a string");
        };
        let mut parameters = Vec::with_capacity(item.params.len());
        for (parameter, value) in &item.params {
            parameters.push(match (parameter.as_str(), value) {
                ("sf", BareItem::Boolean(true)) => Parameter::Sf,
                ("bs", BareItem::Boolean(true)) => Parameter::Bs,
                ("tr", BareItem::Boolean(true)) => Parameter::Tr,
                ("req", BareItem::Boolean(true)) => Parameter::Req,
                ("key", BareItem::String(key)) => Parameter::Key(key.as_str().to_owned()),
                ("name", BareItem::String(name)) => Parameter::Name(name.as_str().to_owned()),
                _ => {
                    return refuse(
                        "a component has a parameter that is not known here, or one of the wrong type",
                    );
                }
            });
        }
        Self::new(name.as_str(), parameters)
    }

    /// The field's name in lower case, or a derived component's with its `@`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameters in the order in which they are signed.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Whether the component has a flag.
    pub fn has(&self, flag: &Parameter) -> bool {
        self.parameters.contains(flag)
    }

    /// The value of `key`.
    pub fn key(&self) -> Option<&str> {
        self.parameters.iter().find_map(|parameter| match parameter {
            Parameter::Key(key) => Some(key.as_str()),
            _ => None,
        })
    }

    /// The value of `name`.
    pub fn query_name(&self) -> Option<&str> {
        self.parameters.iter().find_map(|parameter| match parameter {
            Parameter::Name(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it is of a request (RFC 9421 section 2.2), of a response, or, `None`, of either.
    pub(super) fn of_request(&self) -> Option<bool> {
        match self.name.as_str() {
            "@status" => Some(false),
            name if name.starts_with('@') => Some(true),
            _ => None,
        }
    }

    /// The parameters without their values, each kind once.
    fn kinds(&self) -> Vec<Parameter> {
        let mut kinds: Vec<Parameter> = self
            .parameters
            .iter()
            .map(|parameter| match parameter {
                Parameter::Key(_) => Parameter::Key(String::new()),
                Parameter::Name(_) => Parameter::Name(String::new()),
                flag => flag.clone(),
            })
            .collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }

    /// RFC 9421 section 2.2: only `req` goes with what is derived, and `name` with the one component that needs it.
    fn check_derived(&self) -> Result<(), Refusal> {
        let of_request = OF_REQUESTS.contains(&self.name.as_str());
        if !of_request && self.name != "@status" {
            return refuse("a derived component is not known here, or may not be covered");
        }
        let wants_name = self.name == "@query-param";
        if wants_name != self.query_name().is_some() {
            return refuse("`@query-param`, and nothing else, has the parameter `name`");
        }
        let fits = |parameter: &Parameter| match parameter {
            Parameter::Req => of_request,
            Parameter::Name(_) => wants_name,
            _ => false,
        };
        if !self.parameters.iter().all(fits) {
            return refuse(&format!("the component {self} has a parameter that does not apply to it"));
        }
        Ok(())
    }

    /// RFC 9421 section 2.1: `bs` wants the bytes as they came, `sf` and `key` want them parsed.
    fn check_field(&self) -> Result<(), Refusal> {
        if !is_field_name(&self.name) || self.name.bytes().any(|b| b.is_ascii_uppercase()) {
            return refuse("a covered component is not the name of a field in lower case");
        }
        if self.query_name().is_some() {
            return refuse("`@query-param`, and nothing else, has the parameter `name`");
        }
        if self.has(&Parameter::Bs) && (self.has(&Parameter::Sf) || self.key().is_some()) {
            return refuse(&format!("the parameters of {self} exclude each other"));
        }
        Ok(())
    }
}

impl PartialEq for Component {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.parameters.len() == other.parameters.len()
            && self.parameters.iter().all(|parameter| other.parameters.contains(parameter))
    }
}

impl Eq for Component {}

/// The identifier as it stands in the signature base (RFC 9421 section 2.5).
impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.name))?;
        for parameter in &self.parameters {
            match parameter {
                Parameter::Sf => f.write_str(";sf")?,
                Parameter::Bs => f.write_str(";bs")?,
                Parameter::Tr => f.write_str(";tr")?,
                Parameter::Req => f.write_str(";req")?,
                Parameter::Key(key) => write!(f, ";key={}", quoted(key))?,
                Parameter::Name(name) => write!(f, ";name={}", quoted(name))?,
            }
        }
        Ok(())
    }
}

fn refuse<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::SigCoverage, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_kept_as_written_and_compared_as_sets() {
        let list = r#""@method" "a";sf;req "a";key="x\"y" "@query-param";name="p" "b";bs;tr"#;
        let components = Component::parse_list(list).unwrap();
        let text: Vec<String> = components.iter().map(Component::to_string).collect();
        assert_eq!(text.join(" "), list);
        assert_eq!(Component::parse(r#""a";sf;req"#).unwrap(), Component::parse(r#""a";req;sf"#).unwrap());
        assert_ne!(Component::parse(r#""a";sf"#).unwrap(), Component::parse(r#""a""#).unwrap());
        assert_ne!(Component::parse(r#""a";key="x""#).unwrap(), Component::parse(r#""a";key="y""#).unwrap());
        // A flag may be written out; it has one serialisation (RFC 9651 section 4.1.1.2).
        assert_eq!(Component::parse(r#""a";sf=?1"#).unwrap().to_string(), r#""a";sf"#);
        assert!(Component::parse_list("()").unwrap().is_empty());
    }

    #[test]
    fn what_is_unknown_repeated_or_incompatible_is_refused() {
        for text in [
            r#""a" "a""#,
            r#""a";sf;req "a";req;sf"#,
            r#""a";sf;sf"#,
            r#""a";key="x";key="y""#,
            r#""a";bs;sf"#,
            r#""a";key="x";bs"#,
            r#""a";unknown"#,
            r#""a";sf=?0"#,
            r#""a";sf="x""#,
            r#""a";key"#,
            r#""a";key=x"#,
            r#""a";name="x""#,
            r#""A""#,
            r#""""#,
            r#""a b""#,
            r#""a:""#,
            r#""@signature-params""#,
            r#""@unknown""#,
            r#""@METHOD""#,
            r#""@method";sf"#,
            r#""@method";tr"#,
            r#""@method";bs"#,
            r#""@method";key="a""#,
            r#""@method";name="a""#,
            r#""@status";req"#,
            r#""@query-param""#,
            r#""@query-param";name=a"#,
            "a",
            "1",
            r#"("a");x"#,
            r#"("a") ("b")"#,
            r#""a"  x"#,
        ] {
            let verdict = Component::parse_list(text).map_err(|refusal| refusal.code());
            assert!(matches!(verdict, Err(Code::SigCoverage | Code::HttpAmbiguous)), "{text}: {verdict:?}");
        }
    }
}
