//! Moving averages of parameters.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// The exponential moving average of a module's parameters.
///
/// After step t it is `d average + (1 - d) parameter` with `d = min(decay, (1 + t) / (10 + t))`: at first, while
/// parameters move fast, the average follows them closely.
#[derive(Clone, Debug)]
pub struct Ema<M> {
    average: M,
    decay: f64,
}

impl<M: Module> Ema<M> {
    /// Begins with the parameters of a module; the average keeps no gradients.
    pub fn new(module: &M, decay: f64) -> Self {
        Self {
            average: module.clone().valid(),
            decay,
        }
    }

    /// Goes on from an average.
    pub fn from_average(average: M, decay: f64) -> Self {
        Self { average, decay }
    }

    /// Takes the parameters after step `step`, counted from 1.
    pub fn update(&mut self, module: &M, step: u64) {
        let step = step as f64;
        let keep = self.decay.min((1.0 + step) / (10.0 + step));
        let mut parameters = Flat::default();
        module.visit(&mut parameters);
        let mut blend = Blend {
            parameters: parameters.tensors.into_iter(),
            keep,
        };
        self.average = self.average.clone().map(&mut blend);
    }

    /// The module with the averaged parameters, without autodiff.
    pub fn average(&self) -> &M {
        &self.average
    }
}

/// All float parameters in the order of the module, flat.
#[derive(Default)]
struct Flat {
    tensors: Vec<Tensor<1>>,
}

impl ModuleVisitor for Flat {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let count = param.val().shape().num_elements();
        self.tensors.push(param.val().inner().reshape([count]));
    }
}

/// Blends each parameter with the next of a list.
struct Blend {
    parameters: std::vec::IntoIter<Tensor<1>>,
    keep: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, average, mapper) = param.consume();
        let new = self.parameters.next().expect("the modules are alike");
        let new = new.reshape(average.shape());
        // One product, so that what stands still stays to the last bit.
        let blended = average.clone() + (new - average) * (1.0 - self.keep);
        Param::from_mapped_value(id, blended, mapper)
    }
}
