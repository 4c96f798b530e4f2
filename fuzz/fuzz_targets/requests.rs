//! Any bytes as a request, a topic or a payload of any protocol that is no stream.
#![no_main]

libfuzzer_sys::fuzz_target!(init: zupynka_fuzz::seeds::write(), |data: &[u8]| zupynka_fuzz::requests::run(data));
