//! AAT draft section 7, steps 1 to 6a, in the draft's order. Each check names its step.

use super::{Anchors, Chain};
use crate::json::Json;
use crate::keys::{PublicKey, base64url, sha256};
use crate::limits::{CHAIN_BYTES_MAX, CLOCK_SKEW_SECS, DELEGATION_DEPTH_MAX, TOKEN_JSON_DEPTH_MAX};
use crate::refusal::{Code, Refusal};
use crate::time::UnixTime;
use crate::token::claims::{date, shown};
use crate::token::jws::{Header, Jws};
use crate::token::numeric_date::NumericDate;
use crate::token::{Claims, TOKEN_TYP, Tools};

/// The `typ` that other issuers of JWTs write (RFC 7519 section 5.1). The draft names none, so it is accepted for
/// anybody's tokens; our profile insists on [`TOKEN_TYP`].
const PLAIN_TYP: &str = "JWT";

pub(super) fn verify(compact: &str, anchors: &Anchors<'_>, now: UnixTime) -> Result<Chain, Refusal> {
    let tokens = split(compact)?;
    let mut parts = tokens.iter().map(|(jws, has_jti)| (jws, *has_jti));
    let Some((root_jws, root_has_jti)) = parts.next() else { return refuse(Code::TokenMissing, "no token") };

    let header = name_link(0, root_jws.header().and_then(permitted))?;
    let mut is_typed = header.typ.as_deref() == Some(TOKEN_TYP);
    let anchor = name_link(0, find_anchor(root_jws, &header, anchors))?;
    let (root, mut times) = name_link(0, require_jti(root_has_jti).and_then(|()| read(root_jws)))?;
    let now = &NumericDate::of(now);
    name_link(0, check_root(&root, &times, anchors, now))?;

    let mut links = vec![root];
    let mut parent_jws = root_jws;
    for (jws, has_jti) in parts {
        let index = links.len();
        let Some(parent) = links.last() else { return refuse(Code::TokenMissing, "no token") };
        let link = || {
            let header = jws.header().and_then(permitted)?;
            verify_signature(jws, &header, &parent.holder_key, parent_jws)?;
            require_jti(has_jti)?;
            let (child, child_times) = read(jws)?;
            check_link_at((parent, &times), (&child, &child_times), now)?;
            check_linkage(&child, parent_jws)?;
            Ok((child, child_times, header.typ.as_deref() == Some(TOKEN_TYP)))
        };
        let (child, child_times, typed) = name_link(index, link())?;
        is_typed &= typed;
        links.push(child);
        times = child_times;
        parent_jws = jws;
    }
    let chain = Chain {
        links,
        compact: compact.to_owned(),
        hash: sha256(compact.as_bytes()),
        root_key: anchor.id().clone(),
        is_typed,
    };
    // Step 5.
    if u64::try_from(chain.links.len()).ok() != chain.leaf().del_depth.checked_add(1) {
        return refuse(Code::ChainOrder, "the chain is not as long as its leaf is deep");
    }
    // Step 6a.
    if chain.leaf().tools.is_none() {
        return refuse(Code::ChainEntryCount, "the leaf has no capability entry");
    }
    Ok(chain)
}

pub(super) fn still_holds(chain: &Chain, anchors: &Anchors<'_>, now: UnixTime) -> bool {
    let Some(root) = chain.links.first() else { return false };
    let now = &NumericDate::of(now);
    // Claims are in whole seconds, `iat` rounded up and `exp` down: nothing that the exact times rule out holds here.
    let times: Vec<Times> = chain.links.iter().map(Times::of).collect();
    let Some(root_times) = times.first() else { return false };
    let mut pairs = times.iter().zip(times.iter().skip(1));
    anchors.keys.iter().any(|key| *key.id() == chain.root_key)
        && check_root(root, root_times, anchors, now).is_ok()
        && pairs.all(|(parent, child)| check_lifetime(parent, child, now).is_ok())
}

/// Steps 1 and 2. Each token comes with whether it has a `jti`: without one it is refused once its signature has been
/// looked at, so that an altered token is called altered.
fn split(compact: &str) -> Result<Vec<(Jws<'_>, bool)>, Refusal> {
    if compact.is_empty() {
        return refuse(Code::TokenMissing, "the chain is empty");
    }
    if compact.len() > CHAIN_BYTES_MAX {
        return refuse(Code::LimitSize, format!("the chain is longer than {CHAIN_BYTES_MAX} bytes"));
    }
    let mut tokens = Vec::new();
    // At most as many as a chain is long: compared one by one.
    let mut seen: Vec<String> = Vec::new();
    for (index, token) in compact.split('~').enumerate() {
        if u64::try_from(index).is_ok_and(|depth| depth > DELEGATION_DEPTH_MAX) {
            return refuse(
                Code::ChainDepth,
                format!("the chain has more than {DELEGATION_DEPTH_MAX} derived tokens"),
            );
        }
        let jws = name_link(index, Jws::split(token))?;
        let jti = Json::top_level_string(jws.payload(), "jti", TOKEN_JSON_DEPTH_MAX);
        let has_jti = jti.is_some();
        if let Some(jti) = jti {
            if seen.iter().any(|other| *other == jti) {
                return name_link(index, refuse(Code::ChainCycle, "its `jti` occurs twice in the chain"));
            }
            seen.push(jti.into_owned());
        }
        tokens.push((jws, has_jti));
    }
    Ok(tokens)
}

/// Step 2c, its end: a token without a `jti` of its own is refused.
fn require_jti(has_jti: bool) -> Result<(), Refusal> {
    if has_jti {
        return Ok(());
    }
    refuse(Code::TokenClaims, "the payload is not JSON with one text `jti`")
}

fn permitted(header: Header<'_>) -> Result<Header<'_>, Refusal> {
    match header.typ.as_deref() {
        None | Some(TOKEN_TYP | PLAIN_TYP) => Ok(header),
        Some(typ) => refuse(Code::TokenTyp, format!("the token's `typ` is `{}`", shown(typ))),
    }
}

fn read(jws: &Jws<'_>) -> Result<(Claims, Times), Refusal> {
    let payload = jws.claims()?;
    let claims = Claims::read(&payload)?;
    Ok((claims, Times { iat: date(&payload, "iat")?, exp: date(&payload, "exp")? }))
}

/// A token's times as they were signed; those of its [`Claims`] are rounded.
struct Times {
    iat: NumericDate,
    exp: NumericDate,
}

impl Times {
    fn of(claims: &Claims) -> Self {
        Self { iat: NumericDate::from_secs(claims.iat), exp: NumericDate::from_secs(claims.exp) }
    }
}

/// Step 3b: the anchor that signed the root.
fn find_anchor<'a>(
    jws: &Jws<'_>,
    header: &Header<'_>,
    anchors: &Anchors<'a>,
) -> Result<&'a PublicKey, Refusal> {
    let named = |key: &&PublicKey| header.kid.as_deref().is_none_or(|kid| kid == key.id().as_str());
    if let Some(key) = anchors.keys.iter().filter(named).find(|key| jws.is_signed_by(header.alg, key)) {
        return Ok(key);
    }
    // Denied. What follows only finds the word for it.
    if has_parent_hash(jws) {
        return refuse(Code::ChainOrder, "a derived token stands where the root must");
    }
    let mut named = anchors.keys.iter().filter(named).peekable();
    if named.peek().is_some() {
        if named.all(|key| key.kind() != header.alg) {
            return refuse(Code::TokenAlg, "the root's `alg` does not fit the key of its issuer");
        }
        return refuse(Code::TokenSig, "the root's signature does not verify");
    }
    refuse(Code::TokenIssuer, "the root is signed by a key that is no trust anchor")
}

/// Step 4b.
fn verify_signature(
    jws: &Jws<'_>,
    header: &Header<'_>,
    key: &PublicKey,
    parent: &Jws<'_>,
) -> Result<(), Refusal> {
    let is_named = header.kid.as_deref().is_none_or(|kid| kid == key.id().as_str());
    if jws.is_signed_by(header.alg, key) {
        if is_named {
            return Ok(());
        }
        return refuse(Code::TokenKid, "its `kid` is not the key that signed it");
    }
    // Denied. What follows only finds the word for it.
    if header.alg != key.kind() {
        return refuse(Code::TokenAlg, "its `alg` does not fit the key of the holder above it");
    }
    match Json::top_level_string(jws.payload(), "par_hash", TOKEN_JSON_DEPTH_MAX) {
        Some(hash) if hash != linkage(parent) => {
            refuse(Code::ChainBroken, "it continues another token than the one above it")
        }
        _ => {
            refuse(Code::ChainSignature, "its signature does not verify under the key of the holder above it")
        }
    }
}

fn has_parent_hash(jws: &Jws<'_>) -> bool {
    Json::top_level_string(jws.payload(), "par_hash", TOKEN_JSON_DEPTH_MAX).is_some()
}

/// Steps 3c to 3n.
fn check_root(root: &Claims, times: &Times, anchors: &Anchors<'_>, now: &NumericDate) -> Result<(), Refusal> {
    if root.del_depth != 0 {
        return refuse(Code::ChainDepth, "the root's `del_depth` is not 0");
    }
    if root.par_hash.is_some() {
        return refuse(Code::ChainOrder, "a derived token stands where the root must");
    }
    if times.exp <= *now {
        return refuse(Code::TokenExpired, format!("it expired at {}", root.exp));
    }
    if times.iat > now.plus_secs(CLOCK_SKEW_SECS) {
        return refuse(Code::ClockSkew, format!("its `iat` {} is in the future", root.iat));
    }
    if times.exp <= times.iat {
        return refuse(Code::ChainLifetime, "it expires before it begins");
    }
    if times.exp > times.iat.plus_secs(anchors.lifetime_secs_max) {
        return refuse(
            Code::ChainLifetime,
            format!("it lives longer than {} seconds", anchors.lifetime_secs_max),
        );
    }
    if root.del_max_depth > DELEGATION_DEPTH_MAX {
        return refuse(Code::ChainDepth, format!("its `del_max_depth` is above {DELEGATION_DEPTH_MAX}"));
    }
    // Steps 3j to 3l and 3n hold since the claims were read.
    if root.tools.is_none() {
        return refuse(Code::ChainEntryCount, "the root has no capability entry");
    }
    Ok(())
}

/// Steps 4c to 4p for claims in whole seconds, as ours are.
pub(crate) fn check_link(parent: &Claims, child: &Claims, now: UnixTime) -> Result<(), Refusal> {
    check_link_at((parent, &Times::of(parent)), (child, &Times::of(child)), &NumericDate::of(now))
}

/// Steps 4c to 4p: what a derived token's claims must be, given its parent's. The detail names the invariant.
fn check_link_at(
    (parent, parent_times): (&Claims, &Times),
    (child, child_times): (&Claims, &Times),
    now: &NumericDate,
) -> Result<(), Refusal> {
    // Steps 4b1 to 4b4 hold since the claims were read; of 4b5 this is what is left.
    if child.par_hash.is_none() {
        return refuse(Code::ChainOrder, "a root token stands where a derived token must");
    }
    if !parent.holder_key.id().is_thumbprint_uri(&child.iss) {
        return refuse(Code::ChainIssuer, "I1: its `iss` is not the key of the holder above it");
    }
    check_depth(parent, child)?;
    check_lifetime(parent_times, child_times, now)?;
    if child.del_depth > child.del_max_depth {
        return refuse(Code::ChainDepth, "I2: its `del_depth` is above its own `del_max_depth`");
    }
    check_tools(parent.tools.as_ref(), child.tools.as_ref())
}

/// Steps 4d to 4g.
fn check_depth(parent: &Claims, child: &Claims) -> Result<(), Refusal> {
    if parent.del_depth.checked_add(1) != Some(child.del_depth) {
        return refuse(Code::ChainDepth, "I2: its `del_depth` is not one more than its parent's");
    }
    if child.del_depth > parent.del_max_depth {
        let why = format!("I2: its parent permits a depth of {}", parent.del_max_depth);
        return refuse(Code::ChainDepth, why);
    }
    if child.del_depth > DELEGATION_DEPTH_MAX {
        return refuse(Code::ChainDepth, format!("I2: it is deeper than {DELEGATION_DEPTH_MAX}"));
    }
    if child.del_max_depth > parent.del_max_depth {
        return refuse(Code::ChainDepth, "I2: its `del_max_depth` is above its parent's");
    }
    Ok(())
}

/// Steps 4h to 4l.
fn check_lifetime(parent: &Times, child: &Times, now: &NumericDate) -> Result<(), Refusal> {
    if child.exp > parent.exp {
        return refuse(Code::ChainLifetime, "I3: it expires after its parent");
    }
    if child.exp <= *now {
        return refuse(Code::TokenExpired, format!("I3: it expired at {}", child.exp.floor()));
    }
    if child.iat < parent.iat {
        return refuse(Code::ChainLifetime, "I3: its `iat` is before its parent's");
    }
    if child.iat > now.plus_secs(CLOCK_SKEW_SECS) {
        return refuse(Code::ChainLifetime, format!("I3: its `iat` {} is in the future", child.iat.ceil()));
    }
    if child.exp <= child.iat {
        return refuse(Code::ChainLifetime, "I3: it expires before it begins");
    }
    Ok(())
}

/// Step 4p: capability monotonicity. No entry means the empty set, for the child as for the parent.
fn check_tools(parent: Option<&Tools>, child: Option<&Tools>) -> Result<(), Refusal> {
    for (tool, narrower) in child.into_iter().flatten() {
        let name = || shown(tool);
        let Some(wider) = parent.and_then(|tools| tools.get(tool)) else {
            return refuse(Code::ChainWidened, format!("I4: its parent does not grant `{}`", name()));
        };
        if wider.is_empty() {
            continue;
        }
        if let Some(argument) = narrower.keys().find(|argument| !wider.contains_key(*argument)) {
            let why = format!("I4: `{}` gains the argument `{}`", name(), shown(argument));
            return refuse(Code::ChainWidened, why);
        }
        for (argument, wider) in wider {
            let Some(narrower) = narrower.get(argument) else {
                let why = format!("I4: `{}` loses the constraint on `{}`", name(), shown(argument));
                return refuse(Code::ChainWidened, why);
            };
            if !narrower.subsumes(wider) {
                let why = format!("I4: `{}` of `{}` is wider than its parent's", shown(argument), name());
                return refuse(Code::ChainWidened, why);
            }
        }
    }
    Ok(())
}

/// Step 4q.
fn check_linkage(child: &Claims, parent: &Jws<'_>) -> Result<(), Refusal> {
    if child.par_hash.as_deref() == Some(&linkage(parent)) {
        return Ok(());
    }
    refuse(Code::ChainLinkage, "I5: its `par_hash` is not the hash of the token above it")
}

fn linkage(parent: &Jws<'_>) -> String {
    base64url(&sha256(parent.signing_input().as_bytes()))
}

/// Says in the detail which link it was: 0 is the root.
pub(crate) fn name_link<T>(index: usize, result: Result<T, Refusal>) -> Result<T, Refusal> {
    result.map_err(|refusal| Refusal::new(refusal.code(), format!("link {index}: {}", refusal.detail())))
}

fn refuse<T>(code: Code, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
