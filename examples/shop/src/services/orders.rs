//! Customers' orders.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{arguments, body, fresh_id, rows, text};
use crate::caller::Caller;
use crate::error::ShopError;
use crate::receipts::Kind;
use crate::run::Shop;

pub(super) fn routes() -> Router<Shop> {
    Router::new()
        .route("/orders", get(list).post(create))
        .route("/orders/{id}", get(one).patch(readdress))
        .route("/orders/{id}/cancel", post(cancel))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    status: Option<String>,
    customer: Option<String>,
    limit: Option<i64>,
}

fn order(row: &SqliteRow) -> Result<Value, sqlx::Error> {
    Ok(json!({
        "id": row.try_get::<String, _>("id")?,
        "customer": row.try_get::<String, _>("customer")?,
        "sku": row.try_get::<String, _>("sku")?,
        "quantity": row.try_get::<i64, _>("quantity")?,
        "ship_to": row.try_get::<String, _>("ship_to")?,
        "reference": row.try_get::<String, _>("reference")?,
        "status": row.try_get::<String, _>("status")?,
        "placed_on": row.try_get::<String, _>("placed_on")?,
    }))
}

async fn list(
    State(shop): State<Shop>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>, ShopError> {
    let found = sqlx::query(
        "SELECT * FROM orders WHERE ($1 IS NULL OR status = $1) AND ($2 IS NULL OR customer = $2) ORDER BY id LIMIT $3",
    )
    .bind(&filter.status)
    .bind(&filter.customer)
    .bind(rows(filter.limit))
    .fetch_all(&shop.db)
    .await?;
    let orders = found.iter().map(order).collect::<Result<Vec<_>, _>>()?;
    let args = json!({ "status": filter.status, "customer": filter.customer, "limit": filter.limit });
    shop.book.append(Kind::Read, "list:orders", args, &caller)?;
    Ok(Json(json!({ "orders": orders })))
}

async fn one(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, ShopError> {
    let row = sqlx::query("SELECT * FROM orders WHERE id = $1").bind(&id).fetch_optional(&shop.db).await?;
    let order = order(&row.ok_or_else(|| ShopError::NotFound(format!("order {id}")))?)?;
    shop.book.append(Kind::Read, "read:orders", json!({ "id": id }), &caller)?;
    Ok(Json(order))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrder {
    customer: String,
    sku: String,
    quantity: i64,
    ship_to: String,
    reference: String,
}

async fn create(
    State(shop): State<Shop>,
    caller: Caller,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Value>), ShopError> {
    let (new, raw) = body::<NewOrder>(&bytes)?;
    if !(1..=1_000).contains(&new.quantity) {
        return Err(ShopError::invalid("`quantity` must be 1 to 1000"));
    }
    let id = fresh_id("O");
    sqlx::query(
        "INSERT INTO orders (id, customer, sku, quantity, ship_to, reference, status, placed_on)
         VALUES ($1, $2, $3, $4, $5, $6, 'open', $7)",
    )
    .bind(&id)
    .bind(text(&new.customer, "customer")?)
    .bind(text(&new.sku, "sku")?)
    .bind(new.quantity)
    .bind(text(&new.ship_to, "ship_to")?)
    .bind(text(&new.reference, "reference")?)
    .bind(jiff::Timestamp::now().strftime("%Y-%m-%d").to_string())
    .execute(&shop.db)
    .await?;
    shop.book.append(Kind::Write, "create:orders", raw, &caller)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id, "status": "open" }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAddress {
    ship_to: String,
}

async fn readdress(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, ShopError> {
    let (new, raw) = body::<NewAddress>(&bytes)?;
    let done = sqlx::query("UPDATE orders SET ship_to = $1 WHERE id = $2")
        .bind(text(&new.ship_to, "ship_to")?)
        .bind(&id)
        .execute(&shop.db)
        .await?;
    if done.rows_affected() == 0 {
        return Err(ShopError::NotFound(format!("order {id}")));
    }
    shop.book.append(Kind::Write, "update:orders", arguments(raw, &[("id", json!(id))]), &caller)?;
    Ok(Json(json!({ "id": id, "ship_to": new.ship_to })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    reason: String,
}

async fn cancel(
    State(shop): State<Shop>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, ShopError> {
    let (why, raw) = body::<Why>(&bytes)?;
    text(&why.reason, "reason")?;
    let done = sqlx::query("UPDATE orders SET status = 'cancelled' WHERE id = $1")
        .bind(&id)
        .execute(&shop.db)
        .await?;
    if done.rows_affected() == 0 {
        return Err(ShopError::NotFound(format!("order {id}")));
    }
    shop.book.append(Kind::Write, "cancel:orders", arguments(raw, &[("id", json!(id))]), &caller)?;
    Ok(Json(json!({ "id": id, "status": "cancelled" })))
}
