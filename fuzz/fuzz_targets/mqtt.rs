//! Any bytes as what a client sends to our MQTT endpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(init: zupynka_fuzz::seeds::write(), |data: &[u8]| zupynka_fuzz::mqtt::run(data));
