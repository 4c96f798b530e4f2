//! Loads feeds and prints what they hold, how long it took and what is wrong in them:
//! `cargo run --release -p transit-model --example load -- FEED.zip …`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use transit_model::clock::Stopwatch;
use transit_model::gtfs;

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        let watch = Stopwatch::start();
        match gtfs::load(&path, gtfs::feed_id_of(&path)) {
            Ok(loaded) => {
                println!("== {} in {:.0?}\n{}", path.display(), watch.elapsed(), loaded.report);
            }
            Err(e) => {
                println!("== {e}");
                code = ExitCode::FAILURE;
            }
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find(|l| l.starts_with("VmHWM")) {
        println!("{peak}");
    }
    code
}
