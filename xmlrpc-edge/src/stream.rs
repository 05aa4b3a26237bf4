//! A connection's bytes, watched: whoever does not read his replies is given up, and whoever still sends when the
//! connection is closed can read them.
//!
//! It knows no HTTP.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connections::Watch;
use crate::linger::Linger;

/// How slow a client may be to read.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// In each such time that the client keeps us waiting...
    pub time: Duration,
    /// ...it must take so many bytes, or all that there are.
    pub bytes: usize,
}

/// A connection that must be read at a pace.
pub struct Watched<S> {
    stream: S,
    watch: Arc<Watch>,
    pace: Pace,
    /// Set while the client keeps us waiting.
    late: Option<Pin<Box<Sleep>>>,
    /// Bytes taken since.
    taken: usize,
    /// Everything is said, but the client may still be sending.
    linger: Option<Linger>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    /// Watches a connection.
    pub fn new(stream: S, watch: Arc<Watch>, pace: Pace) -> Watched<S> {
        Watched { stream, watch, pace, late: None, taken: 0, linger: None }
    }

    /// What a write came to, or that the client is too slow.
    fn judged(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.taken += bytes;
                self.watch.wrote();
                if self.taken >= self.pace.bytes {
                    self.late = None;
                    self.taken = 0;
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => {
                let until = Instant::now() + self.pace.time;
                if self.late.is_none() {
                    self.taken = 0;
                }
                let late = self.late.get_or_insert_with(|| Box::pin(sleep_until(until)));
                ready!(late.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its replies")))
            }
            failed => failed,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.watch.received();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.judged(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.judged(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_flush(cx) {
            Poll::Pending => this.judged(cx, Poll::Pending).map_ok(drop),
            done => {
                this.late = None;
                this.taken = 0;
                done
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            match Pin::new(&mut this.stream).poll_shutdown(cx) {
                Poll::Pending => return this.judged(cx, Poll::Pending).map_ok(drop),
                Poll::Ready(Ok(())) if this.watch.may_be_sending() => {}
                done => return done,
            }
        }
        this.linger.get_or_insert_with(Linger::new).poll(Pin::new(&mut this.stream), cx).map(Ok)
    }
}
