//! Payment drafts, transfers and refunds. A draft moves no money until it is released; a transfer moves it at once.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
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
        .route("/payments", get(list).post(draft))
        .route("/payments/{id}", get(one))
        .route("/payments/{id}/release", post(release))
        .route("/payments/{id}/refund", post(refund))
        .route("/transfers", post(transfer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    status: Option<String>,
    limit: Option<i64>,
}

fn payment(row: &SqliteRow) -> Result<Value, sqlx::Error> {
    Ok(json!({
        "id": row.try_get::<String, _>("id")?,
        "payee": row.try_get::<String, _>("payee")?,
        "iban": row.try_get::<String, _>("iban")?,
        "amount": money::amount(row.try_get("amount_cents")?),
        "currency": row.try_get::<String, _>("currency")?,
        "reference": row.try_get::<String, _>("reference")?,
        "status": row.try_get::<String, _>("status")?,
    }))
}

async fn list(
    State(shop): State<Shop>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>, ShopError> {
    let found = sqlx::query("SELECT * FROM payments WHERE ($1 IS NULL OR status = $1) ORDER BY id LIMIT $2")
        .bind(&filter.status)
        .bind(rows(filter.limit))
        .fetch_all(&shop.db)
        .await?;
    let payments = found.iter().map(payment).collect::<Result<Vec<_>, _>>()?;
    let args = json!({ "status": filter.status, "limit": filter.limit });
    shop.book.append(Kind::Read, "list:payments", args, &caller)?;
    Ok(Json(json!({ "payments": payments })))
}

async fn one(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, ShopError> {
    let row = sqlx::query("SELECT * FROM payments WHERE id = $1").bind(&id).fetch_optional(&shop.db).await?;
    let payment = payment(&row.ok_or_else(|| ShopError::NotFound(format!("payment {id}")))?)?;
    shop.book.append(Kind::Read, "read:payments", json!({ "id": id }), &caller)?;
    Ok(Json(payment))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPayment {
    payee: String,
    iban: String,
    amount: Value,
    currency: String,
    reference: String,
}

async fn draft(
    shop: State<Shop>,
    caller: Caller,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Value>), ShopError> {
    enter(shop, caller, bytes, "draft", "create:payments").await
}

async fn transfer(
    shop: State<Shop>,
    caller: Caller,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Value>), ShopError> {
    enter(shop, caller, bytes, "executed", "execute:payments").await
}

async fn enter(
    State(shop): State<Shop>,
    caller: Caller,
    bytes: Bytes,
    status: &'static str,
    operation: &'static str,
) -> Result<(StatusCode, Json<Value>), ShopError> {
    let (new, raw) = body::<NewPayment>(&bytes)?;
    let id = fresh_id("PAY");
    sqlx::query(
        "INSERT INTO payments (id, payee, iban, amount_cents, currency, reference, status)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&id)
    .bind(text(&new.payee, "payee")?)
    .bind(iban(&new.iban)?)
    .bind(money::cents(&new.amount, "amount")?)
    .bind(currency(&new.currency)?)
    .bind(text(&new.reference, "reference")?)
    .bind(status)
    .execute(&shop.db)
    .await?;
    shop.book.append(Kind::Write, operation, raw, &caller)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id, "status": status }))))
}

async fn release(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, ShopError> {
    let done = sqlx::query("UPDATE payments SET status = 'executed' WHERE id = $1 AND status = 'draft'")
        .bind(&id)
        .execute(&shop.db)
        .await?;
    if done.rows_affected() == 0 {
        return Err(ShopError::Conflict(format!("there is no draft {id}")));
    }
    shop.book.append(Kind::Write, "release:payments", json!({ "id": id }), &caller)?;
    Ok(Json(json!({ "id": id, "status": "executed" })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refund {
    amount: Value,
    currency: String,
    iban: String,
}

async fn refund(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, ShopError> {
    let (back, raw) = body::<Refund>(&bytes)?;
    currency(&back.currency)?;
    iban(&back.iban)?;
    let done = sqlx::query(
        "UPDATE payments SET status = 'refunded', refunded_cents = $1
         WHERE id = $2 AND status IN ('executed', 'refunded')",
    )
    .bind(money::cents(&back.amount, "amount")?)
    .bind(&id)
    .execute(&shop.db)
    .await?;
    if done.rows_affected() == 0 {
        return Err(ShopError::Conflict(format!("there is no executed payment {id}")));
    }
    shop.book.append(Kind::Write, "refund:payments", arguments(raw, &[("id", json!(id))]), &caller)?;
    Ok(Json(json!({ "id": id, "status": "refunded" })))
}
