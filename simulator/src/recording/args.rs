//! `zupynka simulate --recording`: its part of the command line, and what it prints.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use transit_model::clock::{Clock as _, ScaledClock, SharedClock, SystemClock};
use transit_model::gtfs;
use transit_model::time::{ServiceDate, ServiceTime};

use super::Player;
use super::calendar::{MoveError, move_calendar};
use super::case::{Case, CaseError};
use super::read::ReadError;
use super::shift::Shift;
use crate::args::{Args, Failure, endpoints, say, secret, write_devices};

/// A recording instead of a city.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Recordings")]
pub struct RecordingArgs {
    /// Play a recorded case as if its vehicles were here now: a folder with gtfs.zip and
    /// fixes/YYYY-MM-DD.csv.gz. The day that is most like today is moved to today; --write-gtfs writes the
    /// feed with its calendar moved by as much, for the server.
    #[arg(long, value_name = "CASE", conflicts_with_all = ["gtfs", "vehicles", "load", "fixes", "truth", "day"])]
    pub recording: Option<PathBuf>,
    /// Begin at this time of the day instead of the time it is; the play's clock says so too, so the
    /// server's must.
    #[arg(long, value_name = "HH:MM", requires = "recording", value_parser = time_of_day)]
    pub start: Option<ServiceTime>,
}

fn time_of_day(text: &str) -> Result<ServiceTime, String> {
    let whole = if text.matches(':').count() == 1 { format!("{text}:00") } else { text.to_owned() };
    whole.parse().map_err(|_| format!("`{text}` is not a time of the form HH:MM"))
}

/// Why a recording is not played.
#[derive(Debug, thiserror::Error)]
pub enum RecordingFailure {
    /// The folder is no case.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Its fixes cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its feed cannot be moved.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// Nothing to do with it.
    #[error("nothing to do with the recording: give --server to play it to, or --write-gtfs")]
    Nothing,
    /// Neither sent nor taken.
    #[error("none of the {0} fixes that were due was taken: {1} attempts found nobody, {2} were refused, {3} broke")]
    NothingTaken(u64, u64, u64, u64),
}

impl RecordingFailure {
    /// Whether the command line is to blame.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Nothing | Self::Case(_))
    }
}

/// Plays the recording that was asked for.
pub(crate) async fn run(args: &Args, folder: &std::path::Path) -> Result<(), Failure> {
    if args.server.is_empty() && args.write_gtfs.is_none() {
        return Err(RecordingFailure::Nothing.into());
    }
    let case = Case::open(folder).map_err(RecordingFailure::from)?;
    let loaded = gtfs::load(&case.gtfs, gtfs::feed_id_of(folder))?;
    let timetable = loaded.timetable;
    let zone = &timetable.zone;
    let now = SystemClock.now();
    let days: Vec<ServiceDate> = case.days.iter().map(|d| d.date).collect();
    let shift = Shift::to_today(&days, zone.date(now), zone).ok_or_else(|| CaseError::NoDays(folder.to_owned()));
    let shift = shift.map_err(RecordingFailure::from)?;
    if !args.json {
        say(&moved(&shift))?;
    }
    if let Some(out) = &args.write_gtfs {
        move_calendar(&case.gtfs, shift.days(), out).map_err(RecordingFailure::from)?;
    }
    if args.server.is_empty() {
        return Ok(());
    }
    let chance = (args.seed, secret(args.secret_file.as_deref())?);
    let player = Player::new(case, shift, chance, endpoints(&args.server), timetable.feed.clone());
    let player = player.map_err(RecordingFailure::from)?;
    let devices = player.devices();
    if let Some(path) = &args.devices {
        write_devices(path, &devices)?;
    }
    let from = args.recording.start.map_or(now, |t| zone.at(shift.to, t));
    let clock: SharedClock = Arc::new(ScaledClock::starting(from, args.speed));
    if !args.json {
        let (count, speed) = (devices.len(), args.speed);
        say(&format!("{count} devices, from {} on at {speed} times real time; Ctrl-C ends", from.rfc3339(zone)))?;
    }
    let stop = CancellationToken::new();
    let whole = args.stop_after.map(|s| clock.real(Duration::from_secs(s)));
    let mut playing = std::pin::pin!(player.play(&clock, &stop));
    let played = tokio::select! {
        played = &mut playing => played,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            stop.cancel();
            playing.await
        }
        () = async { match whole {
            Some(d) => tokio::time::sleep(d).await,
            None => std::future::pending().await,
        }} => {
            stop.cancel();
            playing.await
        }
    };
    let played = played.map_err(RecordingFailure::from)?;
    let s = played.sent;
    let text = format!(
        "{} fixes played, {} acknowledged, {} sent again, {} dropped; {} connections, {} found nobody, {} refused, {} broken, {} without an answer",
        played.fixes,
        s.acknowledged,
        s.resent,
        played.dropped,
        s.connections,
        s.unreachable,
        s.refused,
        s.broken,
        s.timed_out
    );
    say(&if args.json { serde_json::json!(played).to_string() } else { text })?;
    if played.fixes > 0 && s.acknowledged == 0 {
        return Err(RecordingFailure::NothingTaken(played.fixes, s.unreachable, s.refused, s.broken).into());
    }
    Ok(())
}

fn moved(shift: &Shift) -> String {
    let how = if shift.keeps_weekday() {
        format!("{} weeks", shift.days() / 7)
    } else {
        format!("{} days: no recorded day has today's weekday, so the calendar's weekdays turn with it", shift.days())
    };
    format!("{} is played as {}, moved by {how}", shift.from, shift.to)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_recording_goes_with_a_server_and_not_with_a_city() {
        let of = |words: &[&str]| Args::try_parse_from(std::iter::once(&"simulate").chain(words));
        let args =
            of(&["--recording", "case", "--start", "08:30", "--server", "teltonika=h:1", "--speed", "100"]).unwrap();
        assert_eq!(args.recording.start, Some(ServiceTime(8 * 3600 + 1800)));
        for bad in [
            vec!["--recording", "case", "--gtfs", "city.zip"],
            vec!["--recording", "case", "--load"],
            vec!["--recording", "case", "--start", "soon"],
            vec!["--start", "08:30"],
        ] {
            assert!(of(&bad).is_err(), "{bad:?}");
        }
    }
}
