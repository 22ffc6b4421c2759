//! Test keys and worlds, made the way everyone makes them: by signing. Nothing here bypasses verification.
