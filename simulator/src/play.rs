//! `zupynka simulate --scenario` and `--list`.

use std::sync::Arc;

use transit_model::clock::{ScaledClock, SharedClock};
use transit_model::time::UnixMs;

use crate::args::{Args, Failure, endpoints, say, secret, send, write_down};
use crate::scenario::Scenario;
use crate::send::Simulator;
use crate::written::Span;

/// A line for each scenario of the project.
pub(crate) fn list() -> Result<(), Failure> {
    Scenario::all()?.iter().try_for_each(|s| say(&format!("{:<20} {}", s.name, s.about)))
}

/// Plays a scenario to a server, from now on, or writes it down as it is.
pub(crate) async fn play(args: &Args, name: &str, now: UnixMs) -> Result<(), Failure> {
    let scenario = Scenario::find(name)?;
    if args.server.is_empty() {
        let opened = scenario.open()?;
        let fleet = opened.fleet();
        if let Some((what, why)) = fleet.plan(scenario.start.0).unmet.into_iter().next() {
            return Err(Failure::Unmet { scenario: name.to_owned(), kind: what.kind(), why });
        }
        return write_down(args, &fleet, Span::Window(opened.from, opened.to), scenario.start.0, 1);
    }
    let opened = scenario.open_at(Some(now))?;
    let fleet = opened.fleet();
    // At this hour of this day some of it may have nobody to happen to; the rest still does.
    for (what, why) in fleet.plan(opened.timetable.zone.date(now)).unmet {
        tracing::warn!(scenario = name, kind = what.kind(), %why, "cannot happen now");
    }
    let options = opened.options(endpoints(&args.server), secret(args.secret_file.as_deref())?);
    let clock: SharedClock = Arc::new(ScaledClock::starting(now, args.speed));
    let simulator = Simulator::new(Arc::clone(&opened.timetable), options, now)?;
    let stop_after = Some(args.stop_after.unwrap_or_else(|| scenario.seconds.unsigned_abs().into()));
    let whole = Args { stop_after, ..args.clone() };
    send(&whole, simulator, &clock, &opened.timetable).await
}
