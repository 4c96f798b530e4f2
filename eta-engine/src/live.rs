//! The engine on a running clock: takes fixes as they come, publishes worlds, and hands what must
//! outlive the process to a writer of its own, so that a slow disk never holds a prediction up.
//!
//! The one task that owns the [`Engine`]; everything it decides is decided in there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use transit_model::clock::{SharedClock, Stopwatch};
use transit_model::dispatch::VehicleKind;
use transit_model::fix::Fix;
use transit_model::ids::VehicleId;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::warfare::Raid;

use crate::accuracy::book::{Book, DAYS};
use crate::accuracy::judge::Judge;
use crate::accuracy::tally::Tally;
use crate::engine::Engine;
use crate::engine::run::StopEvent;
use crate::explain::Question;
use crate::machinery::{Machinery, Unsaved};
use crate::metrics::EngineMetrics;
use crate::store::{ModelUpdate, StopEventRow, Store, StoreError};
use crate::world::World;

/// How often a world is published at most, real time.
const ROUND: Duration = Duration::from_millis(250);
/// How often vehicles that send nothing are predicted again, seconds of clock.
const REPREDICT: i64 = 5;
/// How often what was learned is saved, real time.
const SAVE: Duration = Duration::from_secs(60);
/// How often accuracy is saved, real time.
const SAVE_ACCURACY: Duration = Duration::from_secs(300);
/// How many fixes are taken before looking up.
const BATCH: usize = 8192;
/// How many writes wait for the store.
const WRITES: usize = 64;
/// The vehicles that have no timetable and what they are, asked every few seconds: the registry may change.
pub type Machines = Arc<dyn Fn() -> Vec<(VehicleId, VehicleKind)> + Send + Sync>;

/// The jamming and spoofing that lasts, asked every few seconds.
pub type Sky = Arc<dyn Fn() -> Vec<Raid> + Send + Sync>;

/// What the running engine is given.
pub struct Parts {
    /// The engine, with its model loaded and the journal's last fixes taken.
    pub engine: Engine,
    /// Fixes from ingest.
    pub fixes: mpsc::Receiver<Fix>,
    /// The clock.
    pub clock: SharedClock,
    /// Where what was learned is kept.
    pub store: Arc<dyn Store>,
    /// Takes each world.
    pub publish: Arc<dyn Fn(World) + Send + Sync>,
    /// Which vehicles are municipal machines.
    pub machines: Machines,
    /// What follows them, with the journal's last fixes taken.
    pub machinery: Machinery,
    /// Whose receivers are jammed or spoofed.
    pub sky: Sky,
    /// Questions of dispatchers.
    pub questions: mpsc::Receiver<Question>,
    /// Counters.
    pub metrics: EngineMetrics,
    /// Ends it all.
    pub shutdown: CancellationToken,
}

enum Write {
    Events(Vec<StopEventRow>),
    Model(Box<ModelUpdate>),
    Accuracy(Vec<(ServiceDate, Arc<Tally>)>),
    Machinery(Unsaved),
}

/// Runs the engine until the shutdown; then what was learned is saved and the task ends.
pub fn start(parts: Parts) -> JoinHandle<()> {
    tokio::spawn(run(parts))
}

async fn run(mut p: Parts) {
    let (writes, queue) = mpsc::channel(WRITES);
    let writer = tokio::spawn(write_all(queue, Arc::clone(&p.store), p.metrics.clone()));
    let mut round = tokio::time::interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut save = tokio::time::interval(SAVE);
    save.set_missed_tick_behavior(MissedTickBehavior::Delay);
    save.reset();
    let mut save_accuracy = tokio::time::interval(SAVE_ACCURACY);
    save_accuracy.set_missed_tick_behavior(MissedTickBehavior::Delay);
    save_accuracy.reset();
    let mut state = State::new(&p, kept_accuracy(&p).await);
    let mut batch = Vec::with_capacity(BATCH);
    publish(&mut p, &mut state);
    let mut open = true;
    loop {
        tokio::select! {
            () = p.shutdown.cancelled() => break,
            n = p.fixes.recv_many(&mut batch, BATCH), if open => {
                open = n > 0;
                take(&mut p, &batch, &mut state);
                batch.clear();
            }
            Some(q) = p.questions.recv() => {
                // Whoever asked may have gone away meanwhile.
                let _unheard = q.answer.send(p.engine.explain(&q.vehicle));
            }
            _ = round.tick() => publish(&mut p, &mut state),
            _ = save.tick() => hand_over(&mut p, &mut state, &writes),
            _ = save_accuracy.tick() => hand_over_accuracy(&p, &mut state, &writes),
        }
    }
    p.machinery.end();
    hand_over(&mut p, &mut state, &writes);
    hand_over_accuracy(&p, &mut state, &writes);
    drop(writes);
    if let Err(error) = writer.await {
        tracing::error!(%error, "the store's writer did not end well");
    }
}

struct State {
    dirty: bool,
    predicted: Option<UnixMs>,
    touched: Vec<usize>,
    counts: crate::engine::Counts,
    /// Stop events that wait for the store.
    events: Vec<StopEvent>,
    judge: Judge,
    accuracy: Arc<Book>,
}

impl State {
    fn new(p: &Parts, accuracy: Book) -> Self {
        Self {
            dirty: true,
            predicted: None,
            touched: Vec::new(),
            counts: p.engine.counts(),
            events: Vec::new(),
            judge: Judge::new(Arc::clone(p.engine.timetable()), accuracy.clone()),
            accuracy: Arc::new(accuracy),
        }
    }
}

/// The accuracy of the last days, as the store has it.
async fn kept_accuracy(p: &Parts) -> Book {
    let today = p.engine.timetable().zone.date(p.clock.now());
    match p.store.load_accuracy(today.plus_days(1 - DAYS)).await {
        Ok(days) => Book::new(days),
        Err(error) => {
            p.metrics.store_failed();
            tracing::error!(%error, "the accuracy of the last days cannot be read; it begins anew");
            Book::default()
        }
    }
}

fn take(p: &mut Parts, fixes: &[Fix], state: &mut State) {
    for fix in fixes {
        p.machinery.take(fix);
        if p.engine.take(fix).is_ok() {
            state.dirty = true;
            state.touched.extend(p.engine.index_of(&fix.vehicle));
        }
    }
}

fn publish(p: &mut Parts, state: &mut State) {
    let watch = Stopwatch::start();
    let now = p.clock.now();
    if state.predicted.is_none_or(|at| now.secs_since(at) >= REPREDICT) {
        state.predicted = Some(now);
        state.touched.clear();
        p.engine.set_raids((p.sky)());
        let machines = (p.machines)();
        p.machinery.set_kinds(machines.iter().cloned());
        p.engine.set_kinds(machines);
        p.engine.predict_all(now);
    } else if state.dirty {
        state.touched.sort_unstable();
        state.touched.dedup();
        for i in state.touched.drain(..) {
            p.engine.predict(i, now);
        }
    } else {
        return;
    }
    state.dirty = false;
    let mut world = p.engine.world(now, true);
    let events = p.engine.drain_events();
    state.judge.note(&events);
    state.events.extend(events);
    if state.judge.turn(now, p.engine.vehicles()) {
        state.accuracy = Arc::new(state.judge.book().clone());
        if let Some((_, day)) = state.accuracy.latest() {
            p.metrics.accuracy.show(day.all());
        }
    }
    world.accuracy = Arc::clone(&state.accuracy);
    world.machinery = p.machinery.view(now);
    let zones = world.machinery.concerns(now, &world.timetable.zone);
    if !zones.is_empty() {
        world.concerns = world.concerns.iter().cloned().chain(zones).collect();
    }
    let counts = p.engine.counts();
    p.metrics.count(state.counts, counts);
    state.counts = counts;
    p.metrics.observe(&world, &p.engine.model().calibration, watch.elapsed().as_secs_f64());
    (p.publish)(world);
}

/// Hands stop events and what was learned to the writer; while it does not keep up they stay here.
fn hand_over(p: &mut Parts, state: &mut State, writes: &mpsc::Sender<Write>) {
    let Ok(all) = writes.try_reserve_many(3) else {
        p.metrics.store_failed();
        tracing::warn!("the store does not keep up; what was learned waits");
        return;
    };
    let t = Arc::clone(p.engine.timetable());
    state.events.extend(p.engine.drain_events());
    let events = std::mem::take(&mut state.events);
    let name = |i: u32| p.engine.vehicles().get(i as usize).map_or("", |v| v.id.as_str());
    let rows: Vec<StopEventRow> = events.iter().map(|e| StopEventRow::of(e, name(e.vehicle), &t)).collect();
    let model = ModelUpdate::take(p.engine.model_mut());
    let served = p.machinery.take_unsaved();
    for (permit, write) in all.zip([Write::Events(rows), Write::Model(Box::new(model)), Write::Machinery(served)]) {
        permit.send(write);
    }
}

/// Hands the accuracy of days that changed to the writer.
fn hand_over_accuracy(p: &Parts, state: &mut State, writes: &mpsc::Sender<Write>) {
    let Ok(permit) = writes.try_reserve() else {
        p.metrics.store_failed();
        return;
    };
    permit.send(Write::Accuracy(state.judge.take_changed()));
}

/// What the store has not taken yet; tried again with the next write.
#[derive(Default)]
struct Owed {
    events: Vec<StopEventRow>,
    model: Option<Box<ModelUpdate>>,
    accuracy: BTreeMap<ServiceDate, Arc<Tally>>,
    machinery: Unsaved,
}

/// Stop events kept for a store that fails; beyond this the oldest are lost, and counted.
const OWED_EVENTS: usize = 200_000;

impl Owed {
    fn add(&mut self, write: Write, metrics: &EngineMetrics) {
        match write {
            Write::Events(rows) => {
                self.events.extend(rows);
                let over = self.events.len().saturating_sub(OWED_EVENTS);
                if over > 0 {
                    self.events.drain(..over);
                    metrics.events_lost(over);
                }
            }
            // Each is the whole day: only the last matters.
            Write::Accuracy(days) => self.accuracy.extend(days),
            Write::Machinery(unsaved) => self.machinery.add(unsaved),
            Write::Model(mut update) => {
                if let Some(old) = self.model.take() {
                    let newer: rustc_hash::FxHashSet<_> = update.links.iter().map(|(k, _)| *k).collect();
                    update.links.extend(old.links.into_iter().filter(|(k, _)| !newer.contains(k)));
                }
                self.model = Some(update);
            }
        }
    }

    async fn pay(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        if !self.events.is_empty() {
            store.append_stop_events(&self.events).await?;
            self.events.clear();
        }
        if let Some(update) = &self.model {
            store.save_model(update).await?;
            self.model = None;
        }
        while let Some((date, tally)) = self.accuracy.first_key_value() {
            store.save_accuracy(*date, tally).await?;
            self.accuracy.pop_first();
        }
        if !self.machinery.is_empty() {
            store.save_machinery(&self.machinery).await?;
            self.machinery = Unsaved::default();
        }
        Ok(())
    }
}

async fn write_all(mut queue: mpsc::Receiver<Write>, store: Arc<dyn Store>, metrics: EngineMetrics) {
    let mut failing = false;
    let mut owed = Owed::default();
    while let Some(write) = queue.recv().await {
        owed.add(write, &metrics);
        match owed.pay(&*store).await {
            Ok(()) if failing => {
                failing = false;
                tracing::info!("the store takes writes again");
            }
            Ok(()) => {}
            Err(error) => {
                metrics.store_failed();
                if !failing {
                    tracing::error!(%error, "the store does not take writes; boards go on, history waits");
                }
                failing = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use prometheus_client::registry::Registry;
    use transit_model::timetable::LinkKey;

    use super::*;
    use crate::auth::{Role, TokenRow};
    use crate::engine::Model;
    use crate::learning::links::{DayKind, When};
    use crate::machinery::Saved;
    use crate::public::measure::{Ended, Measure};
    use crate::store::AuditRow;

    /// A disk that is full until it is not.
    #[derive(Default)]
    struct Flaky {
        works: AtomicBool,
        events: Mutex<usize>,
        links: Mutex<Vec<LinkKey>>,
    }

    #[async_trait]
    impl Store for Flaky {
        async fn load_model(&self) -> Result<Model, StoreError> {
            Ok(Model::default())
        }
        async fn save_model(&self, update: &ModelUpdate) -> Result<(), StoreError> {
            self.links.lock().unwrap().extend(update.links.iter().map(|(k, _)| *k));
            Ok(())
        }
        async fn load_accuracy(&self, _: ServiceDate) -> Result<Vec<(ServiceDate, Tally)>, StoreError> {
            Ok(Vec::new())
        }
        async fn save_accuracy(&self, _: ServiceDate, _: &Tally) -> Result<(), StoreError> {
            Ok(())
        }
        async fn append_stop_events(&self, events: &[StopEventRow]) -> Result<(), StoreError> {
            if !self.works.load(Ordering::SeqCst) {
                return Err(sqlx::Error::PoolTimedOut.into());
            }
            *self.events.lock().unwrap() += events.len();
            Ok(())
        }
        async fn stop_events_of(&self, _: ServiceDate) -> Result<Vec<StopEventRow>, StoreError> {
            Ok(Vec::new())
        }
        async fn measures(&self) -> Result<Vec<Measure>, StoreError> {
            Ok(Vec::new())
        }
        async fn add_measure(&self, measure: &Measure) -> Result<Measure, StoreError> {
            Ok(measure.clone())
        }
        async fn end_measure(&self, _: i64, _: &Ended, _: Role) -> Result<Option<Measure>, StoreError> {
            Ok(None)
        }
        async fn audit(&self, _: u32) -> Result<Vec<AuditRow>, StoreError> {
            Ok(Vec::new())
        }
        async fn load_machinery(&self, _: UnixMs) -> Result<Saved, StoreError> {
            Ok(Saved::default())
        }
        async fn save_machinery(&self, _: &Unsaved) -> Result<(), StoreError> {
            Ok(())
        }
        async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
            Ok(Vec::new())
        }
        async fn put_token(&self, _: &TokenRow) -> Result<(), StoreError> {
            Ok(())
        }
    }

    fn event() -> StopEventRow {
        StopEventRow {
            service_date: ServiceDate::from_days(20_000),
            trip_id: "T".into(),
            run_start: String::new(),
            stop_sequence: 1,
            vehicle_id: "V".into(),
            stop_id: "S".into(),
            arrival: None,
            departure: None,
        }
    }

    fn learned(link: u64) -> Write {
        let mut model = Model::default();
        let when = When { kind: DayKind::Workday, second: 0.0, unix: 0.0 };
        model.links.learn(LinkKey(link), 60.0, 60.0, when);
        Write::Model(Box::new(ModelUpdate::take(&mut model)))
    }

    #[tokio::test]
    async fn what_a_full_disk_refused_is_written_once_it_has_room() {
        let metrics = EngineMetrics::register(&mut Registry::default());
        let store = Flaky::default();
        let mut owed = Owed::default();
        for link in [1, 2] {
            owed.add(Write::Events(vec![event()]), &metrics);
            owed.add(learned(link), &metrics);
            assert!(owed.pay(&store).await.is_err());
        }
        store.works.store(true, Ordering::SeqCst);
        owed.pay(&store).await.unwrap();
        assert_eq!(*store.events.lock().unwrap(), 2);
        let mut links = store.links.lock().unwrap().clone();
        links.sort_unstable();
        assert_eq!(links, [LinkKey(1), LinkKey(2)]);
        assert!(owed.events.is_empty() && owed.model.is_none());
    }
}
