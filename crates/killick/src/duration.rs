//! Lengths of time as people write them: `90s`, `15m`, `1h`, `7d`.

/// Reads a length of time; seconds. Errs with one sentence.
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a length of time; write e.g. 90s, 15m, 1h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number = text.strip_suffix(unit).unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let secs = number.parse::<u64>().ok().and_then(|count| count.checked_mul(factor)).ok_or_else(wrong)?;
    if secs == 0 {
        return Err(format!("`{text}` is no time at all"));
    }
    Ok(secs)
}

/// Writes a length of time in its largest whole unit.
pub fn text(secs: u64) -> String {
    for (factor, unit) in [(86_400, 'd'), (3_600, 'h'), (60, 'm')] {
        if secs >= factor && secs.is_multiple_of(factor) {
            return format!("{}{unit}", secs / factor);
        }
    }
    format!("{secs}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_units_are_read_and_written_back() {
        for (given, secs) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(parse(given), Ok(secs));
            assert_eq!(text(secs), given);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for given in ["", "1", "h", "-1h", "1.5h", "0s", "1 h", "99999999999999999999d", "1é"] {
            assert!(parse(given).is_err(), "{given}");
        }
    }
}
