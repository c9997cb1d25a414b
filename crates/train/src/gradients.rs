//! Gradients of all parameters taken together.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The root of the sum of squares of all gradients of a module.
pub fn global_norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    let mut squares = Squares {
        gradients,
        sum: 0.0,
    };
    module.visit(&mut squares);
    squares.sum.sqrt()
}

/// Scales the gradients down to a norm of at most `max_norm` over all parameters together, and returns the norm
/// that they had. (Burn's own clipping looks at each parameter by itself.)
///
/// Gradients whose norm is not finite are left as they are: the caller decides about such a step.
pub fn clip_global_norm<M: Module>(
    module: &M,
    gradients: GradientsParams,
    max_norm: f64,
) -> (GradientsParams, f64) {
    let norm = global_norm(module, &gradients);
    if !norm.is_finite() || norm <= max_norm {
        return (gradients, norm);
    }
    let mut scale = Scale {
        gradients,
        factor: max_norm / norm,
    };
    module.visit(&mut scale);
    (scale.gradients, norm)
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let square = (gradient.clone() * gradient).sum();
            self.sum += square.into_data().iter::<f64>().sum::<f64>();
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}
