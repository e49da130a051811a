//! The figures as text that a person reads.

use std::fmt::{self, Write as _};

use super::figures::{Figures, Share};
use super::inject::STRENGTHS;
use super::kind::Nuisance;

/// The share of time in false incidents from which on it is shown.
const SHOWN_TIME: f64 = 0.01;

/// All figures, one block of tables per length of windows.
pub(crate) fn text(figures: &[Figures]) -> String {
    let mut text = String::new();
    for of_step in figures.chunk_by(|one, next| one.minutes == next.minutes) {
        // Writing to a string does not fail.
        let _ = write_step(&mut text, of_step);
    }
    text
}

fn write_step(text: &mut String, figures: &[Figures]) -> fmt::Result {
    let [first, ..] = figures else {
        return Ok(());
    };
    let minutes = first.minutes;
    writeln!(
        text,
        "windows of {minutes} min: false incidents per site and month (worst site), share of the time from 1 % on | anomalies found {}",
        strengths()
    )?;
    header(text, "nuisance", figures, 38)?;
    for nuisance in Nuisance::ALL {
        let rows: Vec<_> = figures
            .iter()
            .filter_map(|of| of.nuisances.iter().find(|row| row.nuisance == nuisance))
            .collect();
        if rows.is_empty() {
            continue;
        }
        write!(text, "{:<20}", nuisance.name())?;
        for row in rows {
            let found = shares(&row.found);
            let mut cell = format!("{:.1} ({:.0})", row.false_a_month, row.worst);
            if row.false_time >= SHOWN_TIME {
                write!(cell, " {:.0} %", 100.0 * row.false_time)?;
            }
            write!(cell, " | {found}")?;
            if let Some(own) = row.events.ratio() {
                write!(cell, " own {own:.2}")?;
            }
            write!(text, " {cell:<38}")?;
        }
        writeln!(text)?;
    }
    write!(text, "{:<20}", "all but control")?;
    for of in figures {
        let cell = format!(
            "{:.2} ({:.2} in all, with anomalies)",
            of.false_a_month, of.false_with_anomalies
        );
        write!(text, " {cell:<38}")?;
    }
    writeln!(text, "\n")?;
    writeln!(
        text,
        "windows of {minutes} min: anomalies found by kind {}, and how many of each there were",
        strengths()
    )?;
    header(text, "kind", figures, 18)?;
    let kinds = first.kinds.iter().map(|row| row.kind);
    for (number, kind) in kinds.enumerate() {
        write!(text, "{kind:<20}")?;
        for of in figures {
            write!(
                text,
                " {:<18}",
                of.kinds
                    .get(number)
                    .map_or(String::new(), |row| shares(&row.found))
            )?;
        }
        let of = first.kinds[number].found.map(|share| share.of.to_string());
        writeln!(text, " {}", of.join(" "))?;
    }
    write!(text, "{:<20}", "all")?;
    for of in figures {
        write!(text, " {:<18}", shares(&of.found))?;
    }
    let of = first.found.map(|share| share.of.to_string());
    writeln!(text, " {}\n", of.join(" "))?;
    if first.budgets.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "windows of {minutes} min: alarms on clean traffic for one asked for (alarms counted)"
    )?;
    header(text, "one in a", figures, 18)?;
    for (number, budget) in first.budgets.iter().enumerate() {
        write!(text, "{:<20}", budget.period)?;
        for of in figures {
            let budget = &of.budgets[number];
            let cell = format!(
                "{:.2} ({})",
                budget.got_a_week / budget.asked_a_week,
                budget.alarms
            );
            write!(text, " {cell:<18}")?;
        }
        writeln!(text)?;
    }
    writeln!(text)
}

fn header(text: &mut String, first: &str, figures: &[Figures], width: usize) -> fmt::Result {
    write!(text, "{first:<20}")?;
    for of in figures {
        write!(text, " {:<width$}", of.detector)?;
    }
    writeln!(text)
}

fn strengths() -> String {
    let strengths = STRENGTHS.map(|(name, deviations)| format!("{name} {deviations}σ"));
    format!("({})", strengths.join(", "))
}

fn shares(shares: &[Share]) -> String {
    let ratio = |share: &Share| {
        share
            .ratio()
            .map_or("–".to_owned(), |ratio| format!("{ratio:.2}"))
    };
    shares.iter().map(ratio).collect::<Vec<_>>().join(" ")
}
