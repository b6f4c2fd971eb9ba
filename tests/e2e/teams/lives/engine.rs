use std::time::{SystemTime, UNIX_EPOCH};

use mail::Uid;
use queue::{MemoryStore, Store};
use queue_sled::{Params, SledStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::spec::Ms;

/// An engine that a life can be led over.
pub(crate) trait Engine: Default {
    type Store: Store;

    /// Whether it believes the clock that is moved: otherwise what it delivers is as old as it really is.
    const MOVED: bool;

    /// When a life begins.
    fn born() -> Ms;

    fn open(&self, runtime: &Runtime) -> Self::Store;

    fn clock(store: &Self::Store, wall_ms: Ms);

    /// Closed and opened.
    fn again(&self, runtime: &Runtime, store: Self::Store) -> Self::Store;
}

#[derive(Default)]
pub(crate) struct Memory;

impl Engine for Memory {
    type Store = MemoryStore;
    const MOVED: bool = true;

    /// Far from any real time, which nothing may ask for.
    fn born() -> Ms {
        1_900_000_000_000
    }

    fn open(&self, _runtime: &Runtime) -> MemoryStore {
        MemoryStore::new()
    }

    fn clock(store: &MemoryStore, wall_ms: Ms) {
        store.set_clock(wall_ms);
    }

    fn again(&self, _runtime: &Runtime, store: MemoryStore) -> MemoryStore {
        store
    }
}

pub(crate) struct Durable(TempDir);

impl Default for Durable {
    fn default() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }
}

impl Engine for Durable {
    type Store = SledStore;
    const MOVED: bool = false;

    fn born() -> Ms {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        u64::try_from(since.as_millis()).expect("small")
    }

    fn open(&self, runtime: &Runtime) -> SledStore {
        let path = self.0.path().join("store");
        let params = Params {
            segment_size: Some(16 << 20),
            spares: 1,
            cache: 4 << 20,
            min_free: 1 << 20,
            ballast: 1 << 20,
            ..Params::default()
        };
        let _inside = runtime.enter();
        SledStore::open(&path, params).expect("opens").0
    }

    fn clock(_store: &SledStore, _wall_ms: Ms) {}

    fn again(&self, runtime: &Runtime, store: SledStore) -> SledStore {
        runtime.block_on(store.close()).expect("closed");
        drop(store);
        self.open(runtime)
    }
}

/// A unique id as clients see it.
pub(crate) fn shown(uid: Uid) -> String {
    uid.to_string()
}
