//! Whom to believe about a log: its key, its witnesses and who runs them, and the last checkpoint that was seen.

use std::collections::BTreeSet;

use crate::checkpoint::SignedCheckpoint;
use crate::cosignature::{self, Cosignature};
use crate::error::LogError;
use crate::limits::{NAME_BYTES_MAX, TRUST_BYTES_MAX, TRUST_WITNESSES_MAX};
use crate::note::{Note, SignatureType, VerifierKey};

/// A witness that is trusted, and who runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    key: VerifierKey,
    operator: String,
}

impl Witness {
    /// A witness of this operator; without one, the operator is the first element of the key's name, which is where
    /// the name's domain stands. Errs with `log.format` unless the key is one for cosignatures.
    pub fn new(key: VerifierKey, operator: Option<String>) -> Result<Self, LogError> {
        let wrong = |problem: String| Err(LogError::format("trust file", problem));
        if key.kind() != SignatureType::CosignatureV1 {
            return wrong(format!("the key of witness `{}` is not one for cosignatures", key.name()));
        }
        let operator = operator.unwrap_or_else(|| domain(key.name()).to_owned());
        if operator.is_empty() || operator.len() > NAME_BYTES_MAX {
            return wrong(format!("the operator of witness `{}` is empty or too long", key.name()));
        }
        Ok(Self { key, operator })
    }

    /// Its key.
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Who runs it.
    pub fn operator(&self) -> &str {
        &self.operator
    }
}

/// What trusted witnesses say of a checkpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witnessed {
    pub(crate) cosignatures: Vec<Cosignature>,
    /// The distinct operators whose cosignatures count.
    pub(crate) operators: BTreeSet<String>,
    /// The distinct operators that could have cosigned.
    pub(crate) operators_known: BTreeSet<String>,
}

/// The members of `trust.json` that concern the log.
#[derive(Clone, Debug)]
pub struct Trust {
    log: VerifierKey,
    directory: Option<VerifierKey>,
    operator: Option<String>,
    witnesses: Vec<Witness>,
    seen: Option<SignedCheckpoint>,
    required: usize,
}

impl Trust {
    /// Reads `origin`, `log_vkey`, `witnesses` (each a vkey, or an object of `vkey` and `operator`), and, where present,
    /// `operator` (who runs the log), `directory_vkey` (so that one file serves both of an installation's logs) and
    /// `checkpoint` (the last signed checkpoint that was seen, verbatim). Other members are other readers' business.
    /// Errs with `log.format`, or `log.origin`/`log.signature` for a `checkpoint` that is not this log's.
    pub fn parse(json: &str) -> Result<Self, LogError> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum WitnessMember {
            Key(String),
            Run { vkey: String, operator: Option<String> },
        }
        #[derive(serde::Deserialize)]
        struct Members {
            origin: String,
            log_vkey: String,
            #[serde(default)]
            operator: Option<String>,
            #[serde(default)]
            directory_vkey: Option<String>,
            #[serde(default)]
            witnesses: Vec<WitnessMember>,
            #[serde(default)]
            checkpoint: Option<String>,
        }
        let wrong = |problem: String| LogError::format("trust file", problem);
        if json.len() > TRUST_BYTES_MAX {
            return Err(wrong("too long".to_owned()));
        }
        let members: Members = serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
        let log = VerifierKey::parse(&members.log_vkey)?;
        if log.name() != members.origin {
            return Err(LogError::Origin { expected: members.origin, found: log.name().to_owned() });
        }
        if members.witnesses.len() > TRUST_WITNESSES_MAX {
            return Err(wrong("too many witnesses".to_owned()));
        }
        let mut trust = Self::of_key(log);
        trust.operator = members.operator;
        trust.directory = members.directory_vkey.as_deref().map(VerifierKey::parse).transpose()?;
        for witness in members.witnesses {
            let (vkey, operator) = match witness {
                WitnessMember::Key(vkey) => (vkey, None),
                WitnessMember::Run { vkey, operator } => (vkey, operator),
            };
            trust.witnesses.push(Witness::new(VerifierKey::parse(&vkey)?, operator)?);
        }
        match members.checkpoint {
            Some(note) => trust.with_seen(note.as_bytes()),
            None => Ok(trust),
        }
    }

    /// Trust in one log's key alone.
    pub const fn of_key(log: VerifierKey) -> Self {
        Self { log, directory: None, operator: None, witnesses: Vec::new(), seen: None, required: 0 }
    }

    /// Adds the last checkpoint that was seen: the log must extend it. Errs unless it is signed by a trusted key.
    pub fn with_seen(mut self, note: &[u8]) -> Result<Self, LogError> {
        let seen = SignedCheckpoint::parse(note)?;
        seen.verify(self.key_of(&seen.unverified().origin))?;
        self.seen = Some(seen);
        Ok(self)
    }

    /// Requires cosignatures of so many distinct operators.
    #[must_use]
    pub const fn requiring(mut self, operators: usize) -> Self {
        self.required = operators;
        self
    }

    /// The log's key.
    pub const fn log_key(&self) -> &VerifierKey {
        &self.log
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// The key of the log of this origin; the gateway's log where there is none.
    pub(crate) fn key_of(&self, origin: &str) -> &VerifierKey {
        self.directory.as_ref().filter(|key| key.name() == origin).unwrap_or(&self.log)
    }

    pub(crate) const fn seen(&self) -> Option<&SignedCheckpoint> {
        self.seen.as_ref()
    }

    /// Checks every cosignature of a trusted witness on this note. Errs with `log.cosignature` for a wrong one.
    pub(crate) fn witnessed(&self, note: &Note, log: &VerifierKey) -> Result<Witnessed, LogError> {
        let mut found = Witnessed::default();
        for witness in &self.witnesses {
            let counts = self.counts(witness, log);
            if counts {
                found.operators_known.insert(witness.operator.clone());
            }
            if let Some(cosignature) = cosignature::verify(note, &witness.key)? {
                found.cosignatures.push(cosignature);
                if counts {
                    found.operators.insert(witness.operator.clone());
                }
            }
        }
        Ok(found)
    }

    /// A witness that has the log's key or its operator says no more than the log itself.
    fn counts(&self, witness: &Witness, log: &VerifierKey) -> bool {
        let operator = self.operator.as_deref().unwrap_or_else(|| domain(log.name()));
        !witness.key.same_key(log) && witness.operator != operator
    }

    /// Errs with `log.not_witnessed` or `log.cosignature_missing` if fewer distinct operators than required cosigned.
    pub(crate) fn check_required(&self, found: &Witnessed) -> Result<(), LogError> {
        let required = self.required;
        if found.operators.len() >= required {
            return Ok(());
        }
        if found.operators.is_empty() {
            return Err(LogError::NotWitnessed { required });
        }
        let missing = found.operators_known.difference(&found.operators).cloned().collect();
        Err(LogError::CosignatureMissing { required, found: found.operators.len(), missing })
    }
}

/// The first element of a name: `acme.example` in `acme.example/killick/gw-1`.
fn domain(name: &str) -> &str {
    name.split_once('/').map_or(name, |(domain, _)| domain)
}
