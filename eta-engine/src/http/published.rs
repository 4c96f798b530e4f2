//! The world everybody reads: swapped whole by the engine's shell, read without a lock.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::world::World;

/// The latest world, and word of each new one.
#[derive(Debug)]
pub struct Published {
    world: ArcSwap<World>,
    changed: watch::Sender<u64>,
}

impl Published {
    /// Begins with this world.
    #[must_use]
    pub fn new(world: World) -> Self {
        let (changed, _) = watch::channel(world.version);
        Self { world: ArcSwap::from_pointee(world), changed }
    }

    /// Puts a world in place of the last and tells whoever waits.
    pub fn publish(&self, world: World) {
        let version = world.version;
        self.world.store(Arc::new(world));
        self.changed.send_replace(version);
    }

    /// The latest world.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// To wait for the next world; carries its version.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
