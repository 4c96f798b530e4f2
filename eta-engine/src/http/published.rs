//! The world everybody reads: swapped whole by the engine's shell, read without a lock. There are two: the public
//! one, and the whole one for those who hold a token ([`crate::public`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use transit_model::time::UnixMs;

use crate::public::measure::Measure;
use crate::public::view::Gate;
use crate::world::World;

/// The latest worlds, and word of each new one.
#[derive(Debug)]
pub struct Published {
    whole: ArcSwap<World>,
    public: ArcSwap<World>,
    gate: Mutex<Gate>,
    changed: watch::Sender<u64>,
}

impl Published {
    /// Begins with this world, all of it public.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self::behind(Gate::default(), world)
    }

    /// Begins with this world, behind this gate.
    #[must_use]
    pub fn behind(mut gate: Gate, world: World) -> Self {
        let (changed, _) = watch::channel(world.version);
        let whole = Arc::new(world);
        let public = gate.view(&whole, &whole, whole.now);
        Self { whole: ArcSwap::new(whole), public: ArcSwap::new(public), gate: Mutex::new(gate), changed }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a world in place of the last and tells whoever waits.
    pub fn publish(&self, world: World) {
        let (version, now) = (world.version, world.now);
        let whole = Arc::new(world);
        let mut gate = self.gate();
        self.public.store(gate.view(&whole, &self.public.load(), now));
        self.whole.store(whole);
        drop(gate);
        self.changed.send_replace(version);
    }

    /// Changes the measures; what the public sees is changed when this returns.
    pub fn decide(&self, now: UnixMs, change: impl FnOnce(&mut Gate)) {
        let mut gate = self.gate();
        change(&mut gate);
        let whole = self.whole.load_full();
        self.public.store(gate.view(&whole, &self.public.load(), now));
        drop(gate);
        self.changed.send_replace(whole.version);
    }

    /// What is decided; nothing is changed by asking.
    pub fn decided<T>(&self, ask: impl FnOnce(&Gate) -> T) -> T {
        ask(&self.gate())
    }

    /// Every measure that is not over.
    #[must_use]
    pub fn measures(&self, now: UnixMs) -> Vec<Measure> {
        self.decided(|gate| gate.measures(now).cloned().collect())
    }

    /// The latest world as the public may see it.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        self.public.load_full()
    }

    /// The latest world, whole: for the composition and for those who hold a token. Never for an answer to the
    /// public.
    #[must_use]
    pub fn whole(&self) -> Arc<World> {
        self.whole.load_full()
    }

    /// To wait for the next world; carries its version.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
