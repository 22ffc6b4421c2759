//! The command line, defined once: parsing, help, completions, manual pages and `docs/reference/cli.md` come from here.

mod log;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::log::{LogCommand, WitnessCommand};

/// Identity-anchored autonomy for enterprise AI agents
#[derive(Debug, Parser)]
#[command(
    name = "killick",
    version,
    about,
    long_about = "killick gives every AI agent a badge that cannot be forged, decides every request it makes, and anchors \
                  everything it does in a log that anyone can check.\n\nFirst steps: `killick pilot` shows it all on this \
                  machine; `killick up` starts it for your own agents.",
    after_help = "Exit codes: 0 fine, 1 a check failed, 2 usage, 3 not reachable, 4 denied, 5 and 51 to 62 a proof does not verify",
    arg_required_else_help = true,
    subcommand_required = true,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Data folder: configuration, keys, log and agents
    #[arg(long, global = true, env = "KILLICK_DIR", value_name = "DIR", default_value = "./killick-data")]
    pub dir: PathBuf,
    /// Print one line of JSON for programs, errors too
    #[arg(long, global = true)]
    pub json: bool,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the six-step evaluation on this machine: identity, capability, attacks, measurements, proof
    Pilot(PilotArgs),
    /// Start authority, gateway, log and console in one process
    Up(UpArgs),
    /// Check or print the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// What agents can ask for
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// The organisation's rules
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Agents: from onboarding to off-boarding
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Capabilities: grant, read, explain, narrow
    #[command(subcommand)]
    Token(TokenCommand),
    /// Answer an auditor: which effect, by which agent, with what right, for whom, from which model; from the files alone
    Trace {
        /// An entry's index, a receipt's file, or a request's id
        #[arg(value_name = "INDEX|RECEIPT|REQUEST-ID")]
        what: String,
        /// Draw it too
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// The installation's own keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Capability bundles: grants with a name and a version
    #[command(subcommand)]
    Capability(CapabilityCommand),
    /// Signatures of HTTP messages (RFC 9421), anybody's
    #[command(subcommand)]
    Signature(SignatureCommand),
    /// Make one signed call as an agent
    Call(CallArgs),
    /// Run any program as an agent: its HTTP calls are signed for it
    Run(RunArgs),
    /// Stop it now: a token, a key, an agent, a model, an owner, or everything
    Revoke(RevokeArgs),
    /// The log: verify and read it, without any server
    #[command(subcommand)]
    Log(LogCommand),
    /// Be a witness of somebody's log: cosign its heads, and never two that do not fit together
    #[command(subcommand)]
    Witness(WitnessCommand),
    /// What is running, and how it is
    Status,
    /// Name what is wrong, and the mend
    Doctor,
    /// Print a completion script for your shell
    Completions(CompletionsArgs),
    /// Write manual pages into a folder
    Man(ManArgs),
    /// Print this reference as Markdown
    #[command(hide = true)]
    Docs,
    /// Run one service of the example shop
    #[command(hide = true, disable_help_flag = true)]
    Shop(ShopArgs),
}

/// `killick pilot`
#[derive(Clone, Debug, Args)]
pub struct PilotArgs {
    /// What holds for every command; filled in by `main`.
    #[arg(skip)]
    pub json: bool,
    /// The data folder, if one was named; filled in by `main`.
    #[arg(skip)]
    pub dir: Option<PathBuf>,
    /// Leave everything running when the evaluation is over
    #[arg(long)]
    pub keep: bool,
    /// Seed of the generated attack cases
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Where the report is written (default: in the data folder)
    #[arg(long, value_name = "DIR")]
    pub report_dir: Option<PathBuf>,
    /// Write what is shown to a file as well, as plain text
    #[arg(long, hide = true, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// `killick up`
#[derive(Clone, Debug, Args)]
pub struct UpArgs {
    /// Trust domain to found at the first start
    #[arg(long, value_name = "NAME")]
    pub trust_domain: Option<String>,
    /// Address of the gateway, instead of the configured one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub gateway: Option<SocketAddr>,
    /// Address of the console, instead of the configured one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub console: Option<SocketAddr>,
    /// Address for metrics and health, instead of the configured one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin: Option<SocketAddr>,
    /// Take any free ports; they are printed, and written to run.json
    #[arg(long, conflicts_with_all = ["gateway", "console", "admin"])]
    pub any_port: bool,
}

/// `killick config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check killick.toml: line and mend of what is wrong
    Check {
        /// The file (default: killick.toml in the data folder)
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print a commented killick.toml with every setting at its default
    Default,
}

/// `killick catalogue …`
#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// Add a service's operations from its OpenAPI description
    Import {
        /// OpenAPI 3.x document in JSON: a file, `-`, or an http:// address
        #[arg(value_name = "FILE|URL")]
        source: String,
        /// Name for the service in the catalogue
        #[arg(long, value_name = "NAME")]
        upstream: String,
        /// Base address that the gateway forwards to
        #[arg(long, value_name = "URL")]
        url: String,
        /// Host name under which agents know the service; may be given more than once
        #[arg(long, value_name = "NAME")]
        host: Vec<String>,
    },
    /// Show every action, its arguments and its risk
    Show,
}

/// `killick policy …`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Check policies against the catalogue, without publishing them
    Check {
        /// Cedar files or folders (default: policies/ in the data folder)
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// `killick agent …`
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Give an agent an identity: a key made here, a name, a certificate
    Onboard(OnboardArgs),
    /// List all agents
    List,
    /// Show one agent
    Show {
        /// The agent's name
        name: String,
    },
    /// End an agent for good, with everything beneath it
    Offboard {
        /// The agent's name
        name: String,
    },
    /// Stop an agent until it is resumed
    Suspend {
        /// The agent's name
        name: String,
    },
    /// Let a suspended agent act again
    Resume {
        /// The agent's name
        name: String,
    },
    /// Record what would be denied instead of denying it, for a limited time
    #[command(group(clap::ArgGroup::new("how_long").required(true).args(["lasting", "off"])))]
    Observe {
        /// The agent's name
        name: String,
        /// For how long, e.g. 24h
        #[arg(long = "for", value_name = "TIME", value_parser = crate::duration::parse)]
        lasting: Option<u64>,
        /// Enforce again
        #[arg(long)]
        off: bool,
    },
}

/// `killick agent onboard`
#[derive(Clone, Debug, Args)]
pub struct OnboardArgs {
    /// The agent's name: lower-case letters, digits and hyphens
    pub name: String,
    /// Who answers for it
    #[arg(long, value_name = "PERSON")]
    pub owner: String,
    /// The model that it runs
    #[arg(long, value_name = "NAME[@VERSION]")]
    pub model: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// What it runs on
    #[arg(long, value_name = "TEXT")]
    pub runtime: Option<String>,
    /// How much harm it could do
    #[arg(long, value_enum, value_name = "TIER")]
    pub risk: Option<RiskTierArg>,
}

/// A risk tier.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RiskTierArg {
    /// Reads only, nothing personal
    Low,
    /// The default
    Medium,
    /// Money, health, personal data
    High,
}

impl RiskTierArg {
    /// As the admin API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            RiskTierArg::Low => "low",
            RiskTierArg::Medium => "medium",
            RiskTierArg::High => "high",
        }
    }
}

/// `killick keys …`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Encrypt the keys under another passphrase, or keep them plain; the one in use is that of
    /// KILLICK_KEY_PASSPHRASE_FILE
    Passphrase {
        /// A file with the new passphrase, mode 0600
        #[arg(long, value_name = "FILE", required_unless_present = "remove")]
        new: Option<PathBuf>,
        /// Keep the keys plain from now on
        #[arg(long, conflicts_with = "new")]
        remove: bool,
    },
}

/// `killick capability …`
#[derive(Debug, Subcommand)]
pub enum CapabilityCommand {
    /// Define a bundle, or its next version; a grant then says `@NAME`
    Define {
        /// e.g. invoice-reader
        #[arg(value_name = "NAME")]
        name: String,
        /// What it stands for, e.g. 'read:invoices; execute:none'
        #[arg(value_name = "GRANT")]
        grant: String,
    },
    /// List the bundles, and which agents hold tokens by which version
    List,
    /// Show one bundle with its earlier versions
    Show {
        /// The bundle's name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// End a bundle: nothing is granted by it any more; tokens that are out stay
    Retire {
        /// The bundle's name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// `killick token …`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Grant a capability, e.g. 'read:invoices; execute:none'
    Grant(GrantArgs),
    /// Read a token and verify it against trust.json
    Inspect {
        /// An agent's name, a file, or `-` (default: the only agent here)
        #[arg(value_name = "NAME|FILE")]
        what: Option<String>,
        /// The trust file (default: trust.json in the data folder)
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
    },
    /// Say why a call would be permitted or denied, link by link, and what would permit it
    Explain(ExplainArgs),
    /// Derive a narrower token for a sub-agent
    Attenuate(AttenuateArgs),
    /// Say in words what one token grants less or more than another
    Diff {
        /// The token to compare with: an agent's name, a file, or `-`
        #[arg(value_name = "NAME|FILE")]
        a: String,
        /// The token that is compared
        #[arg(value_name = "NAME|FILE")]
        b: String,
    },
    /// Find what is granted too broadly, unused, or too finely
    Lint {
        /// An agent's name, a file, or `-` (default: the only agent here)
        #[arg(value_name = "NAME|FILE")]
        what: Option<String>,
    },
    /// Verify anybody's chain of Attenuating Agent Tokens, a call under it, and its proof of possession
    Verify(TokenVerifyArgs),
    /// Sign a token of anybody's: a root, a link below a chain, or a proof of possession
    Sign(TokenSignArgs),
    /// Print the public half of a key as a JWK; the key is made if the file is not there
    Key {
        /// A file with a private JWK
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// `killick token verify`
#[derive(Clone, Debug, Args)]
pub struct TokenVerifyArgs {
    /// A key that may have signed the root, as a JWK or a set of them; may be given more than once
    #[arg(long, value_name = "KEY.jwk", required = true)]
    pub anchor: Vec<PathBuf>,
    /// The chain: one JWS a line, root first; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub chain: PathBuf,
    /// The tool that is to be invoked
    #[arg(long, value_name = "TOOL")]
    pub tool: String,
    /// Its arguments, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub args: String,
    /// The proof of possession, a JWS; without it steps 1 to 6 alone are judged
    #[arg(long, value_name = "FILE")]
    pub pop: Option<PathBuf>,
    /// For whom the proof must be meant
    #[arg(long, value_name = "NAME", requires = "pop")]
    pub audience: Option<String>,
    /// The moment to judge by: seconds since the epoch, or RFC 3339 (default: now)
    #[arg(long, value_name = "TIME", value_parser = crate::moment::parse)]
    pub now: Option<killick_proof::UnixTime>,
    /// The longest lifetime of a token, e.g. 90d (default: 1d)
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse)]
    pub lifetime_max: Option<u64>,
}

/// `killick token sign`
#[derive(Clone, Debug, Args)]
pub struct TokenSignArgs {
    /// The signer's private key: a JWK, or an agent's key file
    #[arg(long, value_name = "KEY.jwk")]
    pub key: PathBuf,
    /// Claims to sign, a JSON object; what it leaves open is filled in
    #[arg(long, value_name = "FILE")]
    pub claims: Option<PathBuf>,
    /// What is granted, as people write it, word for word
    #[arg(long, value_name = "GRANT")]
    pub grant: Option<String>,
    /// The new holder's public key
    #[arg(long, value_name = "KEY.jwk")]
    pub holder: Option<PathBuf>,
    /// URI of who issues a root
    #[arg(long, value_name = "URI", conflicts_with = "below")]
    pub issuer: Option<String>,
    /// The chain to add a link to, or to prove possession of: one JWS a line, root first; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub below: Option<PathBuf>,
    /// The key that signed the chain's root
    #[arg(long, value_name = "KEY.jwk")]
    pub anchor: Vec<PathBuf>,
    /// For how long, e.g. 10m (default: 1h, and never longer than the token above)
    #[arg(long = "for", value_name = "TIME", value_parser = crate::duration::parse)]
    pub lasting: Option<u64>,
    /// The deepest link that may follow (default: none)
    #[arg(long, value_name = "N")]
    pub max_depth: Option<u64>,
    /// Sign a proof of possession for one call instead of a token
    #[arg(long, requires_all = ["below", "tool"], conflicts_with_all = ["claims", "grant", "holder", "anchor"])]
    pub pop: bool,
    /// The tool that is called
    #[arg(long, value_name = "TOOL", requires = "pop")]
    pub tool: Option<String>,
    /// Its arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "pop")]
    pub args: Option<String>,
    /// For whom the proof is meant
    #[arg(long, value_name = "NAME", requires = "pop")]
    pub audience: Option<String>,
    /// The moment of signing: seconds since the epoch, or RFC 3339 (default: now)
    #[arg(long, value_name = "TIME", value_parser = crate::moment::parse)]
    pub now: Option<killick_proof::UnixTime>,
}

/// `killick token grant`
#[derive(Clone, Debug, Args)]
pub struct GrantArgs {
    /// The agent's name
    pub name: String,
    /// What it may do, as people write it
    pub grant: String,
    /// For how long, e.g. 30m, 1h
    #[arg(long = "for", value_name = "TIME", value_parser = crate::duration::parse)]
    pub lasting: Option<u64>,
    /// Id of the task that it is for
    #[arg(long, value_name = "ID")]
    pub task: Option<String>,
    /// The person or system for whom it is done
    #[arg(long, value_name = "WHO")]
    pub principal: Option<String>,
    /// How many sub-agents deep it may be passed on
    #[arg(long, value_name = "N")]
    pub max_depth: Option<u64>,
}

/// `killick token explain`
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The agent's name (left out with --chain), the action, and its arguments as NAME=VALUE
    #[arg(value_name = "AGENT ACTION NAME=VALUE", required = true)]
    pub words: Vec<String>,
    /// Read the token from a file instead of an agent's folder
    #[arg(long, value_name = "FILE")]
    pub chain: Option<PathBuf>,
}

/// `killick token attenuate`
#[derive(Clone, Debug, Args)]
pub struct AttenuateArgs {
    /// The agent that passes on, e.g. invoice-bot
    pub name: String,
    /// Name of the sub-agent beneath it, e.g. reader
    #[arg(value_name = "SUB-AGENT")]
    pub sub_agent: String,
    /// What the sub-agent may do: no more than the agent itself
    pub grant: String,
    /// The sub-agent's key file (default: its own folder; made if absent)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// For how long, e.g. 10m (default: as long as the agent's token)
    #[arg(long = "for", value_name = "TIME", value_parser = crate::duration::parse)]
    pub lasting: Option<u64>,
    /// How many levels deeper it may be passed on
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub further: u64,
}

/// `killick signature …`
#[derive(Debug, Subcommand)]
pub enum SignatureCommand {
    /// Verify the signature of an HTTP message that comes on standard input
    Verify(SignatureVerifyArgs),
    /// Sign an HTTP message that comes on standard input, and print it
    Sign(SignatureSignArgs),
}

/// `killick signature verify`
#[derive(Clone, Debug, Args)]
pub struct SignatureVerifyArgs {
    /// How the message is to be read
    #[command(flatten)]
    pub context: MessageContextArgs,
    /// The signer's public key, or the shared secret, as a JWK
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Which signature, if there are several
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
    /// The tag that the signature must have
    #[arg(long, value_name = "TEXT")]
    pub tag: Option<String>,
    /// What it must cover at the least, e.g. '"@method" "@target-uri"'
    #[arg(long, value_name = "COMPONENTS")]
    pub covers: Option<String>,
    /// For how long after its creation it is good, e.g. 60s
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse)]
    pub max_age: Option<u64>,
    /// The time at which to judge: seconds since 1970, or e.g. 2026-05-01T12:00:00Z (default: now)
    #[arg(long, value_name = "WHEN", value_parser = crate::moment::parse)]
    pub now: Option<killick_proof::UnixTime>,
}

/// `killick signature sign`
#[derive(Clone, Debug, Args)]
pub struct SignatureSignArgs {
    /// How the message is to be read
    #[command(flatten)]
    pub context: MessageContextArgs,
    /// The private key, or the shared secret, as a JWK
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// What to cover, e.g. '"@method" "@target-uri" "content-digest"'
    #[arg(long, value_name = "COMPONENTS")]
    pub components: String,
    /// The signature's label
    #[arg(long, value_name = "NAME", default_value = "sig1")]
    pub label: String,
    /// When it was made: seconds since 1970, or e.g. 2026-05-01T12:00:00Z (default: now)
    #[arg(long, value_name = "WHEN", value_parser = crate::moment::parse)]
    pub created: Option<killick_proof::UnixTime>,
    /// When it ends
    #[arg(long, value_name = "WHEN", value_parser = crate::moment::parse)]
    pub expires: Option<killick_proof::UnixTime>,
    /// A text that is used once
    #[arg(long, value_name = "TEXT")]
    pub nonce: Option<String>,
    /// What the signature is for
    #[arg(long, value_name = "TEXT")]
    pub tag: Option<String>,
    /// The key's name (default: the JWK's kid, or else its thumbprint)
    #[arg(long, value_name = "TEXT")]
    pub keyid: Option<String>,
    /// State the algorithm in the signature
    #[arg(long)]
    pub alg: bool,
}

/// What a message does not say of itself.
#[derive(Clone, Debug, Args)]
pub struct MessageContextArgs {
    /// The scheme under which a request was sent
    #[arg(long, value_name = "https|http", default_value = "https")]
    pub scheme: String,
    /// The host that the client addressed, if a proxy changed it
    #[arg(long, value_name = "HOST[:PORT]")]
    pub authority: Option<String>,
    /// The request that a response answers, for components with `req`
    #[arg(long, value_name = "FILE")]
    pub request: Option<PathBuf>,
    /// A field that is structured, beside those that are registered so; may be given more than once
    #[arg(long, value_name = "NAME=item|list|dictionary")]
    pub structured: Vec<String>,
    /// The algorithm, e.g. rsa-pss-sha512, where an RSA key does not say it
    #[arg(long, value_name = "NAME")]
    pub algorithm: Option<String>,
}

/// `killick call`
#[derive(Clone, Debug, Args)]
pub struct CallArgs {
    /// The action, e.g. read:invoices
    pub action: String,
    /// Its arguments, e.g. id=INV-7
    #[arg(value_name = "NAME=VALUE")]
    pub arguments: Vec<String>,
    /// The agent (default: the only agent here)
    #[arg(long = "as", value_name = "NAME")]
    pub agent: Option<String>,
}

/// `killick run`
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The agent (default: the only agent here)
    #[arg(long = "as", value_name = "NAME")]
    pub agent: Option<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `killick revoke`
#[derive(Clone, Debug, Args)]
pub struct RevokeArgs {
    /// What kind of thing
    #[arg(value_enum)]
    pub kind: RevokeKind,
    /// Its id or name (not for `all`)
    #[arg(required_if_eq_any([("kind", "token"), ("kind", "key"), ("kind", "agent"), ("kind", "subtree"), ("kind", "model"), ("kind", "owner")]))]
    pub value: Option<String>,
    /// Why, for the directory log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// End the kill switch again (only with `all`)
    #[arg(long, conflicts_with = "value")]
    pub lift: bool,
}

/// What can be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RevokeKind {
    /// One token, by its jti, with everything derived from it
    Token,
    /// One key, by its thumbprint
    Key,
    /// One agent, by name or SPIFFE ID
    Agent,
    /// One agent and everything beneath it
    Subtree,
    /// Every agent that runs a model: NAME or NAME@VERSION
    Model,
    /// Every agent of an owner
    Owner,
    /// The kill switch: everything
    All,
}

impl RevokeKind {
    /// As the admin API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            RevokeKind::Token => "token",
            RevokeKind::Key => "key",
            RevokeKind::Agent => "agent",
            RevokeKind::Subtree => "subtree",
            RevokeKind::Model => "model",
            RevokeKind::Owner => "owner",
            RevokeKind::All => "all",
        }
    }
}

/// `killick completions`
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArgs {
    /// Your shell
    pub shell: clap_complete::Shell,
}

/// `killick man`
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// Where to write the pages
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// `killick shop`
#[derive(Clone, Debug, Args)]
pub struct ShopArgs {
    /// Handed to the shop as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<std::ffi::OsString>,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::Cli;

    /// The words of a command line as a shell splits them: at spaces, quotes kept together, a comment or a redirection left
    /// out.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for letter in line.chars() {
            match (quote, letter) {
                (Some(open), _) if letter == open => quote = None,
                (None, '\'' | '"') => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                (None, '#' | '>') if word.is_none() => break,
                (None, ' ') => words.extend(word.take()),
                _ => word.get_or_insert_default().push(letter),
            }
        }
        words.extend(word);
        words
    }

    /// Whatever the documents tell people to type is a command line of this version.
    #[test]
    fn every_command_in_the_documents_can_be_typed() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut pages = vec![root.join("README.md"), root.join("docs/pilot.txt")];
        pages.extend(std::fs::read_dir(root.join("docs/how-to")).unwrap().map(|entry| entry.unwrap().path()));
        let mut count = 0;
        for page in pages {
            let text = std::fs::read_to_string(&page).unwrap();
            for line in text.lines().map(str::trim).filter(|line| line.starts_with("killick ")) {
                if line.starts_with("killick pilot:") {
                    continue;
                }
                if let Err(error) = Cli::try_parse_from(words(line)) {
                    panic!("{}: `{line}`: {error}", page.display());
                }
                count += 1;
            }
        }
        assert!(count >= 20, "{count} commands found");
    }
}
