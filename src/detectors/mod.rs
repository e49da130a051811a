//! Which detectors score what: those that read the columns of some windows, those of a job, and those
//! that have won against them since.

pub(crate) mod assignment;
pub mod champions;
mod error;
pub mod select;

pub use error::{Error, MetricSetting, Result};
