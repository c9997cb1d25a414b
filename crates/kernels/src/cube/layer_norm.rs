//! Layer normalization of runs of columns with an activation behind it: threads side by side share a run.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::activation::{pull_back, value};
use super::lanes::{LANES, ROWS, moments, sum_of_lanes, workgroups};
use super::sums::sum_columns;
use super::{THREADS, buffer, dims, empty_like};
use crate::Activation;

/// `activation(gamma (x - mean) / deviation + beta)` of each run of `width` columns.
#[cube(launch)]
fn normalise(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    out: &mut [f32],
    width: usize,
    columns: usize,
    runs: usize,
    epsilon: f32,
    #[comptime] activation: Activation,
) {
    let mut shared = Shared::<[f32]>::new_slice(THREADS as usize);
    let run = CUBE_POS * ROWS + UNIT_POS as usize / LANES;
    let first = run * width;
    let (mean, inverse) = moments(x, &mut shared, first, width, true, run < runs, epsilon);
    if run < runs {
        let mut c = UNIT_POS as usize % LANES;
        while c < width {
            let column = (first + c) % columns;
            let normal = (x[first + c] - mean) * inverse;
            out[first + c] = value(gamma[column] * normal + beta[column], activation);
            c += LANES;
        }
    }
}

/// The way back through [`normalise`]: the gradients to x, and for each number what the gradients to
/// gamma and beta sum over the rows.
#[cube(launch)]
fn normalise_backward(
    grad: &[f32],
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    to_x: &mut [f32],
    to_gamma: &mut [f32],
    to_beta: &mut [f32],
    width: usize,
    columns: usize,
    runs: usize,
    epsilon: f32,
    #[comptime] activation: Activation,
) {
    let mut shared = Shared::<[f32]>::new_slice(THREADS as usize);
    let run = CUBE_POS * ROWS + UNIT_POS as usize / LANES;
    let first = run * width;
    let (mean, inverse) = moments(x, &mut shared, first, width, true, run < runs, epsilon);
    let lane = UNIT_POS as usize % LANES;
    let mut sum = 0.0f32;
    let mut projection = 0.0f32;
    if run < runs {
        let mut c = lane;
        while c < width {
            let column = (first + c) % columns;
            let normal = (x[first + c] - mean) * inverse;
            let before = gamma[column] * normal + beta[column];
            let gradient = pull_back(before, grad[first + c], activation);
            to_gamma[first + c] = gradient * normal;
            to_beta[first + c] = gradient;
            sum += gradient * gamma[column];
            projection += gradient * gamma[column] * normal;
            c += LANES;
        }
    }
    let scale = 1.0 / f32::cast_from(width);
    let mean_gradient = sum_of_lanes(&mut shared, sum) * scale;
    let projection = sum_of_lanes(&mut shared, projection) * scale;
    if run < runs {
        let mut c = lane;
        while c < width {
            let column = (first + c) % columns;
            let normal = (x[first + c] - mean) * inverse;
            let gradient = to_beta[first + c] * gamma[column];
            let mut centred = gradient - mean_gradient - normal * projection;
            if width == 1 {
                // Nothing depends on x then; a fused multiply-add would leave a rounding error.
                centred = 0.0;
            }
            to_x[first + c] = inverse * centred;
            c += LANES;
        }
    }
}

/// A normalization with an activation behind it; `gamma` and `beta` have one number for each column.
pub(super) struct Norm<'a> {
    pub(super) gamma: &'a CubeTensor,
    pub(super) beta: &'a CubeTensor,
    pub(super) width: usize,
    pub(super) epsilon: f64,
    pub(super) activation: Activation,
}

impl Norm<'_> {
    pub(super) fn forward(&self, x: &CubeTensor) -> CubeTensor {
        let [rows, columns] = dims(x);
        let out = empty_like(x, [rows, columns]);
        let runs = rows * columns / self.width;
        let (groups, threads) = workgroups(runs, x);
        normalise::launch(
            &out.client,
            groups,
            threads,
            buffer(x),
            buffer(self.gamma),
            buffer(self.beta),
            buffer(&out),
            self.width,
            columns,
            runs,
            self.epsilon as f32,
            self.activation,
        );
        out
    }

    /// Gradients to x, gamma and beta.
    pub(super) fn backward(&self, grad: &CubeTensor, x: &CubeTensor) -> [CubeTensor; 3] {
        let [rows, columns] = dims(x);
        let [to_x, to_gamma, to_beta] = [(); 3].map(|()| empty_like(x, [rows, columns]));
        let runs = rows * columns / self.width;
        let (groups, threads) = workgroups(runs, x);
        normalise_backward::launch(
            &x.client,
            groups,
            threads,
            buffer(grad),
            buffer(x),
            buffer(self.gamma),
            buffer(self.beta),
            buffer(&to_x),
            buffer(&to_gamma),
            buffer(&to_beta),
            self.width,
            columns,
            runs,
            self.epsilon as f32,
            self.activation,
        );
        [to_x, sum_columns(&to_gamma), sum_columns(&to_beta)]
    }
}
