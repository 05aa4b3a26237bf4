//! The body of a response.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use quorate_gateway::lanes::Place;

use crate::encode::Segments;

/// A response body: segments sent one after the other; their length is known, so the connection stays usable. Then
/// parts that are made while they are sent.
pub struct Reply {
    segments: Segments,
    left: u64,
    parts: Option<Box<dyn Iterator<Item = Bytes> + Send>>,
    place: Option<Place>,
}

impl Reply {
    /// What is there already.
    pub fn new(segments: Segments) -> Reply {
        let left = segments.iter().map(|s| s.len() as u64).sum();
        Reply { segments, left, parts: None, place: None }
    }

    /// What is made while it is sent.
    pub fn of_parts(parts: Box<dyn Iterator<Item = Bytes> + Send>) -> Reply {
        Reply { segments: Segments::new(), left: 0, parts: Some(parts), place: None }
    }

    /// Keeps a caller's place until the last of it is sent.
    pub fn keep(&mut self, place: Option<Place>) {
        self.place = place;
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let segment = self.segments.pop_front();
        self.left -= segment.as_ref().map_or(0, |s| s.len() as u64);
        let next = segment.or_else(|| self.parts.as_mut()?.next());
        Poll::Ready(next.map(|s| Ok(Frame::data(s))))
    }

    fn is_end_stream(&self) -> bool {
        self.segments.is_empty() && self.parts.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.parts {
            None => SizeHint::with_exact(self.left),
            Some(_) => SizeHint::default(),
        }
    }
}
