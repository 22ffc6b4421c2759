//! Token forgery and confusion.

use killick_proof::call::parse_call;
use killick_proof::fixtures::{self, Ask, NOW, World, agent_key, key};
use killick_proof::keys::{PublicKey, base64url, sha256};
use killick_proof::verified::{verify_agent_chain, verify_bundle};

use crate::forge::{HEADER, call, field, receive, sign};
use crate::rows::Row;

fn read_only() -> String {
    World::new().root_token("invoice-bot", fixtures::tools(&["read:invoices"]))
}

/// The root's payload, and its signature.
fn parts() -> (Vec<u8>, String) {
    let world = World::new();
    let claims = world.root_claims("invoice-bot", fixtures::tools(&["execute:payments"]));
    let token = claims.sign(&world.token_key);
    (claims.to_json().to_bytes(), token.rsplit_once('.').unwrap().1.to_owned())
}

fn with_header(header: &str) -> String {
    sign(header, &parts().0, &World::new().token_key)
}

#[test]
fn tok_01_unsigned() {
    let mut row = Row::new("TOK-01");
    let payload = base64url(&parts().0);
    for alg in ["none", "None", "nOnE", "NONE"] {
        let header = base64url(format!(r#"{{"alg":"{alg}","typ":"aat+jwt"}}"#).as_bytes());
        row.denies(alg, call(&format!("{header}.{payload}."), "execute:payments", "{}"));
        row.denies(alg, call(&with_header(&format!(r#"{{"alg":"{alg}"}}"#)), "execute:payments", "{}"));
    }
    row.permits("the token as it was signed", call(&with_header(HEADER), "execute:payments", "{}"));
}

#[test]
fn tok_02_public_key_as_secret() {
    let mut row = Row::new("TOK-02");
    let public = World::new().token_key.public().as_bytes().to_vec();
    // RFC 8410: the DER form of an Ed25519 key, and its PEM.
    let der =
        [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &public[..]].concat();
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(&der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    for (form, secret) in [("PEM", pem.as_bytes()), ("DER", &der[..]), ("raw", &public[..])] {
        let header = base64url(br#"{"alg":"HS256","typ":"aat+jwt"}"#);
        let input = format!("{header}.{}", base64url(&parts().0));
        let token = format!("{input}.{}", base64url(&hmac(secret, input.as_bytes())));
        row.denies(form, call(&token, "execute:payments", "{}"));
    }
}

/// RFC 2104 with SHA-256.
fn hmac(secret: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if secret.len() > 64 {
        block[..32].copy_from_slice(&sha256(secret));
    } else {
        block[..secret.len()].copy_from_slice(secret);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad).to_vec();
    let inner = sha256(&[padded(0x36), message.to_vec()].concat());
    sha256(&[padded(0x5c), inner.to_vec()].concat())
}

#[test]
fn tok_03_key_in_the_header() {
    let mut row = Row::new("TOK-03");
    let own = key(666);
    let header = format!(r#"{{"alg":"EdDSA","typ":"aat+jwt","jwk":{}}}"#, own.public().to_jwk());
    row.denies("own key", call(&sign(&header, &parts().0, &own), "execute:payments", "{}"));
    row.denies("signed by the right key all the same", call(&with_header(&header), "execute:payments", "{}"));
}

#[test]
fn tok_04_key_address_in_the_header() {
    let mut row = Row::new("TOK-04");
    for name in ["jku", "x5u"] {
        let header = format!(r#"{{"alg":"EdDSA","typ":"aat+jwt","{name}":"http://127.0.0.1:9/keys"}}"#);
        row.denies(name, call(&sign(&header, &parts().0, &key(666)), "execute:payments", "{}"));
        row.denies(name, call(&with_header(&header), "execute:payments", "{}"));
    }
}

#[test]
fn tok_05_kid_is_a_path() {
    let mut row = Row::new("TOK-05");
    for kid in ["../../dev/null", "..%2f..%2fdev%2fnull", "../../dev/null\\u0000", "/etc/passwd"] {
        let header = format!(r#"{{"alg":"EdDSA","typ":"aat+jwt","kid":"{kid}"}}"#);
        row.denies(kid, call(&with_header(&header), "execute:payments", "{}"));
    }
}

#[test]
fn tok_06_kid_of_another_tenant() {
    let mut row = Row::new("TOK-06");
    let theirs = key(77);
    let header = format!(r#"{{"alg":"EdDSA","typ":"aat+jwt","kid":"{}"}}"#, theirs.id());
    row.denies("our issuer, their key", call(&sign(&header, &parts().0, &theirs), "execute:payments", "{}"));
    let world = World::new();
    let mut claims = world.root_claims("invoice-bot", fixtures::tools(&["read:invoices"]));
    claims.iss = "https://authority.other.example".to_owned();
    row.denies("their issuer, our key", call(&claims.sign(&world.token_key), "read:invoices", "{}"));
}

#[test]
fn tok_07_retired_key() {
    let mut row = Row::new("TOK-07");
    let mut world = World::new();
    let retired = world.token_key.public().clone();
    let token = read_only();
    world.document.token_keys = vec![key(50).public().to_jwk()];
    row.denies("retired", verify_agent_chain(&token, &world.trust(), NOW));
    // Twice the same key is one key.
    world.document.token_keys = vec![retired.to_jwk(), retired.to_jwk()];
    row.permits("not retired", verify_agent_chain(&token, &world.trust(), NOW));
}

#[test]
fn tok_08_stolen_token() {
    let mut row = Row::new("TOK-08");
    let (world, token) = (World::new(), read_only());
    let thief = agent_key("payment-bot");
    let signed = |token: &str| {
        receive(&world, world.request_signed_with(&thief, token, &Ask::get("/invoices/1")), NOW)
    };
    row.denies("unchanged", signed(&token));
    let (input, signature) = token.rsplit_once('.').unwrap();
    let header = input.split_once('.').unwrap().0;
    let claims = world.root_claims("invoice-bot", fixtures::tools(&["read:invoices"]));
    let mut removed = claims.to_json();
    crate::forge::edit(&mut removed, "cnf", None);
    let mut changed = claims;
    changed.holder_key = thief.public().clone();
    for (what, payload) in [("removed", removed), ("changed", changed.to_json())] {
        row.denies(what, signed(&format!("{header}.{}.{signature}", base64url(&payload.to_bytes()))));
    }
}

#[test]
fn tok_09_cnf_twice() {
    let mut row = Row::new("TOK-09");
    let world = World::new();
    let claims = world.root_claims("invoice-bot", fixtures::tools(&["read:invoices"])).to_json().to_text();
    let thief = agent_key("payment-bot");
    let cnf = format!(r#""cnf":{{"jwk":{}}}"#, thief.public().to_jwk());
    let last = format!("{},{cnf}}}", claims.strip_suffix('}').unwrap());
    let first = claims.replacen('{', &format!("{{{cnf},"), 1);
    for payload in [first, last] {
        let token = sign(HEADER, payload.as_bytes(), &world.token_key);
        for holder in [&thief, &agent_key("invoice-bot")] {
            let raw = world.request_signed_with(holder, &token, &Ask::get("/invoices/1"));
            row.denies("either key", receive(&world, raw, NOW));
        }
    }
}

#[test]
fn tok_10_wrong_audience() {
    let mut row = Row::new("TOK-10");
    let world = World::new();
    let ask = Ask { audience: "spiffe://acme.example/gateway/gw-2", ..Ask::get("/invoices/1") };
    row.denies(
        "for gateway 2",
        receive(&world, world.signed_request("invoice-bot", &read_only(), &ask), NOW),
    );
    let ask = Ask::get("/invoices/1");
    row.permits(
        "for this one",
        receive(&world, world.signed_request("invoice-bot", &read_only(), &ask), NOW),
    );
}

#[test]
fn tok_11_list_of_audiences() {
    let mut row = Row::new("TOK-11");
    let world = World::new();
    let list = format!("{}, https://attacker.example", fixtures::GATEWAY);
    let ask = Ask { audience: &list, ..Ask::get("/invoices/1") };
    row.denies("a list", receive(&world, world.signed_request("invoice-bot", &read_only(), &ask), NOW));
}

#[test]
fn tok_12_type_confusion() {
    let mut row = Row::new("TOK-12");
    let world = World::new();
    for typ in ["JWT", "at+jwt", "aat-pop+jwt", "killick-bundle+jwt", "aat+jwt\\u0000"] {
        let header = format!(r#"{{"alg":"EdDSA","typ":"{typ}"}}"#);
        row.denies(typ, call(&with_header(&header), "execute:payments", "{}"));
    }
    row.denies("no typ", call(&with_header(r#"{"alg":"EdDSA"}"#), "execute:payments", "{}"));
    row.denies("a bundle of the same key", call(&world.bundle_jws(), "read:invoices", "{}"));
    row.denies(
        "a certificate",
        call(&base64url(world.svid_authority.certificate_der()), "read:invoices", "{}"),
    );
    row.denies("a token as a bundle", verify_bundle(&read_only(), world.token_key.public()).map(drop));
}

#[test]
fn tok_13_malformed_signatures() {
    let mut row = Row::new("TOK-13");
    let token = read_only();
    let input = token.rsplit_once('.').unwrap().0;
    for bytes in [vec![0; 64], vec![0; 63], vec![0; 65], vec![0; 1], vec![], vec![0xff; 64]] {
        row.denies("malformed", call(&format!("{input}.{}", base64url(&bytes)), "read:invoices", "{}"));
    }
}

#[test]
fn tok_14_weak_points() {
    let mut row = Row::new("TOK-14");
    // y = 1 (the neutral element), y = -1, and y = p + 1, another spelling of 1.
    let mut one = [0_u8; 32];
    one[0] = 1;
    let mut minus_one = [0xff_u8; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let mut p_and_one = minus_one;
    p_and_one[0] = 0xee;
    for bytes in [one, minus_one, p_and_one] {
        row.denies("registered", PublicKey::from_bytes(bytes));
    }
    let token = read_only();
    let (input, signature) = token.rsplit_once('.').unwrap();
    use base64::Engine as _;
    let mut twin = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    // RFC 8032 section 5.1: the order L, little-endian.
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10_u16,
    ];
    let mut carry = 0;
    for (byte, add) in twin[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + add + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    row.denies("S + L", call(&format!("{input}.{}", base64url(&twin)), "read:invoices", "{}"));
}

#[test]
fn tok_15_base64url_malleability() {
    let mut row = Row::new("TOK-15");
    let token = read_only();
    let mut loose = token.clone();
    let last = loose.pop().unwrap();
    loose.push(char::from(last as u8 + 1));
    for altered in
        [loose, format!("{token}="), format!("{token}=="), format!("{token}\n"), format!("{token} ")]
    {
        row.denies("another spelling", call(&altered, "read:invoices", "{}"));
    }
    row.permits("the one spelling", call(&token, "read:invoices", "{}"));
}

#[test]
fn tok_16_critical_header() {
    let mut row = Row::new("TOK-16");
    for crit in [r#"["x-limit"],"x-limit":1"#, "[]", r#"["b64"],"b64":false"#] {
        let header = format!(r#"{{"alg":"EdDSA","typ":"aat+jwt","crit":{crit}}}"#);
        row.denies(crit, call(&with_header(&header), "execute:payments", "{}"));
    }
    // The near twin: what need not be understood is ignored.
    row.permits(
        "x-limit alone",
        call(&with_header(r#"{"alg":"EdDSA","typ":"aat+jwt","x-limit":1}"#), "execute:payments", "{}"),
    );
    let (world, mut raw) =
        (World::new(), World::new().signed_request("invoice-bot", &read_only(), &Ask::get("/invoices/1")));
    let header = with_header(r#"{"alg":"EdDSA","typ":"aat+jwt","crit":["x"],"x":1}"#);
    *field(&mut raw, "authorization") = format!("AAT {header}").into_bytes();
    row.denies(
        "in a request",
        parse_call(raw, &world.public()).and_then(|parsed| {
            killick_proof::verified::verify_call(parsed, &world.trust(), &|_| None, NOW).map(drop)
        }),
    );
}
