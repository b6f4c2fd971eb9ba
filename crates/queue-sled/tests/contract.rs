//! The durable engine does what every engine must do, also when it was closed and opened in between.

use queue::contract::Engine;
use queue_sled::{Params, SledStore};
use tempfile::TempDir;

/// A store in a folder of its own.
struct Durable(TempDir);

fn durable() -> Durable {
    Durable(tempfile::tempdir().expect("a folder"))
}

impl Engine for Durable {
    type Store = SledStore;

    async fn open(&self) -> SledStore {
        let path = self.0.path().join("store");
        let params = Params {
            segment_size: Some(8 << 20),
            spares: 1,
            cache: 4 << 20,
            min_free: 1 << 20,
            ballast: 1 << 20,
            ..Params::default()
        };
        let open = move || SledStore::open(&path, params).expect("opens").0;
        tokio::task::spawn_blocking(open).await.expect("no panic")
    }
}

queue::contract_tests!(durable());
