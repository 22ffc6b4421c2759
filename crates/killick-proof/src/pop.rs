//! The PoP JWT of the AAT draft (section 5): possession shown where there is no HTTP request to sign.
