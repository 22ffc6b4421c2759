//! The little of DER (X.690 section 10) that the certificate library leaves lenient.

/// What is left of a run of DER elements.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a>(&'a [u8]);

/// One element: its identifier octet and its contents.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) contents: &'a [u8],
}

pub(super) const SEQUENCE: u8 = 0x30;

impl<'a> Elements<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element. `None` at the end, and for what is not DER: tag numbers above 30, lengths that are indefinite,
    /// longer than need be, above 64 KiB, or beyond the end.
    pub(super) fn next(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => match rest.split_first()? {
                (&length @ 0x80.., rest) => (usize::from(length), rest),
                _ => return None,
            },
            0x82 => match rest.split_first_chunk::<2>()? {
                (&length @ [1..=255, _], rest) => (usize::from(u16::from_be_bytes(length)), rest),
                _ => return None,
            },
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Element { tag, contents })
    }

    /// The one element that these bytes are, if its tag is `tag`.
    pub(super) fn only(bytes: &'a [u8], tag: u8) -> Option<&'a [u8]> {
        let mut elements = Self::new(bytes);
        let element = elements.next()?;
        (elements.is_empty() && element.tag == tag).then_some(element.contents)
    }
}

/// `ECDSA-Sig-Value` (RFC 3279 section 2.2.3) of a signature `r || s`.
pub(super) fn ecdsa_signature(fixed: &[u8; 64]) -> Vec<u8> {
    let (r, s) = fixed.split_at(32);
    let body = [integer(r), integer(s)].concat();
    [&[SEQUENCE, short_length(&body)][..], &body].concat()
}

/// An INTEGER that is not negative: no leading zero but the one that keeps the sign (X.690 section 8.3).
fn integer(big_endian: &[u8]) -> Vec<u8> {
    let digits = match big_endian.iter().position(|byte| *byte != 0) {
        Some(first) => big_endian.get(first..).unwrap_or_default(),
        None => &[],
    };
    let is_padded = digits.first().is_none_or(|byte| *byte >= 0x80);
    let contents = [if is_padded { &[0_u8][..] } else { &[] }, digits].concat();
    [&[0x02, short_length(&contents)][..], &contents].concat()
}

/// Two integers of 33 bytes each with their heads are 70 bytes: the short form is enough.
fn short_length(contents: &[u8]) -> u8 {
    u8::try_from(contents.len()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_der_is_read() {
        assert_eq!(Elements::only(&[0x30, 0], SEQUENCE), Some(&[][..]));
        assert_eq!(Elements::only(&[0x82, 1, b'a'], 0x82), Some(&b"a"[..]));
        let long = [&[0x04, 0x81, 0x80][..], &[7; 128]].concat();
        assert_eq!(Elements::only(&long, 0x04).unwrap().len(), 128);
        let longer = [&[0x04, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
        assert_eq!(Elements::only(&longer, 0x04).unwrap().len(), 256);
        for bad in [
            &[][..],
            &[0x30],
            &[0x30, 1],
            &[0x30, 0, 0],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 0],
            &[0x04, 0x81, 1, 7],
            &[0x04, 0x82, 0, 1, 7],
            &[0x04, 0x83, 0, 0, 1, 7],
            &[0x1f, 1, 0],
            &[0x31, 0],
        ] {
            assert_eq!(Elements::only(bad, SEQUENCE), None, "{bad:02x?}");
            assert_eq!(Elements::only(bad, 0x04), None, "{bad:02x?}");
        }
    }

    #[test]
    fn a_signature_is_two_minimal_integers() {
        let mut fixed = [0_u8; 64];
        fixed[31] = 0x7f;
        fixed[63] = 0x80;
        assert_eq!(ecdsa_signature(&fixed), [0x30, 7, 2, 1, 0x7f, 2, 2, 0, 0x80]);
        assert_eq!(ecdsa_signature(&[0xff; 64]).len(), 72);
        assert_eq!(ecdsa_signature(&[0; 64]), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    }
}
