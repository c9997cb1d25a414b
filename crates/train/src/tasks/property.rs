//! A scalar property of molecules.

use burn::tensor::Device;
use steerable_data::Batch;

use super::{Learned, Predicted, Task, Values, float_type, host, known, known_or_none};
use crate::Loss;
use crate::models::{ModelError, PropertyModel};

/// The scalar target of each item.
#[derive(Clone, Debug)]
pub struct PropertyTask {
    /// Its name.
    pub name: String,
    /// The unit that errors are told in.
    pub unit: String,
    /// How many of that unit are one unit of the targets.
    pub per_target_unit: f64,
    /// What a residual costs.
    pub loss: Loss,
}

const SCALARS: &str = "target values, one of each item,";

impl Task for PropertyTask {
    type Model = PropertyModel;

    fn learn(
        &self,
        model: &PropertyModel,
        batch: &Batch,
        device: &Device,
    ) -> Result<Learned, ModelError> {
        let truth = known(&batch.targets.scalars, batch.items.len(), SCALARS)?;
        let output = model.forward(batch, (device, float_type(model)))?;
        let scaling = &model.config().scaling;
        let offsets = model.config().input.offsets(batch, scaling)?;
        let truth = truth.iter().zip(offsets);
        let truth = truth.map(|(target, offset)| (target - offset) / scaling.scale);
        let residuals: Vec<f64> = host(output.clone().detach())
            .into_iter()
            .zip(truth)
            .map(|(predicted, truth)| predicted - truth)
            .collect();
        Ok(Learned::new(model, output, self.loss.mean(&residuals)))
    }

    fn predict(
        &self,
        model: &PropertyModel,
        batch: &Batch,
        device: &Device,
    ) -> Result<Vec<Predicted>, ModelError> {
        let truth = known_or_none(&batch.targets.scalars, batch.items.len(), SCALARS)?;
        let output = host(model.forward(batch, (device, float_type(model)))?);
        let scaling = &model.config().scaling;
        let offsets = model.config().input.offsets(batch, scaling)?;
        let in_unit = |value: f64| value * self.per_target_unit;
        let predicted = output.into_iter().zip(offsets);
        let predicted = predicted.map(|(output, offset)| in_unit(output * scaling.scale + offset));
        Ok(vec![Predicted {
            name: self.name.clone(),
            unit: self.unit.clone(),
            values: Values::Scalars {
                truth: truth.iter().copied().map(in_unit).collect(),
                predicted: predicted.collect(),
            },
        }])
    }
}
