//! A chain before it is signed: every claim, header and proof of it open to change.

use killick_proof::fixtures::{NOW, key, uuid};
use killick_proof::keys::{SigningKey, base64url, sha256};

use crate::constraint::{Made, constraint, narrower, satisfying, to_raw, value};
use crate::draw::{Raw, Rng};

/// Keys are made once; a case draws from them.
pub(crate) struct Keys(Vec<SigningKey>);

impl Keys {
    pub(crate) fn new() -> Self {
        Self((0..48).map(|number| key(7_000 + number)).collect())
    }

    pub(crate) fn get(&self, number: usize) -> &SigningKey {
        &self.0[number % self.0.len()]
    }
}

pub(crate) type Tools = Vec<(String, Vec<(String, Made)>)>;

pub(crate) struct Link {
    pub(crate) header: String,
    pub(crate) claims: Vec<(String, Raw)>,
    pub(crate) tools: Tools,
    /// Which key signs it.
    pub(crate) signer: usize,
    /// Instead of the right `par_hash`; `Some(None)` leaves it out.
    pub(crate) par_hash: Option<Option<Raw>>,
    /// Instead of the payload that the claims make.
    pub(crate) payload: Option<Vec<u8>>,
    /// Put before and after the payload's text.
    pub(crate) around: (String, String),
}

pub(crate) struct Proof {
    pub(crate) header: String,
    pub(crate) claims: Vec<(String, Raw)>,
    pub(crate) signer: usize,
}

pub(crate) type After = Box<dyn Fn(Vec<String>) -> Vec<String>>;

pub(crate) struct Case {
    pub(crate) links: Vec<Link>,
    pub(crate) first_key: usize,
    pub(crate) anchors: Vec<usize>,
    pub(crate) now: u64,
    pub(crate) lifetime_max: u64,
    pub(crate) tool: String,
    pub(crate) args: Vec<(String, Raw)>,
    pub(crate) args_text: Option<String>,
    pub(crate) pop: Option<Proof>,
    pub(crate) pop_text: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) after: Vec<After>,
}

/// A case that both verifiers read.
pub(crate) struct Written {
    pub(crate) chain: Vec<String>,
    pub(crate) pop: Option<String>,
    pub(crate) args: String,
}

const TOOLS: [&str; 6] = ["pay", "read:invoices", "https://t.example/search", "", "läs:fil", "Pay"];
const ARGUMENTS: [&str; 5] = ["amount", "to", "cc", "läge", ""];

impl Case {
    pub(crate) fn draw(rng: &mut Rng, keys: &Keys) -> Self {
        // Now and then as deep as a chain may be, and deeper.
        let count = match rng.below(100) {
            0 => 30 + rng.below(6),
            1..=30 => 1,
            31..=60 => 2,
            61..=85 => 3,
            _ => 4 + rng.below(3),
        };
        let first_key = rng.below(48);
        let mut tools = tools(rng);
        let tool = rng.pick(&tools).0.clone();
        let (mut iat, mut exp) =
            (NOW.secs() as i64 - rng.between(0, 100), NOW.secs() as i64 + rng.between(60, 3_600));
        let mut max = (count as i64 - 1 + rng.between(0, 3)).min(32);
        let mut links = Vec::new();
        for depth in 0..count {
            if depth > 0 {
                tools = narrower_tools(rng, &tools, &tool);
                // Never past the clock's skew, however many links there are.
                iat += if iat < NOW.secs() as i64 { rng.between(0, 2) } else { 0 };
                exp -= rng.between(0, 1);
                max -= i64::from(max > count as i64 - 1 && rng.percent(30));
            }
            links.push(link(rng, keys, (depth, first_key), (iat, exp, max), tools.clone()));
        }
        let leaf = &tools.iter().find(|(name, _)| *name == tool).unwrap().1;
        let mut args: Vec<(String, Raw)> =
            leaf.iter().map(|(name, made)| (name.clone(), satisfying(rng, made))).collect();
        if leaf.is_empty() && rng.percent(50) {
            args.push(("free".to_owned(), value(rng, true)));
        }
        let mut case = Self {
            links,
            first_key,
            anchors: vec![first_key],
            now: NOW.secs(),
            lifetime_max: 86_400,
            tool,
            args,
            args_text: None,
            pop: None,
            pop_text: None,
            audience: None,
            after: Vec::new(),
        };
        if rng.percent(60) {
            case.add_proof(rng);
        }
        case
    }

    fn add_proof(&mut self, rng: &mut Rng) {
        let jti = self.links.last().and_then(|leaf| leaf.claim("jti")).cloned().unwrap();
        let mut claims = vec![
            ("jti".to_owned(), Raw::str(uuid(rng.next()))),
            ("iat".to_owned(), Raw::int(self.now as i64 + rng.between(-30, 30))),
            ("aat_id".to_owned(), jti),
            ("aat_tool".to_owned(), Raw::str(&self.tool)),
            ("hta".to_owned(), Raw::Obj(self.args.clone())),
        ];
        if rng.percent(50) {
            self.audience = Some("https://g1.example".to_owned());
            claims.push(("aat_aud".to_owned(), Raw::str("https://g1.example")));
        }
        let header = rng.pick(&[r#"{"alg":"EdDSA"}"#, r#"{"alg":"EdDSA","typ":"aat-pop+jwt"}"#]);
        let signer = self.first_key + self.links.len();
        self.pop = Some(Proof { header: (*header).to_owned(), claims, signer });
    }

    pub(crate) fn write(&self, rng: &mut Rng, keys: &Keys) -> Written {
        let mut chain: Vec<String> = Vec::new();
        for (depth, link) in self.links.iter().enumerate() {
            let mut claims = link.claims.clone();
            if let Some((_, details)) = claims.iter_mut().find(|(name, _)| name == "authorization_details") {
                fill_in_tools(details, &link.tools);
            }
            let right = || {
                let input = chain.last()?.rsplit_once('.')?.0;
                Some(Raw::str(base64url(&sha256(input.as_bytes()))))
            };
            let hash = match &link.par_hash {
                Some(other) => other.clone(),
                None if depth > 0 => right(),
                None => None,
            };
            claims.extend(hash.map(|hash| ("par_hash".to_owned(), hash)));
            let text = Raw::Obj(claims).by_chance(rng);
            let payload = match &link.payload {
                Some(payload) => payload.clone(),
                None => format!("{}{text}{}", link.around.0, link.around.1).into_bytes(),
            };
            chain.push(sign(&link.header, &payload, keys.get(link.signer)));
        }
        for change in &self.after {
            chain = change(chain);
        }
        let pop = self.pop.as_ref().map(|proof| {
            let payload = Raw::Obj(proof.claims.clone()).by_chance(rng);
            sign(&proof.header, payload.as_bytes(), keys.get(proof.signer))
        });
        let args = self.args_text.clone().unwrap_or_else(|| Raw::Obj(self.args.clone()).by_chance(rng));
        Written { chain, pop: self.pop_text.clone().or(pop), args }
    }
}

impl Link {
    pub(crate) fn claim(&self, name: &str) -> Option<&Raw> {
        self.claims.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    pub(crate) fn set(&mut self, name: &str, value: Raw) {
        self.remove(name);
        self.claims.push((name.to_owned(), value));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.claims.retain(|(member, _)| member != name);
    }
}

pub(crate) fn sign(header: &str, payload: &[u8], key: &SigningKey) -> String {
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload));
    format!("{input}.{}", base64url(&key.sign(input.as_bytes())))
}

/// Stands in the claims where the tools map is to be.
pub(crate) const TOOLS_HERE: &str = "TOOLS-HERE";

pub(crate) fn entry() -> Raw {
    Raw::obj([("type", Raw::str("attenuating_agent_token")), ("tools", Raw::text(TOOLS_HERE))])
}

fn fill_in_tools(raw: &mut Raw, tools: &Tools) {
    match raw {
        Raw::Text(text) if text == TOOLS_HERE => {
            let map = |constraints: &Vec<(String, Made)>| {
                Raw::Obj(constraints.iter().map(|(name, made)| (name.clone(), to_raw(made))).collect())
            };
            *raw = Raw::Obj(tools.iter().map(|(tool, map_)| (tool.clone(), map(map_))).collect());
        }
        Raw::Arr(items) => items.iter_mut().for_each(|item| fill_in_tools(item, tools)),
        Raw::Obj(members) => members.iter_mut().for_each(|(_, value)| fill_in_tools(value, tools)),
        _ => {}
    }
}

fn link(
    rng: &mut Rng,
    keys: &Keys,
    (depth, first_key): (usize, usize),
    (iat, exp, max): (i64, i64, i64),
    tools: Tools,
) -> Link {
    let signer = first_key + depth;
    let issuer = match depth {
        0 => "https://as.example".to_owned(),
        _ => keys.get(signer).id().thumbprint_uri(),
    };
    let jwk = Raw::text(keys.get(signer + 1).public().to_jwk().to_string());
    let mut claims = vec![
        ("jti".to_owned(), Raw::str(uuid(rng.next()))),
        ("iss".to_owned(), Raw::str(issuer)),
        ("iat".to_owned(), Raw::int(iat)),
        ("exp".to_owned(), Raw::int(exp)),
        ("cnf".to_owned(), Raw::obj([("jwk", jwk)])),
        ("del_depth".to_owned(), Raw::int(depth as i64)),
        ("del_max_depth".to_owned(), Raw::int(max)),
        ("authorization_details".to_owned(), Raw::Arr(vec![entry()])),
    ];
    if rng.percent(10) {
        claims.push(("https://more.example/claim".to_owned(), value(rng, true)));
    }
    let kid = keys.get(signer).id();
    let header = match rng.below(4) {
        0 => r#"{"alg":"EdDSA"}"#.to_owned(),
        1 => r#"{"typ":"JWT","alg":"Ed25519"}"#.to_owned(),
        _ => format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"aat+jwt"}}"#),
    };
    Link {
        header,
        claims,
        tools,
        signer,
        par_hash: None,
        payload: None,
        around: (String::new(), String::new()),
    }
}

fn tools(rng: &mut Rng) -> Tools {
    let mut tools: Tools = Vec::new();
    for name in rng.some(&TOOLS, 1) {
        if tools.iter().any(|(known, _)| known == name) {
            continue;
        }
        let mut constraints: Vec<(String, Made)> = Vec::new();
        for argument in ARGUMENTS.into_iter().filter(|_| rng.percent(35)).collect::<Vec<_>>() {
            constraints.push((argument.to_owned(), constraint(rng, 0)));
        }
        tools.push((name.to_owned(), constraints));
    }
    tools
}

fn narrower_tools(rng: &mut Rng, wider: &Tools, keep: &str) -> Tools {
    let mut tools = Tools::new();
    for (name, constraints) in wider {
        if name != keep && rng.percent(25) {
            continue;
        }
        let narrowed = match constraints.as_slice() {
            // An open world may be closed, in any way (section 7 step 4p3).
            [] if rng.percent(20) => vec![("amount".to_owned(), constraint(rng, 1))],
            constraints => {
                constraints.iter().map(|(name, made)| (name.clone(), narrower(rng, made))).collect()
            }
        };
        tools.push((name.clone(), narrowed));
    }
    tools
}
