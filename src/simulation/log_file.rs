//! The log files of a simulation: their places, and the requests in them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::GzBuilder;
use flate2::write::GzEncoder;

use super::formats::{LogCompression, SiteFormat};
use super::lines::LineWriter;
use super::site;
use super::spec::{Simulation, date};
use super::traffic::Traffic;

/// Name of the folder of logs.
pub const LOGS: &str = "logs";

/// Bytes of log text that are handed to the compressor at once.
const CHUNK: usize = 1 << 18;

/// Compression takes most of the time: gzip at 6 takes 1.6 times as long in all for 10 % less.
const GZIP_LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;

/// Where the log of a site and day lies.
pub(super) fn log_path(out: &Path, spec: &Simulation, site: u32, day: u32) -> PathBuf {
    let extension = SiteFormat::of_site(site).extension();
    out.join(LOGS)
        .join(site::name(site))
        .join(format!("access-{}.{extension}", date(spec, day)))
}

/// Lines and bytes of text of a log.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogSize {
    pub(super) lines: u64,
    pub(super) bytes: u64,
}

/// An empty buffer for the text of a log.
pub(super) fn text_buffer() -> Vec<u8> {
    Vec::with_capacity(CHUNK + CHUNK / 4)
}

/// Writes a day of requests to a new file; `text` is a buffer to use.
pub(super) fn write_requests(
    path: &Path,
    compression: LogCompression,
    traffic: &mut Traffic,
    lines: &mut LineWriter,
    text: &mut Vec<u8>,
) -> io::Result<LogSize> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = LogSink::create(path, compression)?;
    let mut written = LogSize::default();
    text.clear();
    while let Some(requests) = traffic.next_minute() {
        for request in requests {
            lines.write(text, request);
        }
        written.lines += requests.len() as u64;
        if text.len() >= CHUNK {
            written.bytes += text.len() as u64;
            file.write(text)?;
            text.clear();
        }
    }
    written.bytes += text.len() as u64;
    file.write(text)?;
    file.finish()?;
    Ok(written)
}

/// A log file being written.
enum LogSink {
    Plain(File),
    Gzip(GzEncoder<File>),
    Zstd(zstd::Encoder<'static, File>),
}

impl LogSink {
    fn create(path: &Path, compression: LogCompression) -> io::Result<Self> {
        let file = File::create(path)?;
        Ok(match compression {
            LogCompression::None => Self::Plain(file),
            // The builder's header has neither a name nor a time, so equal text has equal bytes.
            LogCompression::Gzip => {
                Self::Gzip(GzBuilder::new().write(file, flate2::Compression::new(GZIP_LEVEL)))
            }
            LogCompression::Zstd => Self::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL)?),
        })
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(text),
            Self::Gzip(encoder) => encoder.write_all(text),
            Self::Zstd(encoder) => encoder.write_all(text),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(encoder) => encoder.finish().map(drop),
            Self::Zstd(encoder) => encoder.finish().map(drop),
        }
    }
}
