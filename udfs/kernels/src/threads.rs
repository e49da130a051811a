//! Work split over threads, so that results do not depend on how many there are.

use std::num::NonZeroUsize;
use std::thread;

/// The threads that this process may use.
pub(crate) fn available() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// `work` for every item, on up to `threads` threads; results in the order of the items.
pub(crate) fn map<I: Send, R: Send>(
    items: Vec<I>,
    threads: usize,
    work: impl Fn(I) -> R + Sync,
) -> Vec<R> {
    let threads = threads.clamp(1, items.len().max(1));
    if threads == 1 {
        return items.into_iter().map(work).collect();
    }
    let share = items.len().div_ceil(threads);
    let mut items = items.into_iter();
    let own: Vec<I> = items.by_ref().take(share).collect();
    thread::scope(|scope| {
        let work = &work;
        let mut others = Vec::with_capacity(threads - 1);
        loop {
            let theirs: Vec<I> = items.by_ref().take(share).collect();
            if theirs.is_empty() {
                break;
            }
            others.push(scope.spawn(move || theirs.into_iter().map(work).collect::<Vec<R>>()));
        }
        let mut results: Vec<R> = own.into_iter().map(work).collect();
        for other in others {
            match other.join() {
                Ok(theirs) => results.extend(theirs),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_keep_the_order_of_items() {
        for threads in 0..7 {
            for len in 0..9 {
                let doubled = map((0..len).collect(), threads, |i| 2 * i);
                assert_eq!(doubled, (0..len).map(|i| 2 * i).collect::<Vec<_>>());
            }
        }
    }
}
