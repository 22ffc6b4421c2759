//! A small seeded generator, so that a run can be repeated from the seed it printed. Not for keys or nonces.

/// SplitMix64: 64 bits of state, every seed good.
#[derive(Clone, Debug)]
pub struct Draws {
    state: u64,
}

impl Draws {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 if `bound` is 0). The bias of the multiplication is below 2^-40 for what is drawn here.
    pub fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.next_u64()) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        let span = usize::try_from(high.saturating_sub(low)).unwrap_or(0) + 1;
        low + u32::try_from(self.below(span)).unwrap_or(0)
    }

    /// In a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }

    /// One of the items; `None` if there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_it_all() {
        let (mut a, mut b, mut c) = (Draws::new(7), Draws::new(7), Draws::new(8));
        let (xs, ys): (Vec<_>, Vec<_>) = (0..100).map(|_| (a.next_u64(), b.next_u64())).unzip();
        assert_eq!(xs, ys);
        assert_ne!(xs[0], c.next_u64());
        // The published first output of SplitMix64 for seed 0.
        assert_eq!(Draws::new(0).next_u64(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn draws_stay_in_their_bounds() {
        let mut draws = Draws::new(1);
        let seen: Vec<u32> = (0..1_000).map(|_| draws.between(3, 5)).collect();
        assert!((3..=5).all(|value| seen.contains(&value)));
        assert!(seen.iter().all(|value| (3..=5).contains(value)));
        assert_eq!(draws.below(0), 0);
        let mut items: Vec<u32> = (0..20).collect();
        draws.shuffle(&mut items);
        assert_ne!(items, (0..20).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..20).collect::<Vec<_>>());
    }
}
