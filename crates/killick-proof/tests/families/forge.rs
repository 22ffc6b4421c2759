//! Chains and requests as an attacker makes them: any claim, any header, any key that the attacker holds.

use std::collections::BTreeMap;

use killick_proof::call::{RawRequest, parse_call};
use killick_proof::chain::Chain;
use killick_proof::fixtures::{NOW, World, agent_key, id, uuid};
use killick_proof::json::Json;
use killick_proof::keys::{SigningKey, base64url};
use killick_proof::token::{Claims, PrivateClaims, Tools};
use killick_proof::verified::{SignedCall, verify_agent_chain, verify_call};
use killick_proof::{Refusal, UnixTime, Verified};

pub(crate) const HEADER: &str = r#"{"alg":"EdDSA","typ":"aat+jwt"}"#;

/// Signs any payload under any header.
pub(crate) fn sign(header: &str, payload: &[u8], key: &SigningKey) -> String {
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload));
    format!("{input}.{}", base64url(&key.sign(input.as_bytes())))
}

/// A tools map from its JSON text.
pub(crate) fn tools(text: &str) -> Tools {
    let text = format!(
        r#"{{"jti":"x","iss":"a:b","iat":0,"exp":1,"cnf":{{"jwk":{}}},"del_depth":0,"del_max_depth":0,"authorization_details":[{{"type":"attenuating_agent_token","tools":{text}}}]}}"#,
        agent_key("any").public().to_jwk()
    );
    Claims::from_json(&Json::parse(text.as_bytes()).unwrap()).unwrap().tools.unwrap()
}

/// The payload of a link below `parent`, right in every way, held by `holder`, a name beneath `invoice-bot`.
pub(crate) fn payload(parent: &str, names: [&str; 2], tools: Tools) -> Json {
    let depth = parent.split('~').count() as u64;
    let (issuer, holder) = (names[0], names[1]);
    Claims {
        jti: uuid(2_000 + depth),
        iss: agent_key(issuer).id().thumbprint_uri(),
        iat: NOW.secs(),
        exp: NOW.secs() + 600,
        holder_key: agent_key(holder).public().clone(),
        del_depth: depth,
        del_max_depth: 3,
        par_hash: Some(Claims::parent_hash(parent.rsplit('~').next().unwrap())),
        tools: Some(tools),
        killick: Some(PrivateClaims {
            issuer: id(&format!("/agent/{issuer}")),
            holder: id(&format!("/agent/{holder}")),
            origin: None,
            deny: Vec::new(),
            catalogue: None,
        }),
    }
    .to_json()
}

/// Replaces a member by a JSON text; none removes it.
pub(crate) fn edit(payload: &mut Json, member: &str, value: Option<&str>) {
    let Json::Object(members) = payload else { panic!("a payload is an object") };
    match value {
        Some(text) => members.insert(member.to_owned(), Json::parse(text.as_bytes()).unwrap()),
        None => members.remove(member),
    };
}

/// `parent`, and a link that the holder `names[0]` signs.
pub(crate) fn append(parent: &str, names: [&str; 2], payload: &Json) -> String {
    format!("{parent}~{}", sign(HEADER, &payload.to_bytes(), &agent_key(names[0])))
}

/// The names of the first link below `invoice-bot`.
pub(crate) const FIRST: [&str; 2] = ["invoice-bot", "invoice-bot/a"];
/// The names of the second.
pub(crate) const SECOND: [&str; 2] = ["invoice-bot/a", "invoice-bot/a/b"];

/// `invoice-bot`'s root with `root`, and one link below it with `child`, right but for what these say.
pub(crate) fn two_links(root: &str, child: &str) -> String {
    let world = World::new();
    let claims = world.root_claims("invoice-bot", Tools::new()).to_json();
    let root = sign(HEADER, &with_tools(claims, root), &world.token_key);
    let link = with_tools(payload(&root, FIRST, Tools::new()), child);
    format!("{root}~{}", sign(HEADER, &link, &agent_key(FIRST[0])))
}

/// The payload with this tools map, as its text stands: it need be none that anybody could read.
fn with_tools(mut payload: Json, tools: &str) -> Vec<u8> {
    edit(&mut payload, "authorization_details", Some("\"HERE\""));
    let details = format!(r#"[{{"type":"attenuating_agent_token","tools":{tools}}}]"#);
    payload.to_text().replace("\"HERE\"", &details).into_bytes()
}

/// A root for `pay` with this constraint on `x`, and a link with that one.
pub(crate) fn narrowed(parent: &str, child: &str) -> String {
    let map = |constraint: &str| format!(r#"{{"pay":{{"x":{constraint}}}}}"#);
    two_links(&map(parent), &map(child))
}

/// The gateway's verdict on a chain, and on a call under it.
pub(crate) fn call(chain: &str, tool: &str, args: &str) -> Result<Verified<Chain>, Refusal> {
    call_at(chain, tool, args, NOW)
}

pub(crate) fn call_at(
    chain: &str,
    tool: &str,
    args: &str,
    now: UnixTime,
) -> Result<Verified<Chain>, Refusal> {
    let chain = verify_agent_chain(chain, &World::new().trust(), now)?;
    let args = Json::parse(args.as_bytes())?;
    chain.check(tool, args.as_object().unwrap_or(&BTreeMap::new()))?;
    Ok(chain)
}

/// The gateway's verdict on a request, but for the replay window.
pub(crate) fn receive(
    world: &World,
    raw: RawRequest,
    now: UnixTime,
) -> Result<Verified<SignedCall>, Refusal> {
    verify_call(parse_call(raw, &world.public())?, &world.trust(), &|_| None, now)
}

/// A header field of a request, to be changed.
pub(crate) fn field<'a>(raw: &'a mut RawRequest, name: &str) -> &'a mut Vec<u8> {
    &mut raw.headers.iter_mut().find(|(field, _)| field.eq_ignore_ascii_case(name)).unwrap().1
}
