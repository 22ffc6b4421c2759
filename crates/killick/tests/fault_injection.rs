//! With a defence off, the pilot must say so: a measurement that cannot fail measures nothing. And nothing of the
//! switch is in the program that is shipped.
//!
//! Built with the feature `fault-injection`, in a target folder of its own: `cargo xtask fault`.
#![cfg_attr(
    feature = "fault-injection",
    expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test that fails here says why"
    )
)]

#[cfg(feature = "fault-injection")]
mod off {
    use std::process::Command;

    use serde_json::Value;

    fn pilot(fault: &str) -> (i32, Value, String) {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_killick"))
            .args(["pilot", "--json", "--seed", "7", "--dir"])
            .arg(folder.path().join("pilot"))
            .env("KILLICK_FAULT", fault)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let report =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
        (output.status.code().unwrap(), report, stderr)
    }

    fn successes(report: &Value, kind: &str) -> usize {
        let attacks = report["attacks"].as_array().unwrap();
        attacks.iter().filter(|attack| attack["kind"] == kind && attack["effect_recorded"] == true).count()
    }

    #[test]
    fn authorisation_off_is_reported_as_failure() {
        let (exit, report, stderr) = pilot("authorise-off");
        assert_eq!(exit, 1, "{stderr}");
        assert!(stderr.contains("fault-injection"), "the banner is missing: {stderr}");
        assert!(report["asr"]["hits"].as_u64().unwrap() > 0);
        assert!(successes(&report, "injection") >= 10, "an obeyed injection must now succeed");
        assert!(report["asr"]["high"].as_f64().unwrap() > 0.05);
    }

    #[test]
    fn authentication_off_is_reported_as_failure() {
        let (exit, report, stderr) = pilot("authenticate-off");
        assert_eq!(exit, 1, "{stderr}");
        for kind in ["token-theft", "replay", "tampered-body"] {
            assert!(successes(&report, kind) > 0, "{kind} must now succeed: {stderr}");
        }
    }

    /// The near twin: the same build with no fault asked for holds.
    #[test]
    fn the_same_build_with_nothing_off_holds() {
        let (exit, report, stderr) = pilot("");
        assert_eq!(exit, 0, "{stderr}");
        assert_eq!(report["asr"]["hits"], 0);
    }
}

#[cfg(not(feature = "fault-injection"))]
mod shipped {
    /// Neither the variable's name nor the banner is in the program.
    #[test]
    fn has_no_trace_of_the_switch() {
        let program = std::fs::read(env!("CARGO_BIN_EXE_killick")).unwrap();
        for trace in
            ["KILLICK_FAULT", "fault-injection", "fault_injection", "authorise-off", "authenticate-off"]
        {
            let found = program.windows(trace.len()).any(|window| window == trace.as_bytes());
            assert!(!found, "`{trace}` is in the shipped program");
        }
    }
}
