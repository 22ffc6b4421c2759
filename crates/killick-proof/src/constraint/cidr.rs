//! `killick_cidr`: an IP address or network within networks, in the one spelling that each has.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::extension::texts;
use super::members::Members;
use crate::json::Json;
use crate::refusal::Refusal;

/// An address or network within one of these networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cidr {
    networks: BTreeSet<Network>,
}

/// A network; an address is one of full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Network {
    V4 { first: u32, length: u8 },
    // INVARIANT: not within ::ffff:0:0/96, whose addresses are V4.
    V6 { first: u128, length: u8 },
}

/// Where IPv6 carries IPv4 addresses: ::ffff:0:0/96 (RFC 4291 section 2.5.5.2).
const MAPPED: Network = Network::V6 { first: 0xffff_0000_0000, length: 96 };

impl Cidr {
    pub(super) const KIND: &'static str = "killick_cidr";
    pub(super) const MEMBERS: [&'static str; 1] = ["networks"];

    pub(super) fn read(members: &Members<'_>) -> Result<Self, Refusal> {
        match members.filled_set("networks", Network::read)? {
            Some(networks) => Ok(Self { networks }),
            None => members.malformed("lacks its `networks`"),
        }
    }

    /// From networks; at least one.
    pub(crate) fn new(networks: BTreeSet<Network>) -> Result<Self, String> {
        if networks.is_empty() {
            Err("at least one network is to be named".to_owned())
        } else {
            Ok(Self { networks })
        }
    }

    /// The networks.
    pub(crate) const fn networks(&self) -> &BTreeSet<Network> {
        &self.networks
    }

    pub(super) fn members(&self) -> Vec<(&'static str, Json)> {
        vec![("networks", texts(&self.networks))]
    }

    pub(super) fn check(&self, text: &str) -> bool {
        read_value(text).is_some_and(|value| self.contains(&value))
    }

    pub(super) fn subsumes(&self, parent: &Self) -> bool {
        self.networks.iter().all(|network| parent.contains(network))
    }

    fn contains(&self, value: &Network) -> bool {
        self.networks.iter().any(|network| network.contains(value))
    }
}

impl Network {
    /// `10.0.0.0/8` or `2001:db8::/32`. IPv4 is not written as IPv6 here: one network has one spelling.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let network = text.contains('/').then(|| read_network(text)).flatten();
        network.filter(|network| !MAPPED.contains(network)).ok_or_else(|| {
            "a network is written `10.0.0.0/8` or `2001:db8::/32`, with nothing set beyond its length"
                .to_owned()
        })
    }

    fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::V4 { first, length }, Self::V4 { first: other, length: longer }) => {
                longer >= length
                    && (first ^ other).checked_shr(32 - u32::from(*length)).unwrap_or_default() == 0
            }
            (Self::V6 { first, length }, Self::V6 { first: other, length: longer }) => {
                longer >= length
                    && (first ^ other).checked_shr(128 - u32::from(*length)).unwrap_or_default() == 0
            }
            _ => false,
        }
    }
}

/// The address or network of an argument. An IPv6 form of an IPv4 address is the IPv4 address: that is where it leads.
/// A network that has such forms and others is two networks, and refused.
fn read_value(text: &str) -> Option<Network> {
    match read_network(text)? {
        Network::V6 { first, length } if MAPPED.contains(&Network::V6 { first, length }) => {
            Some(Network::V4 { first: u32::try_from(first & 0xffff_ffff).ok()?, length: length - 96 })
        }
        network if network.contains(&MAPPED) => None,
        network => Some(network),
    }
}

/// An address in its one spelling, with a length or without; no zone, nothing set beyond the length.
fn read_network(text: &str) -> Option<Network> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(read_length(length)?)),
        None => (text, None),
    };
    if address.contains(':') {
        let parsed: Ipv6Addr = address.parse().ok()?;
        let (first, length) = (parsed.to_bits(), length.unwrap_or(128));
        // RFC 5952: lower case, no leading zeros, the longest run of zeros left out; section 5: `::ffff:10.0.0.1`.
        let is_canonical = write_v6(parsed) == address && length <= 128;
        let host = first.checked_shl(u32::from(length)).unwrap_or_default();
        (is_canonical && host == 0).then_some(Network::V6 { first, length })
    } else {
        // RFC 6943 section 3.1.1: four decimal numbers, the strict form; no octal, no hexadecimal, no fewer parts.
        let parsed: Ipv4Addr = address.parse().ok()?;
        let (first, length) = (parsed.to_bits(), length.unwrap_or(32));
        let host = first.checked_shl(u32::from(length)).unwrap_or_default();
        (length <= 32 && host == 0 && parsed.to_string() == address).then_some(Network::V4 { first, length })
    }
}

/// Decimal, without leading zeros.
fn read_length(text: &str) -> Option<u8> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

/// RFC 5952 text: mixed notation for mapped addresses and for no others.
fn write_v6(address: Ipv6Addr) -> String {
    address.to_string()
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4 { first, length } => write!(f, "{}/{length}", Ipv4Addr::from_bits(*first)),
            Self::V6 { first, length } => write!(f, "{}/{length}", write_v6(Ipv6Addr::from_bits(*first))),
        }
    }
}
