//! Work that goes on to its end, also if nobody waits for it any more: a client that hangs up takes back neither a write
//! that was proposed nor a question that a driver was asked, so it must not get back its place for that.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// Work that nobody waits for any more; it ends with the server.
#[derive(Debug, Default)]
pub struct Detached(Mutex<JoinSet<()>>);

impl Detached {
    /// Does the work; if the future is dropped once it has begun, a task of its own does the rest.
    pub async fn finish<W>(&self, work: W) -> W::Output
    where
        W: Future + Send + 'static,
        W::Output: Send,
    {
        Finish { detached: self, work: Some(Box::pin(work)) }.await
    }

    fn go_on(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        // Without a runtime the process ends.
        if let Ok(runtime) = Handle::try_current() {
            tasks.spawn_on(work.in_current_span(), &runtime);
        }
    }
}

struct Finish<'a, W>
where
    W: Future + Send + 'static,
    W::Output: Send,
{
    detached: &'a Detached,
    work: Option<Pin<Box<W>>>,
}

impl<W> Future for Finish<'_, W>
where
    W: Future + Send + 'static,
    W::Output: Send,
{
    type Output = W::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        // Taken out, so that nobody goes on with work that has panicked.
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<W> Drop for Finish<'_, W>
where
    W: Future + Send + 'static,
    W::Output: Send,
{
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.detached.go_on(async move { drop(work.await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures::FutureExt as _;
    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_nobody_waits_for_goes_on() {
        let (go, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (wait, tell) = (go.clone(), done.clone());
        let detached = Detached::default();
        let mut work = Box::pin(detached.finish(async move {
            wait.notified().await;
            tell.notify_one();
        }));
        assert!(work.as_mut().now_or_never().is_none());
        drop(work);
        go.notify_one();
        timeout(Duration::from_secs(1), done.notified()).await.expect("it is done");
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_server() {
        let held = Arc::new(());
        let holds = held.clone();
        let detached = Detached::default();
        let never = detached.finish(async move {
            std::future::pending::<()>().await;
            drop(holds);
        });
        assert!(never.now_or_never().is_none());
        assert_eq!(Arc::strong_count(&held), 2);
        drop(detached);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn what_has_not_begun_never_does() {
        let done = Arc::new(Notify::new());
        let tell = done.clone();
        drop(Detached::default().finish(async move { tell.notify_one() }));
        tokio::task::yield_now().await;
        assert!(done.notified().now_or_never().is_none());
    }
}
