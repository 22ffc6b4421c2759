//! What an agent holds on its own side: `agents/NAME/` with its key, certificate, token and receipts. A sub-agent
//! `NAME/SUB` lives in `agents/NAME/sub/SUB/`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::SpiffeId;
use killick_proof::keys::SigningKey;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::folder::{Folder, create_private_dir, member, random, read_text, write_whole};
use crate::output::Failure;

/// An agent's own folder.
#[derive(Clone, Debug)]
pub struct Wallet {
    name: String,
    dir: PathBuf,
}

impl Wallet {
    /// The place of an agent's things, whether they exist or not. Errs if the name cannot be one.
    pub fn place(folder: &Folder, name: &str) -> Result<Self, Failure> {
        check_name(name)?;
        let mut segments = name.split('/');
        let mut dir = folder.agents().join(segments.next().unwrap_or_default());
        for segment in segments {
            dir = dir.join("sub").join(segment);
        }
        Ok(Self { name: name.to_owned(), dir })
    }

    /// The things of an agent that was onboarded here.
    pub fn open(folder: &Folder, name: &str) -> Result<Self, Failure> {
        let wallet = Self::place(folder, name)?;
        if wallet.exists() {
            return Ok(wallet);
        }
        let names = Self::names(folder);
        let mend = match crate::config::nearest(name, &names.iter().map(String::as_str).collect::<Vec<_>>()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => {
                format!("onboard it: killick agent onboard {name} --owner WHO --model NAME")
            }
            None => format!("the agents here are {}", names.join(", ")),
        };
        Err(Failure::usage(
            "agent.unknown",
            format!("no agent `{name}` was onboarded in {}", folder.path().display()),
        )
        .mend(mend))
    }

    /// The agent named, or the only one here.
    pub fn pick(folder: &Folder, name: Option<&str>) -> Result<Self, Failure> {
        if let Some(name) = name {
            return Self::open(folder, name);
        }
        let names = Self::names(folder);
        match names.as_slice() {
            [only] => Self::open(folder, only),
            [] => Err(Failure::usage(
                "agent.none",
                format!("no agent was onboarded in {}", folder.path().display()),
            )
            .mend("onboard one: killick agent onboard NAME --owner WHO --model NAME")),
            several => Err(Failure::usage("agent.ambiguous", "there are several agents here")
                .mend(format!("name one of {}", several.join(", ")))),
        }
    }

    /// The agents onboarded here, without sub-agents.
    pub fn names(folder: &Folder) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(folder.agents()) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join("key").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Whether its key is here.
    pub fn exists(&self) -> bool {
        self.key_path().is_file()
    }

    /// The agent's name, with those above it: `invoice-bot/reader`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its private key.
    pub fn key_path(&self) -> PathBuf {
        self.dir.join("key")
    }

    /// Its token.
    pub fn token_path(&self) -> PathBuf {
        self.dir.join("token")
    }

    /// Its certificate.
    pub fn svid_path(&self) -> PathBuf {
        self.dir.join("svid.pem")
    }

    /// Reads its private key.
    pub fn key(&self) -> Result<SigningKey, Failure> {
        read_key(&self.key_path())
    }

    /// Reads its private key, made now if there is none. Says whether it was made.
    pub fn key_or_new(&self) -> Result<(SigningKey, bool), Failure> {
        if self.exists() {
            return Ok((self.key()?, false));
        }
        create_private_dir(&self.dir)?;
        Ok((new_key(&self.key_path())?, true))
    }

    /// Its token, in compact form. Errs if none was granted.
    pub fn token(&self) -> Result<String, Failure> {
        let path = self.token_path();
        if !path.exists() {
            return Err(Failure::usage("token.none", format!("`{}` has no token", self.name))
                .mend(format!("grant it one: killick token grant {} 'read:...'", self.name)));
        }
        Ok(read_text(&path)?.trim().to_owned())
    }

    /// Keeps its token.
    pub fn keep_token(&self, compact: &str) -> Result<(), Failure> {
        write_whole(&self.token_path(), format!("{compact}\n").as_bytes(), 0o600)
    }

    /// Keeps its certificate.
    pub fn keep_svid(&self, pem: &str) -> Result<(), Failure> {
        write_whole(&self.svid_path(), pem.as_bytes(), 0o644)
    }

    /// Keeps what the authority said of it.
    pub fn keep_record(&self, record: &Value) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(record).unwrap_or_default();
        write_whole(&self.dir.join("agent.json"), format!("{text}\n").as_bytes(), 0o644)
    }

    /// Keeps a receipt under its request's id; the file's path.
    pub fn keep_receipt(&self, request_id: &str, receipt: &str) -> Result<PathBuf, Failure> {
        let safe = !request_id.is_empty()
            && request_id.len() <= 64
            && request_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !safe {
            return Err(Failure::check("receipt.name", "the receipt came without a proper request id"));
        }
        let dir = self.dir.join("receipts");
        create_private_dir(&dir)?;
        let path = dir.join(format!("{request_id}.tlog-proof"));
        write_whole(&path, receipt.as_bytes(), 0o600)?;
        Ok(path)
    }
}

/// The gateway that an agent calls.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its SPIFFE ID: the audience of requests.
    pub id: String,
    /// Its public origin, without a trailing slash.
    pub url: String,
}

impl Gateway {
    /// From `trust.json`.
    pub fn from_trust(trust: &Value) -> Result<Self, Failure> {
        Ok(Self {
            id: member(trust, "/gateway/id", "trust.json")?.to_owned(),
            url: member(trust, "/gateway/url", "trust.json")?.trim_end_matches('/').to_owned(),
        })
    }
}

/// Reads a key file: 32-byte seed, base64url.
pub fn read_key(path: &Path) -> Result<SigningKey, Failure> {
    let damaged = || {
        Failure::check("key.damaged", format!("{} holds no key", path.display()))
            .mend("restore it; a lost key is replaced by onboarding a new agent")
    };
    let text = Zeroizing::new(read_text(path)?);
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| damaged())?);
    let seed = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| damaged())?;
    SigningKey::from_seed(seed).map_err(|_| damaged())
}

/// Makes a key and writes it where nobody else can read it.
pub fn new_key(path: &Path) -> Result<SigningKey, Failure> {
    let seed = Zeroizing::new(random::<32>()?);
    let text = Zeroizing::new(format!("{}\n", URL_SAFE_NO_PAD.encode(seed.as_slice())));
    write_whole(path, text.as_bytes(), 0o600)?;
    SigningKey::from_seed(*seed).map_err(|refusal| Failure::check("key.failed", refusal.detail().to_owned()))
}

/// Checks that a name can be part of a SPIFFE ID, and that it cannot leave its folder.
pub fn check_name(name: &str) -> Result<(), Failure> {
    let wrong = |why: &str| {
        Err(Failure::usage("name.invalid", format!("`{name}` cannot be an agent's name: {why}"))
            .mend("use lower-case letters, digits and hyphens, e.g. invoice-bot"))
    };
    if name.split('/').any(|segment| segment.starts_with('.')) {
        return wrong("a part of it begins with a dot");
    }
    match SpiffeId::parse(&format!("spiffe://killick.internal/agent/{name}")) {
        Ok(_) => Ok(()),
        Err(refusal) => wrong(refusal.detail()),
    }
}
