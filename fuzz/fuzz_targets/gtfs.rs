//! Any bytes as a file of a feed.
#![no_main]

libfuzzer_sys::fuzz_target!(init: zupynka_fuzz::seeds::write(), |data: &[u8]| zupynka_fuzz::gtfs::run(data));
