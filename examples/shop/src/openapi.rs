//! The OpenAPI 3.1 description of each service: embedded, and served at `/openapi.json`.

use serde_json::Value;

use crate::error::ShopError;
use crate::services::Service;

/// The description's text, as it stands in `openapi/*.json`.
pub const fn text(service: Service) -> &'static str {
    match service {
        Service::Catalogue => include_str!("../openapi/catalogue.json"),
        Service::Orders => include_str!("../openapi/orders.json"),
        Service::Invoices => include_str!("../openapi/invoices.json"),
        Service::Payments => include_str!("../openapi/payments.json"),
        Service::Customers => include_str!("../openapi/customers.json"),
    }
}

/// The description, parsed.
pub fn document(service: Service) -> Result<Value, ShopError> {
    Ok(serde_json::from_str(text(service))?)
}
