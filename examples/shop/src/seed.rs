//! The records that a new shop starts with (`seed/*.json`). Some invoices carry an instruction that is not theirs to
//! give.

use serde::Deserialize;
use serde_json::Value;
use sqlx::SqlitePool;

use crate::error::ShopError;
use crate::money;
use crate::services::Service;

/// The seed records of a service, as they stand in its file.
pub const fn text(service: Service) -> &'static str {
    match service {
        Service::Catalogue => include_str!("../seed/products.json"),
        Service::Orders => include_str!("../seed/orders.json"),
        Service::Invoices => include_str!("../seed/invoices.json"),
        Service::Payments => include_str!("../seed/payments.json"),
        Service::Customers => include_str!("../seed/customers.json"),
    }
}

/// Makes the service's table and fills it, once, in one transaction.
pub(crate) async fn fill(pool: &SqlitePool, service: Service) -> Result<(), ShopError> {
    let mut tx = pool.begin().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS seeded (once INTEGER PRIMARY KEY)").execute(&mut *tx).await?;
    let first = sqlx::query("INSERT OR IGNORE INTO seeded VALUES (1)").execute(&mut *tx).await?;
    if first.rows_affected() == 1 {
        match service {
            Service::Catalogue => products(&mut tx).await?,
            Service::Orders => orders(&mut tx).await?,
            Service::Invoices => invoices(&mut tx).await?,
            Service::Payments => payments(&mut tx).await?,
            Service::Customers => customers(&mut tx).await?,
        }
    }
    Ok(tx.commit().await?)
}

type Tx<'a> = sqlx::Transaction<'a, sqlx::Sqlite>;

#[derive(Deserialize)]
struct Product {
    sku: String,
    name: String,
    category: String,
    price: Value,
    currency: String,
    stock: i64,
}

async fn products(tx: &mut Tx<'_>) -> Result<(), ShopError> {
    sqlx::query(
        "CREATE TABLE products (sku TEXT PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL,
         price_cents INTEGER NOT NULL, currency TEXT NOT NULL, stock INTEGER NOT NULL)",
    )
    .execute(&mut **tx)
    .await?;
    for row in serde_json::from_str::<Vec<Product>>(text(Service::Catalogue))? {
        sqlx::query("INSERT INTO products VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(row.sku)
            .bind(row.name)
            .bind(row.category)
            .bind(money::cents(&row.price, "price")?)
            .bind(row.currency)
            .bind(row.stock)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Order {
    id: String,
    customer: String,
    sku: String,
    quantity: i64,
    ship_to: String,
    status: String,
    placed_on: String,
}

async fn orders(tx: &mut Tx<'_>) -> Result<(), ShopError> {
    sqlx::query(
        "CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT NOT NULL, sku TEXT NOT NULL,
         quantity INTEGER NOT NULL, ship_to TEXT NOT NULL, reference TEXT NOT NULL, status TEXT NOT NULL,
         placed_on TEXT NOT NULL)",
    )
    .execute(&mut **tx)
    .await?;
    for row in serde_json::from_str::<Vec<Order>>(text(Service::Orders))? {
        sqlx::query("INSERT INTO orders VALUES ($1, $2, $3, $4, $5, '', $6, $7)")
            .bind(row.id)
            .bind(row.customer)
            .bind(row.sku)
            .bind(row.quantity)
            .bind(row.ship_to)
            .bind(row.status)
            .bind(row.placed_on)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Invoice {
    id: String,
    supplier: String,
    subject: String,
    amount: Value,
    currency: String,
    iban: String,
    status: String,
    lines: Value,
    note: String,
}

async fn invoices(tx: &mut Tx<'_>) -> Result<(), ShopError> {
    sqlx::query(
        "CREATE TABLE invoices (id TEXT PRIMARY KEY, supplier TEXT NOT NULL, subject TEXT NOT NULL,
         amount_cents INTEGER NOT NULL, currency TEXT NOT NULL, iban TEXT NOT NULL, status TEXT NOT NULL,
         lines TEXT NOT NULL, note TEXT NOT NULL)",
    )
    .execute(&mut **tx)
    .await?;
    for row in serde_json::from_str::<Vec<Invoice>>(text(Service::Invoices))? {
        sqlx::query("INSERT INTO invoices VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .bind(row.id)
            .bind(row.supplier)
            .bind(row.subject)
            .bind(money::cents(&row.amount, "amount")?)
            .bind(row.currency)
            .bind(row.iban)
            .bind(row.status)
            .bind(row.lines.to_string())
            .bind(row.note)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Payment {
    id: String,
    payee: String,
    iban: String,
    amount: Value,
    currency: String,
    reference: String,
    status: String,
}

async fn payments(tx: &mut Tx<'_>) -> Result<(), ShopError> {
    sqlx::query(
        "CREATE TABLE payments (id TEXT PRIMARY KEY, payee TEXT NOT NULL, iban TEXT NOT NULL,
         amount_cents INTEGER NOT NULL, currency TEXT NOT NULL, reference TEXT NOT NULL, status TEXT NOT NULL,
         refunded_cents INTEGER NOT NULL DEFAULT 0)",
    )
    .execute(&mut **tx)
    .await?;
    for row in serde_json::from_str::<Vec<Payment>>(text(Service::Payments))? {
        sqlx::query("INSERT INTO payments VALUES ($1, $2, $3, $4, $5, $6, $7, 0)")
            .bind(row.id)
            .bind(row.payee)
            .bind(row.iban)
            .bind(money::cents(&row.amount, "amount")?)
            .bind(row.currency)
            .bind(row.reference)
            .bind(row.status)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Customer {
    id: String,
    name: String,
    email: String,
    phone: String,
    address: String,
    segment: String,
    note: String,
}

async fn customers(tx: &mut Tx<'_>) -> Result<(), ShopError> {
    sqlx::query(
        "CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, phone TEXT NOT NULL,
         address TEXT NOT NULL, segment TEXT NOT NULL, note TEXT NOT NULL)",
    )
    .execute(&mut **tx)
    .await?;
    for row in serde_json::from_str::<Vec<Customer>>(text(Service::Customers))? {
        sqlx::query("INSERT INTO customers VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(row.id)
            .bind(row.name)
            .bind(row.email)
            .bind(row.phone)
            .bind(row.address)
            .bind(row.segment)
            .bind(row.note)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
