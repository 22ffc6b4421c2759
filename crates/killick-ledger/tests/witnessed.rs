//! A log and its witnesses over real sockets: cosigned in the background, counted by who runs them, and refused where a
//! witness has seen more than the log holds (HST-03, HST-04 of `redteam/catalogue.yaml`).
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use killick_ledger::{Ledger, LedgerConfig, LedgerError, LogFolder, WITNESSED_PATH, Witnessed};
use killick_tlog::checkpoint::SignedCheckpoint;
use killick_tlog::cosignature;
use killick_tlog::note::{SignatureType, SignerKey, VerifierKey};
use killick_tlog::receipt::Receipt;
use killick_tlog::verify::verify_log;
use killick_tlog::{Entry, Seal};
use killick_witness::{KnownLog, Member, Panel, PanelError, Server, Store, WitnessError, WitnessUrl, init};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

const ORIGIN: &str = "test.example/killick/gw-1";
const OWN: &str = "test.example";
/// A bound on what happens within a second or two; nothing waits for it unless it fails.
const SOON: Duration = Duration::from_secs(30);

struct Text(String);

impl Entry for Text {
    fn encode(&self, _: &dyn Seal, _: &str) -> Vec<u8> {
        self.0.clone().into_bytes()
    }
}

fn config(folder: &Path) -> LedgerConfig {
    LedgerConfig {
        log_dir: folder.join("log"),
        state_dir: folder.join("log-state"),
        origin: ORIGIN.to_owned(),
        seed: [7; 32],
        build: "killick test".to_owned(),
    }
}

fn log_key() -> VerifierKey {
    SignerKey::from_seed(ORIGIN, SignatureType::Ed25519, &[7; 32]).unwrap().verifier().clone()
}

/// A witness with a folder, a port of its own, and an end.
struct Witness {
    folder: TempDir,
    key: VerifierKey,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<JoinHandle<Result<(), WitnessError>>>,
}

impl Witness {
    async fn start(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = init(folder.path(), name).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut witness = Self { folder, key, address, stop: None, ended: None };
        witness.resume().await;
        witness
    }

    /// Starts again, on the port that it had.
    async fn resume(&mut self) {
        let known = KnownLog::parse_list(&log_key().to_string()).unwrap();
        let store = Store::open(self.folder.path(), &known).unwrap();
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        self.stop = Some(stop);
        self.ended = Some(tokio::spawn(Server::serve(store, listener, async move { drop(stopped.await) })));
    }

    async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.ended.take().unwrap().await.unwrap().unwrap();
    }

    /// As a witness elsewhere, which is reached through a tunnel: all of these run on one machine.
    fn member(&self, operator: &str) -> Member {
        member(self.key.clone(), self.address, operator, true)
    }
}

fn member(key: VerifierKey, address: SocketAddr, operator: &str, tunnel: bool) -> Member {
    let url = WitnessUrl::parse(&format!("http://{address}")).unwrap();
    Member { key, url, operator: operator.to_owned(), tunnel }
}

fn panel(members: Vec<Member>, quorum: usize) -> Panel {
    Panel::new(log_key(), OWN, members, quorum).unwrap()
}

async fn open(folder: &Path, members: Vec<Member>, quorum: usize) -> Result<Ledger, LedgerError> {
    Ledger::open_witnessed(config(folder), panel(members, quorum)).await
}

async fn append(ledger: &Ledger, count: usize) {
    for number in 0..count {
        ledger.submit(Text(format!("entry {number}"))).unwrap().durable().await.unwrap();
    }
    ledger.publish().await.unwrap();
}

/// Waits until what is known of the witnesses is as asked for.
async fn until(ledger: &Ledger, what: &str, is: impl Fn(&Witnessed) -> bool) -> Witnessed {
    let waiting = async {
        loop {
            let now = ledger.witnessed();
            if is(&now) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match timeout(SOON, waiting).await {
        Ok(now) => now,
        Err(_) => panic!("never {what}: {:#?}", ledger.witnessed()),
    }
}

fn witnessed_size(state: &Witnessed) -> u64 {
    state.head.as_ref().map_or(0, |head| head.size)
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn behind(opened: Result<Ledger, LedgerError>) -> String {
    match opened {
        Err(error @ LedgerError::BehindWitness { .. }) => error.to_string(),
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("the log opened"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_cosigns_what_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let witnesses = [
        Witness::start("w1.example").await,
        Witness::start("w2.example").await,
        Witness::start("w3.example").await,
    ];
    let members: Vec<_> = witnesses
        .iter()
        .zip(["one", "two", "three"])
        .map(|(witness, operator)| witness.member(operator))
        .collect();
    let ledger = open(folder.path(), members, 2).await.unwrap();
    append(&ledger, 300).await;
    let size = ledger.size();
    let state = until(&ledger, "witnessed by all", |state| {
        state.head.as_ref().is_some_and(|head| head.size == size && head.operators == 3)
    })
    .await;
    assert_eq!((state.word(0), state.word(size)), ("witnessed 3/3".to_owned(), "signed".to_owned()));
    // The note in the folder: the log's own head, with every cosignature, each a good one.
    let note = std::fs::read(folder.path().join("log").join(WITNESSED_PATH)).unwrap();
    let signed = SignedCheckpoint::parse(&note).unwrap();
    assert_eq!(signed.verify(&log_key()).unwrap().size, size);
    for witness in &witnesses {
        assert!(cosignature::verify(signed.note(), &witness.key).unwrap().is_some());
    }
    // A receipt to that head carries the cosignatures; of an entry that it does not include there is none.
    let receipt = ledger.witnessed_receipt(17).await.unwrap().unwrap();
    let receipt = Receipt::parse(&receipt).unwrap();
    let entry = ledger.read(17, 18).await.unwrap().remove(0);
    assert_eq!(receipt.verify(&entry, &log_key().to_string()).unwrap().size, size);
    for witness in &witnesses {
        assert!(cosignature::verify(receipt.checkpoint().note(), &witness.key).unwrap().is_some());
    }
    assert_eq!(ledger.witnessed_receipt(size).await.unwrap(), None);
    // Further heads extend it, by proofs out of the tiles; over a restart too.
    append(&ledger, 500).await;
    until(&ledger, "witnessed again", |state| witnessed_size(state) == 801).await;
    ledger.close().await.unwrap();
    let members = witnesses.iter().map(|witness| witness.member(witness.key.name())).collect();
    let ledger = open(folder.path(), members, 3).await.unwrap();
    assert_eq!(witnessed_size(&ledger.witnessed()), 801);
    append(&ledger, 3).await;
    until(&ledger, "witnessed after the restart", |state| witnessed_size(state) == 804).await;
    ledger.close().await.unwrap();
    // Nothing of it disturbs a verifier.
    assert_eq!(
        verify_log(&LogFolder::new(folder.path().join("log")), None, &mut |_, _| {}).unwrap().size,
        804
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_distinct_operators_count() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::start("w1.example").await;
    let local = Witness::start("local.example").await;
    let twin = Witness::start("twin.example").await;
    // One operator twice, however it is spelt; our own operator; our own host.
    let members = vec![
        witness.member("Example  Ltd"),
        twin.member("example ltd"),
        member(local.key.clone(), local.address, "elsewhere", false),
    ];
    let ledger = open(folder.path(), members, 2).await.unwrap();
    append(&ledger, 3).await;
    let size = ledger.size();
    let signed_by_all = |state: &Witnessed| {
        state.witnesses.iter().all(|witness| witness.last.is_some_and(|(signed, _)| signed == size))
    };
    let state = until(&ledger, "cosigned by all three", signed_by_all).await;
    assert_eq!(state.head, None, "witnesses of one operator and of our own host made a quorum");
    assert_eq!(state.word(0), "signed");
    assert!(!folder.path().join("log").join(WITNESSED_PATH).exists());
    let uncounted: Vec<_> = state.witnesses.iter().map(|witness| witness.uncounted.as_deref()).collect();
    assert_eq!(uncounted, [None, None, Some("it runs on the log's own host")]);
    ledger.close().await.unwrap();
    // The near twin: two operators make the quorum.
    let ledger = open(folder.path(), vec![witness.member("one"), twin.member("two")], 2).await.unwrap();
    until(&ledger, "witnessed", |state| witnessed_size(state) == size).await;
    ledger.close().await.unwrap();
}

#[test]
fn a_quorum_that_cannot_be_is_refused() {
    let key = |name: &str, seed: u8| {
        SignerKey::from_seed(name, SignatureType::CosignatureV1, &[seed; 32]).unwrap().verifier().clone()
    };
    let address = SocketAddr::from(([192, 0, 2, 1], 80));
    let witness = |name: &str, seed: u8, operator: &str| member(key(name, seed), address, operator, false);
    let refused = |members: Vec<Member>, quorum: usize| -> PanelError {
        Panel::new(log_key(), OWN, members, quorum).unwrap_err()
    };
    let two = || vec![witness("a", 1, "one"), witness("b", 2, "two")];
    assert_eq!(Panel::new(log_key(), OWN, two(), 2).unwrap().possible(), 2);
    refused(two(), 0);
    refused(two(), 3);
    refused(vec![], 1);
    // One key under two names, one operator twice, the log's operator, the log's key: one of each pair counts.
    refused(vec![witness("a", 1, "one"), witness("b", 1, "two")], 2);
    refused(vec![witness("a", 1, "one"), witness("b", 2, "ONE ")], 2);
    refused(vec![witness("a", 1, "one"), witness("b", 2, "Test.Example")], 2);
    refused(vec![witness("a", 1, "one"), witness("b", 7, "two")], 2);
    assert!(refused(vec![witness("a", 1, "one"), witness("a", 1, "two")], 1).to_string().contains("twice"));
    assert!(refused(vec![member(log_key(), address, "one", false)], 1).to_string().contains("log's key"));
}

/// HST-04: the image of an hour ago is restored and started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_set_back_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let image = tempfile::tempdir().unwrap();
    let mut witness = Witness::start("w1.example").await;
    let ledger = open(folder.path(), vec![witness.member("one")], 1).await.unwrap();
    append(&ledger, 10).await;
    until(&ledger, "witnessed", |state| witnessed_size(state) == 11).await;
    ledger.close().await.unwrap();
    copy(folder.path(), image.path());
    let ledger = open(folder.path(), vec![witness.member("one")], 1).await.unwrap();
    append(&ledger, 10).await;
    until(&ledger, "witnessed", |state| witnessed_size(state) == 21).await;
    ledger.close().await.unwrap();
    let newest = std::fs::read(folder.path().join("log").join(WITNESSED_PATH)).unwrap();

    copy(image.path(), folder.path());
    let before = std::fs::read(folder.path().join("log/checkpoint")).unwrap();
    let problem = behind(open(folder.path(), vec![witness.member("one")], 1).await);
    assert!(
        problem.contains("`w1.example` has seen 21 entries, and shows it signed with this log's own key"),
        "{problem}"
    );
    assert_eq!(std::fs::read(folder.path().join("log/checkpoint")).unwrap(), before, "something was written");
    // The near twin: the same image opens where no witness is asked, which is why one is.
    Ledger::open(config(folder.path())).await.unwrap().close().await.unwrap();

    // Without an answer: the newest `witnessed` alone, next to the old state, is enough.
    witness.stop().await;
    std::fs::write(folder.path().join("log").join(WITNESSED_PATH), newest).unwrap();
    let problem = behind(open(folder.path(), vec![witness.member("one")], 1).await);
    assert!(problem.contains("have cosigned 21 entries, and the log has 11"), "{problem}");
}

/// HST-04 with the witness away at the start: the log runs, and stops when the witness is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_set_back_stops_when_its_witness_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let image = tempfile::tempdir().unwrap();
    let mut witness = Witness::start("w1.example").await;
    let ledger = open(folder.path(), vec![witness.member("one")], 1).await.unwrap();
    append(&ledger, 10).await;
    ledger.close().await.unwrap();
    copy(folder.path(), image.path());
    let ledger = open(folder.path(), vec![witness.member("one")], 1).await.unwrap();
    append(&ledger, 10).await;
    until(&ledger, "witnessed", |state| witnessed_size(state) == 21).await;
    ledger.close().await.unwrap();
    copy(image.path(), folder.path());
    witness.stop().await;

    let ledger = open(folder.path(), vec![witness.member("one")], 1).await.unwrap();
    let state = ledger.witnessed();
    assert!(!state.witnesses[0].checked && state.witnesses[0].problem.is_some(), "{state:?}");
    let mut failed = ledger.failed();
    append(&ledger, 3).await;
    witness.resume().await;
    let stopped =
        timeout(SOON, failed.wait_for(Option::is_some)).await.expect("the log goes on").unwrap().clone();
    assert!(stopped.unwrap().contains("has seen 21 entries"));
    assert!(ledger.witnessed().alarm.is_some());
    assert!(ledger.submit(Text("more".to_owned())).is_err());
    drop(ledger);

    // It grew past what the witness has seen: then it is another history, and that is told as well.
    copy(image.path(), folder.path());
    let ledger = Ledger::open(config(folder.path())).await.unwrap();
    for number in 0..20 {
        ledger.submit(Text(format!("other {number}"))).unwrap().durable().await.unwrap();
    }
    ledger.close().await.unwrap();
    let problem = behind(open(folder.path(), vec![witness.member("one")], 1).await);
    assert!(problem.contains("another history of its first 21 entries, and shows it signed"), "{problem}");
}

/// HST-03: the log's key is stolen, and two heads of one size are shown to two witnesses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_views_never_both_get_a_quorum() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let witnesses = [Witness::start("w1.example").await, Witness::start("w2.example").await];
    let members = || vec![witnesses[0].member("one"), witnesses[1].member("two")];
    let ledger = open(ours.path(), members(), 2).await.unwrap();
    append(&ledger, 5).await;
    until(&ledger, "witnessed", |state| witnessed_size(state) == 6).await;
    ledger.close().await.unwrap();
    copy(ours.path(), theirs.path());
    // The thief writes on, and shows it to the first witness alone.
    let thief = open(theirs.path(), vec![witnesses[0].member("one")], 1).await.unwrap();
    append(&thief, 4).await;
    until(&thief, "shown to one witness", |state| witnessed_size(state) == 10).await;
    thief.close().await.unwrap();
    // We write on: as many entries, others. The first witness holds another history: no quorum, and the log stops.
    let ledger = open(ours.path(), vec![witnesses[1].member("two")], 1).await.unwrap();
    for number in 0..4 {
        ledger.submit(Text(format!("ours {number}"))).unwrap().durable().await.unwrap();
    }
    ledger.publish().await.unwrap();
    until(&ledger, "cosigned by the second", |state| witnessed_size(state) == 10).await;
    ledger.close().await.unwrap();
    let problem = behind(open(ours.path(), members(), 2).await);
    assert!(
        problem
            .contains("`w1.example` has seen another history of its first 10 entries, and shows it signed"),
        "{problem}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_head_of_ours_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::start("w1.example").await;
    let ledger = open(folder.path(), vec![witness.member("one")], 1).await.unwrap();
    append(&ledger, 5).await;
    until(&ledger, "witnessed", |state| witnessed_size(state) == 6).await;
    ledger.close().await.unwrap();
    let path = folder.path().join("log").join(WITNESSED_PATH);
    let good = std::fs::read_to_string(&path).unwrap();
    for bad in ["", "x", &good.replacen("\n6\n", "\n7\n", 1), &good.replacen(ORIGIN, "test.example/other", 1)]
    {
        std::fs::write(&path, bad).unwrap();
        match open(folder.path(), vec![witness.member("one")], 1).await {
            Err(LedgerError::Damaged { problem, .. }) => {
                assert!(problem.contains("delete the file"), "{problem}")
            }
            Err(error) => panic!("another error: {error}"),
            Ok(_) => panic!("opened with {bad:?}"),
        }
    }
    std::fs::remove_file(&path).unwrap();
    let ledger = open(folder.path(), vec![witness.member("one")], 1).await.unwrap();
    until(&ledger, "written anew", |state| witnessed_size(state) == 6).await;
    assert!(path.exists());
    ledger.close().await.unwrap();
}

/// A witness that accepts connections and never answers.
async fn mute() -> (VerifierKey, SocketAddr, JoinHandle<()>) {
    let key = SignerKey::from_seed("mute.example", SignatureType::CosignatureV1, &[9; 32]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    (key.verifier().clone(), address, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witnesses_that_are_down_or_mute_hold_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut down = Witness::start("down.example").await;
    down.stop().await;
    let good = Witness::start("good.example").await;
    let (mute_key, mute_address, task) = mute().await;
    let members = vec![down.member("one"), member(mute_key, mute_address, "two", true), good.member("three")];
    // The start waits for an answer, and no longer than an answer may take.
    let started = Instant::now();
    let ledger = open(folder.path(), members, 1).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(8), "the start was held up");
    // Appends go on as they would without witnesses: each of these is a commit of its own.
    let started = Instant::now();
    append(&ledger, 200).await;
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "200 appends took {took:?}");
    let state =
        until(&ledger, "witnessed by the one that answers", |state| witnessed_size(state) == 201).await;
    assert_eq!(state.word(7), "witnessed 1/3");
    let problems: Vec<_> = state.witnesses.iter().map(|witness| witness.problem.is_some()).collect();
    assert_eq!(problems, [true, true, false], "{state:?}");
    // The one that was down is found when it is back.
    down.resume().await;
    append(&ledger, 1).await;
    until(&ledger, "cosigned by the one that is back", |state| state.witnesses[0].last.is_some()).await;
    ledger.close().await.unwrap();
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_forgot_is_told_from_one_that_did_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut witness = Witness::start("w1.example").await;
    let fresh = tempfile::tempdir().unwrap();
    copy(witness.folder.path(), fresh.path());
    let ledger = open(folder.path(), vec![witness.member("one")], 1).await.unwrap();
    append(&ledger, 5).await;
    until(&ledger, "witnessed", |state| witnessed_size(state) == 6).await;
    witness.stop().await;
    // Its whole folder is set back: it cannot know, the log can.
    copy(fresh.path(), witness.folder.path());
    witness.resume().await;
    append(&ledger, 1).await;
    let state = until(&ledger, "noticed", |state| {
        state.witnesses[0].problem.as_ref().is_some_and(|problem| problem.contains("set back"))
    })
    .await;
    assert_eq!(witnessed_size(&state), 6, "a witness without memory was counted");
    ledger.close().await.unwrap();
}
