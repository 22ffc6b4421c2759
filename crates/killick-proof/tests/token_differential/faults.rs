//! What can be wrong with a case: one fault at a time, in one link.

use killick_proof::fixtures::NOW;
use killick_proof::keys::{base64url, sha256};

use crate::constraint::{Made, constraint, to_raw, value};
use crate::draw::{Raw, Rng};
use crate::maker::{Case, Keys, entry, sign};

pub(crate) type Change = fn(&mut Case, usize, &mut Rng, &Keys);

/// A fault: its name; whether killick refuses what the draft alone permits (`docs/spec/token-profile.md`); the change.
pub(crate) const FAULTS: &[(&str, bool, Change)] = &[
    ("claim dropped", false, claim_dropped),
    ("claim of another type", false, claim_of_another_type),
    ("claim twice", false, claim_twice),
    ("unknown claim", false, unknown_claim),
    ("issuer", false, issuer),
    ("issuer is a URI or not", false, issuer_uri),
    ("jti", false, jti),
    ("holder's key", false, holders_key),
    ("holder's key is weak", true, weak_key),
    ("depth", false, depth),
    ("depth is no integer", false, depth_is_no_integer),
    ("times at their bounds", false, times_at_bounds),
    ("times between seconds", false, times_between_seconds),
    ("lifetime at its bound", false, lifetime),
    ("capability entries", false, entries),
    ("tool added", false, tool_added),
    ("tool dropped", false, tool_dropped),
    ("argument added", false, argument_added),
    ("argument dropped", false, argument_dropped),
    ("map emptied", false, map_emptied),
    ("constraint replaced", false, constraint_replaced),
    ("constraint replaced in the leaf", false, leaf_constraint_replaced),
    ("range moved by a hundredth", false, range_moved),
    ("list changed by one", false, list_changed),
    ("clauses changed", false, clauses_changed),
    ("unknown constraint", false, unknown_constraint),
    ("malformed constraint", false, malformed_constraint),
    ("any without a clause", true, empty_any),
    ("constraint nested deep", false, nested_deep),
    ("algorithm", false, algorithm),
    ("critical header", false, critical),
    ("header is no header", false, no_header),
    ("header of killick's strictness", true, strict_header),
    ("encoding of the token", false, encoding),
    ("payload is no payload", false, no_payload),
    ("one byte", false, one_byte),
    ("signer", false, signer),
    ("par_hash", false, par_hash),
    ("order", false, order),
    ("spliced", false, spliced),
    ("trust anchors", false, anchors),
    ("tool asked for", false, tool_asked_for),
    ("arguments", false, arguments),
    ("arguments as text", false, arguments_text),
    ("proof's claims", false, proof_claims),
    ("proof's time", false, proof_time),
    ("proof's arguments", false, proof_arguments),
    ("proof's header", false, proof_header),
    ("proof's typ", true, proof_typ),
    ("proof's signer", false, proof_signer),
    ("audience", false, audience),
    ("sizes", false, sizes),
];

fn claim_dropped(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let name = rng.pick(&case.links[at].claims).0.clone();
    case.links[at].remove(&name);
    if rng.percent(10) {
        case.links[at].par_hash = Some(None);
    }
}

fn claim_of_another_type(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let name = rng.pick(&case.links[at].claims).0.clone();
    let other = ["null", "true", "7", "\"7\"", "[]", "{}", "-1", "1e400", "[{}]"];
    let other = Raw::text(*rng.pick(&other));
    if rng.percent(10) {
        case.links[at].par_hash = Some(Some(other));
    } else {
        case.links[at].set(&name, other);
    }
}

fn claim_twice(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let twin = rng.pick(&case.links[at].claims).clone();
    case.links[at].claims.push(twin);
}

fn unknown_claim(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let claim = value(rng, true);
    let name = *rng.pick(&["sub", "aud", "nbf", "scope", "x"]);
    case.links[at].set(name, claim);
}

fn issuer(case: &mut Case, at: usize, rng: &mut Rng, keys: &Keys) {
    let issuer = match rng.below(3) {
        0 => keys.get(case.first_key + rng.below(4)).id().thumbprint_uri(),
        1 => "https://as.example".to_owned(),
        _ => format!("{} ", keys.get(case.first_key + at).id().thumbprint_uri()),
    };
    case.links[at].set("iss", Raw::str(issuer));
}

fn issuer_uri(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    let issuers = [
        "urn:a:b",
        "a:",
        "a:b",
        "1a:b",
        "as.example",
        "",
        ":",
        "https://[::1]:8/x?y#z",
        "https://[::1",
        "a b:c",
        "a:b#c#d",
        "https://as/%4",
        "https://as/%4f",
        "https://as/\"",
        "mailto:x@y",
        "https://h:8a/",
        "https://[v1.x]/",
        "a:[",
        "ä:b",
        "https://u@h",
        "https://ä",
    ];
    case.links[0].set("iss", Raw::str(*rng.pick(&issuers)));
}

fn jti(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let other = case.links[rng.below(case.links.len())].claim("jti").cloned().unwrap();
    let jti = match rng.below(4) {
        0 => other,
        1 => Raw::str(""),
        2 => Raw::str("ä any text, not a UUID"),
        _ => Raw::str("01957A41-0081-7C20-BF3A-00A0C91E1234"),
    };
    case.links[at].set("jti", jti);
}

fn holders_key(case: &mut Case, at: usize, rng: &mut Rng, keys: &Keys) {
    let x = base64url(keys.get(rng.below(48)).public().as_bytes());
    let jwk = match rng.below(11) {
        0 => format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"AAAA"}}"#),
        1 => r#"{"kty":"oct","k":"AAAA"}"#.to_owned(),
        2 => format!(r#"{{"kty":"OKP","crv":"X25519","x":"{x}"}}"#),
        3 => format!(r#"{{"kty":"EC","crv":"Ed25519","x":"{x}"}}"#),
        4 => format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}="}}"#),
        5 => format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, &x[..42]),
        6 => format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","use":"sig","alg":"EdDSA","kid":"x"}}"#),
        7 => format!(r#"{{"kty":"RSA","n":"{x}","e":"AQAB"}}"#),
        8 => r#"{"kty":"OKP","crv":"Ed25519"}"#.to_owned(),
        9 => "null".to_owned(),
        _ => format!(r#"{{"x":"{x}","crv":"Ed25519","kty":"OKP"}}"#),
    };
    let jwk = Raw::text(jwk);
    let cnf = if rng.percent(90) { Raw::obj([("jwk", jwk)]) } else { Raw::obj([("jkt", jwk)]) };
    case.links[at].set("cnf", cnf);
}

fn weak_key(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let x = rng.pick(&[
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "7f________________________________________38",
    ]);
    let jwk = Raw::text(format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#));
    case.links[at].set("cnf", Raw::obj([("jwk", jwk)]));
}

fn depth(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let name = *rng.pick(&["del_depth", "del_max_depth"]);
    let near = at as i64;
    let depth =
        *rng.pick(&[near - 1, near, near + 1, near + 2, 0, 1, 31, 32, 33, case.links.len() as i64 - 1]);
    case.links[at].set(name, Raw::int(depth));
}

fn depth_is_no_integer(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let name = *rng.pick(&["del_depth", "del_max_depth"]);
    let spelled = [
        format!("{at}.0"),
        format!("{at}e0"),
        format!("{at}.5"),
        format!("\"{at}\""),
        format!("{at}.0000000000000000001"),
        format!("{at}00e-2"),
        "-0".to_owned(),
        "-1".to_owned(),
        "18446744073709551616".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
    ];
    case.links[at].set(name, Raw::text(rng.pick(&spelled)));
}

/// A time just within one of its bounds, at it, and just beyond it.
fn times_at_bounds(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let own = |case: &Case, link: usize, name: &str| match case.links[link].claim(name) {
        Some(Raw::Hundredths(value)) => value / 100,
        _ => 0,
    };
    let now = NOW.secs() as i64;
    let above = at.saturating_sub(1);
    let (name, bound) = match rng.below(5) {
        0 => ("exp", now),
        1 => ("iat", now + 30),
        2 => ("exp", own(case, above, "exp")),
        3 => ("iat", own(case, above, "iat")),
        _ => ("exp", own(case, at, "iat")),
    };
    case.links[at].set(name, Raw::int(bound + rng.between(-1, 1)));
}

fn times_between_seconds(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let now = NOW.secs();
    let above = &case.links[at.saturating_sub(1)];
    let of_parent = |name: &str| match above.claim(name) {
        Some(Raw::Hundredths(value)) => value / 100,
        _ => 0,
    };
    let (iat, exp) = (of_parent("iat"), of_parent("exp"));
    let (name, text) = rng
        .pick(&[
            ("exp", format!("{now}.0000000000000000000000001")),
            ("exp", format!("{exp}.01")),
            ("exp", format!("{}.999999999999999999", exp - 1)),
            ("iat", format!("{iat}.5")),
            ("iat", format!("{}.99999999999999999999", iat - 1)),
            ("iat", format!("{}.0000000000000000001", now + 30)),
            ("iat", format!("{}.9999999999999999999", now + 29)),
            ("exp", "1e400".to_owned()),
            ("iat", "1e-400".to_owned()),
            ("exp", "-1.5".to_owned()),
            ("iat", "-1.5".to_owned()),
            ("exp", format!("{exp}000e-3")),
        ])
        .clone();
    case.links[at].set(name, Raw::text(text));
}

fn lifetime(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    let [iat, exp] = ["iat", "exp"].map(|name| match case.links[0].claim(name) {
        Some(Raw::Hundredths(value)) => value / 100,
        _ => 0,
    });
    case.lifetime_max = (exp - iat + rng.between(-1, 1)) as u64;
    if rng.percent(30) {
        case.links[0].set("exp", Raw::text(format!("{exp}.5")));
    }
}

fn entries(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let other = || Raw::obj([("type", Raw::str("other")), ("tools", Raw::int(7))]);
    let typed = |value: Raw| Raw::obj([("type", Raw::str("attenuating_agent_token")), ("tools", value)]);
    let empty = || typed(Raw::Obj(vec![]));
    let choices = [
        vec![],
        vec![other()],
        vec![entry(), entry()],
        vec![empty(), entry()],
        vec![entry(), empty()],
        vec![other(), entry(), other()],
        vec![empty()],
        vec![Raw::text("null"), entry(), Raw::int(1), Raw::str("attenuating_agent_token")],
        vec![typed(Raw::text("null"))],
        vec![typed(Raw::Arr(vec![]))],
        vec![Raw::obj([("type", Raw::str("attenuating_agent_token"))])],
        vec![Raw::obj([("type", Raw::str("Attenuating_agent_token")), ("tools", Raw::Obj(vec![]))]), entry()],
    ];
    case.links[at].set("authorization_details", Raw::Arr(rng.pick(&choices).clone()));
}

fn tool_added(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let name = format!("{}{}", case.tool, rng.pick(&["2", " ", "\u{301}"]));
    case.links[at].tools.push((name, vec![]));
}

fn tool_dropped(case: &mut Case, at: usize, _: &mut Rng, _: &Keys) {
    let tool = case.tool.clone();
    case.links[at].tools.retain(|(name, _)| *name != tool);
}

/// The constraint map of the tool that is asked for.
fn map_of(case: &mut Case, at: usize) -> &mut Vec<(String, Made)> {
    let tool = case.tool.clone();
    &mut case.links[at].tools.iter_mut().find(|(name, _)| *name == tool).unwrap().1
}

fn argument_added(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let made = if rng.percent(50) { Made::Wildcard } else { constraint(rng, 1) };
    map_of(case, at).push(("more".to_owned(), made));
    if rng.percent(50) {
        case.args.push(("more".to_owned(), value(rng, true)));
    }
}

fn argument_dropped(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let map = map_of(case, at);
    if !map.is_empty() {
        map.remove(rng.below(map.len()));
    }
}

fn map_emptied(case: &mut Case, at: usize, _: &mut Rng, _: &Keys) {
    map_of(case, at).clear();
}

fn constraint_replaced(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let made = constraint(rng, 0);
    let tools = &mut case.links[at].tools;
    let (tool, argument) = (rng.below(tools.len().max(1)), rng.next() as usize);
    if let Some((_, map)) = tools.get_mut(tool)
        && !map.is_empty()
    {
        let argument = argument % map.len();
        map[argument].1 = made;
    }
}

fn leaf_constraint_replaced(case: &mut Case, _: usize, rng: &mut Rng, keys: &Keys) {
    constraint_replaced(case, case.links.len() - 1, rng, keys);
}

/// Changes every constraint of a kind that `change` knows.
fn each(made: &mut Made, change: &mut dyn FnMut(&mut Made)) {
    if let Made::Clauses(_, clauses) = made {
        clauses.iter_mut().for_each(|clause| each(clause, change));
    }
    change(made);
}

fn range_moved(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    for (_, made) in map_of(case, at) {
        each(made, &mut |made| {
            let Made::Range(bounds, inclusive) = made else { return };
            let end = rng.below(2);
            match rng.below(3) {
                0 => bounds[end] = bounds[end].map(|bound| bound + rng.between(-1, 1)),
                1 => bounds[end] = None,
                _ => inclusive[end] = *rng.pick(&[None, Some(true), Some(false)]),
            }
        });
    }
}

fn list_changed(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    for (_, made) in map_of(case, at) {
        each(made, &mut |made| {
            let Made::List(kind, values) = made else { return };
            match rng.below(3) {
                0 => values.push(value(rng, true)),
                1 => drop(values.pop()),
                _ => *kind = *rng.pick(&["one_of", "not_one_of", "contains", "subset"]),
            }
        });
    }
}

fn clauses_changed(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    for (_, made) in map_of(case, at) {
        each(made, &mut |made| {
            let Made::Clauses(kind, clauses) = made else { return };
            match rng.below(4) {
                0 => clauses.push(constraint(rng, 2)),
                1 if clauses.len() > 1 => drop(clauses.pop()),
                2 if !clauses.is_empty() => *kind = *rng.pick(&["all", "any"]),
                // One clause for two: `all` needs one of its own for each.
                _ => clauses.dedup_by(|a, b| to_raw(a) == to_raw(b)),
            }
        });
    }
}

fn put_somewhere(case: &mut Case, at: usize, rng: &mut Rng, made: Made) {
    let deep = rng.percent(40);
    let made = if deep { Made::Clauses("any", vec![Made::Wildcard, made]) } else { made };
    // In the map of the tool asked for, or of one that is not.
    if rng.percent(50) {
        map_of(case, at).push(("more".to_owned(), made));
    } else {
        case.links[at].tools.push(("another".to_owned(), vec![("x".to_owned(), made)]));
    }
}

fn unknown_constraint(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let made = match rng.below(5) {
        0 => Raw::obj([("constraint_type", Raw::str("x-unknown"))]),
        1 => Raw::obj([("constraint_type", Raw::str("Exact")), ("value", Raw::int(1))]),
        2 => Raw::obj([("value", Raw::int(1))]),
        3 => Raw::obj([("constraint_type", Raw::int(1))]),
        _ => Raw::text("null"),
    };
    put_somewhere(case, at, rng, Made::Other(made));
}

fn malformed_constraint(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let text = rng.pick(&[
        r#"{"constraint_type":"exact"}"#,
        r#"{"constraint_type":"exact","value":[1]}"#,
        r#"{"constraint_type":"exact","value":{}}"#,
        r#"{"constraint_type":"range","max":null}"#,
        r#"{"constraint_type":"range","min":"1"}"#,
        r#"{"constraint_type":"range","min_inclusive":1}"#,
        r#"{"constraint_type":"one_of","values":"a"}"#,
        r#"{"constraint_type":"not_one_of"}"#,
        r#"{"constraint_type":"contains","required":{}}"#,
        r#"{"constraint_type":"subset","values":[]}"#,
        r#"{"constraint_type":"all","constraints":{}}"#,
        r#"{"constraint_type":"any"}"#,
        r#"{"constraint_type":"wildcard","more":1}"#,
        r#"{"constraint_type":"range","max":1,"max":2}"#,
        r#"{"constraint_type":"all","constraints":[]}"#,
    ]);
    put_somewhere(case, at, rng, Made::Other(Raw::text(*text)));
}

fn empty_any(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    put_somewhere(case, at, rng, Made::Clauses("any", vec![]));
}

fn nested_deep(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let mut made = Made::Wildcard;
    for level in 0..rng.between(29, 33) {
        made = Made::Clauses(if level % 2 == 0 { "all" } else { "any" }, vec![made]);
    }
    if at == 0 && rng.percent(50) {
        // Once in every link, so that a bound kept is a call permitted.
        for link in 0..case.links.len() {
            case.links[link].tools.push(("another".to_owned(), vec![("x".to_owned(), made.clone())]));
        }
        return;
    }
    case.links[at].tools.push(("another".to_owned(), vec![("x".to_owned(), made)]));
}

fn algorithm(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let alg = rng.pick(&[
        "\"none\"",
        "\"None\"",
        "\"HS256\"",
        "\"ES256\"",
        "\"RS256\"",
        "\"eddsa\"",
        "\"Ed448\"",
        "\"Ed25519\"",
        "\"EdDSA \"",
        "null",
        "7",
        "[\"EdDSA\"]",
        "\"\"",
        "\"EdDS\\u0041\"",
    ]);
    case.links[at].header = format!(r#"{{"alg":{alg}}}"#);
}

fn critical(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let crit = rng.pick(&["[\"x\"],\"x\":1", "[]", "[\"b64\"],\"b64\":true", "null", "\"alg\""]);
    case.links[at].header = format!(r#"{{"alg":"EdDSA","crit":{crit}}}"#);
}

fn no_header(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let header = rng.pick(&[
        "{}",
        "[]",
        "null",
        "alg",
        "",
        r#"{"alg":"EdDSA","alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA"}x"#,
        "\u{feff}{\"alg\":\"EdDSA\"}",
        r#"{"alg":"EdDSA","x":"\ud800"}"#,
        r#" {"alg" : "EdDSA", "more": [1, {"a": null}] } "#,
    ]);
    case.links[at].header = (*header).to_owned();
}

/// What killick's headers may not say, and the draft says nothing about.
fn strict_header(case: &mut Case, at: usize, rng: &mut Rng, keys: &Keys) {
    let other = keys.get(case.first_key + 40).id();
    let more = [
        r#""typ":"at+jwt""#.to_owned(),
        r#""typ":1"#.to_owned(),
        r#""kid":"../../dev/null""#.to_owned(),
        r#""kid":7"#.to_owned(),
        format!(r#""kid":"{other}""#),
        r#""jku":"https://a.example""#.to_owned(),
        r#""x5u":"https://a.example""#.to_owned(),
        r#""x5c":["AAAA"]"#.to_owned(),
        format!(r#""jwk":{}"#, keys.get(0).public().to_jwk()),
    ];
    case.links[at].header = format!(r#"{{"alg":"EdDSA",{}}}"#, rng.pick(&more));
}

fn encoding(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let kind = rng.below(11);
    case.after.push(Box::new(move |mut chain| {
        let token = chain[at].clone();
        let (input, signature) = token.rsplit_once('.').unwrap();
        chain[at] = match kind {
            0 => format!("{token}=="),
            1 => format!("{token}."),
            2 => format!("{token}.{signature}"),
            3 => input.to_owned(),
            4 => format!("{input}."),
            5 => format!("{token} "),
            6 => format!("{input}.{}", &signature[..84]),
            7 => format!("{input}.{signature}AA"),
            8 => format!(".{token}"),
            9 => String::new(),
            // The last character carries four bits that must be zero.
            _ => format!("{input}.{}{}", &signature[..85], char::from(signature.as_bytes()[85] + 1)),
        };
        chain
    }));
}

fn no_payload(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let link = &mut case.links[at];
    match rng.below(7) {
        0 => link.around.0 = "\u{feff}".to_owned(),
        1 => link.around.1 = "x".to_owned(),
        2 => link.around.0 = " \n".to_owned(),
        3 => link.payload = Some(b"{\"jti\":\"\xff\"}".to_vec()),
        4 => link.payload = Some((*rng.pick(&["[]", "7", "null", "\"jti\"", "{", "{}"])).as_bytes().to_vec()),
        5 => link
            .claims
            .push(("x".to_owned(), Raw::text(*rng.pick(&["NaN", "01", "'a'", "\"\\ud800\"", "1."])))),
        _ => link.claims.push(("x".to_owned(), Raw::text("\"\\ud83d\\ude00\\/\""))),
    }
}

fn one_byte(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let (place, kind, other) =
        (rng.next() as usize, rng.below(3), *rng.pick(b"ABCXYZabcxyz0123456789-_.=+/ "));
    case.after.push(Box::new(move |mut chain| {
        let mut bytes = chain[at].clone().into_bytes();
        let place = place % bytes.len();
        match kind {
            0 => drop(bytes.remove(place)),
            1 => bytes.insert(place, other),
            _ => bytes[place] = other,
        }
        chain[at] = String::from_utf8(bytes).unwrap();
        chain
    }));
}

fn signer(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    case.links[at].signer =
        case.first_key + rng.below(case.links.len() + 1) + if rng.percent(20) { 30 } else { 0 };
    case.links[at].header = r#"{"alg":"EdDSA"}"#.to_owned();
}

fn par_hash(case: &mut Case, at: usize, rng: &mut Rng, keys: &Keys) {
    let Some(above) = at.checked_sub(1) else {
        case.links[0].par_hash = Some(Some(Raw::str(base64url(&sha256(b"x")))));
        return;
    };
    // The parent, written as it will be: its spelling is drawn again, so that this is a wrong hash of the right bytes.
    let parent = &case.links[above];
    let payload = Raw::Obj(parent.claims.clone()).plain();
    let compact = sign(&parent.header, payload.as_bytes(), keys.get(parent.signer));
    case.links[at].par_hash = Some(match rng.below(5) {
        0 => Some(Raw::str(base64url(&sha256(compact.as_bytes())))),
        1 => Some(Raw::str(base64url(&sha256(payload.as_bytes())))),
        2 => Some(Raw::str(format!("{}=", base64url(&sha256(payload.as_bytes()))))),
        3 => None,
        _ => Some(Raw::str("")),
    });
}

fn order(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let kind = rng.below(8);
    case.after.push(Box::new(move |mut chain| {
        match kind {
            0 => chain.reverse(),
            1 => drop(chain.drain(..at)),
            2 => drop(chain.remove(at)),
            3 => chain.push(chain[at].clone()),
            4 => chain.insert(at, chain[0].clone()),
            5 => chain.swap(at, 0),
            6 => chain.truncate(at),
            // A chain that ends earlier is a chain.
            _ => chain.truncate(at + 1),
        }
        chain
    }));
    if kind == 7 && rng.percent(80) {
        case.pop = None;
    }
}

/// A link under another token of the same holder: right signature, other parent.
fn spliced(case: &mut Case, at: usize, rng: &mut Rng, keys: &Keys) {
    let link = &case.links[at];
    let payload = Raw::Obj(link.claims.clone()).by_chance(rng).replace("TOOLS-HERE", "{}");
    let sibling = sign(&link.header, payload.as_bytes(), keys.get(link.signer));
    case.after.push(Box::new(move |mut chain| {
        chain[at] = sibling.clone();
        chain
    }));
}

fn anchors(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    case.anchors = match rng.below(4) {
        0 => vec![],
        1 => vec![case.first_key + 40],
        2 => vec![case.first_key + 40, case.first_key],
        _ => vec![case.first_key + 1],
    };
}

fn tool_asked_for(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    case.tool = match rng.below(4) {
        0 => format!("{} ", case.tool),
        1 => case.tool.to_uppercase(),
        2 => "la\u{308}s:fil".to_owned(),
        _ => (*rng.pick(&["pay", "read:invoices", "", "other", "läs:fil"])).to_owned(),
    };
}

fn arguments(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    if case.args.is_empty() || rng.percent(25) {
        case.args.push(("more".to_owned(), value(rng, true)));
        return;
    }
    let which = rng.below(case.args.len());
    match rng.below(4) {
        0 => drop(case.args.remove(which)),
        1 => case.args[which].1 = Raw::text("null"),
        2 => case.args[which].1 = value(rng, true),
        _ => {
            case.args[which].1 = match &case.args[which].1 {
                Raw::Hundredths(value) => Raw::Hundredths(value + rng.between(-1, 1)),
                Raw::Str(text) => Raw::str(format!("{text} ")),
                Raw::Arr(items) => Raw::Arr(items.iter().chain(items).cloned().collect()),
                other => Raw::Arr(vec![other.clone()]),
            }
        }
    }
}

fn arguments_text(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    let texts = [
        "[]",
        "null",
        "{",
        "{\"amount\":NaN}",
        "{\"a\":1,\"a\":1}",
        "{} x",
        "",
        "{\"amount\":1e999999}",
        " { } ",
    ];
    case.args_text = Some((*rng.pick(&texts)).to_owned());
}

fn proof_claims(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    let root = case.links[0].claim("jti").cloned().unwrap();
    let tool = format!("{} ", case.tool);
    let Some(proof) = &mut case.pop else { return };
    let set = |claims: &mut Vec<(String, Raw)>, name: &str, value: Raw| {
        claims.retain(|(member, _)| member != name);
        claims.push((name.to_owned(), value));
    };
    match rng.below(9) {
        0 => drop(proof.claims.remove(rng.below(proof.claims.len()))),
        1 => set(&mut proof.claims, "aat_id", root),
        2 => set(&mut proof.claims, "aat_id", Raw::int(7)),
        3 => set(&mut proof.claims, "aat_tool", Raw::str(tool)),
        4 => set(&mut proof.claims, "jti", Raw::str("")),
        5 => set(&mut proof.claims, "jti", Raw::int(1)),
        6 => set(&mut proof.claims, "more", value(rng, true)),
        7 => set(&mut proof.claims, "aat_aud", Raw::int(1)),
        _ => {
            let twin = rng.pick(&proof.claims).clone();
            proof.claims.push(twin);
        }
    }
}

fn proof_time(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    let now = case.now;
    let Some(proof) = &mut case.pop else { return };
    let texts = [
        format!("{}", now - 31),
        format!("{}", now - 30),
        format!("{}", now + 30),
        format!("{}", now + 31),
        format!("{}.999999999999", now - 31),
        format!("{}.0000000001", now + 30),
        format!("{now}000e-3"),
        format!("\"{now}\""),
        "1e400".to_owned(),
        "-5".to_owned(),
    ];
    let iat = Raw::text(rng.pick(&texts));
    proof.claims.iter_mut().filter(|(name, _)| name == "iat").for_each(|(_, value)| *value = iat.clone());
}

fn proof_arguments(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    let Some(proof) = &mut case.pop else { return };
    for (_, hta) in proof.claims.iter_mut().filter(|(name, _)| name == "hta") {
        let Raw::Obj(members) = hta else { continue };
        if members.is_empty() || rng.percent(20) {
            members.push(("more".to_owned(), value(rng, true)));
            continue;
        }
        let which = rng.below(members.len());
        match rng.below(5) {
            0 => drop(members.remove(which)),
            1 => members[which].1 = value(rng, true),
            2 => members[which].1 = Raw::text("0.1000000000000000055511151231257827"),
            3 => *hta = Raw::Arr(vec![]),
            // Only spelled in another way.
            _ => rng.shuffle(members),
        }
    }
}

fn proof_header(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    let Some(proof) = &mut case.pop else { return };
    proof.header = (*rng.pick(&[
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"Ed25519"}"#,
        r#"{"alg":"EdDSA","crit":["exp"]}"#,
        "{}",
        "x",
    ]))
    .to_owned();
    if rng.percent(20) {
        case.pop_text = Some((*rng.pick(&["", "x", "a.b.c", "..", "e30.e30."])).to_owned());
    }
}

fn proof_typ(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    let Some(proof) = &mut case.pop else { return };
    proof.header = (*rng.pick(&[
        r#"{"alg":"EdDSA","typ":"aat+jwt"}"#,
        r#"{"alg":"EdDSA","typ":"JWT"}"#,
        r#"{"alg":"EdDSA","jku":"https://a.example"}"#,
    ]))
    .to_owned();
}

fn proof_signer(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    let signer = case.first_key + rng.below(case.links.len() + 2);
    if let Some(proof) = &mut case.pop {
        proof.signer = signer;
    }
}

fn audience(case: &mut Case, _: usize, rng: &mut Rng, _: &Keys) {
    case.audience = [None, Some("https://g1.example"), Some("https://G1.example"), Some("")][rng.below(4)]
        .map(str::to_owned);
}

/// Tokens and chains at their bounds.
fn sizes(case: &mut Case, at: usize, rng: &mut Rng, _: &Keys) {
    let padding = |bytes: usize| Raw::str("a".repeat(bytes));
    if rng.percent(50) {
        // One token of about 64 KiB: 3 bytes become 4 characters.
        let bytes = 49_152_usize.saturating_sub(900 + rng.below(300));
        case.links[at].set("padding", padding(bytes));
        return;
    }
    let each = 262_144 * 3 / 4 / case.links.len();
    for link in &mut case.links {
        link.set("padding", padding(each.min(48_000).saturating_sub(rng.below(900))));
    }
}
