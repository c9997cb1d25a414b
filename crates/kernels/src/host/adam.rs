//! Adam on burn's CPU backend: one pass, in place where nobody else holds the tensors.

use burn::backend::Flex;
use burn::tensor::Element;
use burn_flex::FlexTensor;
use bytemuck::Pod;

use super::HostTensor;
use super::real::Real;
use super::simd::{Instructions, Loop, dispatch};
use super::tasks::run_all;
use crate::ops::with_real;
use crate::{AdamOps, AdamStep};

/// Numbers of a task.
const PIECE: usize = 1 << 15;

impl AdamOps for Flex {
    fn adam_step(
        param: FlexTensor,
        grad: FlexTensor,
        moment_1: FlexTensor,
        moment_2: FlexTensor,
        step: AdamStep,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [mut param, mut moment_1, mut moment_2] = [param, moment_1, moment_2].map(whole);
        let grad = HostTensor::float::<Self>(grad);
        with_real!("adam_step", param.dtype(), T => update::<T>(
            param.storage_mut(),
            grad.as_slice(),
            [moment_1.storage_mut(), moment_2.storage_mut()],
            step,
        ));
        (param, moment_1, moment_2)
    }
}

/// A tensor that is all of its storage, in row-major order.
fn whole(tensor: FlexTensor) -> FlexTensor {
    let numbers = tensor.bytes().len() / tensor.dtype().size();
    match tensor.layout().contiguous_offsets() == Some((0, numbers)) {
        true => tensor,
        false => FlexTensor::from_data(tensor.into_data()),
    }
}

fn update<T: Real + Element + Pod>(
    param: &mut [T],
    grad: &[T],
    [moment_1, moment_2]: [&mut [T]; 2],
    step: AdamStep,
) {
    let coefficients = Coefficients::of(step);
    let moments = moment_1.chunks_mut(PIECE).zip(moment_2.chunks_mut(PIECE));
    let pieces = param
        .chunks_mut(PIECE)
        .zip(grad.chunks(PIECE))
        .zip(moments)
        .map(|((param, grad), (moment_1, moment_2))| Piece {
            param,
            grad,
            moment_1,
            moment_2,
            coefficients,
        });
    run_all(pieces.collect(), dispatch);
}

/// The numbers of a step, rounded once.
#[derive(Clone, Copy)]
struct Coefficients<T> {
    betas: [T; 2],
    /// `1 - beta`
    rests: [T; 2],
    keep: T,
    rate: T,
    offset: T,
}

impl<T: Real> Coefficients<T> {
    fn of(step: AdamStep) -> Self {
        let (rate, offset) = step.rate_and_offset();
        let betas = [step.beta_1, step.beta_2];
        Self {
            betas: betas.map(T::of),
            rests: betas.map(|beta| T::of(1.0 - beta)),
            keep: T::of(step.keep()),
            rate: T::of(rate),
            offset: T::of(offset),
        }
    }
}

/// Consecutive numbers of a parameter.
struct Piece<'a, T> {
    param: &'a mut [T],
    grad: &'a [T],
    moment_1: &'a mut [T],
    moment_2: &'a mut [T],
    coefficients: Coefficients<T>,
}

impl<T: Real> Loop for Piece<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Coefficients {
            betas,
            rests,
            keep,
            rate,
            offset,
        } = self.coefficients;
        let moments = self.moment_1.iter_mut().zip(self.moment_2);
        for ((p, &g), (m, v)) in self.param.iter_mut().zip(self.grad).zip(moments) {
            *m = betas[0] * *m + rests[0] * g;
            *v = betas[1] * *v + rests[1] * (g * g);
            *p = keep * *p - rate * *m / (v.sqrt() + offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::composed;

    fn tensor(scale: f64, frequency: f64) -> FlexTensor {
        let count = 2 * PIECE + 7;
        let numbers = (0..count).map(|i| scale * (1.5 + (frequency * i as f64).sin()));
        FlexTensor::from_data(TensorData::new(numbers.collect::<Vec<f64>>(), [count]))
    }

    #[test]
    fn one_pass_is_what_many_passes_are() {
        for time in [1, 2, 1000] {
            let step = AdamStep {
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: 1e-8,
                learning_rate: 1e-2,
                weight_decay: 0.1,
                time,
            };
            let [param, grad] = [tensor(1.0, 0.3), tensor(-2.0, 0.7)];
            let moments = || [tensor(0.5, 0.2), tensor(0.1, 0.4)];
            let [m, v] = moments();
            let ours = Flex::adam_step(param.clone(), grad.clone(), m, v, step);
            let passes = composed::adam_step::<Flex>(param, grad, moments(), step);
            let pairs = [(ours.0, passes.0), (ours.1, passes.1), (ours.2, passes.2)];
            for (which, (ours, passes)) in pairs.into_iter().enumerate() {
                let (ours, passes) = (ours.storage::<f64>(), passes.storage::<f64>());
                assert_eq!(ours.len(), passes.len());
                for (a, b) in ours.iter().zip(passes) {
                    assert!(
                        (a - b).abs() < 1e-15 * 8.0,
                        "step {time}, {which}: {a} or {b}"
                    );
                }
            }
        }
    }
}
