//! Parsers of values that several commands take.

use anomalog_engine::network::Architecture;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::session::results::Cells;

/// The job file of the current folder.
pub const JOB_FILE: &str = "job.toml";
/// The variable that names a warehouse.
pub const WAREHOUSE_VARIABLE: &str = "ANOMALOG_WAREHOUSE";
/// The variable that names a job file.
pub const JOB_VARIABLE: &str = "ANOMALOG_JOB";

/// Accepts the name of an architecture, and lists them all with what they are.
///
/// The engine, which has the type, knows nothing of command lines.
#[must_use]
pub fn architecture() -> impl TypedValueParser<Value = Architecture> {
    let values = Architecture::ALL.map(|architecture| {
        PossibleValue::new(architecture.name()).help(match architecture {
            Architecture::Rnn => "Plain recurrent network (Elman)",
            Architecture::Lstm => "Long short-term memory",
            Architecture::Gru => "Gated recurrent unit",
            Architecture::Clstm => "Causal convolution in front of an LSTM",
        })
    });
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Architecture>())
}

/// What becomes of text in CSV.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct CellsArgs {
    /// Leave text of CSV as it is that a spreadsheet would take for a formula: it begins with `=`, `+`,
    /// `-` or `@`, and is else written behind an apostrophe.
    #[arg(long)]
    raw: bool,
}

impl CellsArgs {
    /// How cells are written.
    #[must_use]
    pub const fn cells(self) -> Cells {
        Cells::raw_if(self.raw)
    }
}

/// Accepts finite numbers above zero.
pub(super) fn parse_positive(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number
        .filter(|number| *number > 0.0)
        .ok_or("expected a number above 0")
}

/// Accepts whole numbers from one.
#[must_use]
pub fn at_least_one() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}
