//! The plans of the days the senders are in, each driven once for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Mutex;
use transit_model::ids::VehicleId;
use transit_model::time::ServiceDate;

use super::stats::Counters;
use crate::drive::Plan;
use crate::fleet::Fleet;

/// So many days are kept: yesterday's, which may reach past midnight, today's and tomorrow's.
const KEPT: usize = 4;

pub(super) struct Days {
    fleet: Arc<Fleet>,
    known: BTreeSet<VehicleId>,
    counters: Arc<Counters>,
    // A tokio mutex, for it is held while a plan is driven: whoever else wants it had to wait anyway.
    plans: Mutex<BTreeMap<ServiceDate, Arc<Plan>>>,
}

impl Days {
    pub(super) fn new(fleet: Arc<Fleet>, known: BTreeSet<VehicleId>, counters: Arc<Counters>) -> Self {
        Self { fleet, known, counters, plans: Mutex::default() }
    }

    pub(super) const fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    /// The plan of a day; `None` when the process is going down while it is driven.
    pub(super) async fn plan(&self, date: ServiceDate) -> Option<Arc<Plan>> {
        let mut plans = self.plans.lock().await;
        if let Some(plan) = plans.get(&date) {
            return Some(Arc::clone(plan));
        }
        let fleet = Arc::clone(&self.fleet);
        let plan = Arc::new(tokio::task::spawn_blocking(move || fleet.plan(date)).await.ok()?);
        let unequipped = plan.vehicles.iter().filter(|v| !self.known.contains(&v.vehicle)).count();
        if unequipped > 0 {
            Counters::add(&self.counters.unequipped, unequipped);
            tracing::warn!(%date, unequipped, "vehicles of this day have no device on the list and stay in");
        }
        plans.insert(date, Arc::clone(&plan));
        while plans.len() > KEPT {
            plans.pop_first();
        }
        Some(plan)
    }
}
