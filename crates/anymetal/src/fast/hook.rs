//! Handlers of warnings, one for the whole process.

use std::sync::{Arc, PoisonError, RwLock};

/// What is called with each warning, in the thread where it arises.
pub type Handler<T> = Box<dyn Fn(&T) + Send + Sync>;

/// The place where a handler is kept.
pub(super) struct Hook<T>(RwLock<Option<Arc<Handler<T>>>>);

impl<T> Hook<T> {
    /// Without a handler.
    pub(super) const fn new() -> Hook<T> {
        Hook(RwLock::new(None))
    }

    /// Replaces the handler.
    pub(super) fn set(&self, handler: Option<Handler<T>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = handler.map(Arc::new);
    }

    /// The handler. Nothing is locked while it runs, so it may set another.
    pub(super) fn get(&self) -> Option<Arc<Handler<T>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
