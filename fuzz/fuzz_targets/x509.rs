#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    killick_fuzz::x509::run(data);
});
