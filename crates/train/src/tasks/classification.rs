//! Classes of items.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use steerable_data::Batch;

use super::{Learned, Predicted, Task, Values, float_type, host, known, known_or_none};
use crate::models::{ModelError, PointNet, ShapeClassifier};

/// A model that gives logits.
pub trait Classifier: Module {
    /// Number of classes.
    fn classes(&self) -> usize;

    /// Logits of a batch, `[items, classes]`.
    fn logits(&self, batch: &Batch, options: (&Device, DType)) -> Tensor<2>;
}

impl Classifier for ShapeClassifier {
    fn classes(&self) -> usize {
        self.config().classes
    }

    fn logits(&self, batch: &Batch, options: (&Device, DType)) -> Tensor<2> {
        self.forward(batch, options)
    }
}

impl Classifier for PointNet {
    fn classes(&self) -> usize {
        self.config().classes
    }

    fn logits(&self, batch: &Batch, options: (&Device, DType)) -> Tensor<2> {
        self.forward(batch, options)
    }
}

/// The class of each item, by cross-entropy.
#[derive(Clone, Debug)]
pub struct Classification<M> {
    model: std::marker::PhantomData<fn() -> M>,
}

impl<M> Default for Classification<M> {
    fn default() -> Self {
        Self {
            model: std::marker::PhantomData,
        }
    }
}

impl<M: Classifier> Task for Classification<M> {
    type Model = M;

    fn learn(&self, model: &M, batch: &Batch, device: &Device) -> Result<Learned, ModelError> {
        let truth = known(&batch.classes, batch.items.len(), CLASSES)?;
        let output = model.logits(batch, (device, float_type(model)));
        let logits = host(output.clone().detach());
        let cost = cross_entropy(&logits, truth, model.classes());
        Ok(Learned::new(model, output, cost))
    }

    fn predict(
        &self,
        model: &M,
        batch: &Batch,
        device: &Device,
    ) -> Result<Vec<Predicted>, ModelError> {
        let truth = known_or_none(&batch.classes, batch.items.len(), CLASSES)?;
        Ok(vec![Predicted {
            name: "class".into(),
            unit: String::new(),
            values: Values::Classes {
                truth: truth.to_vec(),
                logits: host(model.logits(batch, (device, float_type(model)))),
                classes: model.classes(),
            },
        }])
    }
}

const CLASSES: &str = "classes";

/// The mean over items of `-log softmax(logits)[truth]`, and its derivative to each logit.
fn cross_entropy(logits: &[f64], truth: &[u32], classes: usize) -> (f64, Vec<f64>) {
    let items = truth.len().max(1) as f64;
    let mut slopes = Vec::with_capacity(logits.len());
    let mut loss = 0.0;
    for (row, &truth) in logits.chunks(classes).zip(truth) {
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|logit| (logit - most).exp()).sum();
        loss += sum.ln() + most - row[truth as usize];
        slopes.extend(row.iter().enumerate().map(|(class, logit)| {
            let probability = (logit - most).exp() / sum;
            let hit = f64::from(u8::from(class == truth as usize));
            (probability - hit) / items
        }));
    }
    (loss / items, slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_of_the_cross_entropy_are_its_derivatives() {
        let logits = [0.3, -1.2, 2.0, 40.0, 0.1, -40.0];
        let truth = [1, 2];
        let (_, slopes) = cross_entropy(&logits, &truth, 3);
        for (at, slope) in slopes.iter().enumerate() {
            let shifted = |by: f64| {
                let mut logits = logits;
                logits[at] += by;
                cross_entropy(&logits, &truth, 3).0
            };
            let difference = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            assert!((slope - difference).abs() < 1e-8, "{slope} {difference}");
        }
    }
}
