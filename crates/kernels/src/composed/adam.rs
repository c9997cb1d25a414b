//! A step of Adam.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

use crate::AdamStep;

/// [`AdamOps::adam_step`](crate::AdamOps::adam_step), pass after pass.
pub(crate) fn adam_step<B: Backend>(
    param: FloatTensor<B>,
    grad: FloatTensor<B>,
    [moment_1, moment_2]: [FloatTensor<B>; 2],
    step: AdamStep,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let mixed = |old, beta: f64, new| {
        let new = B::float_mul_scalar(new, (1.0 - beta).into());
        B::float_add(B::float_mul_scalar(old, beta.into()), new)
    };
    let squared = B::float_mul(grad.clone(), grad.clone());
    let moment_1 = mixed(moment_1, step.beta_1, grad);
    let moment_2 = mixed(moment_2, step.beta_2, squared);
    let (rate, offset) = step.rate_and_offset();
    let root = B::float_add_scalar(B::float_sqrt(moment_2.clone()), offset.into());
    let change = B::float_div(B::float_mul_scalar(moment_1.clone(), rate.into()), root);
    let param = B::float_sub(B::float_mul_scalar(param, step.keep().into()), change);
    (param, moment_1, moment_2)
}
