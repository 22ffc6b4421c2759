//! Which steps of the draft's section 7 each code stands for.

use killick_proof::Code;

/// A claim of the wrong type is `token.claims` here, whatever the first step is that trips over it.
const CLAIMS: &[&str] = &[
    "2c", "3c", "3d", "3e", "3f", "3h", "3i", "3j", "3k", "3l", "3m", "3n", "4b1", "4b2", "4b3", "4b4",
    "4b5", "4c", "4i", "4j", "4o", "4q", "7b", "7c", "7d", "7e", "7f", "7g",
];

const STEPS: &[(Code, &[&str])] = &[
    // A chain of no token, and one of one empty token: joined they are the same.
    (Code::TokenMissing, &["1", "2c"]),
    (Code::LimitSize, &["2a", "2b"]),
    (Code::TokenEncoding, &["2c", "3a", "3b", "4a", "4b", "7a", "7b"]),
    (Code::TokenAlg, &["3a", "4a", "7a"]),
    (Code::TokenCrit, &["3a", "4a", "7a"]),
    // What the oracle stops at in step 2c is called by what altered it, once its signature was looked at.
    (Code::TokenSig, &["2c", "3b"]),
    (Code::ChainSignature, &["2c", "4b"]),
    (Code::ChainBroken, &["4b"]),
    (Code::TokenIssuer, &["3b"]),
    (Code::TokenClaims, CLAIMS),
    (Code::JsonDuplicateKey, &["2c", "3a", "4a", "6b", "7a", "7b"]),
    (Code::TokenKey, &["3l", "4b2"]),
    (Code::TokenExpired, &["3e", "4i"]),
    (Code::ClockSkew, &["3f"]),
    (Code::ChainCycle, &["2c"]),
    (Code::ChainDepth, &["3c", "3i", "4b4", "4d", "4e", "4f", "4g", "4m"]),
    (Code::ChainEntryCount, &["3m", "4n", "6a"]),
    (Code::ChainIssuer, &["4c"]),
    (Code::ChainLifetime, &["3g", "3h", "4h", "4j", "4k", "4l"]),
    (Code::ChainLinkage, &["4q"]),
    (Code::ChainOrder, &["3b", "3d", "4b5", "5"]),
    (Code::ChainWidened, &["4o", "4p1", "4p2", "4p4"]),
    (Code::ConstraintDepth, &["3n", "4o"]),
    (Code::ConstraintUnknown, &["3n", "4o"]),
    (Code::JsonInvalid, &["6b"]),
    (Code::ToolNotGranted, &["6b"]),
    (Code::ArgUnlisted, &["6b"]),
    (Code::ArgMissing, &["6b"]),
    (Code::ArgConstraint, &["6b"]),
    (Code::ArgNumber, &["7f"]),
    (Code::PopMissing, &["7a"]),
    (Code::PopMismatch, &["7b", "7c"]),
    (Code::PopAudience, &["7d"]),
    (Code::PopTool, &["7e"]),
    (Code::PopArguments, &["7f"]),
    (Code::PopTime, &["7g"]),
];

/// Of a token with two faults either may be named, but never one of another kind.
pub(crate) fn belong_together(code: Code, step: &str) -> bool {
    STEPS.iter().any(|(known, steps)| *known == code && steps.contains(&step))
}

/// Codes for what the draft does not ask for (`docs/spec/token-profile.md`).
pub(crate) fn is_beyond_the_draft(code: Code) -> bool {
    use Code::{ChainWidened, TokenClaims, TokenIssuer, TokenKey, TokenKid, TokenTyp};
    matches!(code, TokenTyp | TokenKid | TokenIssuer | TokenKey | TokenClaims | ChainWidened)
}
