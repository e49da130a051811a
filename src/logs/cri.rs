//! Lines that the container runtime of Kubernetes (CRI) wrote in pieces, put together again.
//!
//! The runtime writes what a container says as `TIME STREAM TAG TEXT`, and of a line that is longer
//! than its buffer first pieces tagged `P`, then the last one tagged `F`:
//!
//! ```text
//! 2024-03-04T10:00:00.1Z stdout P 203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET /long
//! 2024-03-04T10:00:00.1Z stdout F er HTTP/1.1" 200 512
//! ```
//!
//! Here they become one line in the place of the last piece, and blank lines in the places of the
//! others: lines keep their numbers. Both streams of a container are told apart. A line whose end
//! never comes stays a piece, which is rejected.

use std::io::{self, BufRead, BufReader, Read};

use super::lines::{MAX_LINE, clean};

/// Bytes that are read and passed on at once.
const PIECE: usize = 64 << 10;
/// The streams of a container.
const STREAMS: [&[u8]; 2] = [b"stdout ", b"stderr "];

/// Where a line of the container runtime has what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CriLine {
    stream: usize,
    is_piece: bool,
    /// Where its text begins, two bytes behind its tag.
    text: usize,
}

impl CriLine {
    fn of(line: &[u8]) -> Option<Self> {
        // `2024-03-04T10:00:00.123456789+00:00`, the fraction of which may be missing.
        let head = line.get(..line.len().min("2024-03-04T10:00:00.123456789+00:00 ".len()))?;
        let is_time = matches!(
            head,
            [b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, b'T', ..]
        );
        let time = memchr::memchr(b' ', head).filter(|_| is_time)? + 1;
        let stream = STREAMS
            .iter()
            .position(|stream| line[time..].starts_with(stream))?;
        let tag = time + STREAMS[stream].len();
        match line[tag..] {
            [tagged @ (b'F' | b'P'), b' ', ..] => Some(Self {
                stream,
                is_piece: tagged == b'P',
                text: tag + 2,
            }),
            _ => None,
        }
    }
}

/// Whether a line is a piece of one, and not the last.
pub(super) fn is_piece(line: &str) -> bool {
    CriLine::of(line.as_bytes()).is_some_and(|line| line.is_piece)
}

/// A stream of text in which the lines of a container runtime are whole.
#[derive(Debug)]
pub(super) struct WholeLines<R> {
    reader: BufReader<R>,
    /// Whether the container runtime wrote the log, which its first line with text tells.
    is_cri: Option<bool>,
    /// A line as it was read.
    line: Vec<u8>,
    /// Pieces of a line for each stream, with what stands before the first one.
    pieces: [Vec<u8>; STREAMS.len()],
    /// Lines that became pieces since the last line that was passed on.
    taken: usize,
    ready: Vec<u8>,
    /// Bytes of `ready` that were passed on.
    passed: usize,
}

impl<R: Read> WholeLines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::with_capacity(PIECE, reader),
            is_cri: None,
            line: Vec::new(),
            pieces: [const { Vec::new() }; STREAMS.len()],
            taken: 0,
            ready: Vec::new(),
            passed: 0,
        }
    }

    /// Makes lines ready; none at the end of the stream.
    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.passed = 0;
        while self.ready.len() < PIECE && self.is_cri != Some(false) {
            self.line.clear();
            let has_end = self.read_line()?;
            if self.line.is_empty() && !has_end {
                self.end();
                break;
            }
            self.push(has_end);
        }
        Ok(())
    }

    /// Reads a line, of a very long one no more than tells that it is; says whether its end is there.
    fn read_line(&mut self) -> io::Result<bool> {
        loop {
            let bytes = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            if bytes.is_empty() {
                return Ok(false);
            }
            let end = memchr::memchr(b'\n', bytes);
            append(&mut self.line, &bytes[..end.unwrap_or(bytes.len())]);
            let used = end.map_or(bytes.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    fn push(&mut self, has_end: bool) {
        let line = clean(&self.line);
        let cri = CriLine::of(line);
        if self.is_cri.is_none() && !line.trim_ascii().is_empty() {
            self.is_cri = Some(cri.is_some());
        }
        let Some(cri) = cri else {
            return self.pass(has_end);
        };
        let pieces = &mut self.pieces[cri.stream];
        if cri.is_piece {
            let from = if pieces.is_empty() { 0 } else { cri.text };
            append(pieces, &line[from..]);
            self.taken += 1;
            return;
        }
        if !pieces.is_empty() {
            append(pieces, &line[cri.text..]);
            if let Some(first) = CriLine::of(pieces) {
                pieces[first.text - 2] = b'F';
            }
            self.line.clear();
            self.line.append(pieces);
        }
        self.pass(has_end);
    }

    /// Passes the line on, behind blank ones in the places of pieces.
    fn pass(&mut self, has_end: bool) {
        let blank = std::mem::take(&mut self.taken);
        self.ready.extend(std::iter::repeat_n(b'\n', blank));
        self.ready.extend_from_slice(&self.line);
        if has_end {
            self.ready.push(b'\n');
        }
    }

    /// Passes on what stayed pieces, each in the place of one.
    fn end(&mut self) {
        let left = self.pieces.iter().filter(|pieces| !pieces.is_empty());
        self.taken = self.taken.saturating_sub(left.count());
        for stream in 0..STREAMS.len() {
            if !self.pieces[stream].is_empty() {
                self.line.clear();
                self.line.append(&mut self.pieces[stream]);
                self.pass(true);
            }
        }
    }
}

impl<R: Read> Read for WholeLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.passed == self.ready.len() {
            if self.is_cri == Some(false) {
                return self.reader.read(buffer);
            }
            self.refill()?;
        }
        let mut ready = &self.ready[self.passed..];
        let read = ready.read(buffer)?;
        self.passed += read;
        Ok(read)
    }
}

/// Appends text to that of a line, of a line that is too long to be parsed no more than tells it.
fn append(line: &mut Vec<u8>, text: &[u8]) {
    let room = (MAX_LINE + 1).saturating_sub(line.len());
    line.extend_from_slice(&text[..text.len().min(room)]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::lines::lines;

    const TIME: &str = "2024-03-04T10:00:00.326492123Z";

    fn whole(text: impl AsRef<[u8]>) -> Vec<u8> {
        let mut read = Vec::new();
        WholeLines::new(text.as_ref())
            .read_to_end(&mut read)
            .unwrap();
        read
    }

    fn whole_text(text: &str) -> String {
        String::from_utf8(whole(text)).unwrap()
    }

    #[test]
    fn pieces_become_the_line_that_they_are_of() {
        for (text, expected) in [
            ("out F a\nout F b\n", "out F a\nout F b\n"),
            ("out P a\nout F b\n", "\nout F ab\n"),
            (
                "out P a\nout P b\nout F c\nout F d\n",
                "\n\nout F abc\nout F d\n",
            ),
            ("out P a\nout F b", "\nout F ab"),
            ("out P a\nout F \nout F b\n", "\nout F a\nout F b\n"),
            // Each stream has its own.
            (
                "out P a\nerr F b\nerr P c\nout F d\nerr F e\n",
                "\nerr F b\n\nout F ad\nerr F ce\n",
            ),
            // What is no line of the runtime is left as it is.
            ("\nout P a\nx\nout F b\n", "\n\nx\nout F ab\n"),
            // No end comes.
            ("out F a\nout P b\n", "out F a\nout P b\n"),
            ("out P a\nout P b\n", "\nout P ab\n"),
            ("out P a\nerr P b\n", "out P a\nerr P b\n"),
        ] {
            let named = |text: &str| {
                text.replace("out ", &format!("{TIME} stdout "))
                    .replace("err ", &format!("{TIME} stderr "))
            };
            assert_eq!(whole_text(&named(text)), named(expected), "{text}");
        }
    }

    #[test]
    fn other_logs_are_passed_on_as_they_are() {
        for text in [
            String::new(),
            "\n".to_owned(),
            "a\nb".to_owned(),
            format!("a\n{TIME} stdout P b\n{TIME} stdout F c\n"),
            format!("{TIME} web1 nginx: a\n"),
            format!("{TIME} stdout Failed\n"),
        ] {
            assert_eq!(whole_text(&text), text);
        }
    }

    #[test]
    fn a_line_of_many_pieces_is_too_long_as_any_other() {
        let piece = "x".repeat(16 << 10);
        let text = format!("{TIME} stdout P {piece}\n").repeat(100);
        let read = whole(format!("{text}{TIME} stdout F y\n"));
        let lengths: Vec<usize> = lines(&read)
            .map(<[u8]>::len)
            .filter(|length| *length > 0)
            .collect();
        assert_eq!(lengths, [MAX_LINE + 1]);
        assert_eq!(lines(&read).count(), 101);
    }

    proptest! {
        /// However the text is cut, and with as many lines as before where every line has an end.
        #[test]
        fn lines_keep_their_numbers(
            kinds in proptest::collection::vec((0_usize..2, any::<bool>(), "[a-z]{0,5}"), 1..40),
            size in 1_usize..200,
        ) {
            let mut text = String::new();
            let mut texts = [String::new(), String::new()];
            for (stream, is_piece, said) in &kinds {
                let tag = if *is_piece { "P" } else { "F" };
                text.push_str(&format!("{TIME} {} {tag} {said}\n", ["stdout", "stderr"][*stream]));
                texts[*stream].push_str(said);
            }
            for stream in ["stdout", "stderr"] {
                text.push_str(&format!("{TIME} {stream} F .\n"));
            }
            let mut reader = WholeLines::new(text.as_bytes());
            let mut read = Vec::new();
            let mut buffer = vec![0; size];
            loop {
                match reader.read(&mut buffer).unwrap() {
                    0 => break,
                    count => read.extend_from_slice(&buffer[..count]),
                }
            }
            prop_assert_eq!(lines(&read).count(), kinds.len() + 2);
            for (stream, said) in texts.iter().enumerate() {
                let of_stream: String = lines(&read)
                    .filter_map(|line| {
                        let cri = CriLine::of(line).filter(|cri| cri.stream == stream)?;
                        assert!(!cri.is_piece);
                        Some(String::from_utf8(line[cri.text..].to_vec()).unwrap())
                    })
                    .collect();
                prop_assert_eq!(of_stream, format!("{said}."));
            }
        }
    }
}
