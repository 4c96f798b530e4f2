//! A running system against a truth it does not know: the simulator's, which is a pure function of feed, seed
//! and day, or a file's. Predictions come over the public API, as any passenger's application gets them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use eta_engine::accuracy::files;
use eta_engine::accuracy::histogram::Scale;
use eta_engine::accuracy::measure::{Errors, Measures, Sample, Share, Who};
use eta_engine::accuracy::scorer::{OutOfOrder, PredictionRow, Scorer};
use eta_engine::accuracy::tally::Tally;
use eta_engine::accuracy::truth::{StopRow, Truth, TruthBuilder};
use indicatif::ProgressBar;
use reqwest::{Client, Url};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use simulator::fleet::{Fleet, FleetOptions};
use transit_model::clock::Stopwatch;
use transit_model::gtfs;
use transit_model::ids::FeedId;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

/// Predictions are asked for so often, seconds of the city: twice for each sample.
const ASK_EVERY: f64 = 30.0;
/// But never more often, nor more seldom, real time.
const ASK: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(15));
/// An answer may take so long.
const PATIENCE: Duration = Duration::from_secs(20);
/// After so many questions in a row without an answer the server is given up.
const TRIES: u32 = 8;
/// Vehicles of one answer.
const PAGE: usize = 5000;

/// What a live evaluation is made with.
#[derive(Clone, Debug)]
pub struct Live {
    /// The server.
    pub server: Url,
    /// The feed; the server's own where none is given.
    pub gtfs: Option<PathBuf>,
    /// Files of truth; the simulator's where none is given.
    pub truth: Vec<PathBuf>,
    /// The simulator's fleet, as it was driven.
    pub fleet: FleetOptions,
    /// How long, seconds of the city; until it is stopped where none is given.
    pub seconds: Option<i64>,
}

/// What a live evaluation found.
#[derive(Debug)]
pub struct Found {
    /// The measures.
    pub tally: Tally,
    /// What it was judged by.
    pub timetable: Arc<Timetable>,
    /// Of looks at vehicles that were truly on a trip, those that said so.
    pub on_true_trip: Share,
    /// Of the same looks, those that said no trip at all.
    pub on_no_trip: Share,
    /// When the first predictions were made, and the last.
    pub span: (UnixMs, UnixMs),
}

#[derive(Deserialize)]
struct FeedList {
    feeds: Vec<FeedItem>,
}

#[derive(Deserialize)]
struct FeedItem {
    id: String,
    gtfs: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    now: UnixMs,
    predictions: Vec<OfVehicle>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct OfVehicle {
    id: String,
    fix_time: UnixMs,
    trip: Option<OnTrip>,
    trips: Vec<OfTrip>,
}

#[derive(Deserialize)]
struct OnTrip {
    trip_id: String,
    service_date: ServiceDate,
}

#[derive(Deserialize)]
struct OfTrip {
    trip_id: String,
    service_date: ServiceDate,
    calls: Vec<Call>,
}

#[derive(Deserialize)]
struct Call {
    stop_sequence: u32,
    stop_id: String,
    arrival: Option<UnixMs>,
    arrival_p10: Option<UnixMs>,
    arrival_p90: Option<UnixMs>,
}

/// A time a vehicle was truly on a trip.
struct Span {
    date: ServiceDate,
    trip: String,
    from: UnixMs,
    to: UnixMs,
}

/// The truth: arrivals to judge predictions by, and who was on which trip.
struct Truths {
    arrivals: Truth,
    spans: FxHashMap<String, Vec<Span>>,
}

struct Server {
    http: Client,
    url: Url,
}

impl Server {
    fn at(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Url> {
        let mut url = self.url.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().extend(path),
            Err(()) => bail!("{} is no address of a server", self.url),
        };
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn get(&self, url: Url) -> anyhow::Result<reqwest::Response> {
        let answer = self.http.get(url.clone()).timeout(PATIENCE).send().await;
        let answer = answer.with_context(|| format!("{url} does not answer"))?;
        answer.error_for_status().context("the server refuses")
    }

    async fn feed(&self) -> anyhow::Result<FeedItem> {
        let list: FeedList =
            self.get(self.at(&["v1", "feeds"], &[])?).await?.json().await.context("/v1/feeds is not of the form")?;
        list.feeds.into_iter().next().context("the server has no feed")
    }

    async fn timetable(&self, feed: &FeedItem) -> anyhow::Result<Timetable> {
        let Some(path) = &feed.gtfs else { bail!("the server does not give its feed away: say it with --gtfs") };
        let zip = self.get(self.url.join(path)?).await?.bytes().await.context("the server's feed cannot be fetched")?;
        Ok(gtfs::load_zip(path, &zip, FeedId::from(feed.id.as_str()))?.timetable)
    }

    /// Everything that is promised now.
    async fn predictions(&self, feed: &str) -> anyhow::Result<Answer> {
        let mut all: Option<Answer> = None;
        loop {
            let after = all.as_ref().and_then(|a| a.next.clone()).unwrap_or_default();
            let query = [("limit", &*PAGE.to_string()), ("after", &*after)];
            let url = self.at(&["v1", "feeds", feed, "predictions"], &query)?;
            let page: Answer =
                self.get(url).await?.json().await.context("the server's predictions are not of the form")?;
            let whole = match all {
                // The world may have moved on between two pages: what was made later is said to be so.
                Some(mut before) => {
                    before.predictions.extend(page.predictions);
                    Answer { next: page.next, ..before }
                }
                None => page,
            };
            if whole.next.is_none() {
                return Ok(whole);
            }
            all = Some(whole);
        }
    }
}

/// Judges a running server until the time is over or `stop` ends.
///
/// # Errors
/// When the server does not answer, gives what is not understood, or sets its clock back.
pub async fn judge(live: &Live, bar: &ProgressBar, stop: impl Future<Output = ()>) -> anyhow::Result<Found> {
    let server = Server { http: Client::new(), url: live.server.clone() };
    let feed = server.feed().await?;
    let timetable = Arc::new(match &live.gtfs {
        Some(path) => gtfs::load(path, FeedId::from(feed.id.as_str()))?.timetable,
        None => server.timetable(&feed).await?,
    });
    let first = server.predictions(&feed.id).await?;
    let began = first.now;
    let Truths { arrivals, spans } = truths(live, &timetable, began)?;
    if arrivals.runs().is_empty() {
        bail!("the truth holds no arrival on the days around {}", began.rfc3339(&timetable.zone));
    }
    let window = Some((began, UnixMs(i64::MAX)));
    let mut watch = Watch {
        scorer: Scorer::new(Arc::clone(&timetable), arrivals, None, window, Scale::Fine),
        spans,
        on_true_trip: Share::default(),
        on_no_trip: Share::default(),
        last: None,
    };
    watch.take(&first)?;
    let until = live.seconds.map(|s| began.plus_secs(s));
    let (clock, mut now, mut pause, mut failures) = (Stopwatch::start(), began, ASK.0, 0);
    tokio::pin!(stop);
    while until.is_none_or(|end| now < end) {
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep(pause) => {}
        }
        match server.predictions(&feed.id).await {
            Ok(answer) => {
                failures = 0;
                now = answer.now;
                watch.take(&answer)?;
                let passed = (now.secs_f64() - began.secs_f64()) / clock.elapsed().as_secs_f64().max(1e-3);
                pause = Duration::from_secs_f64(ASK_EVERY / passed.max(0.1)).clamp(ASK.0, ASK.1);
                bar.set_message(watch.line(&timetable, now));
            }
            Err(error) if failures + 1 >= TRIES => return Err(error),
            Err(error) => {
                failures += 1;
                pause = (pause * 2).min(ASK.1);
                bar.set_message(format!("{error:#}; asked again ({failures} of {TRIES})"));
            }
        }
    }
    watch.scorer.ends_at(now.plus_secs(1));
    Ok(Found {
        tally: watch.scorer.finish(),
        timetable,
        on_true_trip: watch.on_true_trip,
        on_no_trip: watch.on_no_trip,
        span: (began, now),
    })
}

struct Watch {
    scorer: Scorer,
    spans: FxHashMap<String, Vec<Span>>,
    on_true_trip: Share,
    on_no_trip: Share,
    last: Option<UnixMs>,
}

impl Watch {
    fn take(&mut self, answer: &Answer) -> anyhow::Result<()> {
        if self.last == Some(answer.now) {
            return Ok(());
        }
        self.last = Some(answer.now);
        for vehicle in &answer.predictions {
            self.matched(vehicle);
            for trip in &vehicle.trips {
                for call in &trip.calls {
                    let Some(arrival) = call.arrival else { continue };
                    let interval = call.arrival_p10.zip(call.arrival_p90);
                    let row = PredictionRow {
                        date: trip.service_date,
                        trip: &trip.trip_id,
                        seq: call.stop_sequence,
                        stop: &call.stop_id,
                        sample: Sample { made: answer.now, arrival, interval },
                    };
                    let taken = self.scorer.take(&row);
                    taken.map_err(|OutOfOrder| anyhow::anyhow!("the server's clock went back"))?;
                }
            }
        }
        Ok(())
    }

    /// Whether a vehicle is said to be on the trip it was on when it was last heard.
    fn matched(&mut self, v: &OfVehicle) {
        let of_vehicle = self.spans.get(&v.id).map_or(&[][..], Vec::as_slice);
        let Some(truth) = of_vehicle.iter().find(|s| s.from <= v.fix_time && v.fix_time <= s.to) else { return };
        let said = v.trip.as_ref();
        let right = said.is_some_and(|t| t.trip_id == truth.trip && t.service_date == truth.date);
        self.on_true_trip.add(right);
        self.on_no_trip.add(said.is_none());
    }

    fn line(&self, t: &Timetable, now: UnixMs) -> String {
        let cell = self.scorer.so_far().all();
        let mae = |w: Who| cell.of(w).map(Measures::all).as_ref().and_then(Errors::mae);
        let shown = |s: Option<f64>| s.map_or_else(|| "-".to_owned(), |s| format!("{s:.0} s"));
        format!(
            "{}  {} judged, error {} (timetable {}), {} on their true trip",
            t.zone.hhmm(now),
            cell.unproven.of - cell.unproven.good,
            shown(mae(Who::Ours)),
            shown(mae(Who::Sched)),
            self.on_true_trip.share().map_or_else(|| "-".to_owned(), |s| format!("{:.1} %", s * 100.0))
        )
    }
}

fn truths(live: &Live, timetable: &Arc<Timetable>, now: UnixMs) -> anyhow::Result<Truths> {
    let mut builder = TruthBuilder::new(Arc::clone(timetable));
    let mut spans: FxHashMap<String, Vec<Span>> = FxHashMap::default();
    let mut take = |row: &StopRow<'_>| {
        builder.push(row);
        let times = row.arrival.into_iter().chain(row.departure);
        let of_vehicle = spans.entry(row.vehicle.to_owned()).or_default();
        for at in times {
            match of_vehicle.last_mut().filter(|s| s.trip == row.trip && s.date == row.date) {
                Some(span) => (span.from, span.to) = (span.from.min(at), span.to.max(at)),
                None => of_vehicle.push(Span { date: row.date, trip: row.trip.to_owned(), from: at, to: at }),
            }
        }
    };
    for path in &live.truth {
        files::truth(path, &mut take)?;
    }
    if live.truth.is_empty() {
        let fleet = Fleet::new(Arc::clone(timetable), live.fleet.clone());
        let today = timetable.zone.date(now);
        for date in [-1, 0, 1].map(|n| today.plus_days(n)) {
            simulated(&fleet, date, &mut take);
        }
    }
    Ok(Truths { arrivals: builder.build(), spans })
}

/// The truth of a simulated day.
fn simulated(fleet: &Fleet, date: ServiceDate, take: &mut dyn FnMut(&StopRow<'_>)) {
    let t = fleet.timetable();
    for vehicle in &fleet.plan(date).vehicles {
        for s in vehicle.stops() {
            let Some(call) = t.pattern_of(s.trip).call(s.call) else { continue };
            take(&StopRow {
                date,
                trip: &t.trips.at(s.trip).id,
                vehicle: vehicle.vehicle.as_str(),
                seq: call.seq.0,
                stop: &t.stops.at(call.stop).id,
                arrival: s.arrival,
                departure: s.departure,
            });
        }
    }
}
