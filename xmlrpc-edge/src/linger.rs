//! The end of a connection whose client may still be sending: what it sends is thrown away for a while. A connection that
//! is closed with unread bytes ends with a reset, and the client loses the answer that it has not read yet.
//!
//! It knows no HTTP, and waits for nobody for long.

use std::future::Future as _;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a client may go on to send.
const TIME: Duration = Duration::from_secs(30);
/// A client that sends nothing for this long has read the answer, or never will.
const PAUSE: Duration = Duration::from_secs(5);
/// How many bytes it may go on to send: four times the largest MESSAGE_SIZE (16 MiB). It may have announced any length.
const BYTES: usize = 64 << 20;
/// Bytes that are thrown away at once.
const PIECE: usize = 8 << 10;

/// The rest of a connection, after everything that had to be said was said.
pub struct Linger {
    end: Pin<Box<Sleep>>,
    quiet: Pin<Box<Sleep>>,
    left: usize,
}

impl Linger {
    /// Begins now.
    pub fn new() -> Linger {
        let now = Instant::now();
        Linger { end: Box::pin(sleep_until(now + TIME)), quiet: Box::pin(sleep_until(now + PAUSE)), left: BYTES }
    }

    /// Ready when nothing more can come, or nothing more is waited for.
    pub fn poll(&mut self, stream: Pin<&mut (impl AsyncRead + ?Sized)>, cx: &mut Context<'_>) -> Poll<()> {
        let mut stream = stream;
        loop {
            let mut piece = [MaybeUninit::uninit(); PIECE];
            let mut piece = ReadBuf::uninit(&mut piece);
            match stream.as_mut().poll_read(cx, &mut piece) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => {
                    self.left = self.left.saturating_sub(piece.filled().len());
                    if self.left == 0 {
                        return Poll::Ready(());
                    }
                    self.quiet.as_mut().reset(Instant::now() + PAUSE);
                }
                // It has closed its side, or the connection has failed: there is nobody left to be heard by.
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
        if self.end.as_mut().poll(cx).is_ready() || self.quiet.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
