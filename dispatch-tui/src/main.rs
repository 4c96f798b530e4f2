//! `dispatch-tui`: the dispatcher's terminal alone. The same as `zupynka dispatch`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match dispatch_tui::run(dispatch_tui::Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell when standard error is gone as well.
            let _ = writeln!(std::io::stderr(), "dispatch-tui: {failure}");
            failure.exit_code()
        }
    }
}
