//! What models are trained for: their losses, and what they predict.
//!
//! A [`Task`] knows how a model of its kind learns from a batch and what it says of one; the trainer
//! ([`crate::Trainer`]) knows the rest. Residuals and their costs are computed on the host in f64; their
//! slopes are what the backward passes begin with.

mod classification;
mod direct_vectors;
mod energy_and_forces;
mod prediction;
mod property;

pub use classification::{Classification, Classifier};
pub use direct_vectors::DirectVectors;
pub use energy_and_forces::{EnergyAndForcesTask, ForceStep};
pub use prediction::{Errors, Measure, Predicted, Values};
pub use property::PropertyTask;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use steerable_data::Batch;

use crate::models::ModelError;

/// What a model of a kind is trained for.
pub trait Task {
    /// The kind of model.
    type Model: Module;

    /// Refuses values that cannot be trained with; a trainer asks before it starts.
    ///
    /// # Errors
    /// [`ModelError::Value`] with key, value and what is allowed.
    fn check(&self) -> Result<(), ModelError> {
        Ok(())
    }

    /// The loss of a batch and its gradients to the model's parameters. `device` is one with autodiff.
    ///
    /// # Errors
    /// When the model cannot take the batch.
    fn learn(
        &self,
        model: &Self::Model,
        batch: &Batch,
        device: &Device,
    ) -> Result<Learned, ModelError>;

    /// What a model without autodiff says of a batch, beside the truth. The first quantity is the one that
    /// models are chosen by.
    ///
    /// # Errors
    /// When the model cannot take the batch.
    fn predict(
        &self,
        model: &Self::Model,
        batch: &Batch,
        device: &Device,
    ) -> Result<Vec<Predicted>, ModelError>;
}

/// What one batch teaches.
#[derive(Debug)]
pub struct Learned {
    /// The loss.
    pub loss: f64,
    /// Its gradients to the parameters.
    pub gradients: GradientsParams,
}

/// Targets to learn from: one for each of `count`.
fn known<'a, V>(targets: &'a [V], count: usize, what: &'static str) -> Result<&'a [V], ModelError> {
    match targets.len() == count {
        true => Ok(targets),
        false => Err(ModelError::Missing { what }),
    }
}

/// Targets to compare predictions with: one for each of `count`, or none at all where the truth is not known.
fn known_or_none<'a, V>(
    targets: &'a [V],
    count: usize,
    what: &'static str,
) -> Result<&'a [V], ModelError> {
    match targets.is_empty() {
        true => Ok(targets),
        false => known(targets, count, what),
    }
}

impl Learned {
    /// From a cost of the model's output and its slopes there.
    fn new<M: Module>(model: &M, output: Tensor<2>, (loss, slopes): (f64, Vec<f64>)) -> Self {
        let gradients = with_slopes(output, slopes).backward();
        Self {
            loss,
            gradients: GradientsParams::from_grads(gradients, model),
        }
    }
}

/// All numbers of a tensor.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// `sum(output * slopes)`, whose gradients are those of a loss with these slopes.
pub(crate) fn with_slopes(output: Tensor<2>, slopes: Vec<f64>) -> Tensor<1> {
    let shape = output.dims();
    let options: (Device, DType) = (output.device(), output.dtype());
    let slopes = Tensor::<2>::from_data(TensorData::new(slopes, shape), (&options.0, options.1));
    (output * slopes).sum()
}

/// The float type that models compute in.
pub(crate) fn float_type<M: Module>(model: &M) -> DType {
    struct First(Option<DType>);
    impl burn::module::ModuleVisitor for First {
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            self.0.get_or_insert(param.val().dtype());
        }
    }
    let mut first = First(None);
    model.visit(&mut first);
    first.0.unwrap_or(DType::F32)
}
