#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    killick_fuzz::spiffe_id::run(data);
});
