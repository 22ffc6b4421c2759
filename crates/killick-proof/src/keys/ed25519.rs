//! Ed25519 (RFC 8032): the kind that signs requests, tokens, delegation links, bundles and log heads.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

/// RFC 8032 section 5.1.7, strict: `S < L`, and the equation without the cofactor.
pub(super) fn verifies(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
}

/// Whether the y coordinate is one of the eight small-order points, or at least `p` (RFC 8032 section 5.1.3). Beyond
/// the points themselves nothing is lost: an honest key has these encodings with probability 2^-250.
pub(super) fn is_weak(bytes: &[u8; 32]) -> bool {
    /// y of the two points of order 8 (and its negation), little-endian.
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut y = *bytes;
    y[31] &= 0x7f;
    let mut p = [0xff_u8; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    // y >= p: not canonical.
    if y.iter().rev().cmp(p.iter().rev()).is_ge() {
        return true;
    }
    let mut minus_one = p;
    minus_one[0] = 0xec;
    let mut one = [0_u8; 32];
    one[0] = 1;
    y == [0; 32] || y == one || y == minus_one || ORDER_8.contains(&y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_order_points_are_weak_in_every_spelling() {
        let mut weak: Vec<[u8; 32]> = vec![[0; 32]];
        // y = 1, y = -1 and y = 0, with either sign of x.
        let mut one = [0_u8; 32];
        one[0] = 1;
        let mut minus_one = [0xff_u8; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        weak.extend([one, minus_one]);
        // y = p and y = p + 1: other spellings of 0 and 1.
        let mut p = minus_one;
        p[0] = 0xed;
        let mut p_and_one = minus_one;
        p_and_one[0] = 0xee;
        weak.extend([p, p_and_one]);
        // The points of order 8, as RFC 8032's formulae give them.
        let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
        let order_8: Vec<u8> =
            (0..64).step_by(2).map(|at| u8::from_str_radix(&order_8[at..at + 2], 16).unwrap()).collect();
        weak.push(order_8.try_into().unwrap());
        for bytes in weak {
            for sign in [0, 0x80] {
                let mut bytes = bytes;
                bytes[31] |= sign;
                assert!(is_weak(&bytes), "{bytes:02x?}");
            }
        }
        let mut two = [0_u8; 32];
        two[0] = 2;
        assert!(!is_weak(&two), "y = 2 is no point of small order");
    }
}
