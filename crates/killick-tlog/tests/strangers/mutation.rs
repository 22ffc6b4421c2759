//! One change of a log at a time, drawn from a seed, with the diagnosis that it must be met with.

use killick_tlog::cosignature::cosign;
use killick_tlog::tile::{Tile, TileKind, append_entry};

use crate::world::{self, Files, SIZE, log, log_key, sibling, witness_key, witnesses};

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..below`.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        (self.next() % below as u64) as usize
    }

    fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from)
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// What must come of a mutation.
pub(crate) struct Expected {
    /// The codes of which ours and the Python verifier's must be one, the same one.
    pub(crate) codes: &'static [&'static str],
    /// Whether Go must refuse it: it does where a byte was changed that the checkpoint commits to, or cosignatures are
    /// missing. `None` where that is Go's own affair: loose base64 in signature lines, and the time of entries.
    pub(crate) go_refuses: Option<bool>,
}

pub(crate) struct Mutation {
    pub(crate) kind: &'static str,
    pub(crate) files: Files,
    /// Entries of the checkpoint that the verifier has seen before.
    pub(crate) seen: usize,
    pub(crate) expected: Expected,
}

/// The honest log, and what makes others of it.
pub(crate) struct Base {
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) files: Files,
    /// Where in each bundle each entry starts, its length included.
    starts: Vec<(String, usize)>,
}

const TILES: [&str; 4] = ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"];
const BUNDLES: [&str; 3] = ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"];
/// What a bundle whose lengths are wrong can be.
const BUNDLE: &[&str] = &["log.inclusion", "log.truncated", "log.format"];
const REFUSED: Option<bool> = Some(true);

/// The kinds, so that a run can show that it has had each.
pub(crate) const KINDS: [&str; 31] = [
    "entry bit",
    "entry length bit",
    "tile bit",
    "checkpoint bit",
    "bytes swapped",
    "entries swapped in a bundle",
    "entries swapped across bundles",
    "entries and leaves swapped",
    "tiles swapped",
    "bundles swapped",
    "bundles and tiles swapped",
    "tile cut",
    "bundle cut",
    "checkpoint cut",
    "file extended",
    "bytes put into a tile",
    "bytes put into a bundle",
    "file removed",
    "entry dropped",
    "stale log",
    "stale checkpoint",
    "split view",
    "history rewritten",
    "rewritten since last seen",
    "another key",
    "cosignatures stripped",
    "cosignature changed",
    "cosignature of another head",
    "cosignature of a stranger",
    "two witnesses of one operator",
    "time set back",
];

impl Base {
    pub(crate) fn new() -> Self {
        let entries = world::entries(SIZE);
        let files = log(&entries, &log_key(1), &witnesses());
        let mut starts = Vec::new();
        for (number, chunk) in (0..).zip(entries.chunks(256)) {
            let path = Tile::new(TileKind::Entries, number, chunk.len() as u64).unwrap().path();
            let mut at = 0;
            for entry in chunk {
                starts.push((path.clone(), at));
                at += 2 + entry.len();
            }
        }
        Self { entries, files, starts }
    }

    fn with(&self, change: impl FnOnce(&mut Files)) -> Files {
        let mut files = self.files.clone();
        change(&mut files);
        files
    }

    /// The log with other entries, signed by the log and cosigned.
    fn of(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Files {
        let mut entries = self.entries.clone();
        change(&mut entries);
        log(&entries, &log_key(1), &witnesses())
    }

    /// The checkpoint's lines: three of text, an empty one, the log's, two of witnesses.
    fn note_lines(&self) -> Vec<String> {
        let note = std::str::from_utf8(&self.files["checkpoint"]).unwrap();
        note.split_inclusive('\n').map(str::to_owned).collect()
    }

    fn with_note(&self, lines: &[String]) -> Files {
        self.with(|files| drop(files.insert("checkpoint".to_owned(), lines.concat().into_bytes())))
    }

    /// Where the checkpoint's byte stands: what a change of it must be met with, and whether the log has signed it.
    fn note_place(&self, at: usize) -> (&'static [&'static str], bool) {
        let mut end = 0;
        for (number, line) in self.note_lines().iter().enumerate() {
            end += line.len();
            if at < end {
                return match number {
                    0 => (&["log.format", "log.origin"], true),
                    1..=3 => (&["log.format", "log.signature"], true),
                    4 => (&["log.format", "log.signature"], false),
                    _ => (&["log.format", "log.cosignature", "log.cosignature_missing"], false),
                };
            }
        }
        (&[], false)
    }

    /// A mutation of the given kind.
    #[expect(clippy::too_many_lines, reason = "one table of all kinds")]
    pub(crate) fn mutate(&self, kind: &'static str, dice: &mut Dice) -> Mutation {
        let mut seen = [500, SIZE][dice.below(2)];
        let mut go_refuses = REFUSED;
        let flip = |path: &str, at: usize, bit: usize| {
            self.with(|files| files.get_mut(path).unwrap()[at] ^= 1 << bit)
        };
        let bit = dice.below(8);
        let (files, codes): (Files, &'static [&'static str]) = match kind {
            "entry bit" => {
                let index = dice.below(SIZE);
                let (path, start) = &self.starts[index];
                let at = start + 2 + dice.below(self.entries[index].len());
                (flip(path, at, bit), &["log.inclusion"])
            }
            "entry length bit" => {
                let (path, start) = &self.starts[dice.below(SIZE)];
                (flip(path, start + dice.below(2), bit), BUNDLE)
            }
            "tile bit" => {
                let path = dice.one_of(&TILES);
                (flip(path, dice.below(self.files[path].len()), bit), &["log.tile"])
            }
            "checkpoint bit" => {
                let at = dice.below(self.files["checkpoint"].len());
                let (codes, signed) = self.note_place(at);
                go_refuses = signed.then_some(true);
                (flip("checkpoint", at, bit), codes)
            }
            "bytes swapped" => {
                let path = dice.one_of(&[&TILES[..], &BUNDLES[..]].concat());
                let bytes = &self.files[path];
                let mut at = dice.below(bytes.len() - 1);
                while bytes[at] == bytes[at + 1] {
                    at = (at + 1) % (bytes.len() - 1);
                }
                let codes: &[&str] = if path.contains("entries") { BUNDLE } else { &["log.tile"] };
                (self.with(|files| files.get_mut(path).unwrap().swap(at, at + 1)), codes)
            }
            "entries swapped in a bundle"
            | "entries swapped across bundles"
            | "entries and leaves swapped" => {
                let one = dice.below(SIZE);
                let other = match kind {
                    "entries swapped in a bundle" => {
                        let (from, to) = (one / 256 * 256, (one / 256 * 256 + 256).min(SIZE));
                        from + (one - from + dice.between(1, to - from)) % (to - from)
                    }
                    _ => (one + 256 + dice.below(SIZE - 512)) % SIZE,
                };
                let swapped = self.of(|entries| entries.swap(one, other));
                let leaves = kind == "entries and leaves swapped";
                let files = self.with(|files| {
                    for (path, bytes) in swapped {
                        if path.starts_with("tile/entries/") || leaves && path.starts_with("tile/0/") {
                            files.insert(path, bytes);
                        }
                    }
                });
                match kind {
                    "entries swapped in a bundle" => (files, &["log.order"]),
                    "entries swapped across bundles" => (files, &["log.inclusion"]),
                    _ => (files, &["log.root"]),
                }
            }
            "tiles swapped" | "bundles swapped" | "bundles and tiles swapped" => {
                let files = self.with(|files| {
                    let mut swap = |kind: &str| {
                        let one = files.remove(&format!("tile/{kind}/000")).unwrap();
                        let other = files.insert(format!("tile/{kind}/001"), one).unwrap();
                        files.insert(format!("tile/{kind}/000"), other);
                    };
                    if kind != "bundles swapped" {
                        swap("0");
                    }
                    if kind != "tiles swapped" {
                        swap("entries");
                    }
                });
                match kind {
                    "tiles swapped" => (files, &["log.tile"]),
                    "bundles swapped" => (files, &["log.inclusion"]),
                    _ => (files, &["log.root"]),
                }
            }
            "tile cut" | "bundle cut" => {
                let path = dice.one_of(if kind == "tile cut" { &TILES[..] } else { &BUNDLES[..] });
                let length = dice.below(self.files[path].len());
                (self.with(|files| files.get_mut(path).unwrap().truncate(length)), &["log.truncated"])
            }
            "checkpoint cut" => {
                let length = dice.below(self.files["checkpoint"].len());
                let files = self.with(|files| files.get_mut("checkpoint").unwrap().truncate(length));
                (files, &["log.format", "log.cosignature_missing", "log.not_witnessed"])
            }
            "file extended" => {
                let path = dice.one_of(&[&TILES[..], &BUNDLES[..], &["checkpoint"]].concat());
                let more: Vec<u8> = (0..dice.between(1, 64)).map(|_| dice.next() as u8).collect();
                go_refuses = (path != "checkpoint").then_some(true);
                (self.with(|files| files.get_mut(path).unwrap().extend(&more)), &["log.format"])
            }
            "bytes put into a tile" | "bytes put into a bundle" => {
                let tile = kind == "bytes put into a tile";
                let path = dice.one_of(if tile { &TILES[..] } else { &BUNDLES[..] });
                let at = dice.below(self.files[path].len());
                let more: Vec<u8> = (0..dice.between(1, 64)).map(|_| dice.next() as u8).collect();
                let files = self.with(|files| drop(files.get_mut(path).unwrap().splice(at..at, more)));
                (files, if tile { &["log.format"] } else { BUNDLE })
            }
            "file removed" => {
                let path = dice.one_of(&[&TILES[..], &BUNDLES[..], &["checkpoint"]].concat());
                (self.with(|files| drop(files.remove(path))), &["log.missing"])
            }
            "entry dropped" => {
                // Not the last of its bundle, which would only be cut off.
                let index = dice.below(SIZE / 2) * 2;
                let (path, _) = &self.starts[index];
                let kept = (0..SIZE).filter(|other| *other != index && self.starts[*other].0 == *path);
                let mut bundle = Vec::new();
                kept.for_each(|index| append_entry(&mut bundle, &self.entries[index]).unwrap());
                (self.with(|files| drop(files.insert(path.clone(), bundle))), &["log.inclusion"])
            }
            "stale log" | "stale checkpoint" => {
                seen = SIZE;
                let older = dice.between(1, SIZE);
                let stale = log(&self.entries[..older], &log_key(1), &witnesses());
                let files = if kind == "stale log" {
                    stale
                } else {
                    self.with(|files| {
                        drop(files.insert("checkpoint".to_owned(), stale["checkpoint"].clone()))
                    })
                };
                (files, &["log.truncated"])
            }
            "split view" | "history rewritten" | "rewritten since last seen" => {
                let since = kind == "rewritten since last seen";
                seen = if since { 500 } else { SIZE };
                let index = if since { dice.between(500, SIZE) } else { dice.below(SIZE) };
                let mut entries = world::entries(if kind == "history rewritten" {
                    SIZE + dice.between(1, 200)
                } else {
                    SIZE
                });
                entries[index].push(b' ');
                let cosigners = match dice.below(3) {
                    _ if since => &[][..],
                    0 => &[],
                    1 => &witnesses()[..1],
                    _ => &witnesses()[..],
                };
                let files = log(&entries, &log_key(1), cosigners);
                match kind {
                    "split view" => (files, &["log.fork"]),
                    "history rewritten" => (files, &["log.consistency"]),
                    _ => (files, &["log.not_witnessed"]),
                }
            }
            "another key" => (log(&self.entries, &log_key(2), &witnesses()), &["log.signature"]),
            "cosignatures stripped" => {
                let mut lines = self.note_lines();
                match dice.below(3) {
                    0 => (self.with_note(&lines[..5]), &["log.not_witnessed"]),
                    which => {
                        lines.remove(4 + which);
                        (self.with_note(&lines), &["log.cosignature_missing"])
                    }
                }
            }
            "cosignature changed" => {
                // The bytes after the key's ID: the time and the signature.
                let mut lines = self.note_lines();
                let line = &mut lines[dice.between(5, 7)];
                let (head, data) = line.trim_end().rsplit_once(' ').unwrap();
                use base64::Engine as _;
                let mut bytes = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
                let at = dice.between(4, bytes.len());
                bytes[at] ^= 1 << bit;
                *line = format!("{head} {}\n", base64::engine::general_purpose::STANDARD.encode(bytes));
                (self.with_note(&lines), &["log.cosignature"])
            }
            "cosignature of another head" => {
                let mut lines = self.note_lines();
                let which = dice.below(2);
                let older = log(&self.entries[..dice.between(1, SIZE)], &log_key(1), &witnesses());
                let older = String::from_utf8(older["checkpoint"].clone()).unwrap();
                lines[5 + which] = older.split_inclusive('\n').nth(5 + which).unwrap().to_owned();
                (self.with_note(&lines), &["log.cosignature"])
            }
            "cosignature of a stranger" => {
                let mut lines = self.note_lines();
                let text = lines[..3].concat();
                let stranger = witness_key("one.example/w", 14 + dice.below(200) as u8);
                lines[5] = cosign(&stranger, &text, 1_790_001_000 + dice.below(1000) as u64).unwrap();
                (self.with_note(&lines), &["log.cosignature_missing"])
            }
            "two witnesses of one operator" => {
                let mut lines = self.note_lines();
                let text = lines[..3].concat();
                lines[6] = cosign(&sibling(), &text, 1_790_001_000 + dice.below(1000) as u64).unwrap();
                (self.with_note(&lines), &["log.cosignature_missing"])
            }
            "time set back" => {
                seen = 500;
                go_refuses = None;
                let (index, back) = (dice.between(501, SIZE), dice.between(60, 100_000) as u64);
                let at = world::BEGIN + index as u64 * 1_000_000 - back * 1_000_000;
                let entry = serde_json::json!({ "at": at, "kind": "decision", "number": index, "v": 1 });
                (self.of(|entries| entries[index] = entry.to_string().into_bytes()), &["log.time"])
            }
            other => unreachable!("{other}"),
        };
        Mutation { kind, files, seen, expected: Expected { codes, go_refuses } }
    }

    /// Logs that nothing is wrong with, to be accepted by all.
    pub(crate) fn controls(&self) -> Vec<Mutation> {
        let stranger = witness_key("stranger.example", 99);
        let mut strange = self.note_lines();
        let text = strange[..3].concat();
        strange.push(cosign(&stranger, &text, 5).unwrap());
        let grown = log(&world::entries(800), &log_key(1), &witnesses());
        // The full tile may take the partial one's place (tlog-tiles, partial tiles).
        let full = self.with(|files| {
            for (partial, full) in
                [("tile/0/002.p/88", "tile/0/002"), ("tile/entries/002.p/88", "tile/entries/002")]
            {
                files.remove(partial);
                files.insert(full.to_owned(), grown[full].clone());
            }
        });
        [
            ("the honest log", self.files.clone()),
            ("a line of a stranger", self.with_note(&strange)),
            ("a log that has grown", grown.clone()),
            ("full tiles for partial ones", full),
        ]
        .map(|(kind, files)| Mutation {
            kind,
            files,
            seen: SIZE,
            expected: Expected { codes: &["ok"], go_refuses: Some(false) },
        })
        .into()
    }
}
