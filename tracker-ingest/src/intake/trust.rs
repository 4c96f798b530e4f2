//! What the intake learns of devices beside their records: what is usual for each, how its clock goes, which vehicles
//! have two; and what of that a dispatcher is told.

use std::net::SocketAddr;
use std::sync::PoisonError;

use rustc_hash::FxHashSet;
use transit_model::dispatch::Concern;
use transit_model::time::UnixMs;

use super::Intake;
use crate::codec::Protocol;
use crate::gate::ClockJump;
use crate::journal::{JournalError, StoredClock};
use crate::registry::Device;
use crate::registry::binding::Sighting;
use crate::rejection::Rejection;
use crate::watch::Who;

/// At most so many concerns are shown, the most urgent and the latest first.
const MOST_CONCERNS: usize = 100;

impl Intake {
    /// Takes in how a device that was recognised begins a session, before the session is made its.
    ///
    /// # Errors
    /// Another connection of it is alive elsewhere, or it is not as it always was and that is to be refused; counted.
    pub(crate) fn bind(
        &self,
        device: &Device,
        source: Protocol,
        from: SocketAddr,
        s: &Sighting,
    ) -> Result<(), Rejection> {
        let now = self.clock.now();
        if s.network.is_some() {
            // Whoever is refused for this must not teach us anything.
            let held = self.sessions.check(&device.key, from.ip(), now);
            held.map_err(|held| self.takeover(device, source, from, held))?;
        }
        let seen = self.bindings.see(device, s, now);
        for change in &seen.news {
            self.metrics.changed(change.kind, change.refused);
            self.watch.changed(&device.vehicle, &device.key, change, now);
        }
        let Some(kind) = seen.refused else { return Ok(()) };
        let who = Who::Device(device.key.clone(), Some(device.vehicle.clone()));
        self.refuse(Rejection::NotAsUsual, who, || format!("{source} from {}: {}", from.ip(), kind.name()));
        Err(Rejection::NotAsUsual)
    }

    /// Tells the gate which vehicles have more than one device.
    pub(crate) fn share(&self) {
        let (mut once, mut shared) = (FxHashSet::default(), FxHashSet::default());
        for d in self.registry.list() {
            if !once.insert(d.vehicle.clone()) {
                shared.insert(d.vehicle.clone());
            }
        }
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).share(shared);
    }

    /// Says aloud that clocks were found to be off, or right again.
    pub(super) fn clocks_jumped(&self, jumps: Vec<ClockJump>, now: UnixMs) {
        for jump in jumps {
            let Some(device) = self.registry.get(&jump.device) else { continue };
            self.metrics.clock_jumped();
            let clock = StoredClock { key: jump.device, offset_ms: jump.after, since: now };
            self.watch.clock_jumped(&device, clock, jump.before);
        }
    }

    /// Writes down what was learned since it was written last.
    pub(super) async fn write_trust_down(&self) -> Result<(), JournalError> {
        let learned = self.bindings.take_dirty();
        if !learned.is_empty()
            && let Err(e) = self.journal.put_bindings(learned.clone()).await
        {
            self.bindings.still_dirty(&learned);
            return Err(e);
        }
        for (device, offset_ms, since) in self.watch.take_clocks() {
            if let Err(e) = self.journal.put_clock(device, offset_ms, since).await {
                self.watch.clock_not_written(device);
                return Err(e);
            }
        }
        self.metrics.clocks(self.watch.clocks_off());
        Ok(())
    }

    /// What a dispatcher should know now, the most urgent first.
    pub(crate) fn concerns(&self) -> Vec<Concern> {
        let now = self.clock.now();
        let mut all = self.watch.concerns(now);
        all.extend(self.bindings.concerns(now));
        all.sort_by(|a, b| a.level.cmp(&b.level).then(b.since.cmp(&a.since)).then_with(|| a.key.cmp(&b.key)));
        all.dedup_by(|a, b| a.key == b.key);
        all.truncate(MOST_CONCERNS);
        all
    }
}
