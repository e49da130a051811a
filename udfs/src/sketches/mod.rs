//! Small summaries of many values that can be merged: how many distinct ones there are, which share the
//! most frequent one has, and their quantiles.
//!
//! A log has hundreds of thousands of groups of some dozen requests and a few of many thousands.
//! A sketch here holds few values exactly, in a plain vector, and turns into a summary of bounded
//! size when there are more. When it turns depends on the values alone, and so does all it says
//! then: neither the order of the values nor how they were split and merged changes a bit. The
//! crates tried have one fixed size per sketch (kilobytes even for one value), summaries whose
//! numbers depend on the order (t-digest, `HyperLogLog` with running sums of floats), or no stable
//! form to merge from.

mod quantile;
mod share;
mod unique;

use datafusion::arrow::datatypes::ArrowNativeType;
use thiserror::Error;

pub use quantile::QuantileSketch;
pub use share::ShareSketch;
pub use unique::UniqueSketch;

/// A mergeable summary of values.
pub trait Sketch: Clone + Default + Send + Sync + 'static {
    /// What is summarised.
    type Item: ArrowNativeType;

    /// Adds values.
    fn add(&mut self, items: &[Self::Item]);

    /// Adds the values of another sketch.
    fn merge(&mut self, other: Self);

    /// Appends a form from which [`Self::decode`] makes a sketch of the same values.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads an encoded sketch.
    ///
    /// # Errors
    /// When the bytes are none.
    fn decode(bytes: &[u8]) -> Result<Self, DamagedSketch>;

    /// Bytes held on the heap.
    fn heap_size(&self) -> usize;
}

/// Bytes that are no encoded sketch.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("expected an encoded {expected}, found {found} bytes that are none")]
pub struct DamagedSketch {
    /// The kind of sketch.
    expected: &'static str,
    /// How many bytes there are.
    found: usize,
}

/// Makes room for so many more values: for no more than those while they are the first, and for
/// half as many again as there are later, so that values which come one by one are not copied
/// each time.
fn make_room<T>(values: &mut Vec<T>, more: usize) {
    let spare = values.capacity() - values.len();
    if spare < more {
        values.reserve_exact(more.max(values.len() / 2));
    }
}

/// The whole numbers of `N` bytes in some bytes; `None` if something is left over.
fn chunks<const N: usize>(bytes: &[u8]) -> Option<impl Iterator<Item = [u8; N]> + '_> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    rest.is_empty().then(|| chunks.iter().copied())
}
