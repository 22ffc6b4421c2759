//! Witnesses of the log: asked in the background for each published head, never on the append path; and at the start,
//! before anything is appended, whether they have seen more of this log than it holds.
//!
//! `witnessed`, beside `checkpoint` in the public folder, is the newest head that a quorum has cosigned, with all of its
//! cosignatures.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use killick_tlog::LogError;
use killick_tlog::checkpoint::SignedCheckpoint;
use killick_tlog::cosignature;
use killick_tlog::hash::Hash;
use killick_tlog::limits::NOTE_BYTES_MAX;
use killick_tlog::note::VerifierKey;
use killick_tlog::proof::{consistency_proof, root};
use killick_tlog::tile::WITNESSED_PATH;
use killick_tlog::verify::TileHashes;
use killick_witness::{Answer, Answered, Head, Panel, Proofs, Tally};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::disk::{LogFolder, read_file, replace_file, sync_folder};
use crate::error::LedgerError;
use crate::limits::{WITNESS_GRACE, WITNESS_PERIOD, WITNESS_REFRESH, WITNESS_ROUND_MAX};
use crate::shared::{Published, Shared};

const DELETE: &str = "delete the file: it is written anew when the witnesses sign the next time";

/// What is known of the witnesses of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witnessed {
    /// Distinct operators that must cosign a head; 0 if no witness is configured.
    pub quorum: usize,
    /// Distinct operators that may count.
    pub possible: usize,
    /// The newest head that a quorum has cosigned.
    pub head: Option<WitnessedHead>,
    /// Each witness.
    pub witnesses: Vec<WitnessState>,
    /// Why the log has stopped, if a witness has seen what it does not hold.
    pub alarm: Option<String>,
}

/// A head that a quorum has cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessedHead {
    /// Entries under it.
    pub size: u64,
    /// When the last of its cosigners signed, in seconds since 1970, by that witness's clock.
    pub at: u64,
    /// Distinct operators that have cosigned it.
    pub operators: usize,
    /// The names of all witnesses that have, counted or not.
    pub by: Vec<String>,
    /// The signed note with all cosignatures, as it is in the folder.
    pub note: Arc<str>,
}

/// A configured witness, and how it was doing when it was last asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessState {
    /// Its name.
    pub name: String,
    /// Who runs it.
    pub operator: String,
    /// Where it is.
    pub url: String,
    /// Why it does not count as a distinct operator, if it does not.
    pub uncounted: Option<String>,
    /// Size and time (seconds since 1970) of the head that it cosigned last.
    pub last: Option<(u64, u64)>,
    /// Why it did not cosign when it was last asked.
    pub problem: Option<String>,
    /// Whether it has answered since the start: until then it may have seen more than this log holds.
    pub checked: bool,
}

impl Witnessed {
    /// For status pages: `signed` or `witnessed n/m`.
    pub fn word(&self, index: u64) -> String {
        match &self.head {
            Some(head) if index < head.size => format!("witnessed {}/{}", head.operators, self.possible),
            _ => "signed".to_owned(),
        }
    }

    /// For APIs.
    pub fn to_json(&self) -> Value {
        let head = self.head.as_ref().map(
            |head| json!({ "size": head.size, "at": head.at, "operators": head.operators, "by": head.by }),
        );
        let witness = |witness: &WitnessState| {
            json!({
                "name": witness.name, "operator": witness.operator, "url": witness.url,
                "uncounted": witness.uncounted, "size": witness.last.map(|(size, _)| size),
                "at": witness.last.map(|(_, at)| at), "problem": witness.problem, "checked": witness.checked,
            })
        };
        json!({
            "quorum": self.quorum, "possible": self.possible, "head": head, "alarm": self.alarm,
            "witnesses": self.witnesses.iter().map(witness).collect::<Vec<_>>(),
        })
    }
}

/// The task that asks, and what it has found.
pub(crate) struct Asker {
    shared: Arc<Shared>,
    panel: Panel,
    proofs: Proofs,
    state: Arc<Mutex<Witnessed>>,
    answers: (mpsc::Sender<Answered>, mpsc::Receiver<Answered>),
}

/// One head and its cosignatures so far.
struct Round {
    head: Head,
    tally: Tally,
    /// Witnesses that are being asked about this head.
    asked: usize,
    /// When to wait for them no longer.
    deadline: Instant,
    /// When to ask again at the earliest.
    next: Instant,
    /// When to ask all of them anew, though nothing was appended.
    refresh: Instant,
}

impl Round {
    fn new(panel: &Panel, head: Head) -> Self {
        let now = Instant::now();
        let tally = Tally::new(panel, &head);
        Self { head, tally, asked: 0, deadline: now, next: now, refresh: now + WITNESS_REFRESH }
    }

    /// Whether nobody is waited for: one slow witness does not hold up the next head once the quorum is complete.
    fn settled(&self, now: Instant) -> bool {
        self.asked == 0 || now >= self.deadline
    }
}

impl Asker {
    /// Reads the file `witnessed` and holds it against the log. Errs with [`LedgerError::BehindWitness`] if the log is not
    /// a continuation of that head, with damage if the file is none.
    pub(crate) fn new(shared: Arc<Shared>, panel: Panel, key: &VerifierKey) -> Result<Self, LedgerError> {
        let proofs = proofs(&shared.log_dir);
        let witness = |(member, configured): (usize, &killick_witness::Member)| WitnessState {
            name: configured.key.name().to_owned(),
            operator: configured.operator.clone(),
            url: configured.url.to_string(),
            uncounted: panel.uncounted(member, false).map(str::to_owned),
            last: None,
            problem: None,
            checked: false,
        };
        let mut state = Witnessed {
            quorum: panel.quorum(),
            possible: panel.possible(),
            head: None,
            witnesses: panel.members().enumerate().map(witness).collect(),
            alarm: None,
        };
        if let Some((note, text)) = read_witnessed(&shared, key)? {
            panel.remember(&note);
            state.head = recount(&panel, &note, text);
        }
        let answers = mpsc::channel(killick_witness::limits::WITNESSES_MAX);
        Ok(Self { shared, panel, proofs, state: Arc::new(Mutex::new(state)), answers })
    }

    pub(crate) fn state(&self) -> Arc<Mutex<Witnessed>> {
        Arc::clone(&self.state)
    }

    /// Asks about the head that the log was recovered to, before anything is appended. A witness that does not answer in
    /// time is asked again later. Errs if one has seen more, or something else.
    pub(crate) async fn check(&mut self) -> Result<(), LedgerError> {
        let mut round = Round::new(&self.panel, self.head()?);
        round.asked = self.panel.ask(&round.head, &round.tally, &self.proofs, &self.answers.0);
        let deadline = Instant::now() + WITNESS_ROUND_MAX;
        while round.asked > 0
            && let Ok(Some(answered)) = timeout_at(deadline, self.answers.1.recv()).await
        {
            self.take(&mut round, &answered).await?;
        }
        let state = lock(&self.state);
        for witness in state.witnesses.iter().filter(|witness| !witness.checked) {
            let problem = witness.problem.as_deref().unwrap_or("no answer yet");
            tracing::warn!(
                witness = witness.name,
                problem,
                "this witness could not be asked whether it has seen more of the log; the log runs, and stops if it has"
            );
        }
        Ok(())
    }

    /// Asks for cosignatures on the published head, at most once a second, until the ledger is closed or a witness has
    /// seen something that the log does not hold: then the log stops.
    pub(crate) async fn run(mut self) {
        if let Err(error) = self.ask_on().await {
            self.shared.fail(&error.to_string());
        }
    }

    async fn ask_on(&mut self) -> Result<(), LedgerError> {
        let mut published = self.shared.published_size.subscribe();
        let mut round = Round::new(&self.panel, self.head()?);
        loop {
            let now = Instant::now();
            let size = *published.borrow_and_update();
            let settled = round.settled(now);
            if settled && now >= round.next {
                if size > round.tally.size() || now >= round.refresh {
                    round = Round::new(&self.panel, self.head()?);
                }
                round.asked = self.panel.ask(&round.head, &round.tally, &self.proofs, &self.answers.0);
                round.deadline = now + WITNESS_ROUND_MAX;
                round.next = now + WITNESS_PERIOD;
                continue;
            }
            let complete = round.tally.cosigners().len() == self.panel.members().len();
            let wake = if !settled {
                round.deadline
            } else if size > round.tally.size() || !complete {
                round.next
            } else {
                round.refresh
            };
            tokio::select! {
                Some(answered) = self.answers.1.recv() => self.take(&mut round, &answered).await?,
                changed = published.changed() => if changed.is_err() { return Ok(()) },
                () = sleep_until(wake) => {}
            }
        }
    }

    fn head(&self) -> Result<Head, LedgerError> {
        let Published { checkpoint, .. } = self.shared.published();
        Head::parse(checkpoint).map_err(|error| LedgerError::damaged(&self.shared.log_dir, error.to_string()))
    }

    /// Takes up one answer, to whichever head: a late alarm is one all the same.
    async fn take(&self, round: &mut Round, answered: &Answered) -> Result<(), LedgerError> {
        if answered.size == round.tally.size() {
            round.asked = round.asked.saturating_sub(1);
        }
        self.note_answer(answered).inspect_err(|error| {
            lock(&self.state).alarm = Some(error.to_string());
        })?;
        let before = (round.tally.reached(), round.tally.cosigners().len());
        round.tally.add(&self.panel, answered);
        if round.tally.reached() && round.tally.cosigners().len() > before.1 {
            self.publish(&round.tally).await?;
            if !before.0 {
                round.deadline = round.deadline.min(Instant::now() + WITNESS_GRACE);
            }
        }
        Ok(())
    }

    /// Takes up one answer. Errs where it says that this log is not the one that the witness has seen.
    fn note_answer(&self, answered: &Answered) -> Result<(), LedgerError> {
        let size = answered.size;
        let mut state = lock(&self.state);
        let Some(witness) = state.witnesses.get_mut(answered.member) else { return Ok(()) };
        witness.problem = None;
        let name = witness.name.clone();
        let signed_by_us = |proof: &Option<String>| {
            if proof.is_some() { ", and shows it signed with this log's own key" } else { "" }
        };
        match &answered.answer {
            Answer::Cosigned { time, same_host, .. } => {
                witness.checked = true;
                witness.last = Some((size, *time));
                witness.uncounted = self.panel.uncounted(answered.member, *same_host).map(str::to_owned);
                Ok(())
            }
            Answer::Ahead { size: seen, proof } => Err(LedgerError::BehindWitness {
                origin: self.shared.origin.clone(),
                problem: format!(
                    "the witness `{name}` has seen {seen} entries{}, and the log has {size}",
                    signed_by_us(proof)
                ),
            }),
            Answer::Inconsistent { held, proof } => Err(LedgerError::BehindWitness {
                origin: self.shared.origin.clone(),
                problem: format!(
                    "the witness `{name}` has seen another history of its first {held} entries{}",
                    signed_by_us(proof)
                ),
            }),
            Answer::Failed(problem) => {
                tracing::debug!(witness = name, problem, "no cosignature");
                witness.problem = Some(problem.clone());
                Ok(())
            }
        }
    }

    /// Writes the head and its cosignatures into the folder.
    async fn publish(&self, tally: &Tally) -> Result<(), LedgerError> {
        let (shared, note) = (Arc::clone(&self.shared), tally.note().to_owned());
        let write = move || {
            let (disk, log_dir) = (&*shared.disk, &shared.log_dir);
            replace_file(disk, &log_dir.join(WITNESSED_PATH), note.as_bytes(), 0o644)?;
            sync_folder(disk, log_dir)
        };
        let written = tokio::task::spawn_blocking(write).await;
        written.unwrap_or_else(|error| Err(LedgerError::Stopped(error.to_string())))?;
        let names: Vec<_> = self.panel.members().map(|member| member.key.name().to_owned()).collect();
        let by = tally.cosigners().iter().filter_map(|(member, ..)| names.get(*member).cloned()).collect();
        let at = tally.cosigners().iter().map(|(_, time, _)| *time).max().unwrap_or_default();
        let head = WitnessedHead {
            size: tally.size(),
            at,
            operators: tally.distinct(),
            by,
            note: tally.note().into(),
        };
        lock(&self.state).head = Some(head);
        Ok(())
    }
}

/// The file `witnessed`, if there is one, once it is known to be a head of this very log.
fn read_witnessed(
    shared: &Shared,
    key: &VerifierKey,
) -> Result<Option<(SignedCheckpoint, Arc<str>)>, LedgerError> {
    let path = shared.log_dir.join(WITNESSED_PATH);
    let Some(note) = read_file(&*shared.disk, &path, NOTE_BYTES_MAX)? else { return Ok(None) };
    let damaged = |problem: String| LedgerError::damaged(&path, format!("{problem}; {DELETE}"));
    let signed = SignedCheckpoint::parse(&note).map_err(|error| damaged(error.to_string()))?;
    let head = signed.verify(key).map_err(|error| damaged(error.to_string()))?;
    let size = shared.published().size;
    let behind = |problem| LedgerError::BehindWitness { origin: shared.origin.clone(), problem };
    if head.size > size {
        return Err(behind(format!(
            "{} says that witnesses have cosigned {} entries, and the log has {size}",
            path.display(),
            head.size
        )));
    }
    let reader = LogFolder::new(&shared.log_dir);
    let held = root(&TileHashes::new(&reader, size), head.size)
        .map_err(|error| LedgerError::damaged(&shared.log_dir, error.to_string()))?;
    if held != head.root {
        return Err(behind(format!(
            "{} says that witnesses have cosigned another history of its first {} entries",
            path.display(),
            head.size
        )));
    }
    let text: Arc<str> = String::from_utf8_lossy(&note).into();
    Ok(Some((signed, text)))
}

/// Who has cosigned a note that was written earlier, by today's configuration. What cannot be told from a note, that a
/// witness ran on this host, is told when it answers next.
fn recount(panel: &Panel, note: &SignedCheckpoint, text: Arc<str>) -> Option<WitnessedHead> {
    let mut operators = std::collections::BTreeSet::new();
    let (mut by, mut at) = (Vec::new(), 0);
    for (member, configured) in panel.members().enumerate() {
        if let Ok(Some(cosignature)) = cosignature::verify(note.note(), &configured.key) {
            at = at.max(cosignature.time);
            by.push(cosignature.witness);
            if panel.uncounted(member, false).is_none() {
                operators.insert(configured.operator.to_lowercase());
            }
        }
    }
    let operators = operators.len();
    (operators >= panel.quorum()).then(|| WitnessedHead {
        size: note.unverified().size,
        at,
        operators,
        by,
        note: text,
    })
}

fn proofs(log_dir: &Path) -> Proofs {
    let reader = LogFolder::new(log_dir);
    Arc::new(move |old, new| -> Result<Vec<Hash>, LogError> {
        consistency_proof(&TileHashes::new(&reader, new), old, new)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
