//! Where the tree lies in files (C2SP tlog-tiles): tiles of 256 hashes, bundles of 256 entries, and their paths.

use crate::entry::ENTRY_BYTES_MAX;
use crate::error::LogError;
use crate::hash::{HASH_BYTES, Hash};

/// Hashes of a full tile; entries of a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Tree levels that one tile spans.
pub const TILE_HEIGHT: u32 = 8;
/// The path of the signed head.
pub const CHECKPOINT_PATH: &str = "checkpoint";
/// The newest head that a quorum of witnesses has cosigned, beside the checkpoint (ours).
pub const WITNESSED_PATH: &str = "witnessed";
/// The highest tile level a path may name.
const LEVEL_MAX: u8 = 63;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TileKind {
    /// Hashes of this tile level: level 0 holds the leaf hashes.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// One tile or entry bundle: kind, index within its level, and width (256 when full).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

impl Tile {
    /// A tile of 1 to 256 hashes or entries; `None` for any other width, or a level above 63.
    pub fn new(kind: TileKind, index: u64, width: u64) -> Option<Self> {
        let level_fits = !matches!(kind, TileKind::Hashes(level) if level > LEVEL_MAX);
        let width = u16::try_from(width).ok().filter(|width| (1..=256).contains(width))?;
        level_fits.then_some(Self { kind, index, width })
    }

    /// The tile that holds hash `index` of `level` (or entry `index`) in a tree of `size` entries, as wide as it is in
    /// that tree; `None` if the tree does not reach that far.
    pub fn containing(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let hashes = match kind {
            TileKind::Hashes(level) => level_width(level, size),
            TileKind::Entries => size,
        };
        if index >= hashes {
            return None;
        }
        let tile = index / TILE_WIDTH;
        let before = tile.checked_mul(TILE_WIDTH)?;
        Self::new(kind, tile, hashes.checked_sub(before)?.min(TILE_WIDTH))
    }

    /// What it holds.
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its index within its level.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Hashes or entries in it, 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it has fewer than 256.
    pub const fn is_partial(&self) -> bool {
        self.width < 256
    }

    /// The full tile at the same place.
    #[must_use]
    pub const fn full(self) -> Self {
        Self { kind: self.kind, index: self.index, width: 256 }
    }

    /// The tile of another kind at the same place: the entries behind these leaf hashes, or the other way round.
    #[must_use]
    pub const fn of(self, kind: TileKind) -> Self {
        Self { kind, index: self.index, width: self.width }
    }

    /// Its path, e.g. `tile/0/x001/x234/067` or `tile/entries/000.p/17`.
    pub fn path(&self) -> String {
        let kind = match self.kind {
            TileKind::Hashes(level) => level.to_string(),
            TileKind::Entries => "entries".to_owned(),
        };
        let partial = if self.is_partial() { format!(".p/{}", self.width) } else { String::new() };
        format!("tile/{kind}/{}{partial}", index_path(self.index))
    }

    /// Reads a path; errs on anything but the one canonical form.
    pub fn parse(path: &str) -> Result<Self, LogError> {
        let tile = Self::parse_loosely(path).filter(|tile| tile.path() == path);
        tile.ok_or_else(|| LogError::format("tile path", format!("`{}`", path.escape_debug())))
    }

    fn parse_loosely(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = if kind == "entries" { TileKind::Entries } else { TileKind::Hashes(kind.parse().ok()?) };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok()?),
            None => (rest, TILE_WIDTH),
        };
        let mut index = 0_u64;
        for part in number.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            let value: u64 = digits.parse().ok().filter(|_| digits.len() == 3)?;
            index = index.checked_mul(1000)?.checked_add(value)?;
        }
        Self::new(kind, index, width)
    }
}

/// Hashes at a tile level of a tree of `size` entries: complete subtrees of 256^level leaves.
pub fn level_width(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level).saturating_mul(TILE_HEIGHT)).unwrap_or(0)
}

/// The tile index in zero-padded three-digit elements, all but the last marked with `x`.
fn index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

/// Splits a tile's bytes into its hashes. Errs unless it has exactly as many as its width.
pub fn parse_hashes(tile: &Tile, bytes: &[u8]) -> Result<Vec<Hash>, LogError> {
    let expected = usize::from(tile.width).saturating_mul(HASH_BYTES);
    let problem = || format!("{} bytes instead of {expected}", bytes.len());
    match bytes.len() {
        found if found < expected => Err(LogError::Truncated { what: tile.path(), problem: problem() }),
        found if found > expected => Err(LogError::format(tile.path(), problem())),
        _ => Ok(bytes.chunks_exact(HASH_BYTES).filter_map(Hash::from_slice).collect()),
    }
}

/// The bytes of a tile with these hashes.
pub fn format_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Appends an entry to a bundle: its length as a big-endian uint16, then its bytes. Errs if it is longer than 65,535
/// bytes.
pub fn append_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), LogError> {
    let length = u16::try_from(entry.len()).map_err(|_| {
        LogError::format("entry", format!("{} bytes, at most {ENTRY_BYTES_MAX}", entry.len()))
    })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle, in order; stops after the first that is cut off (an error).
pub struct BundleEntries<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> BundleEntries<'a> {
    /// The entries in these bytes.
    pub const fn new(bundle: &'a [u8]) -> Self {
        Self { rest: Some(bundle) }
    }
}

/// The bundle ends within an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOff;

impl<'a> Iterator for BundleEntries<'a> {
    type Item = Result<&'a [u8], CutOff>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take().filter(|rest| !rest.is_empty())?;
        let split = rest
            .split_first_chunk::<2>()
            .and_then(|(length, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(*length))));
        Some(match split {
            Some((entry, rest)) => {
                self.rest = Some(rest);
                Ok(entry)
            }
            None => Err(CutOff),
        })
    }
}

/// The entries of a bundle that has to hold exactly as many as the tile is wide.
pub fn parse_bundle<'a>(tile: &Tile, bytes: &'a [u8]) -> Result<Vec<&'a [u8]>, LogError> {
    let mut entries = Vec::with_capacity(usize::from(tile.width));
    for entry in BundleEntries::new(bytes) {
        let entry = entry.map_err(|CutOff| LogError::Truncated {
            what: tile.path(),
            problem: format!("it ends within its entry {}", entries.len()),
        })?;
        entries.push(entry);
    }
    let problem = format!("{} entries instead of {}", entries.len(), tile.width);
    match entries.len() {
        found if found < usize::from(tile.width) => Err(LogError::Truncated { what: tile.path(), problem }),
        found if found > usize::from(tile.width) => Err(LogError::format(tile.path(), problem)),
        _ => Ok(entries),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_of_the_specification() {
        let hashes = |level, index, width| Tile::new(TileKind::Hashes(level), index, width).unwrap().path();
        assert_eq!(hashes(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(hashes(0, 273, 112), "tile/0/273.p/112");
        assert_eq!(hashes(2, 0, 1), "tile/2/000.p/1");
        assert_eq!(Tile::new(TileKind::Entries, 1000, 256).unwrap().path(), "tile/entries/x001/000");
        assert!(Tile::new(TileKind::Hashes(64), 0, 1).is_none());
        assert!(
            Tile::new(TileKind::Entries, 0, 0).is_none() && Tile::new(TileKind::Entries, 0, 257).is_none()
        );
    }

    #[test]
    fn a_tree_of_70000_has_the_tiles_that_the_specification_lists() {
        let last = |level| {
            let hashes = level_width(level, 70_000);
            Tile::containing(TileKind::Hashes(level), hashes - 1, 70_000).unwrap()
        };
        assert_eq!((last(0).index(), last(0).width()), (273, 112));
        assert_eq!((last(1).index(), last(1).width()), (1, 17));
        assert_eq!((last(2).index(), last(2).width()), (0, 1));
        assert_eq!(level_width(3, 70_000), 0);
    }

    #[test]
    fn only_canonical_paths_are_read() {
        for bad in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/1",
            "tile/00/001",
            "tile/0/001/",
            "tile/0/x000/001",
            "tile/64/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/+1/000",
            "tile/0/+01",
            "tile/0/x001/x067",
            "tile/0/001/067",
            "tile/entries/000.p/",
            "/tile/0/000",
            "tile/0/../000",
            "tile/0/999/999/999/999/999/999/999/999",
        ] {
            assert_eq!(Tile::parse(bad).unwrap_err().code(), "log.format", "{bad}");
        }
    }

    proptest! {
        #[test]
        fn paths_round_trip(level in 0_u8..=63, index: u64, width in 1_u64..=256, entries: bool) {
            let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
            let tile = Tile::new(kind, index, width).unwrap();
            prop_assert_eq!(Tile::parse(&tile.path()), Ok(tile));
        }

        #[test]
        fn no_path_panics(path in "\\PC*|tile/(entries|[0-9]{1,3})/(x?[0-9]{3}/?){0,9}(\\.p/[0-9]{0,4})?") {
            let _ = Tile::parse(&path);
        }

        #[test]
        fn bundles_round_trip(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..=256)) {
            let mut bundle = Vec::new();
            for entry in &entries {
                append_entry(&mut bundle, entry).unwrap();
            }
            let tile = Tile::new(TileKind::Entries, 0, entries.len() as u64).unwrap();
            prop_assert_eq!(parse_bundle(&tile, &bundle).unwrap(), entries);
            prop_assert!(parse_bundle(&tile, &bundle[..bundle.len() - 1]).is_err());
        }

        #[test]
        fn no_bundle_panics(bytes: Vec<u8>, width in 1_u64..=256) {
            let tile = Tile::new(TileKind::Entries, 0, width).unwrap();
            let _ = parse_bundle(&tile, &bytes);
            let _ = parse_hashes(&tile, &bytes);
        }
    }
}
