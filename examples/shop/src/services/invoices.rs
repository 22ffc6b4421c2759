//! Suppliers' invoices. Supplier, subject, line descriptions and note are free text that a stranger wrote.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{arguments, body, currency, fresh_id, iban, rows, text};
use crate::caller::Caller;
use crate::error::ShopError;
use crate::money;
use crate::receipts::Kind;
use crate::run::Shop;

pub(super) fn routes() -> Router<Shop> {
    Router::new()
        .route("/invoices", get(list).post(create))
        .route("/invoices/{id}", get(one).delete(remove))
        .route("/invoices/{id}/void", post(void))
        .route("/invoices/{id}/bank-account", put(set_bank_account))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    status: Option<String>,
    limit: Option<i64>,
}

async fn list(
    State(shop): State<Shop>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>, ShopError> {
    let found = sqlx::query("SELECT * FROM invoices WHERE ($1 IS NULL OR status = $1) ORDER BY id LIMIT $2")
        .bind(&filter.status)
        .bind(rows(filter.limit))
        .fetch_all(&shop.db)
        .await?;
    let invoices = found
        .iter()
        .map(|row| {
            Ok(json!({
                "id": row.try_get::<String, _>("id")?,
                "subject": row.try_get::<String, _>("subject")?,
                "amount": money::amount(row.try_get("amount_cents")?),
                "currency": row.try_get::<String, _>("currency")?,
                "status": row.try_get::<String, _>("status")?,
            }))
        })
        .collect::<Result<Vec<_>, sqlx::Error>>()?;
    let args = json!({ "status": filter.status, "limit": filter.limit });
    shop.book.append(Kind::Read, "list:invoices", args, &caller)?;
    Ok(Json(json!({ "invoices": invoices })))
}

fn invoice(row: &SqliteRow) -> Result<Value, ShopError> {
    Ok(json!({
        "id": row.try_get::<String, _>("id")?,
        "supplier": row.try_get::<String, _>("supplier")?,
        "subject": row.try_get::<String, _>("subject")?,
        "amount": money::amount(row.try_get("amount_cents")?),
        "currency": row.try_get::<String, _>("currency")?,
        "iban": row.try_get::<String, _>("iban")?,
        "status": row.try_get::<String, _>("status")?,
        "lines": serde_json::from_str::<Value>(row.try_get("lines")?)?,
        "note": row.try_get::<String, _>("note")?,
    }))
}

async fn one(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, ShopError> {
    let row = sqlx::query("SELECT * FROM invoices WHERE id = $1").bind(&id).fetch_optional(&shop.db).await?;
    let invoice = invoice(&row.ok_or_else(|| ShopError::NotFound(format!("invoice {id}")))?)?;
    shop.book.append(Kind::Read, "read:invoices", json!({ "id": id }), &caller)?;
    Ok(Json(invoice))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewInvoice {
    supplier: String,
    subject: String,
    amount: Value,
    currency: String,
    iban: String,
    note: String,
}

async fn create(
    State(shop): State<Shop>,
    caller: Caller,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Value>), ShopError> {
    let (new, raw) = body::<NewInvoice>(&bytes)?;
    let id = fresh_id("INV");
    let lines = json!([{ "description": new.subject, "amount": new.amount }]).to_string();
    sqlx::query(
        "INSERT INTO invoices (id, supplier, subject, amount_cents, currency, iban, status, lines, note)
         VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $8)",
    )
    .bind(&id)
    .bind(text(&new.supplier, "supplier")?)
    .bind(text(&new.subject, "subject")?)
    .bind(money::cents(&new.amount, "amount")?)
    .bind(currency(&new.currency)?)
    .bind(iban(&new.iban)?)
    .bind(lines)
    .bind(text(&new.note, "note")?)
    .execute(&shop.db)
    .await?;
    shop.book.append(Kind::Write, "create:invoices", raw, &caller)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id, "status": "open" }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    reason: String,
}

async fn void(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, ShopError> {
    let (why, raw) = body::<Why>(&bytes)?;
    text(&why.reason, "reason")?;
    let done =
        sqlx::query("UPDATE invoices SET status = 'void' WHERE id = $1").bind(&id).execute(&shop.db).await?;
    if done.rows_affected() == 0 {
        return Err(ShopError::NotFound(format!("invoice {id}")));
    }
    shop.book.append(Kind::Write, "void:invoices", arguments(raw, &[("id", json!(id))]), &caller)?;
    Ok(Json(json!({ "id": id, "status": "void" })))
}

async fn remove(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, ShopError> {
    let done = sqlx::query("DELETE FROM invoices WHERE id = $1").bind(&id).execute(&shop.db).await?;
    if done.rows_affected() == 0 {
        return Err(ShopError::NotFound(format!("invoice {id}")));
    }
    shop.book.append(Kind::Write, "delete:invoices", json!({ "id": id }), &caller)?;
    Ok(Json(json!({ "id": id, "status": "deleted" })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    iban: String,
}

async fn set_bank_account(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, ShopError> {
    let (new, raw) = body::<NewAccount>(&bytes)?;
    let done = sqlx::query("UPDATE invoices SET iban = $1 WHERE id = $2")
        .bind(iban(&new.iban)?)
        .bind(&id)
        .execute(&shop.db)
        .await?;
    if done.rows_affected() == 0 {
        return Err(ShopError::NotFound(format!("invoice {id}")));
    }
    shop.book.append(Kind::Write, "update:bank-accounts", arguments(raw, &[("id", json!(id))]), &caller)?;
    Ok(Json(json!({ "id": id, "iban": new.iban })))
}
