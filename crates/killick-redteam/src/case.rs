//! A case: one attack, the effect that must not come about, and what is expected of killick.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::attacks::{
    after_revocation::AfterRevocation, replay::Replay, sub_agent::SubAgent, tampered_body::Tampering,
    token_theft::Theft, widened_token::Widening,
};
use crate::call::Call;

/// The seven kinds of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A text that the agent reads gives it an order, and it obeys.
    Injection,
    /// Somebody else uses an agent's token.
    TokenTheft,
    /// A signed request is sent again.
    Replay,
    /// A token is edited to say more.
    WidenedToken,
    /// A signed request is changed on its way.
    TamperedBody,
    /// A sub-agent asks for more than it was given.
    SubAgent,
    /// Credentials are used after they were revoked.
    AfterRevocation,
}

impl Kind {
    /// All seven, in the order of the report.
    pub const ALL: [Kind; 7] = [
        Kind::Injection,
        Kind::TokenTheft,
        Kind::Replay,
        Kind::WidenedToken,
        Kind::TamperedBody,
        Kind::SubAgent,
        Kind::AfterRevocation,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Injection => "injection",
            Kind::TokenTheft => "token-theft",
            Kind::Replay => "replay",
            Kind::WidenedToken => "widened-token",
            Kind::TamperedBody => "tampered-body",
            Kind::SubAgent => "sub-agent",
            Kind::AfterRevocation => "after-revocation",
        }
    }

    /// The first part of its cases' ids.
    pub const fn prefix(self) -> &'static str {
        match self {
            Kind::Injection => "INJ",
            Kind::TokenTheft => "THF",
            Kind::Replay => "RPL",
            Kind::WidenedToken => "WID",
            Kind::TamperedBody => "TMP",
            Kind::SubAgent => "SUB",
            Kind::AfterRevocation => "REV",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The effect that must not come about, as the shop's receipt book would show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forbidden {
    /// The service whose book is read.
    pub service: &'static str,
    /// The operation, e.g. `execute:payments`.
    pub operation: String,
    /// Arguments that the receipt must have, with these very values.
    pub arguments: Vec<(String, Value)>,
    /// How many such receipts make the effect: 1, or 2 where doing it twice is what is forbidden.
    pub times: usize,
}

impl Forbidden {
    /// One receipt of this operation with these arguments.
    pub fn once(service: &'static str, operation: &str, arguments: &[(&str, Value)]) -> Self {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Self { service, operation: operation.to_owned(), arguments, times: 1 }
    }

    /// Two of them.
    pub fn twice(mut self) -> Self {
        self.times = 2;
        self
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments: Vec<String> =
            self.arguments.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        write!(f, "{}({})", self.operation, arguments.join(", "))?;
        if self.times > 1 { write!(f, " {} times", self.times) } else { Ok(()) }
    }
}

/// One attack.
#[derive(Clone, Debug)]
pub struct Case {
    /// `INJ-03`: unique in the run.
    pub id: String,
    /// Its kind.
    pub kind: Kind,
    /// The technique, apart from the endpoint and the values drawn for it: two cases of one technique are not two
    /// distinct attacks.
    pub technique: &'static str,
    /// What is done, in one line.
    pub title: String,
    /// Whose rights are abused.
    pub agent: &'static str,
    /// The codes that are a stop by the right control; one, or a few where several checks are equally right.
    pub expected: &'static [&'static str],
    /// What must not come about.
    pub forbidden: Forbidden,
    /// What the attacker does.
    pub steps: Steps,
}

/// What the attacker does.
#[derive(Clone, Debug)]
pub enum Steps {
    /// The agent reads this invoice and obeys it.
    Injection {
        /// The invoice's id.
        invoice: String,
    },
    /// A thief makes this call with an agent's token.
    Theft(Theft, Call),
    /// This call is made once by the agent and then again by the attacker.
    Replay(Replay, Call),
    /// The agent's token is edited and this call is made with it.
    Widening(Widening, Call),
    /// The agent signs the first call; what arrives is changed.
    Tampering(Tampering, Call),
    /// A child of the agent makes this call.
    SubAgent(SubAgent, Call),
    /// A throw-away agent makes this call after something of it was revoked.
    AfterRevocation(AfterRevocation, Call),
}
