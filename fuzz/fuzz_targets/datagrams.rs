//! Any bytes as one datagram of any protocol.
#![no_main]

libfuzzer_sys::fuzz_target!(init: zupynka_fuzz::seeds::write(), |data: &[u8]| zupynka_fuzz::datagrams::run(data));
