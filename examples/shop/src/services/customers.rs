//! Customer records.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{arguments, body, rows, text};
use crate::caller::Caller;
use crate::error::ShopError;
use crate::limits::LIST_ROWS_MAX;
use crate::receipts::Kind;
use crate::run::Shop;

pub(super) fn routes() -> Router<Shop> {
    Router::new()
        .route("/customers", get(list))
        .route("/customers/{id}", get(one).patch(update).delete(remove))
        .route("/customers/{id}/phone", put(set_phone))
        .route("/customer-exports", post(export))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    segment: Option<String>,
    limit: Option<i64>,
}

fn customer(row: &SqliteRow) -> Result<Value, sqlx::Error> {
    Ok(json!({
        "id": row.try_get::<String, _>("id")?,
        "name": row.try_get::<String, _>("name")?,
        "email": row.try_get::<String, _>("email")?,
        "phone": row.try_get::<String, _>("phone")?,
        "address": row.try_get::<String, _>("address")?,
        "segment": row.try_get::<String, _>("segment")?,
        "note": row.try_get::<String, _>("note")?,
    }))
}

async fn list(
    State(shop): State<Shop>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>, ShopError> {
    let found = sqlx::query(
        "SELECT id, name, segment FROM customers WHERE ($1 IS NULL OR segment = $1) ORDER BY id LIMIT $2",
    )
    .bind(&filter.segment)
    .bind(rows(filter.limit))
    .fetch_all(&shop.db)
    .await?;
    let customers = found
        .iter()
        .map(|row| {
            Ok(json!({
                "id": row.try_get::<String, _>("id")?,
                "name": row.try_get::<String, _>("name")?,
                "segment": row.try_get::<String, _>("segment")?,
            }))
        })
        .collect::<Result<Vec<_>, sqlx::Error>>()?;
    let args = json!({ "segment": filter.segment, "limit": filter.limit });
    shop.book.append(Kind::Read, "list:customers", args, &caller)?;
    Ok(Json(json!({ "customers": customers })))
}

async fn one(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, ShopError> {
    let row = sqlx::query("SELECT * FROM customers WHERE id = $1").bind(&id).fetch_optional(&shop.db).await?;
    let customer = customer(&row.ok_or_else(|| ShopError::NotFound(format!("customer {id}")))?)?;
    shop.book.append(Kind::Read, "read:customers", json!({ "id": id }), &caller)?;
    Ok(Json(customer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    email: Option<String>,
    phone: Option<String>,
    address: Option<String>,
}

async fn update(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, ShopError> {
    let (change, raw) = body::<Change>(&bytes)?;
    for (value, name) in [(&change.email, "email"), (&change.phone, "phone"), (&change.address, "address")] {
        if let Some(value) = value {
            text(value, name)?;
        }
    }
    let done = sqlx::query(
        "UPDATE customers SET email = coalesce($1, email), phone = coalesce($2, phone),
         address = coalesce($3, address) WHERE id = $4",
    )
    .bind(&change.email)
    .bind(&change.phone)
    .bind(&change.address)
    .bind(&id)
    .execute(&shop.db)
    .await?;
    if done.rows_affected() == 0 {
        return Err(ShopError::NotFound(format!("customer {id}")));
    }
    shop.book.append(Kind::Write, "update:customers", arguments(raw, &[("id", json!(id))]), &caller)?;
    Ok(Json(json!({ "id": id, "status": "updated" })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPhone {
    phone: String,
}

async fn set_phone(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, ShopError> {
    let (new, raw) = body::<NewPhone>(&bytes)?;
    let done = sqlx::query("UPDATE customers SET phone = $1 WHERE id = $2")
        .bind(text(&new.phone, "phone")?)
        .bind(&id)
        .execute(&shop.db)
        .await?;
    if done.rows_affected() == 0 {
        return Err(ShopError::NotFound(format!("customer {id}")));
    }
    shop.book.append(Kind::Write, "update:phones", arguments(raw, &[("id", json!(id))]), &caller)?;
    Ok(Json(json!({ "id": id, "phone": new.phone })))
}

async fn remove(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, ShopError> {
    let done = sqlx::query("DELETE FROM customers WHERE id = $1").bind(&id).execute(&shop.db).await?;
    if done.rows_affected() == 0 {
        return Err(ShopError::NotFound(format!("customer {id}")));
    }
    shop.book.append(Kind::Write, "delete:customers", json!({ "id": id }), &caller)?;
    Ok(Json(json!({ "id": id, "status": "deleted" })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    segment: String,
    recipient: String,
}

async fn export(State(shop): State<Shop>, caller: Caller, bytes: Bytes) -> Result<Json<Value>, ShopError> {
    let (export, raw) = body::<Export>(&bytes)?;
    text(&export.recipient, "recipient")?;
    let found =
        sqlx::query("SELECT * FROM customers WHERE ($1 = 'all' OR segment = $1) ORDER BY id LIMIT $2")
            .bind(text(&export.segment, "segment")?)
            .bind(LIST_ROWS_MAX)
            .fetch_all(&shop.db)
            .await?;
    let records = found.iter().map(customer).collect::<Result<Vec<_>, _>>()?;
    shop.book.append(Kind::Read, "export:customers", raw, &caller)?;
    Ok(Json(json!({ "sent_to": export.recipient, "records": records })))
}
