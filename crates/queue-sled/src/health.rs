use std::sync::OnceLock;

use queue::StoreError;

/// Whether the store still takes writes.
#[derive(Default)]
pub(crate) struct Health {
    poisoned: OnceLock<String>,
}

impl Health {
    /// No more writes until the next start. The first reason stays.
    pub(crate) fn poison(&self, why: &str) {
        let _ = self.poisoned.set(why.to_owned());
    }

    pub(crate) fn read_only(&self) -> Option<String> {
        self.poisoned.get().cloned()
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.read_only().map_or(Ok(()), |why| Err(StoreError::ReadOnly(why)))
    }
}
