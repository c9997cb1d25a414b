//! Errors on the test systems, and how equivariant a model is.

use burn::tensor::Tensor;

use super::data::{Batch, Loader, rotate};
use super::models::Prediction;
use super::training::scalar;

/// Relative equivariance errors, `|R f(s) - f(R s)| / |R f(s)|` with norms over the whole batch.
///
/// # Source
/// SE(3)-Transformers (arXiv 2006.10503), section 4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EquivarianceError {
    /// Of the displacements.
    pub displacement: f64,
    /// Of the velocity changes; zero where none is foretold.
    pub velocity_change: f64,
}

/// Sums of squares, of which [`EquivarianceError`] is the ratio.
#[derive(Clone, Copy, Debug, Default)]
struct Squares {
    difference: [f64; 2],
    rotated: [f64; 2],
}

impl Squares {
    fn new(prediction: &Prediction, of_rotated: &Prediction, batch: &Batch) -> Self {
        let pairs = [
            (&prediction.displacement, &of_rotated.displacement),
            (&prediction.velocity_change, &of_rotated.velocity_change),
        ];
        let turned = pairs.map(|(first, _)| rotate(first.clone(), &batch.rotation));
        let mut squares = Self::default();
        for (index, ((_, second), turned)) in pairs.iter().zip(turned).enumerate() {
            squares.difference[index] = sum_of_squares(turned.clone() - (*second).clone());
            squares.rotated[index] = sum_of_squares(turned);
        }
        squares
    }

    fn add(&mut self, other: Self) {
        for index in 0..2 {
            self.difference[index] += other.difference[index];
            self.rotated[index] += other.rotated[index];
        }
    }

    fn error(&self) -> EquivarianceError {
        let ratio = |index: usize| match self.rotated[index] {
            0.0 if self.difference[index] == 0.0 => 0.0,
            norm => (self.difference[index] / norm).sqrt(),
        };
        EquivarianceError {
            displacement: ratio(0),
            velocity_change: ratio(1),
        }
    }
}

fn sum_of_squares(tensor: Tensor<2>) -> f64 {
    scalar((tensor.clone() * tensor).sum())
}

/// The error of one batch, from its prediction and that of the batch turned by its rotation.
pub fn equivariance_error(
    prediction: &Prediction,
    of_rotated: &Prediction,
    batch: &Batch,
) -> EquivarianceError {
    Squares::new(prediction, of_rotated, batch).error()
}

/// What is reported of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// Mean squared error of positions.
    pub x_mse: f64,
    /// Mean squared error of velocities.
    pub v_mse: f64,
    /// Relative equivariance errors.
    pub equivariance: EquivarianceError,
}

/// Measures a model on all samples of a loader.
pub fn evaluate(loader: &Loader, predict: impl Fn(&Batch) -> Prediction) -> Scores {
    let (mut x, mut v, mut numbers) = (0.0, 0.0, 0.0);
    let mut squares = Squares::default();
    for batch in loader.batches() {
        let prediction = predict(&batch);
        squares.add(Squares::new(
            &prediction,
            &predict(&batch.rotated()),
            &batch,
        ));
        x += sum_of_squares(prediction.displacement - batch.displacement.clone());
        v += sum_of_squares(prediction.velocity_change - batch.velocity_change.clone());
        numbers += 3.0 * batch.graph.num_nodes() as f64;
    }
    Scores {
        x_mse: x / numbers,
        v_mse: v / numbers,
        equivariance: squares.error(),
    }
}
