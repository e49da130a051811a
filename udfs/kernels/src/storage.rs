//! The numbers of tensors on the CPU.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};

/// The numbers of a contiguous tensor.
pub(super) fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<f32>()?[from..to]),
        None => candle_core::bail!("expected a contiguous tensor, found {layout:?}"),
    }
}

/// Calls `with` with the numbers of a tensor.
pub(super) fn with_values<R>(tensor: &Tensor, with: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => with(contiguous(storage, layout)?),
        _ => candle_core::bail!("expected a tensor on the CPU, found {:?}", tensor.device()),
    }
}
