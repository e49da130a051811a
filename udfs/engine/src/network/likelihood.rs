//! The loss that forecasters are trained to minimise.

use candle_core::{Result, Tensor};

use super::Forecast;

/// Targets are clipped to ± this many scales, so that one incident in the training range cannot
/// outweigh the normal traffic around it.
pub const TARGET_CLIP: f64 = 20.0;

/// The log scale is clamped to this range: a run of constant traffic would drive it to −∞.
pub const LOG_SCALE_RANGE: (f64, f64) = (-4.0, 6.0);

/// Laplace negative log-likelihood (without the constant ln 2) of `targets` under `forecast`,
/// `|y − μ| · exp(−b) + b`, averaged over the elements that `mask` selects.
///
/// `targets` and `mask` have the forecast's shape `[batch_size, seq_len, targets]`; `mask` is 0
/// or 1. A target where `mask` is 0 may be anything, NaN included. An empty mask gives 0.
/// `y` is clipped to ±[`TARGET_CLIP`] and `b` to [`LOG_SCALE_RANGE`], with no gradient outside
/// the range; where `y = μ` the gradient of the absolute value is 0. All as in `PyTorch`.
///
/// # Errors
/// When the shapes differ.
pub fn laplace_loss(forecast: &Forecast, targets: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let Forecast {
        location,
        log_scale,
    } = forecast;
    for (name, tensor) in [
        ("log_scale", log_scale),
        ("targets", targets),
        ("mask", mask),
    ] {
        if tensor.dims() != location.dims() {
            candle_core::bail!(
                "expected `{name}` of the forecast's shape {:?}, found {:?}",
                location.dims(),
                tensor.dims()
            );
        }
    }
    let selected = mask.ne(0.0)?;
    let zeros = location.zeros_like()?;
    // Before any arithmetic: NaN times a mask of 0 is NaN.
    let y = selected
        .where_cond(targets, &zeros)?
        .detach()
        .clamp(-TARGET_CLIP, TARGET_CLIP)?;
    let b = clamp(log_scale)?;
    let deviation = absolute(&(y - location)?)?;
    let terms = ((deviation * b.neg()?.exp()?)? + b)?;
    let count = mask.sum_all()?.maximum(1.0)?;
    selected.where_cond(&terms, &zeros)?.sum_all()?.div(&count)
}

/// Clamp to [`LOG_SCALE_RANGE`] whose gradient is 1 inside, bounds included, and 0 outside.
/// `Tensor::clamp` gives half of it at the bounds.
fn clamp(log_scale: &Tensor) -> Result<Tensor> {
    let (min, max) = LOG_SCALE_RANGE;
    let clamped = log_scale.detach().clamp(min, max)?;
    log_scale.eq(&clamped)?.where_cond(log_scale, &clamped)
}

/// Absolute value whose gradient at 0 is 0. `Tensor::abs` has 1 there, which would pull an
/// untrained forecaster away from the median of a constant series.
fn absolute(x: &Tensor) -> Result<Tensor> {
    x * x.detach().sign()?
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor, Var};

    use super::{Forecast, laplace_loss};

    fn row(values: &[f32]) -> Tensor {
        Tensor::new(values, &Device::Cpu)
            .unwrap()
            .reshape((1, 1, values.len()))
            .unwrap()
    }

    fn gradients(location: &[f32], log_scale: &[f32], y: &[f32], mask: &[f32]) -> [Vec<f32>; 2] {
        let location = Var::from_tensor(&row(location)).unwrap();
        let log_scale = Var::from_tensor(&row(log_scale)).unwrap();
        let forecast = Forecast {
            location: location.as_tensor().clone(),
            log_scale: log_scale.as_tensor().clone(),
        };
        let loss = laplace_loss(&forecast, &row(y), &row(mask)).unwrap();
        let store = loss.backward().unwrap();
        [location, log_scale].map(|var| {
            let gradient = store.get(&var).unwrap();
            gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        })
    }

    #[test]
    fn gradient_is_zero_at_the_median_and_whole_at_the_clamp_bounds() {
        let [location, log_scale] = gradients(
            &[0.0, 0.0, 0.0, 0.0],
            &[0.0, -4.0, 6.0, 6.5],
            &[0.0, 0.0, 0.0, 0.0],
            &[1.0, 1.0, 1.0, 1.0],
        );
        assert_eq!(location, [0.0; 4]);
        assert_eq!(log_scale, [0.25, 0.25, 0.25, 0.0]);
    }

    #[test]
    fn masked_targets_may_be_nan() {
        let [location, log_scale] =
            gradients(&[0.5, 0.5], &[0.0, 0.0], &[f32::NAN, 2.5], &[0.0, 1.0]);
        assert_eq!(location, [0.0, -1.0]);
        assert_eq!(log_scale, [0.0, -1.0]);
    }

    #[test]
    fn an_empty_mask_costs_nothing() {
        let forecast = Forecast {
            location: row(&[1.0]),
            log_scale: row(&[0.0]),
        };
        let loss = laplace_loss(&forecast, &row(&[f32::NAN]), &row(&[0.0])).unwrap();
        assert_eq!(loss.to_scalar::<f32>().unwrap().to_bits(), 0);
    }

    #[test]
    fn another_shape_is_named() {
        let forecast = Forecast {
            location: row(&[1.0]),
            log_scale: row(&[0.0]),
        };
        let error = laplace_loss(&forecast, &row(&[1.0, 2.0]), &row(&[1.0])).unwrap_err();
        assert!(
            error.to_string().starts_with(
                "expected `targets` of the forecast's shape [1, 1, 1], found [1, 1, 2]"
            )
        );
    }
}
