//! The shapes and the numbers of tensors on the CPU.

use std::iter;

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};

/// Checks that inputs are `[batch_size, seq_len, features]`.
pub(super) fn check_inputs(inputs: &Tensor, features: usize) -> Result<()> {
    if inputs.dims3()?.2 != features {
        candle_core::bail!(
            "expected inputs of shape [batch_size, seq_len, {features}], found {:?}",
            inputs.dims()
        );
    }
    Ok(())
}

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

/// The gradient of the inputs, where it is wanted.
pub(super) struct InputGradient(Option<Vec<f32>>);

impl InputGradient {
    /// Zeros in the shape of the inputs, if they are wanted.
    pub(super) fn new(inputs: &Tensor, is_wanted: bool) -> Self {
        Self(is_wanted.then(|| vec![0.0; inputs.elem_count()]))
    }

    /// Parts of at most `len` numbers, in order, then empty ones without end.
    pub(super) fn parts(&mut self, len: usize) -> impl Iterator<Item = &mut [f32]> {
        let values = self.0.as_deref_mut().unwrap_or_default();
        values
            .chunks_mut(len)
            .chain(iter::repeat_with(Default::default))
    }

    /// The gradient as a tensor like the inputs, if it is wanted.
    pub(super) fn tensor(self, inputs: &Tensor) -> Result<Option<Tensor>> {
        let values = self.0;
        values
            .map(|values| Tensor::from_vec(values, inputs.dims(), inputs.device()))
            .transpose()
    }
}
