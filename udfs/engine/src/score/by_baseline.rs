//! Judges rows by the baseline and by gating networks, which wait for no other rows: long slices are cut
//! into parts that are judged side by side.

use std::ops::Range;

use rayon::prelude::*;

use super::workers::Workers;
use super::{Detail, Judge, Verdict};
use crate::detector::Comparison;
use crate::forecast::{ForecastError, SeriesSlice, Status, Work};
use crate::series::blocks::BlockLayout;

/// Rows of a part at least: what it reads again before them costs a fraction of that.
const LEAST_ROWS: usize = 1 << 13;

/// What became of the rows of a slice that are no history.
pub(super) struct Judged {
    pub(super) status: Vec<Status>,
    /// By judge.
    pub(super) verdicts: Vec<Vec<Option<Verdict>>>,
    pub(super) work: Work,
}

/// Judges the rows of a slice that are no history by judges that are all the baseline, or all gated.
pub(super) fn judge(
    slice: &SeriesSlice<'_>,
    layout: &BlockLayout,
    judges: &[Judge],
    detail: Detail,
    workers: &Workers,
) -> Result<Judged, ForecastError> {
    let of_part = |rows: Range<usize>| {
        let part = SeriesSlice {
            indices: &slice.indices[..rows.end],
            first_row: rows.start,
            ..*slice
        };
        judge_part(&part, layout, judges, detail)
    };
    let rows = slice.first_row..slice.indices.len();
    if rows.len() < 2 * LEAST_ROWS {
        return of_part(rows);
    }
    let Some(pool) = workers.pool() else {
        return of_part(rows);
    };
    let parts = parts(slice.indices, rows, layout, pool.current_num_threads());
    let judged: Result<Vec<Judged>, ForecastError> =
        pool.install(|| parts.into_par_iter().map(of_part).collect());
    let mut judged = judged?.into_iter();
    let mut all = judged.next().unwrap_or_else(|| Judged {
        status: Vec::new(),
        verdicts: vec![Vec::new(); judges.len()],
        work: Work::default(),
    });
    for part in judged {
        all.status.extend(part.status);
        for (all, part) in all.verdicts.iter_mut().zip(part.verdicts) {
            all.extend(part);
        }
        all.work.add(&part.work);
    }
    Ok(all)
}

/// About as many parts as threads, of whole blocks but for the last.
fn parts(
    indices: &[i64],
    rows: Range<usize>,
    layout: &BlockLayout,
    threads: usize,
) -> Vec<Range<usize>> {
    let wanted = threads.min(rows.len() / LEAST_ROWS).max(1);
    let mut parts = Vec::with_capacity(wanted);
    let mut begin = rows.start;
    for number in 1..=wanted {
        let end = rows.start + number * rows.len() / wanted;
        let end = if number == wanted {
            end
        } else {
            let block = layout.block_of(indices[end]);
            indices.partition_point(|index| *index < block)
        };
        if end > begin {
            parts.push(begin..end);
            begin = end;
        }
    }
    parts
}

fn judge_part(
    slice: &SeriesSlice<'_>,
    layout: &BlockLayout,
    judges: &[Judge],
    detail: Detail,
) -> Result<Judged, ForecastError> {
    let rows = slice.indices.len() - slice.first_row;
    let mut judged = Judged {
        status: vec![Status::Warmup; rows],
        verdicts: vec![vec![None; rows]; judges.len()],
        work: Work::default(),
    };
    let Judged {
        status,
        verdicts,
        work,
    } = &mut judged;
    let gates: Vec<_> = judges.iter().filter_map(Judge::gating).collect();
    let gates: Vec<_> = gates.into_iter().map(|(gate, _)| gate).collect();
    let odds = if gates.is_empty() {
        Vec::new()
    } else {
        slice.gate_odds(layout, &gates, work)?
    };
    let comparison = Comparison::none(layout.metrics());
    let places: Vec<usize> = (0..rows).collect();
    slice.without_network(layout, &places, status, &mut |place, window| {
        for (number, judge) in judges.iter().enumerate() {
            verdicts[number][place] = match odds.get(number) {
                Some(odds) => {
                    judge.verdict_of_gate(window, &comparison, odds.of_row(place), detail)
                }
                None => judge.verdict(window, detail),
            };
        }
    });
    Ok(judged)
}
