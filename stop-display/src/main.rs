//! `stop-display`: the board alone, for the device at the stop. The same as `zupynka board`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match stop_display::run(stop_display::Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell when standard error is gone as well.
            let _ = writeln!(std::io::stderr(), "stop-display: {failure}");
            failure.exit_code()
        }
    }
}
