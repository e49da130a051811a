//! Cuts a stream into blocks of whole lines, whatever the length of the lines.
//!
//! Memory stays below two blocks: a line that does not fit into a block is passed on by its first
//! bytes only.

use std::io::{self, Read};
use std::ops::Range;

/// Bytes read at once. Large enough that neither system calls nor the work per block count, small
/// enough that a block stays in the second-level cache of today's servers while it is parsed.
pub(super) const BLOCK: usize = 2 << 20;
/// Bytes asked of the stream at once.
const PIECE: usize = 256 << 10;
/// The longest line that is parsed. Web servers cap requests at some 8 KiB per header.
pub(super) const MAX_LINE: usize = 1 << 20;
/// How much of a longer line is kept.
pub(super) const KEPT_OF_LONG_LINE: usize = 4 << 10;

/// A piece of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Whole lines with their line ends; the last one of the stream may lack it.
    Lines(Vec<u8>),
    /// The first [`KEPT_OF_LONG_LINE`] bytes of one line longer than a block.
    LongLine(Vec<u8>),
}

/// Reads blocks from a stream.
#[derive(Debug)]
pub(super) struct Blocks<R> {
    reader: R,
    size: usize,
    carried: Vec<u8>,
    unfinished_lines: u64,
}

impl<R: Read> Blocks<R> {
    /// Blocks of at most `size` bytes, which must be more than [`MAX_LINE`].
    pub(super) fn new(reader: R, size: usize) -> Self {
        debug_assert!(size > MAX_LINE, "a line that is parsed fits into a block");
        Self {
            reader,
            size,
            carried: Vec::new(),
            unfinished_lines: 0,
        }
    }

    /// The next block, or nothing at the end of the stream. It is read into the memory of `spare`,
    /// a block that is no longer needed.
    pub(super) fn next(&mut self, mut spare: Vec<u8>) -> io::Result<Option<Block>> {
        spare.resize(self.size, 0);
        let mut block = spare;
        let carried = self.carried.len();
        block[..carried].copy_from_slice(&self.carried);
        self.carried.clear();
        let is_full = match self.fill(&mut block, carried) {
            Ok(is_full) => is_full,
            Err(error) => {
                self.unfinished_lines = memchr::memchr_iter(b'\n', &block).count() as u64;
                return Err(error);
            }
        };
        if block.is_empty() {
            return Ok(None);
        }
        if !is_full {
            return Ok(Some(Block::Lines(block)));
        }
        let Some(end) = memchr::memrchr(b'\n', &block) else {
            return self.long_line(block).map(Some);
        };
        self.carried.extend_from_slice(&block[end + 1..]);
        block.truncate(end + 1);
        Ok(Some(Block::Lines(block)))
    }

    /// Whole lines that had been read of the block in which reading failed.
    pub(super) const fn unfinished_lines(&self) -> u64 {
        self.unfinished_lines
    }

    /// Reads behind the first `filled` bytes until the block is full or the stream ends; says
    /// whether it is full. What was read before an error stays in the block.
    fn fill(&mut self, block: &mut Vec<u8>, mut filled: usize) -> io::Result<bool> {
        block.resize(self.size, 0);
        let outcome = loop {
            if filled == self.size {
                break Ok(true);
            }
            // In pieces, which are still in the cache when they are digested.
            let end = self.size.min(filled + PIECE);
            match self.reader.read(&mut block[filled..end]) {
                Ok(0) => break Ok(false),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        block.truncate(filled);
        outcome
    }

    /// Skips the rest of a line that fills a whole block.
    fn long_line(&mut self, mut block: Vec<u8>) -> io::Result<Block> {
        let head = block[..KEPT_OF_LONG_LINE].to_vec();
        loop {
            let is_full = self.fill(&mut block, 0)?;
            if let Some(end) = memchr::memchr(b'\n', &block) {
                self.carried.extend_from_slice(&block[end + 1..]);
                break;
            }
            if !is_full {
                break;
            }
        }
        Ok(Block::LongLine(head))
    }
}

/// The lines of a block without their line ends.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    line_ranges(block).map(|range| &block[range])
}

/// Where the lines of a block are, without their line ends.
pub(super) fn line_ranges(block: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = &block[start..];
        if rest.is_empty() {
            return None;
        }
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..length];
        let range = start..start + line.strip_suffix(b"\r").unwrap_or(line).len();
        start = block.len().min(start + length + 1);
        Some(range)
    })
}

/// Returns a line without a byte order mark, and without the zero bytes that a log starts
/// with after it was truncated under its writer.
#[inline]
pub(super) fn clean(line: &[u8]) -> &[u8] {
    match line.first() {
        Some(0) => {
            let zeros = line.iter().take_while(|byte| **byte == 0).count();
            &line[zeros..]
        }
        Some(0xEF) => line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = MAX_LINE + 8;

    fn blocks(text: &[u8]) -> Vec<Block> {
        let mut blocks = Blocks::new(text, SIZE);
        // Memory is used again whatever it held.
        std::iter::from_fn(|| blocks.next(vec![b'\n'; 99]).unwrap()).collect()
    }

    #[test]
    fn lines_of_any_length_come_in_order() {
        let long = vec![b'x'; 3 * SIZE];
        let text = [b"a\n", &long[..], b"\n\nb\r\nc"].concat();
        assert_eq!(
            blocks(&text),
            [
                Block::Lines(b"a\n".to_vec()),
                Block::LongLine(long[..KEPT_OF_LONG_LINE].to_vec()),
                Block::Lines(b"\nb\r\nc".to_vec()),
            ]
        );
        assert_eq!(
            lines(b"\nb\r\nc").collect::<Vec<_>>(),
            [&b""[..], b"b", b"c"]
        );
        assert_eq!(lines(b"c\n").collect::<Vec<_>>(), [&b"c"[..]]);
        assert_eq!(blocks(b""), []);
    }

    #[test]
    fn a_long_line_may_end_the_stream() {
        for length in [SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 2 * SIZE + 1] {
            for end in ["", "\n", "\nz"] {
                let text = [&vec![b'x'; length][..], end.as_bytes()].concat();
                let mut count = 0;
                for block in blocks(&text) {
                    count += match block {
                        Block::Lines(block) => lines(&block).count(),
                        Block::LongLine(_) => 1,
                    };
                }
                assert_eq!(count, if end == "\nz" { 2 } else { 1 }, "{length} {end:?}");
            }
        }
    }
}
