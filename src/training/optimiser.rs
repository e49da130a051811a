//! `AdamW` (Loshchilov & Hutter 2019) behind a clipped gradient.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};

/// Largest global gradient norm (Pascanu, Mikolov & Bengio 2013).
const MAX_GRADIENT_NORM: f64 = 1.0;

/// The optimiser of a forecaster's variables.
#[derive(Debug)]
pub struct ClippedAdamW {
    variables: Vec<Var>,
    adamw: AdamW,
}

impl ClippedAdamW {
    /// An optimiser that has made no step. The order of `variables` decides the order in which the
    /// global norm is summed.
    ///
    /// # Errors
    /// When the state of the optimiser cannot be allocated.
    pub fn new(variables: Vec<Var>) -> Result<Self> {
        let adamw = AdamW::new(variables.clone(), ParamsAdamW::default())?;
        Ok(Self { variables, adamw })
    }

    /// One step down the gradient of `loss`, a scalar.
    ///
    /// # Errors
    /// When `loss` has no gradient.
    pub fn step(&mut self, loss: &Tensor, learning_rate: f64) -> Result<()> {
        let mut gradients = loss.backward()?;
        clip(&mut gradients, &self.variables)?;
        self.adamw.set_learning_rate(learning_rate);
        self.adamw.step(&gradients)
    }
}

/// Scales all gradients down to a global norm of [`MAX_GRADIENT_NORM`].
fn clip(gradients: &mut GradStore, variables: &[Var]) -> Result<()> {
    let mut squares = 0.0;
    for variable in variables {
        if let Some(gradient) = gradients.get(variable) {
            squares += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
        }
    }
    let norm = squares.sqrt();
    if norm > MAX_GRADIENT_NORM {
        for variable in variables {
            if let Some(gradient) = gradients.remove(variable) {
                gradients.insert(variable, (gradient * (MAX_GRADIENT_NORM / norm))?);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn gradients_are_clipped_together() {
        let variable = |values: &[f32]| Var::new(values, &Device::Cpu).unwrap();
        let variables = vec![variable(&[3.0]), variable(&[4.0])];
        // The gradient of Σ ½ x² is x: a norm of 5.
        let squares = |var: &Var| var.sqr().unwrap().sum_all().unwrap();
        let loss = (squares(&variables[0]) + squares(&variables[1])).unwrap();
        let loss = (loss * 0.5).unwrap();
        let mut gradients = loss.backward().unwrap();
        clip(&mut gradients, &variables).unwrap();
        let clipped = variables.iter().map(|variable| {
            let gradient = gradients.get(variable).unwrap();
            gradient.to_vec1::<f32>().unwrap()[0]
        });
        let clipped: Vec<f32> = clipped.collect();
        assert!((clipped[0] - 0.6).abs() < 1e-6 && (clipped[1] - 0.8).abs() < 1e-6);
    }
}
