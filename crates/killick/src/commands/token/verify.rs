//! `killick token verify`: anybody's chain, judged by the AAT draft's section 7 and nothing else.

use killick_proof::chain::Anchors;
use killick_proof::json::Json;
use killick_proof::limits::TOKEN_LIFETIME_SECS_MAX;
use killick_proof::pop::verify_pop;
use killick_proof::verified::verify_chain;
use killick_proof::{Code, Refusal};
use serde_json::{Value, json};

use crate::cli::TokenVerifyArgs;
use crate::commands::token::jwk;
use crate::folder::{now, read_text};
use crate::output::{Exit, Outcome, Ui};

/// How far a chain came.
enum Part {
    /// Steps 1 to 6a.
    Chain,
    /// Step 6b: what is asked for.
    Call,
    /// Step 7.
    Proof,
}

impl Part {
    const fn as_str(&self) -> &'static str {
        match self {
            Part::Chain => "chain",
            Part::Call => "call",
            Part::Proof => "proof",
        }
    }

    /// A chain or a proof that does not hold is a proof that does not verify; a call that it does not cover is denied.
    const fn exit(&self) -> Exit {
        match self {
            Part::Chain | Part::Proof => Exit::NotVerified,
            Part::Call => Exit::Denied,
        }
    }
}

/// Runs `killick token verify`: exit code 0 if it is permitted, 4 if the chain holds and does not permit the call, 5 if the
/// chain or the proof does not verify.
pub fn run(ui: Ui, args: &TokenVerifyArgs) -> Outcome {
    let anchors = jwk::anchors(&args.anchor)?;
    let compact = jwk::chain(&args.chain)?;
    let pop = args.pop.as_deref().map(read_text).transpose()?;
    let verdict = judge(args, &anchors, &compact, pop.as_deref().map(str::trim));
    let shown = match &verdict {
        Ok(seen) => seen.clone(),
        Err((part, refusal)) => json!({
            "verdict": "deny", "code": refusal.code().as_str(), "error": refusal.detail(), "part": part.as_str(),
        }),
    };
    ui.result(&shown, |paint| match &verdict {
        Ok(_) if pop.is_some() => {
            format!("{}: the chain, the call and the proof hold", paint.green("permitted"))
        }
        Ok(_) => format!(
            "{}: the chain and the call hold; whether the caller has the leaf's key was not asked (--pop)",
            paint.green("permitted")
        ),
        Err((part, refusal)) => {
            format!(
                "{}: {} ({}), in the {}",
                paint.red("denied"),
                refusal.detail(),
                refusal.code(),
                part.as_str()
            )
        }
    });
    Ok(verdict.map_or_else(|(part, _)| part.exit(), |_| Exit::Fine).into())
}

fn judge(
    args: &TokenVerifyArgs,
    anchors: &[killick_proof::keys::PublicKey],
    compact: &str,
    pop: Option<&str>,
) -> Result<Value, (Part, Refusal)> {
    let now = args.now.unwrap_or_else(now);
    let lifetime_secs_max = args.lifetime_max.unwrap_or(TOKEN_LIFETIME_SECS_MAX);
    let anchors = Anchors { keys: anchors, lifetime_secs_max };
    let chain = verify_chain(compact, &anchors, now).map_err(|refusal| (Part::Chain, refusal))?;
    let asked = Json::parse(args.args.as_bytes()).map_err(|refusal| (Part::Call, refusal))?;
    let Some(asked) = asked.as_object() else {
        return Err((Part::Call, Refusal::new(Code::JsonInvalid, "the arguments are no JSON object")));
    };
    chain.check(&args.tool, asked).map_err(|refusal| (Part::Call, refusal))?;
    if let Some(pop) = pop {
        verify_pop(pop, &chain, &args.tool, asked, args.audience.as_deref(), now)
            .map_err(|refusal| (Part::Proof, refusal))?;
    }
    Ok(json!({
        "verdict": "permit", "code": null, "links": chain.links().len(), "jti": chain.leaf().jti,
        "holder": chain.holder_key().id().as_str(), "proof": if pop.is_some() { "holds" } else { "not asked" },
    }))
}
