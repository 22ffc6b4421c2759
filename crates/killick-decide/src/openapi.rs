//! A catalogue from an OpenAPI 3.x description.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::catalogue::{Argument, ArgumentType, CatalogueError, Operation, Place, Risk, Upstream};
use crate::limits::{OPERATIONS_MAX, REF_STEPS_MAX};

/// The operations of a path item (OpenAPI 3.1 section 4.8.9); `trace` is none of ours.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Reads the operations of an OpenAPI 3.x document (JSON). The action is the operation's `x-killick-action`, or is
/// made of the method (`GET` read, `POST` create, `PUT`/`PATCH` update, `DELETE` delete) and the path's first literal
/// segment; the risk is `x-killick-risk`, or `read` for `GET`, `critical` for `DELETE`, else `write`. Sensitive
/// arguments carry `x-killick-sensitive: true`. Errs, naming the operation, if an operation cannot be mapped exactly:
/// header and cookie parameters, other bodies than JSON objects, types that are not one JSON type, combined schemas,
/// references to other documents. `x-killick-ignore: true` leaves an operation out (and so denies it).
pub fn import(
    openapi: &Value,
    upstream: &str,
    url: &str,
) -> Result<(Upstream, Vec<Operation>), CatalogueError> {
    let version = openapi.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with("3.0.") && !version.starts_with("3.1.") {
        return Err(CatalogueError(format!("`openapi` is `{version}`; 3.0 and 3.1 are understood")));
    }
    let empty = Map::new();
    let paths = openapi.get("paths").and_then(Value::as_object).unwrap_or(&empty);
    let mut operations = Vec::new();
    for (path, item) in paths {
        let refuse = |why: String| CatalogueError(format!("path `{path}`: {why}"));
        let item = resolve(openapi, item).map_err(refuse)?;
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            if operation.get("x-killick-ignore") == Some(&Value::Bool(true)) {
                continue;
            }
            let reader = Reader { openapi, upstream, path, method };
            let name = method.to_ascii_uppercase();
            let read = reader.read(item, operation);
            operations.push(read.map_err(|why| CatalogueError(format!("operation `{name} {path}`: {why}")))?);
            if operations.len() > OPERATIONS_MAX {
                return Err(CatalogueError(format!("there are more than {OPERATIONS_MAX} operations")));
            }
        }
    }
    check_actions(&operations)?;
    operations.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
    Ok((Upstream { url: url.to_owned(), hosts: hosts(openapi) }, operations))
}

/// The host names of `servers` (OpenAPI 3.1 section 4.8.5), by which agents know the service.
fn hosts(openapi: &Value) -> Vec<String> {
    let servers = openapi.get("servers").and_then(Value::as_array).into_iter().flatten();
    let urls = servers.filter_map(|server| server.get("url").and_then(Value::as_str));
    let hosts = urls.filter_map(|url| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        (!host.is_empty() && !host.contains(['{', '@'])).then(|| host.to_ascii_lowercase())
    });
    hosts.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Two operations may share an action only with the same arguments. Said here, where the mend is known.
fn check_actions(operations: &[Operation]) -> Result<(), CatalogueError> {
    let mut first: BTreeMap<&str, &Operation> = BTreeMap::new();
    for operation in operations {
        let earlier = first.entry(&operation.action).or_insert(operation);
        let names = |operation: &Operation| -> BTreeSet<(String, &str, bool, bool)> {
            let arguments = operation.arguments.iter();
            arguments.map(|a| (a.name.clone(), a.kind.as_str(), a.required, a.sensitive)).collect()
        };
        if names(earlier) != names(operation) {
            return Err(CatalogueError(format!(
                "operation {}: it would share the action `{}` with {}, which has other arguments; give one of them an \
                 `x-killick-action` of its own",
                operation.name(),
                operation.action,
                earlier.name()
            )));
        }
    }
    Ok(())
}

/// Follows local references (`#/components/…`). Errs on others, on ones that lead nowhere, and on circles.
fn resolve<'a>(openapi: &'a Value, mut value: &'a Value) -> Result<&'a Value, String> {
    for _ in 0..REF_STEPS_MAX {
        let Some(reference) = value.get("$ref") else { return Ok(value) };
        let reference = reference.as_str().ok_or_else(|| "a `$ref` is not text".to_owned())?;
        let pointer = reference
            .strip_prefix('#')
            .ok_or_else(|| format!("`{reference}` refers to another document, which is not read"))?;
        value = openapi.pointer(pointer).ok_or_else(|| format!("`{reference}` leads nowhere"))?;
    }
    Err("its references lead in a circle".to_owned())
}

/// Reads one operation.
struct Reader<'a> {
    openapi: &'a Value,
    upstream: &'a str,
    path: &'a str,
    method: &'a str,
}

impl<'a> Reader<'a> {
    fn read(&self, item: &'a Value, operation: &'a Value) -> Result<Operation, String> {
        let mut arguments = self.read_parameters(item, operation)?;
        if let Some(body) = operation.get("requestBody") {
            self.read_body(body, &mut arguments)?;
        }
        Ok(Operation {
            action: self.action(operation)?,
            upstream: self.upstream.to_owned(),
            method: self.method.to_ascii_uppercase(),
            path: self.path.to_owned(),
            risk: self.risk(operation)?,
            arguments,
        })
    }

    fn action(&self, operation: &Value) -> Result<String, String> {
        match operation.get("x-killick-action") {
            Some(Value::String(action)) => return Ok(action.clone()),
            Some(_) => return Err("its `x-killick-action` is not text".to_owned()),
            None => {}
        }
        let verb = match self.method {
            "get" => "read",
            "post" => "create",
            "put" | "patch" => "update",
            "delete" => "delete",
            _ => return Err("no verb follows from its method; give it an `x-killick-action`".to_owned()),
        };
        let mut literals =
            self.path.split('/').filter(|segment| !segment.is_empty() && !segment.contains(['{', '}']));
        let resource =
            literals.next().ok_or("no resource follows from its path; give it an `x-killick-action`")?;
        Ok(format!("{verb}:{}", resource.to_ascii_lowercase()))
    }

    fn risk(&self, operation: &Value) -> Result<Risk, String> {
        match operation.get("x-killick-risk").map(Value::as_str) {
            Some(Some("read")) => Ok(Risk::Read),
            Some(Some("write")) => Ok(Risk::Write),
            Some(Some("critical")) => Ok(Risk::Critical),
            Some(_) => Err("its `x-killick-risk` is none of `read`, `write`, `critical`".to_owned()),
            None => Ok(match self.method {
                "get" | "head" | "options" => Risk::Read,
                "delete" => Risk::Critical,
                _ => Risk::Write,
            }),
        }
    }

    /// The operation's parameters and those of its path item, which it may override (OpenAPI 3.1 section 4.8.10).
    fn read_parameters(&self, item: &'a Value, operation: &'a Value) -> Result<Vec<Argument>, String> {
        let mut parameters: Vec<((&str, &str), &Value)> = Vec::new();
        for holder in [item, operation] {
            let list = match holder.get("parameters") {
                None => continue,
                Some(list) => list.as_array().ok_or("its `parameters` are not a list")?,
            };
            for parameter in list {
                let parameter = resolve(self.openapi, parameter)?;
                let text = |name: &str| parameter.get(name).and_then(Value::as_str).unwrap_or_default();
                let key = (text("in"), text("name"));
                parameters.retain(|(known, _)| *known != key);
                parameters.push((key, parameter));
            }
        }
        parameters
            .into_iter()
            .map(|((place, name), parameter)| self.read_parameter(place, name, parameter))
            .collect()
    }

    fn read_parameter(&self, place: &str, name: &str, parameter: &'a Value) -> Result<Argument, String> {
        let refuse = |why: &str| Err(format!("the parameter `{name}` {why}"));
        let place = match place {
            "path" => Place::Path,
            "query" => Place::Query,
            other => {
                return refuse(&format!("stands in `{other}`; arguments stand in path, query or JSON body"));
            }
        };
        for member in ["content", "allowReserved"] {
            if parameter.get(member).is_some_and(|value| *value != Value::Bool(false)) {
                return refuse(&format!("has `{member}`, which is not understood"));
            }
        }
        let Some(schema) = parameter.get("schema") else { return refuse("has no `schema`") };
        let schema = resolve(self.openapi, schema)?;
        let kind = kind_of(schema).map_err(|why| format!("the parameter `{name}` {why}"))?;
        if matches!(kind, ArgumentType::Object | ArgumentType::Array) {
            return refuse("is a structure, which has no one text form in a path or query");
        }
        let required = place == Place::Path || flag(parameter, "required");
        let sensitive = flag(parameter, "x-killick-sensitive") || flag(schema, "x-killick-sensitive");
        Ok(Argument { name: name.to_owned(), place, kind, required, sensitive })
    }

    fn read_body(&self, body: &'a Value, arguments: &mut Vec<Argument>) -> Result<(), String> {
        let body = resolve(self.openapi, body)?;
        let content = body.get("content").and_then(Value::as_object).ok_or("its body has no `content`")?;
        if let Some(other) = content.keys().find(|media| media.as_str() != "application/json") {
            return Err(format!("its body may be `{other}`; only `application/json` is understood"));
        }
        let schema = content.get("application/json").and_then(|media| media.get("schema"));
        let schema = resolve(self.openapi, schema.ok_or("its body has no `schema`")?)?;
        if !matches!(kind_of(schema), Ok(ArgumentType::Object)) {
            return Err("its body is not plainly a JSON object".to_owned());
        }
        let empty = Map::new();
        let members = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        // A body with members beyond `properties` (`additionalProperties`) is no exact list of arguments. Absence
        // means that they are permitted, but hardly ever that they are meant; the gateway then denies them.
        if schema.get("additionalProperties").is_some_and(|value| *value != Value::Bool(false)) {
            return Err("its body has `additionalProperties`, which are not listed".to_owned());
        }
        let required: BTreeSet<&str> = match schema.get("required") {
            None => BTreeSet::new(),
            Some(list) => list.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
        };
        if let Some(name) = required.iter().find(|name| !members.contains_key(**name)) {
            return Err(format!("its body requires `{name}`, which is not among its `properties`"));
        }
        for (name, member) in members {
            let member = resolve(self.openapi, member)?;
            let kind = kind_of(member).map_err(|why| format!("the body's `{name}` {why}"))?;
            // What the service alone sets is no argument (OpenAPI 3.0 section 4.7.24.2).
            if flag(member, "readOnly") {
                continue;
            }
            arguments.push(Argument {
                name: name.clone(),
                place: Place::Body,
                kind,
                // Also where the body as a whole may be left out: descriptions say so by default and hardly ever mean it,
                // and requiring more denies more.
                required: required.contains(name.as_str()),
                sensitive: flag(member, "x-killick-sensitive"),
            });
        }
        Ok(())
    }
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name) == Some(&Value::Bool(true))
}

/// The one JSON type of a schema. Errs where it has none, several, or is combined.
fn kind_of(schema: &Value) -> Result<ArgumentType, String> {
    for member in ["oneOf", "anyOf", "allOf", "not", "if", "discriminator"] {
        if schema.get(member).is_some() {
            return Err(format!("has `{member}`, which is not understood"));
        }
    }
    if flag(schema, "nullable") {
        return Err("may be null, which is not one type".to_owned());
    }
    match schema.get("type") {
        Some(Value::String(kind)) => match kind.as_str() {
            "string" => Ok(ArgumentType::String),
            "integer" => Ok(ArgumentType::Integer),
            "number" => Ok(ArgumentType::Number),
            "boolean" => Ok(ArgumentType::Boolean),
            "object" => Ok(ArgumentType::Object),
            "array" => Ok(ArgumentType::Array),
            other => Err(format!("is of type `{other}`, which is not understood")),
        },
        Some(_) => Err("is of several types".to_owned()),
        None => Err("has no `type`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::{Catalogue, CatalogueDocument};

    fn describe(path: &str, item: Value) -> Value {
        let mut paths = Map::new();
        paths.insert(path.to_owned(), item);
        json!({
            "openapi": "3.1.0", "paths": paths, "servers": [{ "url": "https://Shop.example/" }, { "url": "/v1" }],
            "components": {
                "parameters": { "Id": { "name": "id", "in": "path", "required": true, "schema": { "type": "string" } } },
                "schemas": {
                    "Amount": { "$ref": "#/components/schemas/Money" }, "Money": { "type": "number" },
                    "Loop": { "$ref": "#/components/schemas/Loop" },
                },
            },
        })
    }

    fn only(path: &str, item: Value) -> Operation {
        import(&describe(path, item), "shop", "http://127.0.0.1:1").unwrap().1.remove(0)
    }

    fn error(path: &str, item: Value) -> String {
        import(&describe(path, item), "shop", "http://127.0.0.1:1").unwrap_err().to_string()
    }

    fn body(properties: Value) -> Value {
        json!({ "required": true, "content": { "application/json": { "schema": {
            "type": "object", "required": ["a"], "properties": properties } } } })
    }

    #[test]
    fn reads_parameters_of_both_levels_and_references() {
        let operation = only(
            "/invoices/{id}",
            json!({
                "parameters": [
                    { "$ref": "#/components/parameters/Id" },
                    { "name": "full", "in": "query", "schema": { "type": "string" } },
                ],
                "get": { "parameters": [{ "name": "full", "in": "query", "required": true, "schema": { "type": "boolean" } }] },
            }),
        );
        assert_eq!((operation.action.as_str(), operation.risk), ("read:invoices", Risk::Read));
        let arguments: Vec<_> =
            operation.arguments.iter().map(|a| (a.name.as_str(), a.place, a.kind, a.required)).collect();
        let expected = [
            ("id", Place::Path, ArgumentType::String, true),
            ("full", Place::Query, ArgumentType::Boolean, true),
        ];
        assert_eq!(arguments, expected);
    }

    #[test]
    fn reads_bodies_and_extensions() {
        let operation = only(
            "/payments",
            json!({ "post": { "x-killick-action": "execute:payments", "x-killick-risk": "critical", "requestBody": body(json!({
                "a": { "$ref": "#/components/schemas/Amount" },
                "iban": { "type": "string", "x-killick-sensitive": true },
                "id": { "type": "string", "readOnly": true },
            })) } }),
        );
        assert_eq!((operation.action.as_str(), operation.risk), ("execute:payments", Risk::Critical));
        let arguments: Vec<_> =
            operation.arguments.iter().map(|a| (a.name.as_str(), a.kind, a.required, a.sensitive)).collect();
        let expected =
            [("a", ArgumentType::Number, true, false), ("iban", ArgumentType::String, false, true)];
        assert_eq!(arguments, expected);
    }

    #[test]
    fn verbs_risks_and_hosts_follow_from_the_description() {
        for (method, action, risk) in [
            ("get", "read:x", Risk::Read),
            ("post", "create:x", Risk::Write),
            ("put", "update:x", Risk::Write),
            ("patch", "update:x", Risk::Write),
            ("delete", "delete:x", Risk::Critical),
        ] {
            let operation = only("/x", json!({ method: {} }));
            assert_eq!((operation.action.as_str(), operation.risk), (action, risk));
        }
        let (upstream, _) = import(&describe("/x", json!({ "get": {} })), "shop", "http://a").unwrap();
        assert_eq!(upstream.hosts, ["shop.example"]);
        let ignored = describe("/x", json!({ "get": { "x-killick-ignore": true } }));
        assert!(import(&ignored, "shop", "http://a").unwrap().1.is_empty());
    }

    #[test]
    fn what_cannot_be_mapped_exactly_is_an_error_that_names_the_operation() {
        let parameter = |members: Value| json!({ "get": { "parameters": [members] } });
        let of_type = |schema: Value| parameter(json!({ "name": "q", "in": "query", "schema": schema }));
        let post = |body: Value| json!({ "post": { "requestBody": body } });
        for item in [
            parameter(json!({ "name": "X-Key", "in": "header", "schema": { "type": "string" } })),
            parameter(json!({ "name": "s", "in": "cookie", "schema": { "type": "string" } })),
            parameter(json!({ "name": "q", "in": "query" })),
            parameter(json!({ "name": "q", "in": "query", "content": {} })),
            parameter(json!({ "$ref": "other.json#/x" })),
            parameter(json!({ "$ref": "#/components/parameters/Nobody" })),
            of_type(json!({ "type": "array" })),
            of_type(json!({ "type": ["string", "null"] })),
            of_type(json!({ "oneOf": [{ "type": "string" }] })),
            of_type(json!({ "type": "string", "nullable": true })),
            of_type(json!({})),
            of_type(json!({ "$ref": "#/components/schemas/Loop" })),
            post(json!({ "content": { "text/plain": {} } })),
            post(json!({ "content": { "application/json": { "schema": { "type": "array" } } } })),
            post(
                json!({ "content": { "application/json": { "schema": { "type": "object", "additionalProperties": true } } } }),
            ),
            post(
                json!({ "content": { "application/json": { "schema": { "type": "object", "required": ["b"] } } } }),
            ),
            post(body(json!({ "a": { "anyOf": [] } }))),
            json!({ "trace": {} }),
            json!({ "get": { "x-killick-risk": "low" } }),
            json!({ "get": { "x-killick-action": 7 } }),
        ] {
            let text = error("/x", item.clone());
            assert!(text.contains("operation `") && text.contains("/x`"), "{item}: {text}");
        }
        assert!(import(&json!({ "swagger": "2.0" }), "shop", "http://a").is_err());
    }

    #[test]
    fn two_operations_of_one_action_need_the_same_arguments() {
        let mut description = describe("/invoices", json!({ "get": {} }));
        description["paths"]["/invoices/{id}"] =
            json!({ "parameters": [{ "$ref": "#/components/parameters/Id" }], "get": {} });
        let text = import(&description, "shop", "http://a").unwrap_err().to_string();
        assert!(text.contains("x-killick-action"), "{text}");
    }

    #[test]
    fn the_shop_imports_into_one_catalogue() {
        let mut document = CatalogueDocument {
            id: "shop.example/catalogue".to_owned(),
            version: 1,
            upstreams: BTreeMap::new(),
            operations: Vec::new(),
            moved: BTreeMap::new(),
        };
        for (name, text) in [
            ("catalogue", include_str!("../../../examples/shop/openapi/catalogue.json")),
            ("customers", include_str!("../../../examples/shop/openapi/customers.json")),
            ("invoices", include_str!("../../../examples/shop/openapi/invoices.json")),
            ("orders", include_str!("../../../examples/shop/openapi/orders.json")),
            ("payments", include_str!("../../../examples/shop/openapi/payments.json")),
        ] {
            let description = serde_json::from_str(text).unwrap();
            let (upstream, operations) = import(&description, name, "http://127.0.0.1:9001").unwrap();
            document.upstreams.insert(name.to_owned(), upstream);
            document.operations.extend(operations);
        }
        let catalogue = Catalogue::new(document).unwrap();
        let execute = catalogue.operation("execute:payments").unwrap();
        assert_eq!(execute.risk, Risk::Critical);
        assert!(execute.arguments.iter().any(|a| a.name == "iban" && a.sensitive && a.required));
        assert_eq!(catalogue.operation("read:invoices").unwrap().path, "/invoices/{id}");
    }
}
