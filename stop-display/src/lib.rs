//! A board at a stop: the engine's live message → what to show → frame → terminal.
//!
//! It decides nothing about predictions: it shows the labels it was sent, each in its time, and
//! nothing after they expire. The pure part is [`state`] (what it was sent), [`content`] (what that
//! shows at a moment) and [`frame`] (where it stands in so many cells); [`link`] is the socket.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, ValueEnum};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use transit_model::clock::{Clock, ScaledClock, SharedClock, SystemClock, entropy};
use transit_model::endpoint::{Server, ServerError};
use transit_model::lang::Lang;

use crate::content::{Shown, shown};
use crate::frame::plain;
use crate::link::{Refusal, Settings, follow};
use crate::state::{Display, Link};

pub mod content;
mod figures;
pub mod frame;
pub mod link;
pub mod state;
mod terminal;
pub mod words;

/// What a board is drawn on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Renderer {
    /// A full screen of text.
    Terminal,
    /// An LED matrix (not in this build).
    Led,
    /// A picture (not in this build).
    Png,
}

/// What `--once` prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Output {
    /// Lines of text, as on a screen of 80 columns.
    Text,
    /// What is shown, as one JSON object.
    Json,
}

/// Shows the departures of a stop, full screen, as they change.
///
/// The board counts down by the server's clock, says so when the link is lost and since when, and
/// shows nothing once what it was sent has expired. It keeps trying for as long as it runs; only
/// when the server answers the very first request with a plain refusal (404: no such stop, or
/// another 4xx) does it end, with exit code 1, for that is most likely a mistyped --stop or --server.
///
/// Keys: q, Esc or Ctrl-C end it. Rows that do not fit turn page by page every eight seconds.
#[derive(Clone, Debug, Parser)]
#[command(name = "stop-display", version)]
pub struct Args {
    /// Address of the server; https and a path under a host work too
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    pub server: String,
    /// The stop: its stop_id in the feed
    #[arg(long, value_name = "ID")]
    pub stop: String,
    /// What to draw on
    #[arg(long, value_enum, default_value_t = Renderer::Terminal)]
    pub renderer: Renderer,
    /// Language of the board: uk or en
    #[arg(long, value_name = "LANG", default_value_t = Lang::Uk)]
    pub lang: Lang,
    /// Print the board once and end; works without a terminal
    #[arg(long)]
    pub once: bool,
    /// What --once prints
    #[arg(long, value_enum, default_value_t = Output::Text, requires = "once")]
    pub output: Output,
}

/// Why a board ended.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The address is none.
    #[error("--server: {0}")]
    Server(#[from] ServerError),
    /// The renderer is not built in.
    #[error("--renderer {0}: this build draws on a terminal only")]
    Renderer(&'static str),
    /// The server said no.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// `--once` found no board.
    #[error("{0}")]
    NoBoard(String),
    /// There is no screen to draw on.
    #[error("standard output is not a terminal: add --once to print the board once")]
    NoTerminal,
    /// The terminal, the clock or the pipe failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Failure {
    /// 1: what was asked for failed; 2: it was asked for wrongly.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Server(_) | Self::Renderer(_) | Self::NoTerminal => ExitCode::from(2),
            Self::Refused(_) | Self::NoBoard(_) | Self::Io(_) => ExitCode::from(1),
        }
    }
}

/// Runs a board until it is ended.
///
/// # Errors
/// See [`Failure`]; its text is one line that names what failed.
pub async fn run(args: Args) -> Result<(), Failure> {
    match args.renderer {
        Renderer::Terminal => {}
        Renderer::Led => return Err(Failure::Renderer("led")),
        Renderer::Png => return Err(Failure::Renderer("png")),
    }
    let settings = Settings::new(args.server.parse::<Server>()?, args.stop.clone(), args.lang);
    if !args.once && !std::io::stdout().is_terminal() {
        return Err(Failure::NoTerminal);
    }
    // One provider of cryptography for the process; a second call finds the first one's, which is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The system's time once, then a monotone count: a board whose clock is set while it runs must not jump.
    let clock: SharedClock = Arc::new(ScaledClock::starting(SystemClock.now(), 1.0));
    let chance = StdRng::from_seed(entropy()?);
    let (known, display) = watch::channel(Display::default());
    let link = follow(&settings, &clock, chance, &known);
    if args.once {
        return tokio::select! {
            refusal = link => Err(refusal.into()),
            printed = once(&args, display, &clock) => printed,
        };
    }
    let screen = terminal::Screen { display, clock: &clock, lang: args.lang, stop: &args.stop };
    tokio::select! {
        refusal = link => Err(refusal.into()),
        ended = terminal::run(screen) => Ok(ended?),
    }
}

/// Prints the first board that comes.
async fn once(args: &Args, mut display: watch::Receiver<Display>, clock: &SharedClock) -> Result<(), Failure> {
    let settled = |d: &Display| d.live().board().is_some() || matches!(d.link(), Link::Lost { .. });
    let known = display.wait_for(settled).await.map_err(|e| Failure::NoBoard(e.to_string()))?.clone();
    if let (None, Link::Lost { why, .. }) = (known.live().board(), known.link()) {
        return Err(Failure::NoBoard(why.clone()));
    }
    let text = printed(&shown(&known, clock.now(), args.lang, &args.stop), args.output)?;
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    // Whoever reads the pipe may have had enough of it.
    Ok(written.or_else(|e| if e.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(e) })?)
}

/// What `--once` prints: every row, however many there are.
fn printed(shown: &Shown, output: Output) -> Result<String, Failure> {
    match output {
        Output::Json => {
            let json = serde_json::to_string_pretty(shown).map_err(std::io::Error::from)?;
            Ok(json + "\n")
        }
        Output::Text => Ok(plain(shown, 80)),
    }
}
