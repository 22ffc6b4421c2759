//! Products and prices.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{arguments, body, currency, rows};
use crate::caller::Caller;
use crate::error::ShopError;
use crate::money;
use crate::receipts::Kind;
use crate::run::Shop;

pub(super) fn routes() -> Router<Shop> {
    Router::new()
        .route("/products", get(list))
        .route("/products/{sku}", get(one))
        .route("/products/{sku}/price", put(set_price))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    category: Option<String>,
    limit: Option<i64>,
}

fn product(row: &SqliteRow) -> Result<Value, sqlx::Error> {
    Ok(json!({
        "sku": row.try_get::<String, _>("sku")?,
        "name": row.try_get::<String, _>("name")?,
        "category": row.try_get::<String, _>("category")?,
        "price": money::amount(row.try_get("price_cents")?),
        "currency": row.try_get::<String, _>("currency")?,
        "stock": row.try_get::<i64, _>("stock")?,
    }))
}

async fn list(
    State(shop): State<Shop>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>, ShopError> {
    let found =
        sqlx::query("SELECT * FROM products WHERE ($1 IS NULL OR category = $1) ORDER BY sku LIMIT $2")
            .bind(&filter.category)
            .bind(rows(filter.limit))
            .fetch_all(&shop.db)
            .await?;
    let products = found.iter().map(product).collect::<Result<Vec<_>, _>>()?;
    let args = json!({ "category": filter.category, "limit": filter.limit });
    shop.book.append(Kind::Read, "list:products", args, &caller)?;
    Ok(Json(json!({ "products": products })))
}

async fn one(
    State(shop): State<Shop>,
    caller: Caller,
    Path(sku): Path<String>,
) -> Result<Json<Value>, ShopError> {
    let row =
        sqlx::query("SELECT * FROM products WHERE sku = $1").bind(&sku).fetch_optional(&shop.db).await?;
    let product = product(&row.ok_or_else(|| ShopError::NotFound(format!("product {sku}")))?)?;
    shop.book.append(Kind::Read, "read:products", json!({ "sku": sku }), &caller)?;
    Ok(Json(product))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPrice {
    price: Value,
    currency: String,
}

async fn set_price(
    State(shop): State<Shop>,
    caller: Caller,
    Path(sku): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, ShopError> {
    let (new, raw) = body::<NewPrice>(&bytes)?;
    let done = sqlx::query("UPDATE products SET price_cents = $1, currency = $2 WHERE sku = $3")
        .bind(money::cents(&new.price, "price")?)
        .bind(currency(&new.currency)?)
        .bind(&sku)
        .execute(&shop.db)
        .await?;
    if done.rows_affected() == 0 {
        return Err(ShopError::NotFound(format!("product {sku}")));
    }
    shop.book.append(Kind::Write, "update:prices", arguments(raw, &[("sku", json!(sku))]), &caller)?;
    Ok(Json(json!({ "sku": sku, "price": new.price, "currency": new.currency })))
}
