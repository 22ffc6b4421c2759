//! The PoP JWT of the AAT draft (section 5): possession shown where there is no HTTP request to sign.

use std::collections::BTreeMap;

use crate::chain::Chain;
use crate::json::{Json, View};
use crate::keys::SigningKey;
use crate::refusal::{Code, Refusal};
use crate::time::UnixTime;
use crate::token::claims::shown;
use crate::token::jws::{self, Jws};
use crate::token::numeric_date::NumericDate;

/// The JWS `typ` of a PoP JWT (ours: the draft names none).
pub const POP_TYP: &str = "aat-pop+jwt";
/// Seconds that `iat` may lie before or after our clock (AAT draft section 5.3).
pub const POP_TOLERANCE_SECS: u64 = 30;

/// What one invocation is, as the holder states it (AAT draft table 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pop {
    /// Fresh for every PoP JWT; a UUIDv4.
    pub jti: String,
    /// Seconds since the epoch; as read, rounded down.
    pub iat: u64,
    /// The `jti` of the leaf token.
    pub token: String,
    /// The tool invoked.
    pub tool: String,
    /// For which enforcement point it is meant, where that is bound.
    pub audience: Option<String>,
    /// The arguments.
    pub args: BTreeMap<String, Json>,
}

impl Pop {
    /// Signs it with the leaf holder's key: the whole payload in its JCS form, as section 5.2 asks. Errs with
    /// `arg.number` for an argument that JCS cannot carry exactly.
    pub fn sign(&self, holder: &SigningKey) -> Result<String, Refusal> {
        let mut members = vec![
            ("jti", Json::from(self.jti.as_str())),
            ("iat", Json::from(self.iat)),
            ("aat_id", Json::from(self.token.as_str())),
            ("aat_tool", Json::from(self.tool.as_str())),
            ("hta", Json::Object(self.args.clone())),
        ];
        members.extend(self.audience.as_deref().map(|audience| ("aat_aud", Json::from(audience))));
        Ok(jws::sign(POP_TYP, &Json::object(members).to_jcs()?, holder))
    }
}

/// Step 7 of the draft's section 7: does `pop` show that the holder of `chain`'s leaf asks for this invocation, now?
/// The chain must have been verified and [`Chain::check`]ed before (section 5.3). With an `audience` the PoP JWT must
/// name it. Whether it has been seen before is the caller's to know, by the `jti` of what is returned.
///
/// Errs with `pop.missing` (empty), `token.encoding`, `token.alg` and the other codes of a header, `pop.mismatch`
/// (signed by another key, or for another token), `pop.audience`, `pop.tool`, `pop.arguments`, `pop.time`, `arg.number`.
pub fn verify_pop(
    pop: &str,
    chain: &crate::Verified<Chain>,
    tool: &str,
    args: &BTreeMap<String, Json>,
    audience: Option<&str>,
    now: UnixTime,
) -> Result<Pop, Refusal> {
    verify(pop, chain, tool, args, audience, now)
}

fn verify(
    pop: &str,
    chain: &Chain,
    tool: &str,
    args: &BTreeMap<String, Json>,
    audience: Option<&str>,
    now: UnixTime,
) -> Result<Pop, Refusal> {
    let refuse = |code: Code, why: &str| Err(Refusal::new(code, why));
    if pop.is_empty() {
        return refuse(Code::PopMissing, "there is no proof of possession");
    }
    // 7a.
    let jws = Jws::split(pop)?;
    let header = jws.header()?;
    if header.typ.as_deref().is_some_and(|typ| typ != POP_TYP) {
        return refuse(Code::TokenTyp, "the `typ` of the proof of possession is not aat-pop+jwt");
    }
    // 7b.
    let key = chain.holder_key();
    if !jws.is_signed_by(header.alg, key) || header.kid.as_deref().is_some_and(|kid| kid != key.id().as_str())
    {
        return refuse(Code::PopMismatch, "the proof is not signed by the leaf's holder");
    }
    let (read, made) = read(&jws.claims()?)?;
    // 7c.
    if read.token != chain.leaf().jti {
        return refuse(Code::PopMismatch, "the proof is for another token");
    }
    // 7d.
    if audience.is_some() && read.audience.as_deref() != audience {
        return refuse(Code::PopAudience, "the proof is not for this enforcement point");
    }
    // 7e: byte by byte (section 3.3.1).
    if read.tool != tool {
        let why = format!("the proof is for `{}`", shown(&read.tool));
        return Err(Refusal::new(Code::PopTool, why));
    }
    // 7f: the canonical bytes, never the raw ones.
    if Json::Object(read.args.clone()).to_jcs()? != Json::Object(args.clone()).to_jcs()? {
        return refuse(Code::PopArguments, "the proof is for other arguments");
    }
    // 7g.
    let now = NumericDate::of(now);
    if made > now.plus_secs(POP_TOLERANCE_SECS) || now > made.plus_secs(POP_TOLERANCE_SECS) {
        return refuse(Code::PopTime, "the proof was made more than 30 seconds from now");
    }
    Ok(read)
}

/// The claims, and the exact `iat`, which may have a fraction.
fn read(payload: &View<'_>) -> Result<(Pop, NumericDate), Refusal> {
    let wrong =
        |name: &str| Refusal::new(Code::TokenClaims, format!("the proof's `{name}` is missing or wrong"));
    let text =
        |name: &str| payload.get(name).and_then(View::as_str).map(str::to_owned).ok_or_else(|| wrong(name));
    let jti = text("jti")?;
    if jti.is_empty() {
        return Err(wrong("jti"));
    }
    let iat = payload
        .get("iat")
        .and_then(View::as_number)
        .and_then(NumericDate::read)
        .ok_or_else(|| wrong("iat"))?;
    let pop = Pop {
        jti,
        iat: iat.floor(),
        token: text("aat_id")?,
        tool: text("aat_tool")?,
        // Looked at only where the audience is bound (step 7d); what is no text names none.
        audience: payload.get("aat_aud").and_then(View::as_str).map(str::to_owned),
        args: match payload.get("hta").map(View::to_json) {
            Some(Json::Object(args)) => args,
            _ => return Err(wrong("hta")),
        },
    };
    Ok((pop, iat))
}
