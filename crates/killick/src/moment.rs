//! Points in time as people and programs write them: seconds since 1970, or `2026-05-01T12:00:00Z` (RFC 3339).

/// Reads a point in time; seconds since the epoch. Errs with one sentence.
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("`{text}` is no point in time; write seconds since 1970, or e.g. 2026-05-01T12:00:00Z");
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| wrong());
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(time.as_second()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        assert_eq!(parse("1618884473"), Ok(1_618_884_473));
        assert_eq!(parse("2021-04-20T02:07:53Z"), Ok(1_618_884_473));
        assert_eq!(parse("2021-04-20T04:07:53+02:00"), Ok(1_618_884_473));
        for given in
            ["", "-1", "+1", "1.5", "now", "2021-04-20", "2021-04-20T02:07:53", "1960-01-01T00:00:00Z"]
        {
            assert!(parse(given).is_err(), "{given}");
        }
    }
}
