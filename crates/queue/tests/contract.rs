//! The engine in memory does what the contract says.

use queue::MemoryStore;
use queue::contract::Engine;

struct Memory(MemoryStore);

impl Engine for Memory {
    type Store = MemoryStore;

    async fn open(&self) -> MemoryStore {
        self.0.clone()
    }
}

queue::contract_tests!(Memory(MemoryStore::new()));
