//! An operation with concrete inputs, and the slow composition it must agree with.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A function of matrices.
pub(crate) type Function = Box<dyn Fn(&[Tensor<2>]) -> Tensor<2> + Send + Sync>;

/// One input of an operation.
pub(crate) struct Input {
    pub(crate) name: &'static str,
    pub(crate) shape: [usize; 2],
    pub(crate) values: Vec<f64>,
}

/// One operation at one point.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) inputs: Vec<Input>,
    /// What is tested.
    pub(crate) kernel: Function,
    /// The same out of burn's own operations; always run in f64.
    pub(crate) oracle: Function,
    /// How far rounding may carry the kernel away.
    pub(crate) rounding: Rounding,
}

/// A bound on rounding: what it is relative to, and how many roundings of `epsilon` are allowed.
pub(crate) enum Rounding {
    /// For functions linear in each input: the oracle with every number replaced by its size. A sum
    /// of n products then differs by at most `n epsilon` times it, in whatever order it is formed.
    OfSizes { sizes: Function, roundings: f64 },
    /// Relative to the largest number of the result.
    OfLargest { roundings: f64 },
}

/// The cases of one operation.
pub(crate) struct Cases {
    /// Small enough for finite differences.
    pub(crate) small: Vec<Case>,
    /// Large enough for several threads and tiles.
    pub(crate) large: Vec<Case>,
}

impl Cases {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Case> {
        self.small.iter().chain(&self.large)
    }
}

/// Values and gradients of one run; the gradients of untracked inputs are absent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) value: Vec<f64>,
    pub(crate) gradients: Vec<Option<Vec<f64>>>,
}

impl Case {
    /// The inputs rounded to `dtype`, so that an f64 oracle sees the same numbers.
    pub(crate) fn rounded(&self, dtype: DType) -> Vec<Vec<f64>> {
        let round = |value: f64| match dtype {
            DType::F32 => f64::from(value as f32),
            _ => value,
        };
        let inputs = self.inputs.iter();
        inputs
            .map(|input| input.values.iter().copied().map(round).collect())
            .collect()
    }

    pub(crate) fn shapes(&self) -> Vec<[usize; 2]> {
        self.inputs.iter().map(|input| input.shape).collect()
    }

    /// Runs the kernel forward and backward, with all inputs tracked.
    pub(crate) fn run(&self, dtype: DType) -> Run {
        self.run_on(
            &Device::flex().autodiff(),
            dtype,
            &vec![true; self.inputs.len()],
        )
    }

    /// Runs the kernel forward and backward; only some inputs are tracked.
    pub(crate) fn run_on(&self, device: &Device, dtype: DType, tracked: &[bool]) -> Run {
        let tensors = upload(&self.rounded(dtype), &self.shapes(), device, dtype);
        differentiate(&self.kernel, tensors, tracked, cotangent)
    }

    /// The oracle in f64 at the inputs as `dtype` has them.
    pub(crate) fn run_oracle(&self, dtype: DType) -> Run {
        let device = Device::flex().autodiff();
        let tensors = upload(&self.rounded(dtype), &self.shapes(), &device, DType::F64);
        differentiate(
            &self.oracle,
            tensors,
            &vec![true; self.inputs.len()],
            cotangent,
        )
    }

    /// The sizes that rounding is relative to, for values and gradients of a run.
    pub(crate) fn sizes(&self, oracle: &Run, dtype: DType) -> (Run, f64) {
        match &self.rounding {
            Rounding::OfSizes { sizes, roundings } => {
                let values: Vec<Vec<f64>> = self
                    .rounded(dtype)
                    .into_iter()
                    .map(|values| values.into_iter().map(f64::abs).collect())
                    .collect();
                let device = Device::flex().autodiff();
                let tensors = upload(&values, &self.shapes(), &device, DType::F64);
                let all = vec![true; self.inputs.len()];
                let sizes = differentiate(sizes, tensors, &all, |i| cotangent(i).abs());
                (sizes, *roundings)
            }
            Rounding::OfLargest { roundings } => {
                let level = |values: &Vec<f64>| {
                    let largest = values.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
                    vec![largest; values.len()]
                };
                let sizes = Run {
                    value: level(&oracle.value),
                    gradients: oracle
                        .gradients
                        .iter()
                        .map(|g| g.as_ref().map(level))
                        .collect(),
                };
                (sizes, *roundings)
            }
        }
    }

    /// The kernel at given inputs in f64, contracted with [`cotangent`].
    pub(crate) fn contracted(&self, values: &[Vec<f64>]) -> f64 {
        let tensors = upload(values, &self.shapes(), &Device::flex(), DType::F64);
        let out = numbers(&(self.kernel)(&tensors));
        out.iter().enumerate().map(|(i, x)| x * cotangent(i)).sum()
    }
}

/// Weights without symmetry, for contracting an output to one number.
pub(crate) fn cotangent(i: usize) -> f64 {
    (1.7 * i as f64).sin() + 0.3 * (0.9 * i as f64).cos()
}

pub(crate) fn numbers(tensor: &Tensor<2>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

/// A matrix on a device.
pub(crate) fn matrix(
    values: &[f64],
    shape: [usize; 2],
    device: &Device,
    dtype: DType,
) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (device, dtype))
}

fn upload(
    values: &[Vec<f64>],
    shapes: &[[usize; 2]],
    device: &Device,
    dtype: DType,
) -> Vec<Tensor<2>> {
    values
        .iter()
        .zip(shapes)
        .map(|(values, &shape)| matrix(values, shape, device, dtype))
        .collect()
}

fn differentiate(
    function: &Function,
    tensors: Vec<Tensor<2>>,
    tracked: &[bool],
    cotangent: fn(usize) -> f64,
) -> Run {
    let inputs: Vec<Tensor<2>> = tensors
        .into_iter()
        .zip(tracked)
        .map(|(tensor, &tracked)| {
            if tracked {
                tensor.require_grad()
            } else {
                tensor
            }
        })
        .collect();
    let out = function(&inputs);
    let value = numbers(&out);
    let weights: Vec<f64> = (0..value.len()).map(cotangent).collect();
    let weights = matrix(&weights, out.dims(), &out.device(), out.dtype());
    // An input that the function does not read has no gradient on the tape: it is zero. Empty ones are
    // left out where there are others: burn 0.22's fusion takes a dimension of size 0 for a broadcast
    // one, fuses operations on empty and other tensors, and leaves results unwritten.
    let tracked_inputs = inputs.iter().zip(tracked).filter(|(_, tracked)| **tracked);
    let is_full = |input: &Tensor<2>| input.shape().num_elements() > 0;
    let any_full = tracked_inputs.clone().any(|(input, _)| is_full(input));
    let touch = tracked_inputs.filter(|(input, _)| !any_full || is_full(input));
    let loss = touch.fold((out * weights).sum(), |loss, (input, _)| {
        loss + input.clone().sum() * 0.0
    });
    let grads = loss.backward();
    let gradients = inputs
        .iter()
        .zip(tracked)
        .map(|(input, &tracked)| match input.grad(&grads) {
            Some(gradient) => Some(numbers(&gradient)),
            None if tracked => Some(vec![0.0; input.dims().iter().product()]),
            None => None,
        })
        .collect();
    Run { value, gradients }
}

/// Random inputs from a seed.
pub(crate) struct Draw(StdRng);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A matrix of numbers uniform in (-1, 1).
    pub(crate) fn input(&mut self, name: &'static str, shape: [usize; 2]) -> Input {
        let values = (0..shape[0] * shape[1])
            .map(|_| self.0.random_range(-1.0..1.0))
            .collect();
        Input {
            name,
            shape,
            values,
        }
    }

    /// `count` indices below `limit`.
    pub(crate) fn indices(&mut self, count: usize, limit: usize) -> Vec<u32> {
        (0..count)
            .map(|_| self.0.random_range(0..limit) as u32)
            .collect()
    }

    /// As [`Self::indices`], ascending.
    pub(crate) fn sorted_indices(&mut self, count: usize, limit: usize) -> Vec<u32> {
        let mut indices = self.indices(count, limit);
        indices.sort_unstable();
        indices
    }
}
