//! Parameters: drawn anew from a seed in a given precision, read and written as flat lists.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Gradients, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};
use steerable_testkit::Precision;

use crate::dtype;

/// The module with its parameters in `precision`, drawn from `seed`: matrices from N(0, 1 / rows),
/// scales that were 1 from N(1, 0.1), everything else from N(0, 0.1).
///
/// No parameter is left at a special value such as zero, where a wrong layer could hide.
pub fn drawn<M: Module>(module: M, precision: Precision, seed: u64) -> M {
    module.map(&mut Draw {
        dtype: dtype(precision),
        rng: StdRng::seed_from_u64(seed),
    })
}

struct Draw {
    dtype: DType,
    rng: StdRng,
}

impl ModuleMapper for Draw {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let device = tensor.device();
        let (shape, tracked) = (tensor.shape(), tensor.is_require_grad());
        let rows = shape[0].max(1) as f64;
        let ones = tensor.into_data().iter::<f64>().all(|value| value == 1.0);
        let (mean, std) = match (D, ones) {
            (1, true) => (1.0, 0.1_f64.sqrt()),
            (1, false) => (0.0, 0.1_f64.sqrt()),
            _ => (0.0, rows.sqrt().recip()),
        };
        let count = shape.num_elements();
        let normals = (0..count).map(|_| {
            let normal: f64 = StandardNormal.sample(&mut self.rng);
            mean + std * normal
        });
        let data = TensorData::new(normals.collect::<Vec<f64>>(), shape);
        let tensor = Tensor::from_data(data, (&device, self.dtype));
        Param::from_mapped_value(id, tensor.set_require_grad(tracked), mapper)
    }
}

/// All float parameters, one after the other in the order of a visit.
pub fn read<M: Module>(module: &M) -> Vec<f64> {
    let mut visitor = Read { values: Vec::new() };
    module.visit(&mut visitor);
    visitor.values
}

struct Read {
    values: Vec<f64>,
}

impl ModuleVisitor for Read {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.values.extend(param.val().into_data().iter::<f64>());
    }
}

/// The module with other parameters, as [`read`] orders them.
///
/// # Panics
/// When there are more or fewer values than parameters.
pub fn written<M: Module>(module: M, values: &[f64]) -> M {
    let mut mapper = Write { values };
    let module = module.map(&mut mapper);
    assert!(mapper.values.is_empty(), "more values than parameters");
    module
}

struct Write<'a> {
    values: &'a [f64],
}

impl ModuleMapper for Write<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let (shape, tracked) = (tensor.shape(), tensor.is_require_grad());
        let (own, rest) = self.values.split_at(shape.num_elements());
        self.values = rest;
        let data = TensorData::new(own.to_vec(), shape);
        let tensor = Tensor::from_data(data, (&tensor.device(), tensor.dtype()));
        Param::from_mapped_value(id, tensor.set_require_grad(tracked), mapper)
    }
}

/// The gradients of all float parameters, as [`read`] orders them; zeros where a parameter took no
/// part.
pub fn gradients<M: Module>(module: &M, gradients: &Gradients) -> Vec<f64> {
    let mut visitor = ReadGradients {
        gradients,
        values: Vec::new(),
    };
    module.visit(&mut visitor);
    visitor.values
}

struct ReadGradients<'a> {
    gradients: &'a Gradients,
    values: Vec<f64>,
}

impl ModuleVisitor for ReadGradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match param.val().grad(self.gradients) {
            Some(gradient) => self.values.extend(gradient.into_data().iter::<f64>()),
            None => {
                let count = param.val().shape().num_elements();
                self.values.extend(std::iter::repeat_n(0.0, count));
            }
        }
    }
}

/// As [`gradients`], of gradients that belong to parameters by their identities.
pub fn of_parameters<M: Module>(module: &M, gradients: &GradientsParams) -> Vec<f64> {
    let mut visitor = ReadOfParameters {
        gradients,
        values: Vec::new(),
    };
    module.visit(&mut visitor);
    visitor.values
}

struct ReadOfParameters<'a> {
    gradients: &'a GradientsParams,
    values: Vec<f64>,
}

impl ModuleVisitor for ReadOfParameters<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match self.gradients.get::<D>(param.id) {
            Some(gradient) => self.values.extend(gradient.into_data().iter::<f64>()),
            None => {
                let count = param.val().shape().num_elements();
                self.values.extend(std::iter::repeat_n(0.0, count));
            }
        }
    }
}
