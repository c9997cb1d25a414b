//! Equivariance of a model in training, on its own data.

use std::collections::BTreeMap;

use burn::tensor::Device;
use steerable_data::{Batch, Quantities};
use steerable_irreps::Rotation;

use crate::models::ModelError;
use crate::tasks::{Predicted, Task, Values};

/// A batch whose items are all turned by one rotation, inputs and targets with them; the shifts of periodic
/// edges are not.
pub fn rotated(batch: &Batch, rotation: &Rotation) -> Batch {
    let turn = |vectors: &mut [[f64; 3]]| {
        for vector in vectors {
            *vector = rotation.apply(*vector);
        }
    };
    let mut batch = batch.clone();
    turn(&mut batch.positions);
    for quantities in [&mut batch.inputs, &mut batch.targets] {
        let Quantities {
            vectors,
            node_vectors,
            ..
        } = quantities;
        turn(vectors);
        turn(node_vectors);
    }
    batch
}

/// `|f(R x) - R f(x)| / |f(x)|`, both root mean squares over all predictions for a batch, of the quantity where it is
/// largest. Of scalars their mean is taken away from the denominator, so that a constant offset hides nothing; what the
/// composition tells ([`crate::models::Scaling`]) is in it, so that total energies of unlike molecules have small errors.
/// It is not a number where a prediction is none.
///
/// The shifts of periodic edges cannot be turned here: of batches with shifts it is not measured, `None`.
///
/// # Errors
/// When the model cannot take the batch.
pub fn rotation_error<T: Task>(
    task: &T,
    model: &T::Model,
    batch: &Batch,
    rotation: &Rotation,
    device: &Device,
) -> Result<Option<f64>, ModelError> {
    let mut turned = TurnedPredictions::default();
    turned.add(task, model, batch, (rotation, device))?;
    Ok(turned.error())
}

/// Predictions for batches and the same batches turned.
#[derive(Default)]
pub(super) struct TurnedPredictions {
    /// Of each quantity.
    of: BTreeMap<String, Pair>,
}

#[derive(Default)]
struct Pair {
    /// What should be predicted for the turned batch.
    expected: Vec<f64>,
    found: Vec<f64>,
    /// Whether a mean of what is expected says nothing.
    has_offset: bool,
}

impl TurnedPredictions {
    /// Adds those of a batch, unless its edges have shifts.
    pub(super) fn add<T: Task>(
        &mut self,
        task: &T,
        model: &T::Model,
        batch: &Batch,
        (rotation, device): (&Rotation, &Device),
    ) -> Result<(), ModelError> {
        let shifts = batch.graph.shifts().unwrap_or_default();
        if shifts.as_flattened().iter().any(|&shift| shift != 0.0) {
            return Ok(());
        }
        let before = task.predict(model, batch, device)?;
        let after = task.predict(model, &rotated(batch, rotation), device)?;
        for (before, after) in before.iter().zip(&after) {
            let pair = self.of.entry(before.name.clone()).or_default();
            match &before.values {
                Values::Vectors { predicted, .. } => {
                    let turned = predicted.iter().map(|&vector| rotation.apply(vector));
                    pair.expected.extend(turned.flatten());
                }
                Values::Scalars { .. } | Values::Classes { .. } => {
                    pair.expected.extend(numbers(before));
                    pair.has_offset = true;
                }
            }
            pair.found.extend(numbers(after));
        }
        Ok(())
    }

    /// The largest relative error of all quantities, or one that is not a number; `None` if no batch was looked at.
    pub(super) fn error(&self) -> Option<f64> {
        let larger = |a: f64, b: f64| if a >= b || a.is_nan() { a } else { b };
        self.of.values().map(Pair::error).reduce(larger)
    }
}

impl Pair {
    fn error(&self) -> f64 {
        let pairs = self.expected.iter().zip(&self.found);
        let difference: f64 = pairs.map(|(a, b)| (a - b).powi(2)).sum();
        if difference == 0.0 {
            return 0.0;
        }
        let squares: f64 = self.expected.iter().map(|x| x * x).sum();
        let size = if self.has_offset {
            let mean = self.expected.iter().sum::<f64>() / self.expected.len().max(1) as f64;
            let spread: f64 = self.expected.iter().map(|x| (x - mean).powi(2)).sum();
            if spread > 0.0 { spread } else { squares }
        } else {
            squares
        };
        (difference / size).sqrt()
    }
}

fn numbers(predicted: &Predicted) -> &[f64] {
    match &predicted.values {
        Values::Vectors { predicted, .. } => predicted.as_flattened(),
        Values::Scalars { predicted, .. }
        | Values::Classes {
            logits: predicted, ..
        } => predicted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_error_is_told_and_what_is_no_number_is_not_hidden() {
        let of = |pairs: &[(f64, f64)]| {
            let named = pairs.iter().enumerate().map(|(index, &(expected, found))| {
                let pair = Pair {
                    expected: vec![expected],
                    found: vec![found],
                    has_offset: false,
                };
                (index.to_string(), pair)
            });
            TurnedPredictions {
                of: named.collect(),
            }
            .error()
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(2.0, 2.0), (2.0, 1.0), (4.0, 3.0)]), Some(0.5));
        for broken in [[(2.0, f64::NAN), (2.0, 1.0)], [(2.0, 1.0), (f64::NAN, 2.0)]] {
            assert!(of(&broken).is_some_and(f64::is_nan));
        }
    }
}
