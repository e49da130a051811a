//! How dates that are to be built are cut into pieces of work.

use std::ops::RangeInclusive;

use chrono::NaiveDate;

/// Cuts dates in order into ranges of consecutive dates of one kind, of so many at most.
pub(crate) fn pieces<K: PartialEq + Copy>(
    dates: impl IntoIterator<Item = (NaiveDate, K)>,
    most: usize,
) -> Vec<(RangeInclusive<NaiveDate>, K)> {
    let mut pieces: Vec<(RangeInclusive<NaiveDate>, K, usize)> = Vec::new();
    for (date, kind) in dates {
        match pieces.last_mut() {
            Some((range, last, count))
                if *last == kind && *count < most && range.end().succ_opt() == Some(date) =>
            {
                *range = *range.start()..=date;
                *count += 1;
            }
            _ => pieces.push((date..=date, kind, 1)),
        }
    }
    pieces
        .into_iter()
        .map(|(range, kind, _)| (range, kind))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_consecutive_alike_and_not_too_long() {
        let date = |day: u64| NaiveDate::default() + chrono::Days::new(day);
        let cut = |dates: &[(u64, char)]| -> Vec<(u64, u64, char)> {
            let days = |date: NaiveDate| (date - NaiveDate::default()).num_days() as u64;
            pieces(dates.iter().map(|&(day, kind)| (date(day), kind)), 31)
                .into_iter()
                .map(|(range, kind)| (days(*range.start()), days(*range.end()), kind))
                .collect()
        };
        assert_eq!(cut(&[]), []);
        assert_eq!(
            cut(&[(1, 'a'), (2, 'a'), (3, 'b'), (5, 'b'), (6, 'b')]),
            [(1, 2, 'a'), (3, 3, 'b'), (5, 6, 'b')]
        );
        let many: Vec<_> = (0..40).map(|day| (day, 'a')).collect();
        assert_eq!(cut(&many), [(0, 30, 'a'), (31, 39, 'a')]);
    }
}
