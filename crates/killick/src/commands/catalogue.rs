//! `killick catalogue …`: what agents can ask for.

use std::path::Path;

use bytes::Bytes;
use http_body_util::Full;
use killick_decide::Catalogue;
use killick_decide::catalogue::{CatalogueDocument, Risk};
use serde_json::{Value, json};

use crate::cli::CatalogueCommand;
use crate::client::Admin;
use crate::folder::{Folder, read_file};
use crate::output::{Exit, Failure, Outcome, Ui, table};

/// Runs `killick catalogue …`.
pub async fn run(folder: &Folder, ui: Ui, command: &CatalogueCommand) -> Outcome {
    match command {
        CatalogueCommand::Import { source, upstream, url, host } => {
            let openapi = fetch(source).await?;
            let body = json!({ "openapi": openapi, "upstream": upstream, "url": url });
            let admin = Admin::of(folder);
            let mut answer = admin.post("/v1/catalogue/import", &body).await?;
            if !host.is_empty() {
                name_hosts(folder, upstream, host)?;
                answer = admin.post("/v1/reload", &json!({})).await?;
            }
            let actions = catalogue_of(folder).await.ok().map(|catalogue| {
                let mut actions: Vec<String> = catalogue
                    .document()
                    .operations
                    .iter()
                    .filter(|operation| operation.upstream == *upstream)
                    .map(|operation| operation.action.clone())
                    .collect();
                actions.dedup();
                actions
            });
            ui.result(&answer, |paint| {
                format!(
                    "{} {upstream} at {url}\nactions: {}\nnext: killick catalogue show",
                    paint.green("imported"),
                    actions.unwrap_or_default().join(", "),
                )
            });
            Ok(Exit::Fine.into())
        }
        CatalogueCommand::Show => {
            let catalogue = catalogue_of(folder).await?;
            let document = catalogue.document();
            ui.result(&json!(document), |paint| {
                let mut rows = vec![["ACTION", "RISK", "OPERATION", "UPSTREAM", "ARGUMENTS"].map(str::to_owned).to_vec()];
                for operation in &document.operations {
                    let arguments: Vec<String> = operation
                        .arguments
                        .iter()
                        .map(|argument| {
                            let mark = if argument.required { "" } else { "?" };
                            let sensitive = if argument.sensitive { "!" } else { "" };
                            format!("{}{mark}{sensitive}", argument.name)
                        })
                        .collect();
                    rows.push(vec![
                        operation.action.clone(),
                        risk_text(operation.risk).to_owned(),
                        format!("{} {}", operation.method, operation.path),
                        operation.upstream.clone(),
                        arguments.join(", "),
                    ]);
                }
                if rows.len() == 1 {
                    return "the catalogue is empty: every call is denied\nnext: killick catalogue import openapi.json \
                            --upstream NAME --url URL"
                        .to_owned();
                }
                format!("{} version {}\n\n{}\n? may be left out   ! needs a trusted source", document.id, document.version, table(paint, &rows))
            });
            Ok(Exit::Fine.into())
        }
    }
}

/// Writes the names under which agents know a service into `catalogue.json`; a reload puts them in force.
fn name_hosts(folder: &Folder, upstream: &str, hosts: &[String]) -> Result<(), Failure> {
    let mut document = local(folder)?.document().clone();
    if let Some(service) = document.upstreams.get_mut(upstream) {
        service.hosts = hosts.to_vec();
    }
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    crate::folder::write_whole(&folder.catalogue(), format!("{text}\n").as_bytes(), 0o644)
}

/// A risk as people read it.
pub const fn risk_text(risk: Risk) -> &'static str {
    match risk {
        Risk::Read => "read",
        Risk::Write => "write",
        Risk::Critical => "critical",
    }
}

/// The catalogue in force, or the one in the folder where nothing runs.
pub async fn catalogue_of(folder: &Folder) -> Result<Catalogue, Failure> {
    match Admin::of(folder).get("/v1/catalogue").await {
        Ok(value) => parse(value.get("catalogue").unwrap_or(&value), "the catalogue in force"),
        Err(_) => local(folder),
    }
}

/// The catalogue in the folder.
pub fn local(folder: &Folder) -> Result<Catalogue, Failure> {
    let path = folder.catalogue();
    let bytes = read_file(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::usage("folder.empty", format!("{} has no catalogue.json", folder.path().display()))
                .mend("start killick here once with `killick up`, or name its folder with --dir")
        }
        _ => Failure::io("read", &path, &error),
    })?;
    let value = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::check("catalogue.invalid", format!("{} is not valid JSON: {error}", path.display()))
            .mend("correct it")
    })?;
    parse(&value, &path.display().to_string())
}

fn parse(value: &Value, from: &str) -> Result<Catalogue, Failure> {
    let invalid =
        |why: String| Failure::check("catalogue.invalid", format!("{from}: {why}")).mend("correct it");
    let document: CatalogueDocument =
        serde_json::from_value(value.clone()).map_err(|error| invalid(error.to_string()))?;
    Catalogue::new(document).map_err(|error| invalid(error.0))
}

/// The JSON document in a file, on standard input or at an `http://` address.
async fn fetch(source: &str) -> Result<Value, Failure> {
    let bytes = if source == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(std::io::stdin(), 16 * 1_048_576), &mut bytes)
            .map_err(|error| Failure::io("read", Path::new("standard input"), &error))?;
        Bytes::from(bytes)
    } else if source.starts_with("http://") {
        download(source).await?
    } else if source.starts_with("https://") {
        return Err(Failure::usage("source.scheme", "https:// addresses are not fetched")
            .mend(format!("pipe it: curl -s {source} | killick catalogue import - …")));
    } else {
        let path = Path::new(source);
        Bytes::from(read_file(path).map_err(|error| Failure::io("read", path, &error))?)
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::usage("openapi.invalid", format!("{source} is not valid JSON: {error}"))
            .mend("give the OpenAPI 3.x description as JSON")
    })
}

async fn download(url: &str) -> Result<Bytes, Failure> {
    let unreachable = |why: String| {
        Failure::new(Exit::NotReachable, "source.unreachable", format!("{url} does not answer: {why}"))
    };
    let uri: http::Uri =
        url.parse().map_err(|_| Failure::usage("source.address", format!("`{url}` is no address")))?;
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let request = http::Request::get(target)
        .header("host", &authority)
        .header("connection", "close")
        .body(Full::new(Bytes::new()))
        .map_err(|error| unreachable(error.to_string()))?;
    let answer =
        crate::http::over_tcp(&authority, request).await.map_err(|error| unreachable(error.to_string()))?;
    if !answer.status().is_success() {
        return Err(unreachable(format!("status {}", answer.status().as_u16())));
    }
    Ok(answer.into_body())
}
