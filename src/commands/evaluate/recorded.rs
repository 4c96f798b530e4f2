//! Predictions in files against truth in files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use eta_engine::accuracy::files;
use eta_engine::accuracy::histogram::Scale;
use eta_engine::accuracy::scorer::Scorer;
use eta_engine::accuracy::tally::Tally;
use eta_engine::accuracy::truth::{Truth, TruthBuilder};
use indicatif::{ProgressBar, ProgressStyle};
use transit_model::time::{ServiceTime, UnixMs};
use transit_model::timetable::Timetable;

use super::Args;
use crate::cli::Failure;

/// Rows between two looks at the progress.
const LOOK: u64 = 1 << 16;

/// What was judged.
pub(super) struct Judged {
    /// The measures.
    pub(super) tally: Tally,
    /// What runs were known by.
    pub(super) timetable: Arc<Timetable>,
    /// The service days of the truth, for people.
    pub(super) days: String,
}

/// Judges the predictions of some files.
pub(super) fn judge(args: &Args) -> Result<Judged, Failure> {
    let Some(gtfs) = &args.gtfs else { return Err(Failure::usage(anyhow::anyhow!("--gtfs is needed"))) };
    let feed = transit_model::gtfs::load(gtfs, transit_model::gtfs::feed_id_of(gtfs)).map_err(anyhow::Error::from)?;
    let timetable = Arc::new(feed.timetable);
    let truth = read(&timetable, &args.truth, None)?;
    let Some((_, day_start)) = truth.first_day() else {
        return Err(Failure::from(anyhow::anyhow!("the truth holds no arrival: there is nothing to judge by")));
    };
    let history = match args.history.as_slice() {
        [] => None,
        files => Some(read(&timetable, files, args.history_until)?),
    };
    let at = |t: ServiceTime| day_start.plus_secs(i64::from(t.0));
    let window = args.from.map(at).zip(args.to.map(at));
    if window.is_some_and(|(from, to)| from >= to) {
        return Err(Failure::usage(anyhow::anyhow!("--from must come before --to")));
    }
    let mut dates: Vec<_> = truth.runs().iter().map(|r| r.date).collect();
    dates.sort_unstable();
    dates.dedup();
    let names: Vec<String> = dates.iter().map(|d| d.date().strftime("%d.%m.%Y").to_string()).collect();
    let days = names.join(", ");
    let mut scorer = Scorer::new(Arc::clone(&timetable), truth, history.as_ref(), window, Scale::Fine);
    let bar = if args.quiet || args.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} predictions  {per_sec}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut rows = 0u64;
    for path in &args.predictions {
        files::predictions(path, |row| {
            rows += 1;
            if rows.is_multiple_of(LOOK) {
                bar.set_position(rows);
            }
            scorer.take(row)
        })
        .map_err(anyhow::Error::from)?;
    }
    bar.finish_and_clear();
    Ok(Judged { tally: scorer.finish(), timetable, days })
}

/// The truth of some files; with `until`, only what came before that time of its first day.
fn read(timetable: &Arc<Timetable>, paths: &[PathBuf], until: Option<ServiceTime>) -> anyhow::Result<Truth> {
    let mut truth = TruthBuilder::new(Arc::clone(timetable));
    let mut end: Option<UnixMs> = None;
    for path in paths {
        files::truth(path, |row| {
            let end = *end.get_or_insert_with(|| until.map_or(UnixMs(i64::MAX), |u| timetable.zone.at(row.date, u)));
            if row.arrival.is_none_or(|at| at < end) {
                truth.push(row);
            }
        })
        .context("the truth cannot be used")?;
    }
    Ok(truth.build())
}
