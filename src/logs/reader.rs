//! Reads one log from its beginning to its end: cuts it into blocks and tells its format.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::block::{BlockParser, ParsedBlock};
use super::cri::WholeLines;
use super::detect;
use super::error::IngestError;
use super::inputs::{Input, InputPlace};
use super::layout::{Layout, LineLayout};
use super::lines::{Block, Blocks, lines};
use super::options::{IngestOptions, usual_time};
use super::read_as::Reading;
use super::source::{self, BytesRead, OpenError, OpenLog};
use super::undetected::Undetected;
use crate::progress::Counter;

/// The bytes of a log that say of which time it is: some hundred lines.
const BEGINNING_BYTES: usize = 64 << 10;

/// A piece of a log; pieces can be parsed in any order.
#[derive(Debug)]
pub(super) enum Piece {
    /// Whole lines, and how to parse them.
    Lines {
        block: Vec<u8>,
        parser: Arc<BlockParser>,
        /// No line with text came before.
        is_first: bool,
    },
    /// A piece that needs no parsing.
    Parsed(Parsed),
}

/// A piece of a log after parsing; pieces are kept in the order of the log.
#[derive(Debug)]
pub(super) enum Parsed {
    Block(ParsedBlock),
    /// The first bytes of a line that is too long.
    LongLine(Vec<u8>),
    /// Nothing can be read from here on.
    Unreadable {
        /// Stored bytes read before.
        bytes: u64,
        /// Whole lines read after the last piece.
        lines: u64,
        source: io::Error,
    },
    /// The rest of the file is no log.
    Unknown(IngestError),
    /// There is no more.
    End {
        digest: String,
        /// Stored bytes.
        bytes: u64,
        /// Nothing if there was no line with text.
        reading: Option<Arc<Reading>>,
    },
}

impl Parsed {
    /// Why a log cannot be read, if it cannot.
    pub(super) fn into_error(self, file: &str) -> Option<IngestError> {
        match self {
            Self::Unknown(error) => Some(error),
            Self::Unreadable {
                bytes,
                lines,
                source,
            } => Some(IngestError::unreadable(
                file.to_owned(),
                bytes,
                lines,
                source,
            )),
            Self::Block(_) | Self::LongLine(_) | Self::End { .. } => None,
        }
    }
}

impl Piece {
    /// Parses the piece; returns also the memory of its block.
    pub(super) fn parse(self) -> (Parsed, Vec<u8>) {
        match self {
            Self::Lines {
                block,
                parser,
                is_first,
            } => (Parsed::Block(parser.parse(&block, is_first)), block),
            Self::Parsed(parsed) => (parsed, Vec::new()),
        }
    }
}

/// What the first lines tell.
type Told = (Arc<Reading>, Arc<BlockParser>);

/// A log being read.
pub(super) struct LogReader<'a> {
    input: &'a Input,
    options: &'a IngestOptions,
    blocks: Blocks<Box<dyn Read + Send + 'a>>,
    tally: Arc<Mutex<BytesRead>>,
    parser: Option<Told>,
    is_at_end: bool,
}

impl<'a> LogReader<'a> {
    /// Opens a log, to be read in blocks of at most `block_size` bytes.
    pub(super) fn open(
        input: &'a Input,
        options: &'a IngestOptions,
        block_size: usize,
        progress: &'a dyn Counter,
    ) -> Result<Self, IngestError> {
        let failed = |source| IngestError::Open {
            path: PathBuf::from(input.name()),
            source,
        };
        let raw: Box<dyn Read + Send> = match &input.place {
            InputPlace::Stdin => Box::new(io::stdin()),
            InputPlace::File(path) => Box::new(File::open(path).map_err(failed)?),
        };
        let OpenLog { reader, tally } =
            source::open(raw, progress).map_err(|error| match error {
                OpenError::Io(source) => failed(source),
                OpenError::Unsupported(kind) => IngestError::Unsupported {
                    file: input.name(),
                    kind,
                },
            })?;
        Ok(Self {
            input,
            options,
            blocks: Blocks::new(Box::new(WholeLines::new(reader)), block_size),
            tally,
            parser: None,
            is_at_end: false,
        })
    }

    /// Whether the last piece has been read.
    pub(super) const fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// What the log is read as, once a line with text was read.
    pub(super) fn reading(&self) -> Option<Arc<Reading>> {
        self.parser.as_ref().map(|(reading, _)| Arc::clone(reading))
    }

    /// The next piece, in the memory of `spare`.
    pub(super) fn next(&mut self, spare: Vec<u8>) -> Piece {
        let parsed = match self.blocks.next(spare) {
            Ok(Some(Block::Lines(block))) => match self.lines(block) {
                Ok(piece) => return piece,
                Err(error) => Parsed::Unknown(error),
            },
            Ok(Some(Block::LongLine(mut head))) => {
                if self.options.pseudonyms.is_some() {
                    head.clear();
                }
                return Piece::Parsed(Parsed::LongLine(head));
            }
            Ok(None) => Parsed::End {
                digest: BytesRead::read(&self.tally, BytesRead::digest),
                bytes: BytesRead::read(&self.tally, BytesRead::bytes),
                reading: self.reading(),
            },
            Err(source) => Parsed::Unreadable {
                bytes: BytesRead::read(&self.tally, BytesRead::bytes),
                lines: self.blocks.unfinished_lines(),
                source,
            },
        };
        self.is_at_end = true;
        Piece::Parsed(parsed)
    }

    fn lines(&mut self, block: Vec<u8>) -> Result<Piece, IngestError> {
        let is_first = self.parser.is_none();
        if is_first {
            self.parser = self.detect(&block)?;
        }
        Ok(match &mut self.parser {
            Some((_, parser)) => {
                let this = parser.clone();
                if let Some(next) = next_parser(parser, &block) {
                    *parser = Arc::new(next);
                }
                Piece::Lines {
                    block,
                    parser: this,
                    is_first,
                }
            }
            None => {
                let blank = lines(&block).count() as u64;
                Piece::Parsed(Parsed::Block(ParsedBlock::blank(blank)))
            }
        })
    }

    fn detect(&self, block: &[u8]) -> Result<Option<Told>, IngestError> {
        let options = self.options;
        let found = detect::detect(block, options.format.as_ref(), &options.columns).map_err(
            |undetected| {
                let undetected = match options.pseudonyms {
                    Some(_) => undetected.without_text(),
                    None => undetected,
                };
                undetected_error(self.input.name(), undetected)
            },
        )?;
        Ok(found.map(|detected| {
            let mut reading = Reading::of(&detected, options.format.is_some());
            if options.pseudonyms.is_some() {
                reading = reading.without_text();
            }
            let mut parser = BlockParser {
                layout: detected.layout,
                trusted_proxies: options.trusted_proxies.clone(),
                forced_site: options.site.clone(),
                default_site: self.input.site.clone(),
                times: i64::MIN..i64::MAX,
                pseudonyms: options.pseudonyms.clone(),
            };
            let usual = usual_time(parser.parse(beginning(block), true).rows.timestamps());
            parser.times = options.limits.times(self.input.written(), usual);
            (Arc::new(reading), Arc::new(parser))
        }))
    }
}

/// The parser for what follows a block, if the block names other fields.
fn next_parser(parser: &BlockParser, block: &[u8]) -> Option<BlockParser> {
    let LineLayout::W3c(header) = &parser.layout.lines else {
        return None;
    };
    Some(BlockParser {
        layout: Layout {
            prefixes: parser.layout.prefixes,
            lines: LineLayout::W3c(header.after(block)?),
        },
        ..parser.clone()
    })
}

/// The whole lines of the beginning of a block.
fn beginning(block: &[u8]) -> &[u8] {
    match block.get(..BEGINNING_BYTES) {
        Some(first) => &first[..memchr::memrchr(b'\n', first).map_or(first.len(), |end| end + 1)],
        None => block,
    }
}

fn undetected_error(file: String, undetected: Undetected) -> IngestError {
    match undetected {
        Undetected::Unknown { line } => IngestError::UnknownFormat {
            file,
            line: line.escape_debug().to_string(),
        },
        Undetected::Missing { missing, found } => IngestError::MissingColumns {
            file,
            missing: missing.into_iter().map(str::to_owned).collect(),
            found,
        },
        Undetected::Unmatched {
            column,
            source,
            found,
        } => IngestError::UnmatchedColumn {
            file,
            column: column.to_owned(),
            field: source,
            found,
        },
    }
}
