//! What a run does for others once its tables are in order: the export, a webhook, a program, a file of
//! metrics.

pub(crate) mod after;
mod hook;
pub(crate) mod ledger;
pub(crate) mod metrics;
pub(crate) mod reported;
mod webhook;
