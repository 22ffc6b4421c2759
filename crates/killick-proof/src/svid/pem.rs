//! PEM of certificates (RFC 7468 section 5): written in one way, read strictly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::refuse;
use crate::limits::{BUNDLE_ENTRIES_MAX, SPIFFE_BUNDLE_BYTES_MAX};
use crate::refusal::{Code, Refusal};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// PEM of a DER certificate.
pub fn to_pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("{BEGIN}\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so that every index is a boundary.
        let (line, further) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = further;
    }
    pem.push_str(END);
    pem.push('\n');
    pem
}

/// The certificates of a PEM text, DER, in order; at least one. Lines end with LF or CRLF; blank lines may stand between
/// blocks, nothing else. Errs with `identity.chain` for any other label (a private key, say) or text, a block that is
/// not closed, or base64 that is not canonical; with `limit.size` above 1 MiB or 256 certificates.
pub fn from_pem(text: &str) -> Result<Vec<Vec<u8>>, Refusal> {
    if text.len() > SPIFFE_BUNDLE_BYTES_MAX {
        return refuse(
            Code::LimitSize,
            format!("the PEM text is longer than {SPIFFE_BUNDLE_BYTES_MAX} bytes"),
        );
    }
    let mut certificates = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        block = match (block, line) {
            (None, "") => None,
            (None, BEGIN) => Some(String::new()),
            (None, _) => {
                return refuse(Code::IdentityChain, "the PEM text holds something other than certificates");
            }
            (Some(base64), END) => {
                match STANDARD.decode(&base64) {
                    Ok(der) if !der.is_empty() => certificates.push(der),
                    _ => return refuse(Code::IdentityChain, "a PEM block is not canonical base64"),
                }
                None
            }
            (Some(base64), line) => Some(base64 + line),
        };
    }
    if block.is_some() {
        return refuse(Code::IdentityChain, "a PEM block is not closed");
    }
    if certificates.is_empty() {
        return refuse(Code::IdentityChain, "the PEM text holds no certificate");
    }
    if certificates.len() > BUNDLE_ENTRIES_MAX {
        return refuse(
            Code::LimitSize,
            format!("the PEM text holds more than {BUNDLE_ENTRIES_MAX} certificates"),
        );
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [1, 47, 48, 49, 1_000] {
            let der = vec![7_u8; length];
            assert_eq!(from_pem(&to_pem(&der)).unwrap(), std::slice::from_ref(&der));
            let two = format!("{}\n{}", to_pem(&der), to_pem(&[1])).replace('\n', "\r\n");
            assert_eq!(from_pem(&two).unwrap(), [der, vec![1]]);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let good = to_pem(&[7; 100]);
        for bad in [
            String::new(),
            "\n\n".to_owned(),
            good.replace("CERTIFICATE", "PRIVATE KEY"),
            good.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
            good.replace(END, ""),
            good.replace(BEGIN, ""),
            format!("subject=CN = a\n{good}"),
            format!("{good}trailing"),
            good.replace("Bw", "B!"),
            good.replace("==", ""),
            format!("{BEGIN}\n{END}\n"),
            format!("{BEGIN}\n{good}"),
        ] {
            assert_eq!(from_pem(&bad).unwrap_err().code(), Code::IdentityChain, "{bad}");
        }
        let many = to_pem(&[7]).repeat(BUNDLE_ENTRIES_MAX + 1);
        assert_eq!(from_pem(&many).unwrap_err().code(), Code::LimitSize);
        let long = " ".repeat(SPIFFE_BUNDLE_BYTES_MAX + 1);
        assert_eq!(from_pem(&long).unwrap_err().code(), Code::LimitSize);
    }
}
