//! Vectors told directly: forces of atoms, dipole moments of molecules.

use burn::optim::GradientsParams;
use burn::tensor::Device;
use steerable_data::{Batch, Quantities};

use super::{Learned, Predicted, Task, Values, float_type, host, with_slopes};
use crate::Loss;
use crate::models::{ModelError, VectorModel, VectorTarget};

/// The vector target of each atom or molecule.
#[derive(Clone, Debug)]
pub struct DirectVectors {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// What a residual of a component costs.
    pub loss: Loss,
}

impl Task for DirectVectors {
    type Model = VectorModel;

    fn learn(
        &self,
        model: &VectorModel,
        batch: &Batch,
        device: &Device,
    ) -> Result<Learned, ModelError> {
        let output = model.forward(batch, (device, float_type(model)))?;
        let truth = targets(model, &batch.targets).as_flattened();
        let scale = model.config().scale;
        let residuals: Vec<f64> = host(output.clone().detach())
            .into_iter()
            .zip(truth)
            .map(|(predicted, truth)| predicted - truth / scale)
            .collect();
        let count = residuals.len().max(1) as f64;
        let loss = residuals.iter().map(|&r| self.loss.value(r)).sum::<f64>() / count;
        let slopes = residuals.iter().map(|&r| self.loss.slope(r) / count);
        let gradients = with_slopes(output, slopes.collect()).backward();
        Ok(Learned {
            loss,
            gradients: GradientsParams::from_grads(gradients, model),
        })
    }

    fn predict(
        &self,
        model: &VectorModel,
        batch: &Batch,
        device: &Device,
    ) -> Result<Vec<Predicted>, ModelError> {
        let scale = model.config().scale;
        let mut output = host(model.forward(batch, (device, float_type(model)))?);
        for component in &mut output {
            *component *= scale;
        }
        Ok(vec![Predicted {
            name: self.name.clone(),
            unit: self.unit.clone(),
            values: Values::Vectors {
                truth: targets(model, &batch.targets).to_vec(),
                predicted: output.as_chunks().0.to_vec(),
            },
        }])
    }
}

fn targets<'a>(model: &VectorModel, targets: &'a Quantities) -> &'a [[f64; 3]] {
    match model.config().target {
        VectorTarget::Atoms => &targets.node_vectors,
        VectorTarget::Molecule => &targets.vectors,
    }
}
