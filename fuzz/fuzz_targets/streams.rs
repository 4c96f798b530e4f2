//! Any bytes as a connection of any protocol over a stream, whole and in pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(init: zupynka_fuzz::seeds::write(), |data: &[u8]| zupynka_fuzz::streams::run(data));
