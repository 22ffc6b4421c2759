#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    killick_fuzz::bundle::run(data);
});
