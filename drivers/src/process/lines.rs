//! Lines of what a pipe delivers. Bytes of a driver may be anything: what is longer than allowed is passed over.

/// Puts lines together.
pub(super) struct Lines {
    begun: Vec<u8>,
    too_long: bool,
    /// Longest line that is read, in bytes.
    limit: usize,
}

impl Lines {
    /// Lines of at most `limit` bytes.
    pub fn up_to(limit: usize) -> Lines {
        Lines { begun: Vec::new(), too_long: false, limit }
    }

    /// The lines that end within `bytes`.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            self.too_long |= self.begun.len() + text.len() > self.limit;
            if self.too_long {
                self.begun.clear();
            } else {
                self.begun.extend_from_slice(text);
            }
            if ends {
                if !self.too_long {
                    lines.push(String::from_utf8_lossy(&self.begun).trim_end_matches('\r').to_owned());
                }
                self.begun.clear();
                self.too_long = false;
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 64 << 10;

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut lines = Lines::up_to(LIMIT);
        for _ in 0..100 {
            assert!(lines.feed(&[b'x'; 8192]).is_empty());
            assert!(lines.begun.len() <= LIMIT);
        }
        assert_eq!(lines.feed(b"x\nINIT SUCCESS\r\nLO"), ["INIT SUCCESS"]);
        assert_eq!(lines.feed(b"G\n"), ["LOG"]);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_make_the_same_lines(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), at in 0..200usize,
        ) {
            let mut whole = Lines::up_to(LIMIT);
            let expected = whole.feed(&bytes);
            let (a, b) = bytes.split_at(at.min(bytes.len()));
            let mut parts = Lines::up_to(LIMIT);
            let mut lines = parts.feed(a);
            lines.extend(parts.feed(b));
            prop_assert_eq!(&lines, &expected);
        }
    }
}
