#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    killick_fuzz::token::run(data);
});
