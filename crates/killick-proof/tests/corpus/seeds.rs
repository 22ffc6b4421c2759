//! Seeds from the golden vectors and the fixtures, in the form that each target reads.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::fixtures::{self, NOW, World};
use killick_proof::token::Claims;
use serde_json::Value;

pub fn write(corpus: &Path) {
    let vectors = corpus.join("../../vectors");
    put(corpus, "token", tokens(&vectors));
    put(corpus, "constraint", constraints(&vectors));
    put(corpus, "message", messages(&vectors));
    put(corpus, "json", texts(&vectors.join("json/jcs.json"), "input"));
    put(corpus, "signature_input", requests(&vectors));
    put(corpus, "grammar", GRANTS.map(str::to_owned).to_vec());
    put(corpus, "spiffe_id", IDS.map(str::to_owned).to_vec());
    put_bytes(corpus, "x509", certificates());
    put_bytes(corpus, "bundle", bundles());
}

fn put(corpus: &Path, target: &str, seeds: Vec<String>) {
    put_bytes(corpus, target, seeds.into_iter().map(String::into_bytes).collect());
}

fn put_bytes(corpus: &Path, target: &str, seeds: Vec<Vec<u8>>) {
    let folder = corpus.join(target);
    std::fs::create_dir_all(&folder).unwrap();
    for old in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if old.file_name().unwrap().to_str().unwrap().starts_with("seed-") {
            std::fs::remove_file(old).unwrap();
        }
    }
    for (index, seed) in seeds.into_iter().collect::<BTreeSet<_>>().into_iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{index:03}")), seed).unwrap();
    }
}

fn cases(file: &Path) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    document["cases"].as_array().unwrap().clone()
}

fn texts(file: &Path, member: &str) -> Vec<String> {
    cases(file).iter().filter_map(|case| Some(case[member].as_str()?.to_owned())).collect()
}

/// One payload a line, so that the target signs them; chains that are not three parts of base64url stay as they are.
fn tokens(vectors: &Path) -> Vec<String> {
    let mut seeds = Vec::new();
    for file in ["invariants", "subsumption", "arguments", "encodings"] {
        for (index, case) in cases(&vectors.join(format!("token/{file}.json"))).iter().enumerate() {
            let chain: Vec<&str> =
                case["chain"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            // One pair in three shows the shape of the rest.
            if chain.iter().map(|token| token.len()).sum::<usize>() > 4_000
                || (file == "subsumption" && index % 3 > 0)
            {
                continue;
            }
            seeds.push(payloads(&chain).unwrap_or_else(|| chain.join("~")));
        }
    }
    let world = World::new();
    let ours = world.root_token("invoice-bot", fixtures::tools(&["read:invoices", "create:payment-draft"]));
    seeds.push(payloads(&[&ours]).unwrap());
    seeds.push(ours);
    seeds
}

fn payloads(chain: &[&str]) -> Option<String> {
    let mut lines = Vec::new();
    let (mut above, mut holders) = ("", Vec::new());
    for token in chain {
        let mut parts = token.split('.');
        let (header, payload) = (decoded(parts.next()?)?, decoded(parts.next()?)?);
        let json: Value = serde_json::from_str(&payload).ok()?;
        let mut line = payload.replace('\n', " ");
        if json["par_hash"] == Claims::parent_hash(above) {
            line = line.replace(&Claims::parent_hash(above), "$PAR");
            line = json["iss"].as_str().map(|issuer| line.replace(issuer, "$ISS"))?;
        }
        holders.extend(json["cnf"]["jwk"]["x"].as_str().map(str::to_owned));
        for (index, holder) in holders.iter().enumerate().take(4) {
            line = line.replace(holder, &format!("$X{index}"));
        }
        let plain = header.contains("\"alg\":\"EdDSA\"") && header.len() < 110 && header.contains("aat+jwt");
        lines.push(if plain { line } else { format!("{header}\t{line}") });
        above = token;
    }
    Some(lines.join("\n"))
}

fn decoded(part: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Parent's and child's constraints of every subsumption vector, child first, then the arguments' value.
fn constraints(vectors: &Path) -> Vec<String> {
    let mut seeds = Vec::new();
    for case in cases(&vectors.join("token/subsumption.json")) {
        let mut lines: Vec<String> = Vec::new();
        for token in case["chain"].as_array().unwrap().iter().rev() {
            let payload = decoded(token.as_str().unwrap().split('.').nth(1).unwrap()).unwrap();
            let payload: Value = serde_json::from_str(&payload).unwrap();
            let tools = payload["authorization_details"][0]["tools"].as_object().cloned().unwrap_or_default();
            lines
                .extend(tools.values().filter_map(|map| Some(map.as_object()?.values().next()?.to_string())));
        }
        lines.extend(["1", "\"a\"", "[\"a\",1]", "null"].map(str::to_owned));
        seeds.push(lines.join("\n"));
    }
    for entry in std::fs::read_dir(vectors.join("constraint")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "json") {
            seeds.extend(extensions(&entry));
        }
    }
    // Malformed, unknown and too deep.
    seeds.push(r#"{"constraint_type":"exact"}"#.to_owned());
    seeds.push(r#"{"constraint_type":"x-new","value":1}"#.to_owned());
    seeds.push(r#"{"constraint_type":"any","constraints":[]}"#.to_owned());
    seeds.push(format!("{}{}", r#"{"constraint_type":"all","constraints":["#.repeat(33), "]}".repeat(33)));
    seeds
}

/// Of each file of an extension constraint: its checks with a few values, its subsumptions, what is malformed.
fn extensions(file: &Path) -> Vec<String> {
    let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut seeds = Vec::new();
    for check in array(&document["checks"]) {
        let values =
            array(&check["accepts"]).into_iter().take(4).chain(array(&check["refuses"]).into_iter().take(4));
        let lines: Vec<String> = values.map(|value| value.to_string()).collect();
        // The second and third constraint are the first again.
        let constraint = check["constraint"].to_string();
        seeds.push(format!("{constraint}\n{constraint}\n{constraint}\n{}", lines.join("\n")));
    }
    for pair in array(&document["subsumptions"]) {
        let parent = pair["parent"].to_string();
        for child in array(&pair["within"]).iter().chain(&array(&pair["not_within"])).take(3) {
            seeds.push(format!("{child}\n{parent}\n{parent}"));
        }
    }
    seeds.extend(array(&document["malformed"]).iter().take(3).map(|one| one["constraint"].to_string()));
    seeds
}

/// Parameters, where the vector has them, and the message.
fn messages(vectors: &Path) -> Vec<String> {
    let mut seeds = Vec::new();
    for file in ["signatures", "edges", "components", "accept-signature"] {
        for case in cases(&vectors.join(format!("message-signature/{file}.json"))) {
            let parameters = case["parameters"].as_str().unwrap_or_default();
            seeds.extend(case["message"].as_str().map(|message| format!("{parameters}\n{message}")));
        }
    }
    seeds
}

fn requests(vectors: &Path) -> Vec<String> {
    let mut seeds = Vec::new();
    for entry in std::fs::read_dir(vectors.join("http-signature")).unwrap().map(|entry| entry.unwrap().path())
    {
        if entry.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let vector: Value = serde_json::from_slice(&std::fs::read(&entry).unwrap()).unwrap();
        let request = &vector["request"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut lines = vec![format!("{} {}", text(&request["method"]), text(&request["target"]))];
        for field in request["headers"].as_array().unwrap() {
            let (name, mut value) = (text(&field[0]), text(&field[1]));
            if name == "authorization" && value.starts_with("AAT ey") {
                "AAT $CHAIN".clone_into(&mut value);
            }
            if name == "signature" && value.starts_with("killick=:") && value.len() == 98 {
                "killick=$SIGN".clone_into(&mut value);
            }
            if let Some(jwk) = vector["holder_jwk"]["x"].as_str() {
                let mut bytes = [0; 32];
                bytes.copy_from_slice(&URL_SAFE_NO_PAD.decode(jwk).unwrap());
                let key = killick_proof::keys::PublicKey::from_bytes(bytes).unwrap();
                value = value.replace(key.id().as_str(), "$KEY");
            }
            lines.push(format!("{name}: {value}"));
        }
        seeds.push(format!("{}\n\n{}", lines.join("\n"), text(&request["body"])));
    }
    seeds.extend(FORWARDED.map(str::to_owned));
    seeds
}

/// What a gateway signs, and what an upstream must refuse.
const FORWARDED: [&str; 3] = [
    "GET /invoices/INV-7\ncontent-digest: $DIGEST\nkillick-request-id: r\nkillick-agent: spiffe://a/b\nkillick-action: read:invoices\nsignature-input: killick-gateway=(\"@method\" \"@path\" \"@query\" \"content-digest\" \"killick-request-id\" \"killick-agent\" \"killick-action\");created=1790000000;expires=1790000030;nonce=\"n\";keyid=\"$GATEKEY\";tag=\"killick-gateway\"\nsignature: killick-gateway=$SIGN\n\n",
    "POST /p?a=b\ncontent-type: application/json\ncontent-digest: $DIGEST\nkillick-request-id: r\nkillick-agent: spiffe://a/b\nkillick-action: create:p\nsignature-input: killick-gateway=(\"@method\" \"@path\" \"@query\" \"content-digest\" \"killick-request-id\" \"killick-agent\" \"killick-action\" \"content-type\");created=1790000000;expires=1790000030;nonce=\"n\";keyid=\"$GATEKEY\";tag=\"killick-gateway\"\nsignature: killick-gateway=$SIGN\n\n{\"a\":1}",
    "GET /\ncontent-digest: $DIGEST\nsignature-input: killick-gateway=(\"@method\");created=1790000000;expires=1790000030;nonce=\"n\";keyid=\"$GATEKEY\";tag=\"killick-gateway\"\nsignature: killick-gateway=$SIGN\n\n",
];

const GRANTS: [&str; 18] = [
    "read:invoices; create:payment-draft(amount <= 500, currency in {EUR, USD}, iban == \"DE89\"); execute:none; deny cancel:shipment",
    "read:*",
    "*:*; deny execute:payments",
    "read:invoices(limit? <= 100, status?)",
    "create:payment-draft(amount in 1..500, currency == EUR, iban, memo?)",
    "create:payment-draft(amount > 0.5 and < 1e3, iban not in {\"a\\\"b\", 1e3, null, true})",
    "cancel:shipment(id has {a, b})",
    "cancel:shipment(id within {a, [1, {\"k\": 2}]})",
    "execute:payments(draft == 1 or >= 7 or (in {A} and not in {B}))",
    "execute:payments(draft number, \"a b\" == *)",
    "execute:none",
    "deny execute:*",
    "read:invoices(limit = 5)",
    "read:invoices(",
    "read:none",
    "read invoices",
    "cancel:shipment; deny cancel:shipment",
    "",
];

const IDS: [&str; 14] = [
    "spiffe://acme.example/agent/invoice-bot",
    "spiffe://acme.example/agent/invoice-bot/worker-1",
    "spiffe://a/b",
    "spiffe://a_b.c-d/A.b_c-D/9",
    "spiffe://acme.example",
    "spiffe://acme.example/",
    "spiffe://acme.example//a",
    "spiffe://acme.example/a/../b",
    "spiffe://Acme.example/a",
    "spiffe://acme.example:443/a",
    "spiffe://user@acme.example/a",
    "spiffe://acme.example/a?b#c",
    "SPIFFE://acme.example/a",
    "spiffe:///a",
];

/// Certificates whole, their inner parts, roots, and such with an inner part cut short.
fn certificates() -> Vec<Vec<u8>> {
    let authority = World::new().svid_authority;
    let mut seeds = vec![authority.certificate_der().to_vec()];
    for name in ["invoice-bot", "payment-bot"] {
        let key = fixtures::agent_key(name);
        let id = fixtures::id(&format!("/agent/{name}"));
        for lifetime_secs in [3_600, 0] {
            let leaf = authority.issue(&id, key.public(), [7; 16], NOW, lifetime_secs).unwrap();
            let inner = inner(&leaf);
            seeds.extend([inner[..inner.len() / 2].to_vec(), inner, leaf]);
        }
    }
    seeds.push(inner(authority.certificate_der()));
    seeds
}

/// The first element of the outer sequence: `TBSCertificate`.
fn inner(der: &[u8]) -> Vec<u8> {
    let element = |der: &[u8]| match der[1] {
        0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
        0x81 => (3, usize::from(der[2])),
        length => (2, usize::from(length)),
    };
    let content = &der[element(der).0..];
    let (head, length) = element(content);
    content[..head + length].to_vec()
}

fn bundles() -> Vec<Vec<u8>> {
    let world = World::new();
    let whole = serde_json::to_value(&world.document).unwrap();
    let mut seeds = vec![world.bundle_jws().into_bytes()];
    let mut change = |edit: &dyn Fn(&mut Value)| {
        let mut document = whole.clone();
        edit(&mut document);
        seeds.push(document.to_string().into_bytes());
    };
    change(&|_| {});
    change(&|document| document["agents"] = Value::Array(Vec::new()));
    change(&|document| document["agents"][0]["deny"] = serde_json::json!(["execute:*", "cancel:shipment"]));
    change(&|document| document["agents"][0]["deny"] = serde_json::json!(["no pattern"]));
    change(&|document| document["revocations"]["all"] = true.into());
    change(&|document| document["token_keys"] = Value::Array(Vec::new()));
    change(&|document| document["trust_domain"] = "other.example".into());
    change(&|document| document["svid_roots"][0] = "no base64".into());
    change(&|document| document["gateways"][0]["jwk"]["kty"] = "EC".into());
    change(&|document| document["agents"][1] = document["agents"][0].clone());
    seeds
}
