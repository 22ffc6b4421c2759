//! A witness over real sockets and a real disk: its answers, its memory, and its death at any moment.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use killick_tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use killick_tlog::hash::{Hash, leaf_hash};
use killick_tlog::note::{SignatureType, SignerKey, VerifierKey};
use killick_tlog::proof::consistency_proof;
use killick_tlog::tree::{Growth, RightEdge};
use killick_tlog::witness::{format_add_checkpoint, origin_hash, read_cosignature, read_cosigned};
use killick_witness::{Client, KnownLog, Reply, Server, Store, WitnessError, WitnessUrl, init};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const CHILD: &str = "KILLICK_TEST_WITNESS_CHILD";
/// Deaths in an ordinary test run; `KILLICK_KILL_ROUNDS` asks for more.
const ROUNDS: u64 = 30;

/// A log whose entries are texts.
struct Log {
    key: SignerKey,
    leaves: Vec<Hash>,
}

impl Log {
    fn new(origin: &str, seed: u8) -> Self {
        let key = SignerKey::from_seed(origin, SignatureType::Ed25519, &[seed; 32]).unwrap();
        Self { key, leaves: Vec::new() }
    }

    /// The same log, somebody else's continuation of it.
    fn view(&self) -> Self {
        let key = SignerKey::from_seed(self.key.verifier().name(), SignatureType::Ed25519, &[1; 32]).unwrap();
        assert_eq!(key.verifier(), self.key.verifier());
        Self { key, leaves: self.leaves.clone() }
    }

    fn append(&mut self, text: &str) -> &mut Self {
        self.leaves.push(leaf_hash(text.as_bytes()));
        self
    }

    fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    fn tree(&self) -> Growth {
        Growth::new(&RightEdge::empty(), &self.leaves)
    }

    fn root(&self) -> Hash {
        self.tree().edge().root()
    }

    fn note(&self) -> String {
        Checkpoint::new(self.key.verifier().name().to_owned(), self.size(), self.root()).sign(&self.key)
    }

    fn request(&self, old: u64) -> String {
        let proof = consistency_proof(&self.tree(), old, self.size()).unwrap();
        format_add_checkpoint(old, &proof, &self.note())
    }

    fn known(&self) -> KnownLog {
        KnownLog::parse_list(&self.key.verifier().to_string()).unwrap().remove(0)
    }
}

fn sofa() -> Log {
    Log::new("example.com/behind-the-sofa", 1)
}

/// A witness in this process.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), WitnessError>>,
}

impl Running {
    async fn start(folder: &Path, known: &[KnownLog]) -> Self {
        let store = Store::open(folder, known).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let done = async move { drop(stopped.await) };
        Self { address, stop, ended: tokio::spawn(Server::serve(store, listener, done)) }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
    }

    fn client(&self) -> Client {
        client(self.address)
    }
}

fn client(address: SocketAddr) -> Client {
    Client::new(WitnessUrl::parse(&format!("http://{address}")).unwrap())
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

fn cosigned(log: &Log, reply: &Reply, witness: &VerifierKey) -> u64 {
    assert_eq!(reply.status, 200, "{}", text(reply));
    let signed = SignedCheckpoint::parse(log.note().as_bytes()).unwrap();
    read_cosignature(&signed, &reply.body, witness).unwrap().0.time
}

fn open_error(folder: &Path) -> (String, &'static str) {
    let error = Store::open(folder, &[sofa().known()]).unwrap_err();
    assert_eq!(error.code(), "witness.state", "{error}");
    (error.to_string(), error.mend())
}

#[tokio::test]
async fn it_answers_as_the_specification_says() {
    let folder = tempfile::tempdir().unwrap();
    let key = init(folder.path(), "witness.example/w1").unwrap();
    let mut log = sofa();
    let witness = Running::start(folder.path(), &[log.known()]).await;
    let client = witness.client();
    let origin = log.key.verifier().name().to_owned();
    assert_eq!(client.checkpoint(&origin).await.unwrap().status, 404);

    log.append("one").append("two").append("three");
    assert!(cosigned(&log, &client.add_checkpoint(log.request(0)).await.unwrap(), &key) > 1_700_000_000);
    let conflict = client.add_checkpoint(log.request(0)).await.unwrap();
    assert_eq!((conflict.status, text(&conflict).as_str()), (409, "3\n"));
    log.append("four");
    cosigned(&log, &client.add_checkpoint(log.request(3)).await.unwrap(), &key);
    let strangers = Log::new("example.com/other", 1).append("x").request(0);
    assert_eq!(client.add_checkpoint(strangers).await.unwrap().status, 404);
    let forged = Log::new("example.com/behind-the-sofa", 2).append("x").request(0);
    assert_eq!(client.add_checkpoint(forged).await.unwrap().status, 403);
    assert_eq!(client.add_checkpoint("old 1\n".to_owned()).await.unwrap().status, 400);
    // A split view: another fourth entry, for whoever holds the first three.
    let mut view = sofa();
    view.append("one").append("two").append("three").append("another four");
    assert_eq!(client.add_checkpoint(view.request(3)).await.unwrap().status, 409);
    assert_eq!(client.add_checkpoint(view.request(4)).await.unwrap().status, 422);
    view.append("five");
    assert_eq!(client.add_checkpoint(view.request(4)).await.unwrap().status, 422);

    // For monitors: the last head, with the log's signature and the witness's.
    let kept = client.checkpoint(&origin).await.unwrap();
    let (head, _) = read_cosigned(&kept.body, &log.known().keys, &key).unwrap();
    assert_eq!((head.size, head.root), (4, log.root()));
    assert_eq!(client.checkpoint("example.com/other").await.unwrap().status, 404);
    witness.stop().await;
}

#[tokio::test]
async fn http_is_bounded_and_exact() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), "witness.example/w1").unwrap();
    let mut log = sofa();
    log.append("one");
    let witness = Running::start(folder.path(), &[log.known()]).await;
    let ask = async |request: String| {
        let mut stream = TcpStream::connect(witness.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.to_lowercase()
    };
    let close = "Host: w\r\nConnection: close\r\n";
    let post = |path: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\n{close}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let answer = ask(post("/add-checkpoint", &log.request(0))).await;
    assert!(
        answer.starts_with("http/1.1 200 ok\r\n") && answer.contains("\r\n\r\n— witness.example/w1 "),
        "{answer}"
    );
    // Under any prefix: a proxy may keep it.
    let answer = ask(post("/some/prefix/add-checkpoint", &log.request(0))).await;
    assert!(
        answer.starts_with("http/1.1 409 ") && answer.contains("content-type: text/x.tlog.size\r\n"),
        "{answer}"
    );
    for (request, status) in [
        (format!("GET /add-checkpoint HTTP/1.1\r\n{close}\r\n"), "405"),
        (post("/add-checkpoint", ""), "400"),
        (post("/", ""), "404"),
        (post(&format!("/{}/checkpoint", origin_hash("x")), ""), "405"),
        (format!("GET /../../etc/passwd/checkpoint HTTP/1.1\r\n{close}\r\n"), "404"),
        (format!("GET /{}/checkpoint HTTP/1.1\r\n{close}\r\n", origin_hash("x").to_uppercase()), "404"),
        (post("/add-checkpoint", &format!("old 0\n\n{}", "x".repeat(140_000))), "413"),
    ] {
        let answer = ask(request.clone()).await;
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{}: {answer}", &request[..40]);
    }
    witness.stop().await;
}

#[tokio::test]
async fn it_remembers_what_it_signed() {
    let folder = tempfile::tempdir().unwrap();
    let key = init(folder.path(), "witness.example/w1").unwrap();
    let mut log = sofa();
    log.append("one").append("two");
    for size in 2..5 {
        let witness = Running::start(folder.path(), &[log.known()]).await;
        // One folder, one process.
        assert!(open_error(folder.path()).0.contains("another process"));
        let old = if size == 2 { 0 } else { size - 1 };
        cosigned(&log, &witness.client().add_checkpoint(log.request(old)).await.unwrap(), &key);
        witness.stop().await;
        log.append("more");
    }
    // A log that was taken off the list and put on it again is remembered too.
    drop(Store::open(folder.path(), &[]).unwrap());
    let witness = Running::start(folder.path(), &[log.known()]).await;
    assert_eq!(text(&witness.client().add_checkpoint(log.request(0)).await.unwrap()), "4\n");
    witness.stop().await;
}

#[tokio::test]
async fn a_state_that_was_set_back_or_damaged_refuses_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let key = init(folder.path(), "witness.example/w1").unwrap();
    let mut log = sofa();
    let state = folder.path().join("state");
    let (seen, own) = (state.join("seen"), state.join(origin_hash(log.key.verifier().name())));
    let cosign = async |log: &Log, old: u64| {
        let witness = Running::start(folder.path(), &[log.known()]).await;
        cosigned(log, &witness.client().add_checkpoint(log.request(old)).await.unwrap(), &key);
        witness.stop().await;
    };
    cosign(log.append("one"), 0).await;
    let (old_seen, old_own) = (std::fs::read(&seen).unwrap(), std::fs::read(&own).unwrap());
    cosign(log.append("two"), 1).await;
    let (new_seen, new_own) = (std::fs::read(&seen).unwrap(), std::fs::read(&own).unwrap());

    let refuses = |own_bytes: Option<&[u8]>, seen_bytes: Option<&[u8]>, why: &str| {
        for (path, bytes) in [(&own, own_bytes), (&seen, seen_bytes)] {
            let _ = std::fs::remove_file(path);
            if let Some(bytes) = bytes {
                std::fs::write(path, bytes).unwrap();
            }
        }
        let (problem, mend) = open_error(folder.path());
        assert!(problem.contains(why), "{problem}");
        assert!(mend.contains("newest copy") && mend.contains("must not cosign any more"), "{mend}");
    };
    refuses(Some(&old_own), Some(&new_seen), "set back");
    refuses(None, Some(&new_seen), "missing");
    refuses(Some(&new_own), None, "missing");
    refuses(Some(b""), Some(&new_seen), "no checkpoint");
    refuses(Some(&new_own), Some(b""), "damaged");
    let mut flipped = new_own.clone();
    *flipped.last_mut().unwrap() ^= 1;
    refuses(Some(&flipped), Some(&new_seen), "no checkpoint");
    let text = String::from_utf8(new_seen.clone()).unwrap();
    refuses(Some(&new_own), Some(text.replacen('2', "1", 1).as_bytes()), "damaged");
    // Cosigned by another witness, or about another log.
    let other = tempfile::tempdir().unwrap();
    init(other.path(), "witness.example/w1").unwrap();
    std::fs::copy(folder.path().join("witness.key"), other.path().join("kept.key")).unwrap();
    std::fs::copy(other.path().join("witness.key"), folder.path().join("witness.key")).unwrap();
    refuses(Some(&new_own), Some(&new_seen), "no checkpoint");
    std::fs::copy(other.path().join("kept.key"), folder.path().join("witness.key")).unwrap();
    std::fs::write(state.join(origin_hash("x")), &new_own).unwrap();
    refuses(Some(&new_own), Some(&new_seen), "another log");
    std::fs::remove_file(state.join(origin_hash("x"))).unwrap();
    // One step ahead of `seen` is what a crash leaves.
    std::fs::write(&own, &new_own).unwrap();
    std::fs::write(&seen, &old_seen).unwrap();
    drop(Store::open(folder.path(), &[log.known()]).unwrap());
    assert_eq!(std::fs::read(&seen).unwrap(), new_seen);
}

#[tokio::test]
async fn nothing_leaves_that_is_not_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), "witness.example/w1").unwrap();
    let mut log = sofa();
    log.append("one");
    let witness = Running::start(folder.path(), &[log.known()]).await;
    // The disk fails: the folder is not one any more.
    std::fs::rename(folder.path().join("state"), folder.path().join("gone")).unwrap();
    std::fs::write(folder.path().join("state"), "").unwrap();
    let reply = witness.client().add_checkpoint(log.request(0)).await.unwrap();
    assert_eq!(reply.status, 500);
    assert!(!text(&reply).contains('—'), "{}", text(&reply));
    // And it stops: the next process reads what is there.
    assert_eq!(witness.ended.await.unwrap().unwrap_err().code(), "witness.io");
}

#[test]
fn the_key_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let key = init(folder.path(), "witness.example/w1").unwrap();
    let path = folder.path().join("witness.key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Store::verifier(folder.path()).unwrap(), key);
    assert!(init(folder.path(), "witness.example/w2").is_err(), "a key was overwritten");
    let kept = std::fs::read_to_string(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(open_error(folder.path()).0.contains("other users"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for bad in ["", "PRIVATE+KEY+", &kept.replace("/w1", "/w2"), kept.trim_end(), &kept[1..]] {
        std::fs::write(&path, bad).unwrap();
        assert!(open_error(folder.path()).0.contains("no witness key"), "{bad}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(open_error(folder.path()).1.contains("killick witness init"));
    assert!(init(tempfile::tempdir().unwrap().path(), "with space").is_err());
}

#[test]
fn lists_of_logs_are_strict() {
    let vkey = sofa().key.verifier().to_string();
    let read = KnownLog::parse_list(&format!("# ours\n\n{vkey}\nother origin {vkey}\n{vkey}\n")).unwrap();
    let origins: Vec<_> = read.iter().map(|log| (log.origin.as_str(), log.keys.len())).collect();
    assert_eq!(origins, [("example.com/behind-the-sofa", 1), ("other origin", 1)]);
    let witness = SignerKey::from_seed("w", SignatureType::CosignatureV1, &[1; 32]).unwrap();
    for bad in ["x", &vkey[1..], &witness.verifier().to_string(), &format!("{vkey} {vkey}x")] {
        assert!(KnownLog::parse_list(bad).is_err(), "{bad}");
    }
}

/// The race of the specification: whoever asks at the same time from one size, one of them wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_views_of_one_log_race_and_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let key = init(folder.path(), "witness.example/w1").unwrap();
    let (mut log, mut other) = (sofa(), Log::new("example.com/other", 3));
    let witness = Running::start(folder.path(), &[log.known(), other.known()]).await;
    for step in 0..40 {
        let mut views: Vec<_> = (0..4).map(|_| log.view()).collect();
        let asked: Vec<_> = views
            .iter_mut()
            .enumerate()
            .map(|(view, log)| {
                let old = log.size();
                log.append(&format!("{step} {view}"));
                let (client, body) = (witness.client(), log.request(old));
                tokio::spawn(async move { client.add_checkpoint(body).await.unwrap() })
            })
            .collect();
        // Another log is not held up, and not mixed up.
        let old = other.size();
        let own = other.append("x").request(old);
        cosigned(&other, &witness.client().add_checkpoint(own).await.unwrap(), &key);
        let mut winner = None;
        for (view, asked) in asked.into_iter().enumerate() {
            match asked.await.unwrap() {
                reply if reply.status == 200 => {
                    assert!(winner.replace(view).is_none(), "two heads of one size")
                }
                reply => assert_eq!((reply.status, text(&reply)), (409, format!("{}\n", step + 1))),
            }
        }
        log = views.swap_remove(winner.unwrap());
    }
    witness.stop().await;
}

/// The child: a witness on a free port, which it prints.
async fn witness_until_killed(folder: PathBuf) {
    let store = Store::open(&folder, &[sofa().known()]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listens {}", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    Server::serve(store, listener, std::future::pending()).await.unwrap();
}

fn child(folder: &Path) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill_9_never_makes_it_sign_two_histories", "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.map_while(Result::ok).find_map(|line| line.split_once("listens ")?.1.parse().ok());
    (child, address.unwrap_or_else(|| panic!("the witness did not start")))
}

/// Two views of one log ask all the time, the witness dies at any moment: what was answered before is what it holds after.
#[test]
fn kill_9_never_makes_it_sign_two_histories() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(folder) = std::env::var_os(CHILD) {
        return runtime.block_on(witness_until_killed(folder.into()));
    }
    let rounds = std::env::var("KILLICK_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let seed = std::env::var("KILLICK_SEED")
        .map_or_else(|_| u64::from(std::process::id()), |seed| seed.parse().unwrap());
    println!("KILLICK_SEED={seed}");
    let mut random = seed;
    let folder = tempfile::tempdir().unwrap();
    let key = init(folder.path(), "witness.example/w1").unwrap();
    let mut log = sofa();
    let mut answered = 0;
    for round in 0..rounds {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let deadly = usize::try_from((random >> 33) % 24).unwrap();
        let (mut process, address) = child(folder.path());
        let replies = Arc::new(AtomicUsize::new(0));
        let asking = runtime.spawn({
            let (replies, mut log, key) = (Arc::clone(&replies), log.view(), key.clone());
            async move {
                // Every connection of its own view: both are sent before either is answered.
                let (one, two) = (client(address), client(address));
                let mut unsure = Vec::new();
                'alive: for step in 0.. {
                    let old = log.size();
                    let mut views = [log.view(), log.view()];
                    for (name, view) in ["one", "two"].iter().zip(&mut views) {
                        view.append(&format!("{round} {step} {name}"));
                    }
                    let (first, second) = tokio::join!(
                        one.add_checkpoint(views[0].request(old)),
                        two.add_checkpoint(views[1].request(old))
                    );
                    let mut winner = None;
                    for (view, reply) in [first, second].into_iter().enumerate() {
                        let Ok(reply) = reply else { continue };
                        replies.fetch_add(1, Ordering::SeqCst);
                        if reply.status == 200 {
                            cosigned(&views[view], &reply, &key);
                            assert!(winner.replace(view).is_none(), "two heads of one size");
                        } else {
                            assert_eq!(reply.status, 409, "{}", text(&reply));
                        }
                    }
                    let [first, second] = views;
                    log = match winner {
                        Some(0) => first,
                        Some(_) => second,
                        // It died: neither answer arrived, or only the refusal of one of them.
                        None => {
                            unsure = vec![first, second];
                            break 'alive;
                        }
                    };
                }
                (log, unsure)
            }
        });
        while replies.load(Ordering::SeqCst) < deadly && !asking.is_finished() {
            std::thread::yield_now();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        let (confirmed, unsure) = runtime.block_on(asking).unwrap();
        answered += replies.load(Ordering::SeqCst);

        // What it holds now is the last head that it answered for, or one of the two that it was asked about.
        let store = Store::open(folder.path(), &[log.known()]).unwrap();
        let note = store.checkpoint(&origin_hash(log.key.verifier().name())).unwrap();
        let (size, root) = match &note {
            Some(note) => {
                let (head, _) = read_cosigned(note.as_bytes(), &log.known().keys, &key).unwrap();
                (head.size, head.root)
            }
            None => (0, log.view().root()),
        };
        let possible = std::iter::once(confirmed).chain(unsure);
        log = possible
            .into_iter()
            .find(|view| (view.size(), view.root()) == (size, root) || (size, view.size()) == (0, 0))
            .unwrap_or_else(|| {
                panic!("round {round}: it holds size {size}, which was never confirmed nor asked")
            });
    }
    println!("{rounds} deaths, {answered} answers, {} heads", log.size());
    assert!(log.size() > rounds / 2, "the witness did nothing");
}
