//! The witnesses of one log: asked all at once, each with its own patience, and counted by who runs them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use killick_tlog::LogError;
use killick_tlog::checkpoint::SignedCheckpoint;
use killick_tlog::hash::Hash;
use killick_tlog::note::{SignatureType, VerifierKey};
use killick_tlog::witness::{format_add_checkpoint, read_conflict, read_cosignature};
use killick_tlog::{checkpoint::Checkpoint, cosignature};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::client::{Client, Reply, WitnessUrl};
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN, CONFLICTS_MAX, WITNESSES_MAX};

/// A witness as a log's configuration names it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its key.
    pub key: VerifierKey,
    /// Its submission prefix.
    pub url: WitnessUrl,
    /// Who runs it.
    pub operator: String,
    /// The address is a tunnel or proxy of this machine, and the witness is elsewhere: the administrator's word.
    pub tunnel: bool,
}

/// Makes consistency proofs between two sizes of the log, the older one first.
pub type Proofs = Arc<dyn Fn(u64, u64) -> Result<Vec<Hash>, LogError> + Send + Sync>;

/// Why these witnesses cannot be a panel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PanelError(String);

/// A head that is to be cosigned: a note that the log has signed.
#[derive(Clone, Debug)]
pub struct Head {
    note: Arc<str>,
    signed: SignedCheckpoint,
}

impl Head {
    /// The head in a signed note.
    pub fn parse(note: Arc<str>) -> Result<Self, LogError> {
        let signed = SignedCheckpoint::parse(note.as_bytes())?;
        Ok(Self { note, signed })
    }

    /// What it states.
    pub const fn checkpoint(&self) -> &Checkpoint {
        self.signed.unverified()
    }
}

/// What came of asking one witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has cosigned the head.
    Cosigned {
        /// The signature's line.
        line: String,
        /// When, in seconds since 1970.
        time: u64,
        /// Whether the answer came from this machine.
        same_host: bool,
    },
    /// It has seen more of this log than we hold: this log was set back, or somebody else writes it.
    Ahead {
        /// The size it has seen.
        size: u64,
        /// The checkpoint it has seen, signed with our own key, where it shows one.
        proof: Option<String>,
    },
    /// It has seen another history of this log.
    Inconsistent {
        /// The size that it holds, of which our tree is no continuation.
        held: u64,
        /// The checkpoint it has seen, signed with our own key, where it shows one.
        proof: Option<String>,
    },
    /// It gave no cosignature, for a reason of its own.
    Failed(String),
}

/// The answer of one witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Size of the head that it was asked about.
    pub size: u64,
    /// Its place in the panel.
    pub member: usize,
    /// The answer.
    pub answer: Answer,
}

/// The witnesses of one log.
#[derive(Debug)]
pub struct Panel {
    log: VerifierKey,
    own_operator: String,
    quorum: usize,
    peers: Vec<Arc<Peer>>,
}

#[derive(Debug)]
struct Peer {
    member: Member,
    client: Client,
    patience: Mutex<Patience>,
}

/// What is known of a witness's state, and when to ask it next.
#[derive(Debug, Default)]
struct Patience {
    /// Size of the newest head that it has cosigned for us.
    cosigned: u64,
    asking: bool,
    failures: u32,
    not_before: Option<Instant>,
}

impl Panel {
    /// A panel for the log with this key, run by `own_operator`. `quorum` distinct operators make a head witnessed. Errs
    /// with one sentence if they never could.
    pub fn new(
        log: VerifierKey,
        own_operator: &str,
        members: Vec<Member>,
        quorum: usize,
    ) -> Result<Self, PanelError> {
        let error = |problem: String| Err(PanelError(problem));
        if members.len() > WITNESSES_MAX {
            return error(format!("{} witnesses, at most {WITNESSES_MAX} are possible", members.len()));
        }
        if let Some(member) = members.iter().find(|member| member.key.kind() != SignatureType::CosignatureV1)
        {
            return error(format!("`{}` is a log's key, not a witness's", member.key));
        }
        let names: BTreeSet<_> = members.iter().map(|member| member.key.to_string()).collect();
        if names.len() < members.len() {
            return error("a witness is named twice".to_owned());
        }
        let peer = |member: Member| {
            let client = Client::new(member.url.clone());
            Arc::new(Peer { member, client, patience: Mutex::default() })
        };
        let peers = members.into_iter().map(peer).collect();
        let panel = Self { log, own_operator: own_operator.to_owned(), quorum, peers };
        let possible = panel.possible();
        if quorum == 0 || quorum > possible {
            return error(format!(
                "a quorum of {quorum} out of {possible} distinct operators; use a number from 1 to {possible}"
            ));
        }
        Ok(panel)
    }

    /// The witnesses, in order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.peers.iter().map(|peer| &peer.member)
    }

    /// Distinct operators that must have cosigned.
    pub const fn quorum(&self) -> usize {
        self.quorum
    }

    /// Distinct operators that may count.
    pub fn possible(&self) -> usize {
        let counted = (0..self.peers.len()).filter(|member| self.uncounted(*member, false).is_none());
        counted.filter_map(|member| self.operator(member)).collect::<BTreeSet<_>>().len()
    }

    /// Why a witness does not count as distinct; `None` if it does. `same_host`: its answer came from this machine.
    pub fn uncounted(&self, member: usize, same_host: bool) -> Option<&'static str> {
        let peer = self.peers.get(member)?;
        let key = peer.member.key.public_key();
        let before = self.peers.get(..member).unwrap_or_default();
        if key == self.log.public_key() {
            Some("it has the log's own key")
        } else if before.iter().any(|other| other.member.key.public_key() == key) {
            Some("it has the key of another witness")
        } else if same_operator(&peer.member.operator, &self.own_operator) {
            Some("its operator is the log's own")
        } else if same_host && !peer.member.tunnel {
            Some("it runs on the log's own host")
        } else {
            None
        }
    }

    fn operator(&self, member: usize) -> Option<String> {
        self.peers.get(member).map(|peer| canonical(&peer.member.operator))
    }

    /// Takes up which witnesses cosigned which size, out of a note that the log keeps: they are asked with that size
    /// first, and one that has forgotten it is told.
    pub fn remember(&self, note: &SignedCheckpoint) {
        for peer in &self.peers {
            if let Ok(Some(_)) = cosignature::verify(note.note(), &peer.member.key) {
                let mut patience = lock(&peer.patience);
                patience.cosigned = patience.cosigned.max(note.unverified().size);
            }
        }
    }

    /// Asks for cosignatures on this head: every witness that has not cosigned it by this tally, is not being asked, and
    /// is not left alone after a failure. The answers come into `answers` as they arrive, which holds [`WITNESSES_MAX`]
    /// of them. Returns how many are asked.
    pub fn ask(
        &self,
        head: &Head,
        tally: &Tally,
        proofs: &Proofs,
        answers: &mpsc::Sender<Answered>,
    ) -> usize {
        let mut asked = 0;
        for (member, peer) in self.peers.iter().enumerate() {
            let mut patience = lock(&peer.patience);
            let alone = patience.not_before.is_some_and(|when| Instant::now() < when);
            if patience.asking || alone || tally.has(member) {
                continue;
            }
            patience.asking = true;
            drop(patience);
            asked += 1;
            let (peer, head, proofs) = (Arc::clone(peer), head.clone(), Arc::clone(proofs));
            let (answers, log) = (answers.clone(), self.log.clone());
            tokio::spawn(async move {
                let asking = Asking(&peer);
                let answer = peer.ask(&log, &head, &proofs).await;
                let size = head.checkpoint().size;
                peer.learn(&answer, size);
                drop(asking);
                // Nobody listens any more once the log is closed.
                let _ = answers.send(Answered { size, member, answer }).await;
            });
        }
        asked
    }
}

/// Ends the asking, however it ends.
struct Asking<'a>(&'a Peer);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        lock(&self.0.patience).asking = false;
    }
}

impl Peer {
    async fn ask(&self, log: &VerifierKey, head: &Head, proofs: &Proofs) -> Answer {
        let new = head.checkpoint().size;
        let cosigned = lock(&self.patience).cosigned;
        let mut old = cosigned.min(new);
        for _ in 0..=CONFLICTS_MAX {
            let proof = match prove(proofs, old, new).await {
                Ok(proof) => proof,
                Err(error) => return Answer::Failed(format!("there is no proof from size {old}: {error}")),
            };
            let body = format_add_checkpoint(old, &proof, &head.note);
            let Reply { status, body, same_host } = match self.client.add_checkpoint(body).await {
                Ok(reply) => reply,
                Err(error) => return Answer::Failed(error.to_string()),
            };
            match (status, read_conflict(&body)) {
                (200, _) => {
                    return match read_cosignature(&head.signed, &body, &self.member.key) {
                        Ok((cosignature, line)) => {
                            Answer::Cosigned { line, time: cosignature.time, same_host }
                        }
                        Err(error) => Answer::Failed(format!("its answer is no cosignature: {error}")),
                    };
                }
                (409, Some(held)) if held > new => {
                    let proof = self.evidence(log, |seen| seen.size > new).await;
                    return Answer::Ahead { size: held, proof };
                }
                (409, Some(held)) if held < cosigned => {
                    return Answer::Failed(format!(
                        "it was set back: it has cosigned size {cosigned} and holds {held} now"
                    ));
                }
                (409, Some(held)) => old = held,
                // A proof from nothing cannot be wrong.
                (422, _) if old > 0 => {
                    let proof = self.evidence(log, |seen| seen.size == old).await;
                    return Answer::Inconsistent { held: old, proof };
                }
                (404, _) => {
                    return Answer::Failed(
                        "it does not know this log; give its operator the log's key".to_owned(),
                    );
                }
                (403, _) => return Answer::Failed("it knows this log under another key".to_owned()),
                _ => return Answer::Failed(format!("it answered with status {status}")),
            }
        }
        Answer::Failed(
            "its state changes while it is asked: somebody else has this log's key and asks it too"
                .to_owned(),
        )
    }

    /// What the witness shows to monitors, if our own key has signed it and it is what is looked for.
    async fn evidence(&self, log: &VerifierKey, fits: impl Fn(&Checkpoint) -> bool) -> Option<String> {
        let reply = self.client.checkpoint(log.name()).await.ok()?;
        let signed = SignedCheckpoint::parse(&reply.body).ok()?;
        let seen = signed.verify(log).ok()?;
        (reply.status == 200 && fits(seen)).then(|| String::from_utf8_lossy(&reply.body).into_owned())
    }

    fn learn(&self, answer: &Answer, size: u64) {
        let mut patience = lock(&self.patience);
        if let Answer::Cosigned { .. } = answer {
            *patience = Patience { cosigned: size, asking: true, ..Patience::default() };
        } else {
            let doubled = BACKOFF_MIN.saturating_mul(1 << patience.failures.min(16));
            patience.failures = patience.failures.saturating_add(1);
            patience.not_before = Instant::now().checked_add(doubled.min(BACKOFF_MAX));
        }
    }
}

async fn prove(proofs: &Proofs, old: u64, new: u64) -> Result<Vec<Hash>, LogError> {
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let proofs = Arc::clone(proofs);
    let made = tokio::task::spawn_blocking(move || proofs(old, new)).await;
    made.unwrap_or_else(|error| Err(LogError::Read { path: "tile".to_owned(), problem: error.to_string() }))
}

/// Who has cosigned one head.
#[derive(Clone, Debug)]
pub struct Tally {
    note: String,
    size: u64,
    /// Place in the panel, time, and why it does not count.
    cosigners: Vec<(usize, u64, Option<&'static str>)>,
    operators: BTreeSet<String>,
    quorum: usize,
}

impl Tally {
    /// Nobody yet.
    pub fn new(panel: &Panel, head: &Head) -> Self {
        Self {
            note: head.note.to_string(),
            size: head.checkpoint().size,
            cosigners: Vec::new(),
            operators: BTreeSet::new(),
            quorum: panel.quorum,
        }
    }

    /// Size of the head.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether this witness has cosigned it.
    pub fn has(&self, member: usize) -> bool {
        self.cosigners.iter().any(|(cosigner, ..)| *cosigner == member)
    }

    /// Takes up a cosignature; other answers are nothing to it.
    pub fn add(&mut self, panel: &Panel, answered: &Answered) {
        let Answer::Cosigned { line, time, same_host } = &answered.answer else { return };
        if self.has(answered.member) || answered.size != self.size {
            return;
        }
        self.note.push_str(line);
        let uncounted = panel.uncounted(answered.member, *same_host);
        if uncounted.is_none() {
            self.operators.extend(panel.operator(answered.member));
        }
        self.cosigners.push((answered.member, *time, uncounted));
    }

    /// Distinct operators that have cosigned.
    pub fn distinct(&self) -> usize {
        self.operators.len()
    }

    /// Whether they are enough.
    pub fn reached(&self) -> bool {
        self.operators.len() >= self.quorum
    }

    /// The head with all cosignatures.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Place in the panel, time of cosigning, and why it does not count.
    pub fn cosigners(&self) -> &[(usize, u64, Option<&'static str>)] {
        &self.cosigners
    }
}

fn same_operator(one: &str, other: &str) -> bool {
    canonical(one) == canonical(other)
}

/// Spelling does not make an operator another one.
fn canonical(operator: &str) -> String {
    operator.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
