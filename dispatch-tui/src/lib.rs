//! The dispatcher's terminal: what needs somebody now, every route, every vehicle, on a live stream.
//!
//! Pure state, update and views; [`link`] is the socket and `terminal` the screen. It only reads.
//!
//! | module | what it is |
//! |---|---|
//! | [`live`] | the feed as the messages make it, the server's clock, the link |
//! | [`state`], [`update`] | what the dispatcher looks at; what a key makes of it |
//! | [`keys`] | the one table of keys: bindings, help, context bar |
//! | [`position`] | the place of a vehicle on a rail, shared by every view |
//! | [`views`] | one file a view: its rows as data, and how they are drawn |
//! | [`once`] | the same rows as JSON, CSV or a table |

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use transit_model::clock::{Clock, ScaledClock, SharedClock, SystemClock, entropy};
use transit_model::endpoint::{Server, ServerError};
use transit_model::lang::Lang;

use crate::link::{Refusal, Settings, follow};
use crate::live::{Link, Live};
use crate::once::{Output, Question, View};
use crate::state::{App, Screen, Spot};
use crate::token::{Token, TokenError};

pub mod keys;
pub mod link;
pub mod live;
pub mod once;
pub mod position;
pub mod search;
pub mod state;
mod terminal;
mod theme;
pub mod token;
pub mod update;
pub mod views;
pub mod words;

/// Shows a dispatcher every route and vehicle of a feed, live, what needs attention first.
///
/// The server wants a token of the role `dispatcher`: from --token-file, or else from the environment
/// variable ZUPYNKA_TOKEN; `zupynka demo` leaves one in zupynka-data/dispatcher.token. When the link
/// is lost the last known state stays on the screen, marked as such, and the program keeps trying;
/// a refused token ends it with exit code 1.
///
/// Press ? for the keys. With --once it prints a view and ends, without a terminal.
#[derive(Clone, Debug, Parser)]
#[command(name = "dispatch-tui", version)]
pub struct Args {
    /// Address of the server; https and a path under a host work too
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    pub server: String,
    /// File with the dispatcher's token
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Language to start in, uk or en; L switches
    #[arg(long, value_name = "LANG", default_value_t = Lang::Uk)]
    pub lang: Lang,
    /// The view to open, or to print
    #[arg(long, value_enum, value_name = "NAME", default_value_t = View::Overview, hide_possible_values = true,
          help = "The view to open, or to print: overview, ladder, vehicle, machinery or devices (headways, map, alerts, stop, equipment, accuracy and log are not in this build yet)")]
    pub view: View,
    /// Route of the ladder: its route_id or its number
    #[arg(long, value_name = "ROUTE")]
    pub route: Option<String>,
    /// Vehicle of the vehicle view
    #[arg(long, value_name = "VEHICLE")]
    pub vehicle: Option<String>,
    /// Print the view once and end
    #[arg(long)]
    pub once: bool,
    /// How --once prints
    #[arg(long, value_enum, default_value_t = Output::Table, requires = "once")]
    pub output: Output,
}

/// Why the program ended.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The address is none.
    #[error("--server: {0}")]
    Server(#[from] ServerError),
    /// The token cannot be had.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The view is a later build's.
    #[error("--view {0}: not in this build yet; it has overview, ladder, vehicle, machinery and devices")]
    NotBuilt(String),
    /// A view lacks what it is about.
    #[error("{0} --once needs {1}")]
    Missing(&'static str, &'static str),
    /// There is no screen to draw on.
    #[error("standard output is not a terminal: add --once to print a view once")]
    NoTerminal,
    /// The server said no.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// What was asked about is not there.
    #[error("no {0} `{1}` in feed `{2}`")]
    NoSuch(&'static str, String, String),
    /// `--once` found no stream.
    #[error("{0}")]
    NoStream(String),
    /// The terminal or the pipe failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Failure {
    /// 1: what was asked for failed; 2: it was asked for wrongly.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Server(_) | Self::Token(_) | Self::NotBuilt(_) | Self::Missing(..) | Self::NoTerminal => 2,
            Self::Refused(_) | Self::NoSuch(..) | Self::NoStream(_) | Self::Io(_) => 1,
        })
    }
}

/// Runs until the dispatcher quits, or prints a view once.
///
/// # Errors
/// See [`Failure`]; its text is one line that names what failed.
pub async fn run(args: Args) -> Result<(), Failure> {
    let question = Question { view: args.view, route: args.route.clone(), vehicle: args.vehicle.clone() };
    check(&args)?;
    let token = Token::find(args.token_file.as_deref(), std::env::var("ZUPYNKA_TOKEN").ok())?;
    let settings = Settings::new(args.server.parse::<Server>()?, token);
    if !args.once && !std::io::stdout().is_terminal() {
        return Err(Failure::NoTerminal);
    }
    // One provider of cryptography for the process; a second call finds the first one's, which is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The system's time once, then a monotone count: ages must not jump when the computer's clock is set.
    let clock: SharedClock = Arc::new(ScaledClock::starting(SystemClock.now(), 1.0));
    let chance = StdRng::from_seed(entropy()?);
    let (known, live) = watch::channel(Live::default());
    let link = follow(&settings, &clock, chance, &known);
    if args.once {
        return tokio::select! {
            refusal = link => Err(refusal.into()),
            printed = once(&question, args.output, live, &clock) => printed,
        };
    }
    tokio::select! {
        refusal = link => Err(refusal.into()),
        ended = terminal::run(start(&args), live, &clock) => Ok(ended?),
    }
}

/// What can be said before anybody is asked.
fn check(args: &Args) -> Result<(), Failure> {
    match args.view {
        view if !view.is_built() => Err(Failure::NotBuilt(view.name())),
        View::Ladder if args.once && args.route.is_none() => Err(Failure::Missing("--view ladder", "--route")),
        View::Vehicle if args.once && args.vehicle.is_none() => Err(Failure::Missing("--view vehicle", "--vehicle")),
        _ => Ok(()),
    }
}

/// The state to start in.
fn start(args: &Args) -> App {
    let screen = match args.view {
        View::Ladder => Screen::Ladder,
        View::Vehicle => Screen::Vehicle,
        View::Devices => Screen::Devices,
        View::Machinery => Screen::Machinery,
        _ => Screen::Overview,
    };
    let spot = Spot { screen, route: args.route.clone(), vehicle: args.vehicle.clone(), ..Spot::default() };
    App { spot, ..App::new(args.lang) }
}

/// Prints a view of the first state that comes.
async fn once(
    question: &Question,
    output: Output,
    mut live: watch::Receiver<Live>,
    clock: &SharedClock,
) -> Result<(), Failure> {
    let settled = |l: &Live| l.state().is_some() || matches!(l.link(), Link::Lost { .. });
    let known = live.wait_for(settled).await.map_err(|e| Failure::NoStream(e.to_string()))?.clone();
    let Some(now) = views::now(&known, clock.now()) else {
        let why = if let Link::Lost { why, .. } = known.link() { why.clone() } else { String::new() };
        return Err(Failure::NoStream(why));
    };
    let text = once::answer(now, question, output)?;
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    // Whoever reads the pipe may have had enough of it.
    Ok(written.or_else(|e| if e.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(e) })?)
}
