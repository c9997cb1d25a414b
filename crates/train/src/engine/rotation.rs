//! Equivariance of a model in training, on its own data.

use burn::tensor::Device;
use steerable_data::{Batch, Quantities};
use steerable_irreps::Rotation;

use crate::models::ModelError;
use crate::tasks::{Predicted, Task, Values};

/// A batch whose items are all turned by one rotation, inputs and targets with them.
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

/// `|f(R x) - R f(x)| / |f(x)|` over all predictions for a batch, the largest of all quantities. Of scalars their
/// mean is taken away from the denominator, so that a constant offset hides nothing.
///
/// # Errors
/// When the model cannot take the batch.
pub fn rotation_error<T: Task>(
    task: &T,
    model: &T::Model,
    batch: &Batch,
    rotation: &Rotation,
    device: &Device,
) -> Result<f64, ModelError> {
    let before = task.predict(model, batch, device)?;
    let after = task.predict(model, &rotated(batch, rotation), device)?;
    let pairs = before.iter().zip(&after);
    let errors = pairs.map(|(before, after)| {
        let (expected, size) = expected(before, rotation);
        let difference: f64 = expected
            .iter()
            .zip(numbers(after))
            .map(|(a, b)| (a - b).powi(2))
            .sum();
        if difference == 0.0 {
            0.0
        } else {
            (difference / size).sqrt()
        }
    });
    Ok(errors.fold(0.0, f64::max))
}

/// What should be predicted for the turned batch, and the square of its size.
fn expected(before: &Predicted, rotation: &Rotation) -> (Vec<f64>, f64) {
    let squares = |numbers: &[f64]| numbers.iter().map(|x| x * x).sum::<f64>();
    match &before.values {
        Values::Vectors { predicted, .. } => {
            let turned: Vec<[f64; 3]> = predicted.iter().map(|&v| rotation.apply(v)).collect();
            let turned = turned.as_flattened().to_vec();
            let size = squares(&turned);
            (turned, size)
        }
        Values::Scalars { predicted, .. }
        | Values::Classes {
            logits: predicted, ..
        } => {
            let mean = predicted.iter().sum::<f64>() / predicted.len().max(1) as f64;
            let spread: f64 = predicted.iter().map(|x| (x - mean).powi(2)).sum();
            let size = if spread > 0.0 {
                spread
            } else {
                squares(predicted)
            };
            (predicted.clone(), size)
        }
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
