//! The five services, and what their handlers have in common.

mod catalogue;
mod customers;
mod invoices;
mod orders;
mod payments;

use axum::Router;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ShopError;
use crate::limits::{LIST_ROWS_DEFAULT, LIST_ROWS_MAX, TEXT_CHARS_MAX};
use crate::run::Shop;

/// One of the shop's services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Products and prices.
    Catalogue,
    /// Customers' orders.
    Orders,
    /// Suppliers' invoices.
    Invoices,
    /// Drafts, transfers, refunds.
    Payments,
    /// Customer records.
    Customers,
}

impl Service {
    /// All five.
    pub const ALL: [Service; 5] =
        [Service::Catalogue, Service::Orders, Service::Invoices, Service::Payments, Service::Customers];

    /// Its name: on the command line, in the catalogue of actions, and of its folder.
    pub const fn name(self) -> &'static str {
        match self {
            Service::Catalogue => "catalogue",
            Service::Orders => "orders",
            Service::Invoices => "invoices",
            Service::Payments => "payments",
            Service::Customers => "customers",
        }
    }

    /// The service of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

pub(crate) fn routes(service: Service) -> Router<Shop> {
    match service {
        Service::Catalogue => catalogue::routes(),
        Service::Orders => orders::routes(),
        Service::Invoices => invoices::routes(),
        Service::Payments => payments::routes(),
        Service::Customers => customers::routes(),
    }
}

/// Reads a JSON body as most services do: by a lenient parser for which the last of two members of one name wins. The
/// shop stands for what is out there; being strict is the gateway's business.
fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, Value), ShopError> {
    let invalid = |error: serde_json::Error| ShopError::invalid(format!("the body does not read: {error}"));
    let value: Value = serde_json::from_slice(bytes).map_err(invalid)?;
    let typed = serde_json::from_value(value.clone()).map_err(invalid)?;
    Ok((typed, value))
}

/// Checks a text that the caller supplied.
fn text<'a>(value: &'a str, name: &str) -> Result<&'a str, ShopError> {
    if value.is_empty() || value.chars().count() > TEXT_CHARS_MAX {
        return Err(ShopError::invalid(format!("`{name}` must have 1 to {TEXT_CHARS_MAX} characters")));
    }
    Ok(value)
}

/// Checks an IBAN's form (not its check digits: the shop is to notice nothing that a bank would).
fn iban(value: &str) -> Result<&str, ShopError> {
    let fits = (15..=34).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { Ok(value) } else { Err(ShopError::invalid("`iban` must be 15 to 34 letters and digits")) }
}

fn currency(value: &str) -> Result<&str, ShopError> {
    let fits = value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_uppercase());
    if fits { Ok(value) } else { Err(ShopError::invalid("`currency` must be a three-letter code")) }
}

fn rows(limit: Option<i64>) -> i64 {
    limit.unwrap_or(LIST_ROWS_DEFAULT).clamp(1, LIST_ROWS_MAX)
}

/// A new record's id: `PAY-` and twelve hexadecimal digits.
fn fresh_id(prefix: &str) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("{prefix}-{}", id.get(..12).unwrap_or(&id))
}

/// The arguments as one object: the body's members and those of path and query.
fn arguments(body: Value, others: &[(&str, Value)]) -> Value {
    let mut members = match body {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    };
    for (name, value) in others {
        if !value.is_null() {
            members.insert((*name).to_owned(), value.clone());
        }
    }
    Value::Object(members)
}
