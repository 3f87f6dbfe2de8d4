//! How other threads wake a session's thread: no file descriptor, a ring while it is awake is not lost, many rings are one.

use std::sync::Arc;
use tokio::sync::Notify;

/// Wakes a session's thread. Cheap to clone and to ring.
#[derive(Clone)]
pub struct Bell(Arc<Notify>);

/// The session thread's end.
pub struct BellReceiver(Arc<Notify>);

pub fn bell() -> (Bell, BellReceiver) {
    let notify = Arc::new(Notify::new());
    (Bell(Arc::clone(&notify)), BellReceiver(notify))
}

impl Bell {
    pub fn ring(&self) {
        self.0.notify_one();
    }
}

impl BellReceiver {
    /// Resolves once for all rings since the last time.
    pub(super) async fn rung(&self) {
        self.0.notified().await;
    }
}
