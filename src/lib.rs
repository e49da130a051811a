//! anomalog: web-traffic anomaly detection as SQL.
//!
//! ```text
//! access logs ──ingest──▶ access_logs        one row per request
//! Parquet logs ───link──▶    │  queries/traffic_windows.sql
//!                            ▼
//!                        traffic_windows     one row per series and window, gaps filled
//!                            │       ╲──train──▶ detectors/<name>/<version>/
//!                            │                      │
//!                            ▼                      ▼
//!                        scored_windows      scores as columns ──▶ Parquet, SQL
//!                            │  queries/incidents.sql, queries/incident_causes.sql
//!                            ▼
//!                        incidents, incident_causes      what went wrong when, and who did it
//!                            │
//!                            ▼
//!                        one folder for BI tools, one page for people
//! ```
//!
//! Data goes one way. Each step reads what stands above it and writes what stands below, and can
//! be run alone, or all in a row for one night ([`job`]). So do the rooms: each uses those before it
//! in this list, and none beside it, which `tests/layout.rs` holds.
//!
//! ```text
//! explain progress schema process ─▶ units simulation measures ─▶ warehouse ─▶ logs calendar ─▶ functions
//!   ─▶ session incremental ─▶ windows training detectors incidents export ─▶ scores intake evaluation report
//!   ─▶ job cli ─▶ commands ─▶ main
//! ```
//!
//! Invariants:
//! - The same input gives the same output: nothing depends on the clock, on the order of files or
//!   on the number of threads.
//! - A file of the warehouse appears complete or not at all ([`warehouse`]); tables of windows change
//!   by commits, one writer at a time ([`warehouse::commit`]).
//! - A table is a function of others, date by date; what it is a function of is its key, the version
//!   of the code included ([`incremental`]).
//! - "No traffic" and "no log" are different facts: zero and NULL ([`schema`]).
//! - What a detector is judged on, it never learned from ([`evaluation::training_sets`]).
//! - SQL that defines a table lies in `queries/`, never in a Rust string, and is told which tables it
//!   reads ([`session::queries`]).
//! - Only [`session`] builds a query context; only [`cli::printer`] writes to the terminal.
//! - Every room has errors of its own, which keep the words of those they wrap ([`explain`]).
//! - [`cli`] is arguments as written; [`commands`] resolves them and calls the rest.

pub mod calendar;
pub mod cli;
pub mod commands;
pub mod detectors;
pub mod evaluation;
pub mod explain;
pub mod export;
pub mod functions;
pub mod incidents;
pub mod incremental;
pub mod intake;
pub mod job;
pub mod logs;
pub mod measures;
pub mod process;
pub mod progress;
pub mod report;
pub mod schema;
pub mod scores;
pub mod session;
pub mod simulation;
pub mod training;
pub mod units;
pub mod warehouse;
pub mod windows;
