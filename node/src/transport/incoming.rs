//! The connections of peers to this node: bounded in all and by address, so that whoever connects cannot use up the file
//! descriptors that the database needs. Whoever says nothing is closed; when room is needed, who was silent for longest
//! has to go of those that have not made a call of this zone yet: running peers send several times a second, and
//! reconnect if closed.
//!
//! It must not look into what is said behind the first bytes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use quorate_xmlrpc_edge::connections::{Bounds, Connections, Open, Phase, Watch};
use quorate_xmlrpc_edge::server::Accept;
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

use crate::refusals::Refusals;

/// Connections of peers at most: a server needs four.
pub const MAX_CONNECTIONS: usize = 256;
/// Connections of one address at most: all servers of a zone may be on one machine.
const MAX_BY_ADDRESS: usize = 128;
/// How long a new connection may take to say that it speaks HTTP/2.
const PREFACE_TIME: Duration = Duration::from_secs(5);
/// Bytes of what every HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// Pause after a failed accept (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The connections that `listener` accepts, for [`serve`](super::server::serve); never ends.
pub fn incoming<L: Accept>(listener: L) -> impl Stream<Item = io::Result<PeerIo<L::Stream>>> {
    let bounds = Bounds { all: MAX_CONNECTIONS, by_address: MAX_BY_ADDRESS, balancers: Arc::default() };
    let shared = (listener, Connections::new(bounds), Refusals::new("accepting a peer failed"));
    futures::stream::unfold(shared, |(mut listener, connections, failures)| async move {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    if let Some(open) = connections.accept(from.ip()) {
                        return Some((Ok(PeerIo::new(stream, from, open)), (listener, connections, failures)));
                    }
                    failures.say_of(&from.ip().to_string(), "too many connections are in use".to_owned());
                }
                Err(e) => {
                    failures.say("the peer port", e.to_string());
                    if matches!(Errno::from_io_error(&e), Some(Errno::MFILE | Errno::NFILE)) {
                        connections.make_room();
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

/// A connection of the network seam as tonic takes it.
pub struct PeerIo<S> {
    stream: S,
    from: SocketAddr,
    open: Open,
    /// Done when it must make room; `None`: it was told to go.
    told_to_go: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Until the first bytes have come: how many are missing, and when it is too late.
    preface: Option<(usize, Pin<Box<Sleep>>)>,
}

/// Where a call comes from: an extension of each request.
#[derive(Clone)]
pub struct CallFrom {
    /// The peer's address.
    pub address: SocketAddr,
    watch: Arc<Watch>,
}

impl CallFrom {
    /// The call is one of this zone: a crowd of others must not push its connection out.
    pub fn is_of_the_zone(&self) {
        if !self.watch.is_served() {
            self.watch.enter(Phase::Served);
        }
    }
}

impl<S> PeerIo<S> {
    fn new(stream: S, from: SocketAddr, open: Open) -> PeerIo<S> {
        let watch = open.watch.clone();
        let told_to_go = Box::pin(async move { watch.must_go().await });
        let preface = Some((PREFACE, Box::pin(sleep(PREFACE_TIME))));
        PeerIo { stream, from, open, told_to_go: Some(told_to_go), preface }
    }

    /// Why it is to be closed, if it is; asks to be woken when that changes.
    fn ends(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        let gone = |why| Some(io::Error::new(io::ErrorKind::ConnectionAborted, why));
        if self.told_to_go.as_mut().is_none_or(|told| told.as_mut().poll(cx).is_ready()) {
            self.told_to_go = None;
            return gone("it makes room for others");
        }
        let (_, late) = self.preface.as_mut()?;
        if late.as_mut().poll(cx).is_pending() {
            return None;
        }
        self.told_to_go = None;
        gone("it said nothing in time")
    }

    /// So many bytes have come.
    fn has_read(&mut self, bytes: usize) {
        if let Some((missing, _)) = &mut self.preface {
            *missing = missing.saturating_sub(bytes);
            if *missing > 0 {
                return;
            }
            self.preface = None;
        }
        if !self.open.watch.is_served() {
            self.open.watch.enter(Phase::Receiving);
        }
    }
}

impl<S> Connected for PeerIo<S> {
    type ConnectInfo = CallFrom;
    fn connect_info(&self) -> CallFrom {
        CallFrom { address: self.from, watch: self.open.watch.clone() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PeerIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(why) = this.ends(cx) {
            tracing::debug!(from = %this.from, reason = %why, "a peer's connection is closed");
            return Poll::Ready(Err(why));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if matches!(read, Poll::Ready(Ok(()))) {
            this.has_read(buf.filled().len() - before);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PeerIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures::{FutureExt as _, StreamExt as _};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;

    /// What the system answers to each accept; then nobody comes any more.
    struct Incoming(VecDeque<io::Result<(DuplexStream, SocketAddr)>>);

    impl Accept for Incoming {
        type Stream = DuplexStream;
        async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
            match self.0.pop_front() {
                Some(accepted) => accepted,
                None => std::future::pending().await,
            }
        }
    }

    /// So many connections from an address: their clients' ends, and what accepts them.
    fn crowd(address: u8, count: usize) -> (Vec<DuplexStream>, VecDeque<io::Result<(DuplexStream, SocketAddr)>>) {
        let from = SocketAddr::from(([10, 0, 0, address], 1));
        let pairs = (0..count).map(|_| duplex(64));
        pairs.map(|(client, server)| (client, Ok((server, from)))).unzip()
    }

    type Io = PeerIo<DuplexStream>;

    async fn accept(listening: &mut (impl Stream<Item = io::Result<Io>> + Unpin), count: usize) -> Vec<Io> {
        let accepted: Vec<io::Result<Io>> = listening.take(count).collect().await;
        accepted.into_iter().map(Result::unwrap).collect()
    }

    /// Whether it is closed by now, having read what there is.
    fn is_closed(io: &mut Io) -> bool {
        let mut read = [0; 64];
        loop {
            match io.read(&mut read).now_or_never() {
                None => return false,
                Some(Err(_)) => return true,
                Some(Ok(_)) => {}
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_closed_and_who_begins_stays() {
        let (mut clients, accepted) = crowd(1, 3);
        let mut listening = Box::pin(incoming(Incoming(accepted)));
        let mut ios = accept(&mut listening, 3).await;
        clients[1].write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        clients[2].write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        assert!(!ios.iter_mut().any(is_closed));
        let began = Instant::now();
        // It is woken at the end of its time, without a byte having come.
        assert!(ios[0].read(&mut [0; 64]).await.is_err());
        assert_eq!(began.elapsed().as_secs(), PREFACE_TIME.as_secs());
        let closed: Vec<bool> = ios.iter_mut().map(is_closed).collect();
        assert_eq!(closed, [true, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_any_size_keeps_within_its_bounds_and_does_not_push_out_a_peer() {
        let (mut peers, mut accepted) = crowd(1, 1);
        for address in 1..=4 {
            let (clients, crowd) = crowd(address, 2 * MAX_CONNECTIONS);
            peers.extend(clients);
            accepted.extend(crowd);
        }
        let count = accepted.len();
        let mut listening = Box::pin(incoming(Incoming(accepted)));
        let mut open = accept(&mut listening, 1).await;
        open[0].connect_info().is_of_the_zone();
        for (at, stranger) in peers.iter_mut().enumerate().take(count).skip(1) {
            // Every other one says that it speaks HTTP/2, and is silent then.
            if at % 2 == 0 {
                stranger.write_all(&[0; PREFACE]).await.unwrap();
            }
            open.extend(accept(&mut listening, 1).await);
            open.retain_mut(|io| !is_closed(io));
            assert!(open.len() <= MAX_CONNECTIONS, "{}", open.len());
            let own = |io: &Io| io.from.ip() == open[0].from.ip();
            assert!(open.iter().filter(|io| own(io)).count() <= MAX_BY_ADDRESS);
        }
        assert!(open[0].open.watch.is_served(), "who has made a call is still there");
    }

    #[tokio::test(start_paused = true)]
    async fn without_descriptors_it_makes_room_and_goes_on() {
        let (_clients, mut accepted) = crowd(1, 2);
        let none_left = || Err(Errno::MFILE.into());
        accepted.insert(1, none_left());
        let mut listening = Box::pin(incoming(Incoming(accepted)));
        let mut first = accept(&mut listening, 1).await;
        let began = Instant::now();
        let mut second = accept(&mut listening, 1).await;
        assert!(began.elapsed() >= ACCEPT_PAUSE, "it does not spin");
        assert!(is_closed(&mut first[0]) && !is_closed(&mut second[0]));
    }
}
