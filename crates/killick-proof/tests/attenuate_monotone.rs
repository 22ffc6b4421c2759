//! No sequence of attenuations permits a call that the link above does not: real signed chains, and very many calls
//! drawn near the bounds of their constraints. `KILLICK_LONG=1` draws many more.
//!
//! The same sampling is then turned on rules that are wrong in a way that rules are usually wrong, to show that it would
//! have found them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

mod constraint_space;

use std::collections::BTreeMap;

use constraint_space::{Draws, TOPICS, Topic};
use killick_proof::attenuate::{Attenuation, attenuate};
use killick_proof::chain::{Anchors, Chain};
use killick_proof::constraint::{Constraint, Range};
use killick_proof::fixtures::{self, NOW, World, id, uuid};
use killick_proof::grammar::ActionPattern;
use killick_proof::json::{Json, Number};
use killick_proof::keys::{PublicKey, SigningKey};
use killick_proof::token::{ConstraintMap, Tools};
use killick_proof::verified::verify_chain;
use killick_proof::{Code, Verified};

const LINKS_MAX: usize = 6;
const TOOLS: [&str; 3] = ["read:invoices", "create:payment", "send:report"];
const ARGUMENTS: [&str; 3] = ["a", "b", "c"];

type Arguments = BTreeMap<String, Json>;

fn draws(seed: u64) -> Draws {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Draws::new(std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some((state >> 24) as u32)
    }))
}

/// What each argument of a chain is about: it stays so from link to link, so that constraints and values meet.
struct Story {
    draws: Draws,
    topics: BTreeMap<&'static str, Topic>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut draws = draws(seed);
        let topics = ARGUMENTS.map(|argument| (argument, draws.pick(&TOPICS))).into();
        Self { draws, topics }
    }

    fn constraint(&mut self, argument: &str) -> Constraint {
        let depth = if self.draws.once_in(3) { 2 } else { 0 };
        self.draws.constraint(self.topics[argument], depth)
    }

    /// What the root grants: of each tool some arguments.
    fn root(&mut self) -> Tools {
        let mut tools = Tools::new();
        for tool in TOOLS {
            let mut map = ConstraintMap::new();
            for argument in ARGUMENTS {
                if !self.draws.once_in(3) {
                    map.insert(argument.to_owned(), self.constraint(argument));
                }
            }
            tools.insert(tool.to_owned(), map);
        }
        tools
    }

    /// What somebody asks to pass on: narrower, the same, wider or something else.
    fn wanted(&mut self, parent: &Tools) -> Tools {
        let mut tools = Tools::new();
        for (tool, map) in parent {
            if self.draws.once_in(5) {
                continue;
            }
            let mut wanted = ConstraintMap::new();
            for (argument, wider) in map {
                match self.draws.below(8) {
                    // Left out: the parent's stays.
                    0 => {}
                    1 => drop(wanted.insert(argument.clone(), wider.clone())),
                    2 => drop(wanted.insert(argument.clone(), self.constraint(argument))),
                    _ => {
                        // Something that looks narrower: `attenuate` may still have to bring it into shape.
                        let proposals: Vec<_> = (0..4).map(|_| self.constraint(argument)).collect();
                        let fits = |one: &&Constraint| one.subsumes(wider) && *one != wider;
                        let chosen = proposals.iter().find(fits).unwrap_or(wider);
                        wanted.insert(argument.clone(), chosen.clone());
                    }
                }
            }
            if self.draws.once_in(12) {
                let argument = self.draws.pick(&ARGUMENTS);
                wanted.insert(argument.to_owned(), self.constraint(argument));
            }
            tools.insert(tool.clone(), wanted);
        }
        if self.draws.once_in(20) {
            tools.insert(self.draws.pick(&TOOLS).to_owned(), ConstraintMap::new());
        }
        tools
    }

    fn denies(&mut self) -> Vec<ActionPattern> {
        let patterns: &[&str] = if self.draws.once_in(8) { &["send:*"] } else { &[] };
        patterns.iter().map(|text| ActionPattern::parse(text).unwrap()).collect()
    }

    /// A call with about the arguments that the link takes.
    fn call(&mut self, map: &ConstraintMap) -> Arguments {
        let mut arguments = Arguments::new();
        for argument in ARGUMENTS {
            // An argument too much, or one too few, now and then.
            if map.contains_key(argument) != self.draws.once_in(24) {
                arguments.insert(argument.to_owned(), self.draws.value(self.topics[argument]));
            }
        }
        arguments
    }
}

/// What the draft's section 3.3 says of one link, written again: no map permits nothing, an empty one anything, any other
/// the arguments it names and no others.
fn permits(tools: &Tools, tool: &str, arguments: &Arguments) -> bool {
    tools.get(tool).is_some_and(|map| {
        map.is_empty()
            || (map.keys().eq(arguments.keys())
                && map.iter().all(|(name, constraint)| constraint.check(&arguments[name])))
    })
}

#[derive(Default, Debug)]
struct Tally {
    calls: usize,
    permitted: usize,
    /// Calls that a link permits and the next one does not.
    narrowed: usize,
    violations: Vec<String>,
}

impl Tally {
    /// Draws calls, and holds the verdicts of all links against each other.
    fn sample(&mut self, story: &mut Story, links: &[Tools], calls: usize) {
        let empty = ConstraintMap::new();
        for _ in 0..calls {
            let tool = story.draws.pick(&TOOLS);
            let about = story.draws.below(links.len());
            let map = links[about].get(tool).or_else(|| links[0].get(tool)).unwrap_or(&empty);
            let arguments = story.call(map);
            let verdicts: Vec<bool> = links.iter().map(|tools| permits(tools, tool, &arguments)).collect();
            self.calls += 1;
            self.permitted += usize::from(verdicts.iter().any(|verdict| *verdict));
            self.narrowed += usize::from(verdicts.windows(2).any(|pair| pair[0] && !pair[1]));
            if verdicts.windows(2).any(|pair| pair[1] && !pair[0]) {
                let shown: Vec<String> =
                    arguments.iter().map(|(name, value)| format!("{name} {}", value.to_text())).collect();
                self.violations.push(format!("{tool} with {}: {verdicts:?}", shown.join(", ")));
            }
        }
    }
}

struct Chains {
    world: World,
    keys: Vec<SigningKey>,
    anchors: Vec<PublicKey>,
}

impl Chains {
    fn new() -> Self {
        let world = World::new();
        let anchors = vec![world.token_key.public().clone()];
        let keys = (0..=LINKS_MAX as u64).map(|index| fixtures::key(900 + index)).collect();
        Self { world, keys, anchors }
    }

    /// What `attenuate` signs verifies.
    fn verify(&self, compact: &str) -> Verified<Chain> {
        let anchors = Anchors { keys: &self.anchors, lifetime_secs_max: 86_400 };
        verify_chain(compact, &anchors, NOW).unwrap()
    }

    /// The chains that one story leads to, each one link longer than the one before, and how often it was refused.
    fn tell(&self, story: &mut Story, seed: u64) -> (Vec<Verified<Chain>>, usize) {
        let mut root = self.world.root_claims("invoice-bot", story.root());
        root.holder_key = self.keys[0].public().clone();
        root.del_max_depth = LINKS_MAX as u64;
        let mut chains = vec![self.verify(&root.sign(&self.world.token_key))];
        let (length, mut refused) = (1 + story.draws.below(LINKS_MAX), 0);
        for attempt in 0..length * 3 {
            let depth = chains.len() - 1;
            if depth >= length {
                break;
            }
            let leaf = chains[depth].leaf().tools.clone().unwrap();
            let wanted = Attenuation {
                jti: uuid(seed * 1_000 + attempt as u64),
                holder_key: self.keys[depth + 1].public().clone(),
                holder: id("/agent/invoice-bot/x"),
                tools: story.wanted(&leaf),
                deny: story.denies(),
                exp_secs: NOW.secs() + 600,
                del_max_depth: LINKS_MAX as u64,
            };
            match attenuate(&chains[depth], &self.keys[depth], &wanted, NOW) {
                Ok(longer) => chains.push(self.verify(&longer)),
                Err(refusal) => {
                    let codes = [Code::ChainWidened, Code::ChainExplicitDeny];
                    assert!(codes.contains(&refusal.code()), "{refusal}");
                    refused += 1;
                }
            }
        }
        (chains, refused)
    }
}

#[test]
fn no_sequence_of_attenuations_permits_more() {
    // 3,000 make more than a million calls. Fewer are for mutants: enough to notice a missing check.
    let few = std::env::var("KILLICK_SAMPLES").ok().and_then(|samples| samples.parse().ok());
    let stories = few.unwrap_or(if std::env::var_os("KILLICK_LONG").is_some() { 120_000 } else { 3_000 });
    let chains = Chains::new();
    let (mut tally, mut lengths, mut refused, mut agreed) = (Tally::default(), [0; LINKS_MAX + 2], 0, 0);
    for seed in 0..stories {
        let mut story = Story::new(seed + 1);
        let (told, refusals) = chains.tell(&mut story, seed);
        refused += refusals;
        lengths[told.len()] += 1;
        // Each link's own map: what its denies forbid is another restriction, looked at below.
        let links: Vec<Tools> = told.iter().map(|chain| chain.leaf().tools.clone().unwrap()).collect();
        tally.sample(&mut story, &links, 350);
        assert!(tally.violations.is_empty(), "story {seed}: {}", tally.violations[0]);

        // The library's own check says the same as the maps, and a deny stays for all links below it.
        for _ in 0..10 {
            let tool = story.draws.pick(&TOOLS);
            let map = links[links.len() - 1].get(tool).cloned().unwrap_or_default();
            let arguments = story.call(&map);
            let verdicts: Vec<bool> =
                told.iter().map(|chain| chain.check(tool, &arguments).is_ok()).collect();
            assert!(
                verdicts.is_sorted_by(|parent, child| parent >= child),
                "story {seed}: {tool} {arguments:?}"
            );
            for (chain, (tools, verdict)) in told.iter().zip(links.iter().zip(&verdicts)) {
                let is_denied = chain.denies().any(|deny| deny.matches(tool));
                assert_eq!(*verdict, permits(tools, tool, &arguments) && !is_denied, "story {seed}");
                agreed += 1;
            }
        }
    }
    println!(
        "{} calls, {} permitted by a link, {} narrowed; chains by length {lengths:?}, {refused} refused; {agreed} agreed",
        tally.calls, tally.permitted, tally.narrowed
    );
    if few.is_some() {
        return;
    }
    assert!(tally.calls >= 1_000_000);
    assert!(tally.permitted > 100_000 && tally.narrowed > 30_000, "{} {}", tally.permitted, tally.narrowed);
    assert!(lengths[2..].iter().all(|count| *count > 50), "{lengths:?}");
    assert!(refused > 500, "{refused}");
}

/// A rule of subsumption that is wrong in one way, and right in all others.
struct Broken {
    name: &'static str,
    also: fn(&Json, &Json) -> bool,
}

fn kind(json: &Json) -> &str {
    json.get("constraint_type").and_then(Json::as_str).unwrap_or_default()
}

fn is(child: &Json, parent: &Json, own: &str) -> bool {
    kind(child) == own && kind(parent) == own
}

fn text<'a>(json: &'a Json, member: &str) -> &'a str {
    json.get(member).and_then(Json::as_str).unwrap_or_default()
}

fn set<'a>(json: &'a Json, member: &str) -> Vec<&'a Json> {
    json.get(member).and_then(Json::as_array).unwrap_or_default().iter().collect()
}

fn holds(child: &Json, parent: &Json) -> bool {
    Constraint::from_json(child).unwrap().subsumes(&Constraint::from_json(parent).unwrap())
}

/// Whether the child would stand below the parent, had both this value of the member.
fn holds_but_for(child: &Json, parent: &Json, member: &str) -> bool {
    let (Json::Object(mut child), Json::Object(parent)) = (child.clone(), parent.clone()) else {
        return false;
    };
    match parent.get(member) {
        Some(value) => drop(child.insert(member.to_owned(), value.clone())),
        None => drop(child.remove(member)),
    }
    Constraint::from_json(&Json::Object(child))
        .is_ok_and(|child| child.subsumes(&Constraint::from_json(&Json::Object(parent)).unwrap()))
}

const BROKEN: [Broken; 19] = [
    Broken { name: "everything stands below everything", also: |_, _| true },
    Broken {
        name: "the end of a range may become inclusive",
        also: |child, parent| is(child, parent, "range") && holds_but_for(child, parent, "max_inclusive"),
    },
    Broken {
        name: "a dropped bound is no bound to compare",
        also: |child, parent| {
            is(child, parent, "range") && child.get("min").is_none() && holds_but_for(child, parent, "min")
        },
    },
    Broken {
        name: "one_of may share a value",
        also: |child, parent| {
            is(child, parent, "one_of")
                && set(child, "values").iter().any(|value| set(parent, "values").contains(value))
        },
    },
    Broken {
        name: "not_one_of shrinks like any set",
        also: |child, parent| is(child, parent, "not_one_of") && holds(parent, child),
    },
    Broken {
        name: "not_one_of is below one_of where they share nothing",
        also: |child, parent| {
            kind(child) == "not_one_of"
                && kind(parent) == "one_of"
                && !set(child, "excluded").iter().any(|value| set(parent, "values").contains(value))
        },
    },
    Broken {
        name: "contains shrinks like any set",
        also: |child, parent| is(child, parent, "contains") && holds(parent, child),
    },
    Broken {
        name: "a clause of any may be new",
        also: |child, parent| {
            is(child, parent, "any")
                && set(child, "constraints")
                    .iter()
                    .any(|own| set(parent, "constraints").iter().any(|wider| holds(own, wider)))
        },
    },
    Broken {
        name: "a clause of all may go",
        also: |child, parent| {
            is(child, parent, "all")
                && set(child, "constraints")
                    .iter()
                    .all(|own| set(parent, "constraints").iter().any(|wider| holds(own, wider)))
        },
    },
    Broken {
        name: "a host's suffix is letters, not labels",
        also: |child, parent| {
            is(child, parent, "killick_url")
                && parent.get("host_suffix").is_some()
                && format!("{}{}", text(child, "host"), text(child, "host_suffix"))
                    .ends_with(text(parent, "host_suffix"))
        },
    },
    Broken {
        name: "a port does not matter",
        also: |child, parent| is(child, parent, "killick_url") && holds_but_for(child, parent, "port"),
    },
    Broken {
        name: "a path's prefix is letters, not segments",
        also: |child, parent| {
            is(child, parent, "killick_path") && text(child, "root").starts_with(text(parent, "root"))
        },
    },
    Broken {
        name: "a star of the child is a letter like any other",
        also: |child, parent| {
            is(child, parent, "killick_pattern") && {
                let letters = text(child, "pattern").replace('*', "b");
                Constraint::from_json(parent).unwrap().check(&Json::from(letters))
            }
        },
    },
    Broken {
        name: "countries do not matter",
        also: |child, parent| is(child, parent, "killick_iban") && child.get("ibans").is_none(),
    },
    Broken {
        name: "a currency may be new",
        also: |child, parent| {
            let with_all = |json: &Json| match json.get("limits") {
                Some(Json::Object(limits)) => limits.clone(),
                _ => BTreeMap::new(),
            };
            is(child, parent, "killick_currency_amount")
                && with_all(child).iter().any(|(code, limits)| with_all(parent).get(code) == Some(limits))
        },
    },
    Broken {
        name: "hours of the day may go",
        also: |child, parent| {
            is(child, parent, "killick_time_window")
                && child.get("daily").is_none()
                && holds_but_for(child, parent, "daily")
        },
    },
    Broken {
        name: "what is required may go",
        also: |child, parent| {
            is(child, parent, "killick_fields")
                && child.get("required").is_none()
                && holds_but_for(child, parent, "required")
        },
    },
    Broken {
        name: "networks that overlap",
        also: |child, parent| {
            is(child, parent, "killick_cidr")
                && set(child, "networks").iter().any(|own| set(parent, "networks").contains(own))
        },
    },
    Broken {
        name: "a type is enough",
        also: |child, parent| kind(child) == kind(parent) && kind(child).starts_with("killick_"),
    },
];

/// As [`Chains::tell`], but by a rule that is broken, and so without `attenuate`, which would refuse.
fn tell_broken(story: &mut Story, rule: &Broken) -> Vec<Tools> {
    let mut links = vec![story.root()];
    for _ in 0..LINKS_MAX {
        let parent = links[links.len() - 1].clone();
        let mut child = Tools::new();
        for (tool, map) in &parent {
            let mut narrowed = map.clone();
            for (argument, wider) in map {
                let wanted = story.constraint(argument);
                if wanted.subsumes(wider) || (rule.also)(&wanted.to_json(), &wider.to_json()) {
                    narrowed.insert(argument.clone(), wanted);
                }
            }
            child.insert(tool.clone(), narrowed);
        }
        links.push(child);
    }
    links
}

#[test]
fn the_sampling_finds_each_broken_rule() {
    let mut missed = Vec::new();
    for rule in &BROKEN {
        let mut tally = Tally::default();
        for seed in 0..3_000 {
            let mut story = Story::new(seed + 1);
            let links = tell_broken(&mut story, rule);
            tally.sample(&mut story, &links, 350);
            if !tally.violations.is_empty() {
                break;
            }
        }
        println!("{}: found after {} calls", rule.name, tally.calls);
        if tally.violations.is_empty() {
            missed.push(rule.name);
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
    // The right rule passes the same sampling.
    let right = Broken { name: "right", also: |_, _| false };
    let mut tally = Tally::default();
    for seed in 0..300 {
        let mut story = Story::new(seed + 1);
        let links = tell_broken(&mut story, &right);
        tally.sample(&mut story, &links, 350);
    }
    assert!(tally.violations.is_empty(), "{}", tally.violations[0]);
}

#[test]
fn the_sampling_has_a_call_for_a_dropped_argument() {
    // A key that goes, a tool that comes, a map that empties: not a matter of constraints, and found too.
    let wide =
        ConstraintMap::from([("a".to_owned(), Constraint::Wildcard), ("b".to_owned(), Constraint::Wildcard)]);
    let up_to = Constraint::Range(Range { max: Some(Number::from_i64(1)), ..Range::default() });
    let narrow = ConstraintMap::from([("a".to_owned(), up_to)]);
    let tools = |map: &ConstraintMap| Tools::from([(TOOLS[0].to_owned(), map.clone())]);
    for (parent, child) in [
        (tools(&wide), tools(&ConstraintMap::from([("a".to_owned(), Constraint::Wildcard)]))),
        (tools(&narrow), tools(&ConstraintMap::new())),
        (Tools::new(), tools(&narrow)),
    ] {
        let (mut story, mut tally) = (Story::new(7), Tally::default());
        story.topics = ARGUMENTS.map(|argument| (argument, Topic::Core)).into();
        tally.sample(&mut story, &[parent, child], 3_000);
        assert!(!tally.violations.is_empty());
    }
}
