//! What a code means for whoever reads the console: what was missing, and who can mend it.

/// What was missing, and who can grant or mend it.
pub(crate) struct Explanation {
    pub(crate) missing: String,
    pub(crate) grantor: String,
}

/// Explains a denial or refusal of `agent` (a name) that asked for `action`.
pub(crate) fn explain(code: &str, agent: Option<&str>, action: Option<&str>) -> Explanation {
    let agent = agent.unwrap_or("the caller");
    let action = action.unwrap_or("the operation");
    let (missing, grantor) = match code {
        "tool.not_granted" => (format!("a grant of `{action}` in {agent}'s token"), operator()),
        "tool.unknown" => ("the operation is not in the catalogue".to_owned(), catalogue()),
        "catalogue.changed" => {
            (format!("a token granted under the catalogue in force for `{action}`"), operator())
        }
        "chain.explicit_deny" => (
            format!("the lifting of the explicit deny that covers `{action}`"),
            "whoever issued the token that denies it, by revoking that token".to_owned(),
        ),
        "chain.widened" => ("a link that grants no more than the link above it".to_owned(), delegator()),
        "arg.constraint" | "arg.unlisted" | "arg.missing" | "arg.address" => {
            (format!("arguments within what the token permits for `{action}`, or a wider grant"), operator())
        }
        "policy.forbid" | "policy.error" => (
            format!("a policy that permits `{action}` for {agent}"),
            "whoever keeps the organisation's policies".to_owned(),
        ),
        "identity.suspended" => {
            (format!("{agent} to be active"), format!("its owner: killick agent resume {agent}"))
        }
        "identity.revoked" | "key.revoked" | "token.revoked" | "revoked.all" => {
            ("it was revoked on purpose; nothing is missing".to_owned(), "whoever revoked it".to_owned())
        }
        "identity.expired" => {
            ("a certificate that has not expired".to_owned(), "the agent itself, by renewing it".to_owned())
        }
        "token.expired" => ("a token that has not expired".to_owned(), operator()),
        "replay.nonce" => (
            "a fresh signature: this signed request had been used before".to_owned(),
            "the holder of the key, by signing anew".to_owned(),
        ),
        "budget.exceeded" => ("a budget that is not used up".to_owned(), operator()),
        "stepup.required" => ("a person's approval of this exact call".to_owned(), "an approver".to_owned()),
        "prov.untrusted" => (
            "a trusted source for a sensitive value".to_owned(),
            "an approver, for this call alone".to_owned(),
        ),
        _ => match code.split('.').next().unwrap_or_default() {
            "token" | "chain" | "constraint" => ("a valid token chain".to_owned(), operator()),
            "pop" | "sig" => {
                ("a valid signature by the token's holder".to_owned(), "the holder of the key".to_owned())
            }
            "http" | "path" | "json" | "limit" | "arg" => (
                "a request that reads one way only and keeps the bounds".to_owned(),
                "the client's developer".to_owned(),
            ),
            "identity" => ("an identity in good standing".to_owned(), operator()),
            "state" | "log" | "upstream" | "internal" | "clock" => {
                ("the service itself was not able to".to_owned(), "whoever runs killick".to_owned())
            }
            _ => ("see the reference of reason codes".to_owned(), operator()),
        },
    };
    Explanation { missing, grantor }
}

fn operator() -> String {
    "the operator of the authority, for the agent's owner".to_owned()
}

fn delegator() -> String {
    "the agent that delegated".to_owned()
}

fn catalogue() -> String {
    "whoever keeps the catalogue: killick catalogue import".to_owned()
}
