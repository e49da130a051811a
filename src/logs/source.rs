//! Opens a log: plain, gzip or zstd, told by its first bytes and not by its name. Archives of several
//! files and other compressions are refused by name.
//!
//! The digest is taken of the bytes as they are stored, while they are read. It is BLAKE3:
//! SHA-256 took a seventh of the time of ingesting.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use blake3::Hasher;
use flate2::bufread::MultiGzDecoder;

use crate::progress::{Counter, Unwatched};

/// Bytes of compressed input read at once.
const BUFFER: usize = 256 << 10;

/// A log being read.
pub(super) struct OpenLog<'p> {
    /// The text.
    pub(super) reader: Box<dyn Read + Send + 'p>,
    /// The stored bytes that have been read so far.
    pub(super) tally: Arc<Mutex<BytesRead>>,
}

/// Digest and number of stored bytes that have been read.
#[derive(Debug, Default)]
pub(super) struct BytesRead {
    hasher: Hasher,
    bytes: u64,
}

impl BytesRead {
    /// Reads the tally that a source shares.
    pub(super) fn read<T>(tally: &Mutex<Self>, read: impl FnOnce(&Self) -> T) -> T {
        // A panic in between cannot leave the tally in a state worth avoiding.
        read(&tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The digest in hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Why a log cannot be opened.
#[derive(Debug)]
pub(super) enum OpenError {
    Io(io::Error),
    /// Compressed or packed in a way that is not supported; with its name.
    Unsupported(&'static str),
}

/// Starts reading a log.
pub(super) fn open<'p>(
    raw: impl Read + Send + 'p,
    progress: &'p dyn Counter,
) -> Result<OpenLog<'p>, OpenError> {
    let tally = Arc::new(Mutex::new(BytesRead::default()));
    let mut raw = Counted {
        raw,
        tally: tally.clone(),
        progress,
    };
    let mut magic = Vec::with_capacity(6);
    (&mut raw)
        .take(6)
        .read_to_end(&mut magic)
        .map_err(OpenError::Io)?;
    let kind = Compression::of(&magic);
    let raw = Cursor::new(magic).chain(raw);
    let reader: Box<dyn Read + Send + 'p> = match kind.map_err(OpenError::Unsupported)? {
        Compression::None => Box::new(raw),
        Compression::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, raw))),
        Compression::Zstd => {
            let raw = BufReader::with_capacity(BUFFER, raw);
            Box::new(zstd::stream::read::Decoder::with_buffer(raw).map_err(OpenError::Io)?)
        }
    };
    Ok(OpenLog {
        reader: without_archive(reader)?,
        tally,
    })
}

/// Checks that unpacked text is no `tar` archive, whose headers would be read as lines.
fn without_archive<'p>(
    mut reader: Box<dyn Read + Send + 'p>,
) -> Result<Box<dyn Read + Send + 'p>, OpenError> {
    const HEADER: u64 = 512;
    let mut header = Vec::with_capacity(HEADER as usize);
    match (&mut reader).take(HEADER).read_to_end(&mut header) {
        Ok(_) if header.get(257..262) == Some(b"ustar") => Err(OpenError::Unsupported("tar")),
        Ok(_) => Ok(Box::new(Cursor::new(header).chain(reader))),
        // What was read before is read once more, and then the error.
        Err(error) => Ok(Box::new(Cursor::new(header).chain(Broken(Some(error))))),
    }
}

/// A source that fails.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// When a file was last written, microseconds since the Unix epoch.
pub(super) fn written(path: &Path) -> Option<i64> {
    let written = path.metadata().ok()?.modified().ok()?;
    let since_epoch = written.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_micros()).ok()
}

/// The digest of a whole file.
pub(super) fn digest_of(path: &Path) -> io::Result<String> {
    let mut hasher = Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Digests of the text of a log, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextDigests {
    /// Bytes of text.
    pub bytes: u64,
    /// Digest of the first so many bytes, for each length asked for that the text has.
    pub beginnings: BTreeMap<u64, String>,
}

/// Reads a log once for the digests of its text up to some lengths.
///
/// # Errors
/// When the log cannot be read or unpacked.
pub fn text_digests(path: &Path, lengths: &BTreeSet<u64>) -> io::Result<TextDigests> {
    let opened = open(File::open(path)?, &Unwatched);
    let mut text = match opened {
        Ok(source) => source.reader,
        Err(OpenError::Io(error)) => return Err(error),
        Err(OpenError::Unsupported(kind)) => {
            return Err(io::Error::new(io::ErrorKind::Unsupported, kind));
        }
    };
    let mut hasher = Hasher::new();
    let mut digests = TextDigests {
        bytes: 0,
        beginnings: BTreeMap::new(),
    };
    let mut lengths = lengths.iter().copied().peekable();
    let mut buffer = vec![0; BUFFER];
    loop {
        while let Some(length) = lengths.next_if_eq(&digests.bytes) {
            let digest = hasher.finalize().to_hex().to_string();
            digests.beginnings.insert(length, digest);
        }
        // Up to the next length, so that every one of them is met.
        let room = lengths.peek().map_or(u64::MAX, |next| next - digests.bytes);
        let room = buffer
            .len()
            .min(usize::try_from(room).unwrap_or(usize::MAX));
        match text.read(&mut buffer[..room]) {
            Ok(0) => return Ok(digests),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                digests.bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(magic: &[u8]) -> Result<Self, &'static str> {
        Ok(match magic {
            [0x1F, 0x8B, ..] => Self::Gzip,
            // A frame, or a skippable frame, as parallel compressors write first.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => return Err("bzip2"),
            [0xFD, b'7', b'z', b'X', b'Z', ..] => return Err("xz"),
            [b'P', b'K', 3, 4, ..] => return Err("zip"),
            [b'P', b'A', b'R', b'1', ..] => return Err("Parquet"),
            [0x04, 0x22, 0x4D, 0x18, ..] => return Err("lz4"),
            _ => Self::None,
        })
    }
}

/// Counts and digests what passes through.
struct Counted<'p, R> {
    raw: R,
    tally: Arc<Mutex<BytesRead>>,
    progress: &'p dyn Counter,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.raw.read(buffer)?;
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.hasher.update(&buffer[..read]);
        tally.bytes += read as u64;
        drop(tally);
        self.progress.advance(read as u64);
        Ok(read)
    }
}
