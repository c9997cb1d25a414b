//! Radial layers: linear maps side by side, and normalization with an activation behind it.

use burn::backend::TensorMetadata;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::activation::{pull_back, value};
use super::sums::{Parts, sum_columns, sum_parts};
use super::{THREADS, buffer, dims, empty_like, has_kernels, one_thread_each, row_major, zeros};
use crate::host::radial::RadialWanted;
use crate::ops::radial::{
    layer_norm_backward_on_host, layer_norm_on_host, radial_layer_backward_on_host,
    radial_layer_on_host,
};
use crate::{Activation, ActivationOps, RadialLayerOptions, RadialOps, Rectifier};

/// Rows that a thread takes, so that it reads a weight once for all of them.
const ROWS: usize = 4;
/// Threads that share a run of columns.
const LANES: usize = 32;

/// `out[r, g d_out + o] = bias[g d_out + o] + sum over i of x[r, g d_in + i] weight[g, i, o]`: one thread
/// for each column of a few rows.
#[cube(launch)]
fn linear(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    out: &mut [f32],
    rows: usize,
    groups: usize,
    d_in: usize,
    d_out: usize,
    count: usize,
    #[comptime] has_bias: bool,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let width = groups * d_out;
    let column = ABSOLUTE_POS % width;
    let first = ABSOLUTE_POS / width * ROWS;
    let group = column / d_out;
    let mut sums = Array::<f32>::new(ROWS);
    #[unroll]
    for i in 0..ROWS {
        if comptime!(has_bias) {
            sums[i] = bias[column];
        } else {
            sums[i] = 0.0;
        }
    }
    for k in 0..d_in {
        let factor = weight[(group * d_in + k) * d_out + column % d_out];
        #[unroll]
        for i in 0..ROWS {
            let row = (first + i).min(rows - 1);
            sums[i] += x[row * groups * d_in + group * d_in + k] * factor;
        }
    }
    #[unroll]
    for i in 0..ROWS {
        if first + i < rows {
            out[(first + i) * width + column] = sums[i];
        }
    }
}

/// `[groups, d_in, d_out]` to `[groups, d_out, d_in]`.
#[cube(launch)]
fn transpose(weight: &[f32], out: &mut [f32], d_in: usize, d_out: usize, count: usize) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let group = ABSOLUTE_POS / (d_in * d_out);
    let i = ABSOLUTE_POS % d_in;
    let o = ABSOLUTE_POS % (d_in * d_out) / d_in;
    out[ABSOLUTE_POS] = weight[(group * d_in + i) * d_out + o];
}

/// Gradient of the weights over the rows of each part, `[parts, groups, d_in, d_out]`.
#[cube(launch)]
fn weight_parts(
    x: &[f32],
    grad: &[f32],
    out: &mut [f32],
    rows: usize,
    rows_per_part: usize,
    groups: usize,
    d_in: usize,
    d_out: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let weights = groups * d_in * d_out;
    let first = ABSOLUTE_POS / weights * rows_per_part;
    let input = ABSOLUTE_POS % weights / d_out;
    let output = input / d_in * d_out + ABSOLUTE_POS % d_out;
    let mut sum = 0.0f32;
    for row in first..(first + rows_per_part).min(rows) {
        sum += x[row * groups * d_in + input] * grad[row * groups * d_out + output];
    }
    out[ABSOLUTE_POS] = sum;
}

/// The sum of a number over the [`LANES`] threads that share a run, in each of them.
#[cube]
fn sum_of_lanes(shared: &mut [f32], mine: f32) -> f32 {
    sync_cube();
    shared[UNIT_POS as usize] = mine;
    sync_cube();
    let first = UNIT_POS as usize / LANES * LANES;
    let mut sum = 0.0f32;
    for lane in 0..LANES {
        sum += shared[first + lane];
    }
    sum
}

/// Mean and inverse deviation of a run that begins at `first`, in each thread that shares it.
#[cube]
fn moments(
    x: &[f32],
    shared: &mut [f32],
    first: usize,
    width: usize,
    present: bool,
    epsilon: f32,
) -> (f32, f32) {
    let lane = UNIT_POS as usize % LANES;
    let scale = 1.0 / f32::cast_from(width);
    let mut sum = 0.0f32;
    if present {
        let mut c = lane;
        while c < width {
            sum += x[first + c];
            c += LANES;
        }
    }
    let mean = sum_of_lanes(shared, sum) * scale;
    let mut squares = 0.0f32;
    if present {
        let mut c = lane;
        while c < width {
            let centred = x[first + c] - mean;
            squares += centred * centred;
            c += LANES;
        }
    }
    let variance = sum_of_lanes(shared, squares) * scale;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

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
    let run = CUBE_POS as usize * (THREADS as usize / LANES) + UNIT_POS as usize / LANES;
    let first = run * width;
    let (mean, inverse) = moments(x, &mut shared, first, width, run < runs, epsilon);
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
    let run = CUBE_POS as usize * (THREADS as usize / LANES) + UNIT_POS as usize / LANES;
    let first = run * width;
    let (mean, inverse) = moments(x, &mut shared, first, width, run < runs, epsilon);
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
            to_x[first + c] = inverse * (gradient - mean_gradient - normal * projection);
            c += LANES;
        }
    }
}

/// A normalization with an activation behind it; `gamma` and `beta` have one number for each column.
struct Norm<'a> {
    gamma: &'a CubeTensor,
    beta: &'a CubeTensor,
    width: usize,
    epsilon: f64,
    activation: Activation,
}

impl Norm<'_> {
    fn groups(&self, runs: usize, like: &CubeTensor) -> (CubeCount, CubeDim) {
        let threads = CubeDim::new_1d(THREADS);
        let groups = cubecl::calculate_cube_count_elemwise(&like.client, runs * LANES, threads);
        (groups, threads)
    }

    fn forward(&self, x: &CubeTensor) -> CubeTensor {
        let [rows, columns] = dims(x);
        let out = empty_like(x, [rows, columns]);
        let runs = rows * columns / self.width;
        let (groups, threads) = self.groups(runs, x);
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
    fn backward(&self, grad: &CubeTensor, x: &CubeTensor) -> [CubeTensor; 3] {
        let [rows, columns] = dims(x);
        let [to_x, to_gamma, to_beta] = [(); 3].map(|()| empty_like(x, [rows, columns]));
        let runs = rows * columns / self.width;
        let (groups, threads) = self.groups(runs, x);
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

/// Linear maps side by side, `[groups, d_in, d_out]`.
#[derive(Clone, Copy)]
struct Maps {
    groups: usize,
    d_in: usize,
    d_out: usize,
}

impl Maps {
    fn forward(self, x: &CubeTensor, weight: &CubeTensor, bias: Option<&CubeTensor>) -> CubeTensor {
        let (rows, width) = (dims(x)[0], self.groups * self.d_out);
        let out = empty_like(x, [rows, width]);
        let count = rows.div_ceil(ROWS) * width;
        let (groups, threads) = one_thread_each(&out, count);
        linear::launch(
            &out.client,
            groups,
            threads,
            buffer(x),
            buffer(weight),
            // Without a bias the kernel binds something it does not read.
            buffer(bias.unwrap_or(weight)),
            buffer(&out),
            rows,
            self.groups,
            self.d_in,
            self.d_out,
            count,
            bias.is_some(),
        );
        out
    }

    fn to_input(self, grad: &CubeTensor, weight: &CubeTensor) -> CubeTensor {
        let Self {
            groups,
            d_in,
            d_out,
        } = self;
        let transposed = empty_like(weight, [groups * d_out, d_in]);
        let count = groups * d_in * d_out;
        let (workgroups, threads) = one_thread_each(&transposed, count);
        transpose::launch(
            &weight.client,
            workgroups,
            threads,
            buffer(weight),
            buffer(&transposed),
            d_in,
            d_out,
            count,
        );
        let back = Self {
            groups,
            d_in: d_out,
            d_out: d_in,
        };
        back.forward(grad, &transposed, None)
    }

    fn to_weight(self, grad: &CubeTensor, x: &CubeTensor) -> CubeTensor {
        let Self {
            groups,
            d_in,
            d_out,
        } = self;
        let (rows, weights) = (dims(x)[0], groups * d_in * d_out);
        let parts = Parts::new(rows, weights);
        let partial = empty_like(x, [parts.count, weights]);
        let count = parts.count * weights;
        let (workgroups, threads) = one_thread_each(&partial, count);
        weight_parts::launch(
            &x.client,
            workgroups,
            threads,
            buffer(x),
            buffer(grad),
            buffer(&partial),
            rows,
            parts.rows,
            groups,
            d_in,
            d_out,
            count,
        );
        let out = empty_like(x, [groups * d_in, d_out]);
        sum_parts(&partial, parts.count, &out);
        out
    }
}

impl RadialOps for CubeBackend {
    fn grouped_layer_norm(
        x: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        width: usize,
        epsilon: f64,
        rectifier: Rectifier,
    ) -> CubeTensor {
        if !has_kernels(x.dtype) {
            return layer_norm_on_host::<Self>([x, gamma, beta], width, epsilon, rectifier);
        }
        if x.meta.num_elements() == 0 {
            return x;
        }
        let [x, gamma, beta] = row_major([x, gamma, beta]);
        let norm = Norm {
            gamma: &gamma,
            beta: &beta,
            width,
            epsilon,
            activation: rectifier.activation(),
        };
        norm.forward(&x)
    }

    fn grouped_layer_norm_backward(
        grad: CubeTensor,
        x: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        width: usize,
        epsilon: f64,
        rectifier: Rectifier,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        if !has_kernels(x.dtype) {
            let tensors = [x, gamma, beta];
            return layer_norm_backward_on_host::<Self>(grad, tensors, width, epsilon, rectifier);
        }
        if x.meta.num_elements() == 0 {
            let none = zeros(&gamma, gamma.shape());
            return (x, none.clone(), none);
        }
        let [grad, x, gamma, beta] = row_major([grad, x, gamma, beta]);
        let norm = Norm {
            gamma: &gamma,
            beta: &beta,
            width,
            epsilon,
            activation: rectifier.activation(),
        };
        norm.backward(&grad, &x).into()
    }

    fn radial_layer(
        x: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        options: RadialLayerOptions,
    ) -> CubeTensor {
        let tensors = [x, weight, bias, gamma, beta];
        if !has_kernels(tensors[0].dtype) {
            return radial_layer_on_host::<Self>(tensors, options);
        }
        let layer = Layer::new(tensors, options);
        if layer.is_empty() {
            return zeros(&layer.x, layer.shape_out());
        }
        layer.forward()
    }

    fn radial_layer_backward(
        grad: CubeTensor,
        x: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        options: RadialLayerOptions,
        wanted: RadialWanted,
    ) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
        let tensors = [x, weight, bias, gamma, beta];
        if !has_kernels(tensors[0].dtype) {
            return radial_layer_backward_on_host::<Self>(grad, tensors, options, wanted).into();
        }
        let layer = Layer::new(tensors, options);
        if layer.is_empty() {
            let [rows, columns] = dims(&layer.x);
            let rows = if wanted.input { rows } else { 0 };
            let like = |tensor: &CubeTensor| zeros(tensor, tensor.shape());
            return (
                zeros(&layer.x, [rows, columns]),
                like(&layer.weight),
                like(&layer.bias),
                like(&layer.gamma),
                like(&layer.beta),
            );
        }
        let [grad] = row_major([grad]);
        layer.backward(&grad, wanted).into()
    }
}

/// The tensors of one radial layer, row-major; no bias and no gamma are empty.
struct Layer {
    x: CubeTensor,
    weight: CubeTensor,
    bias: CubeTensor,
    gamma: CubeTensor,
    beta: CubeTensor,
    maps: Maps,
    options: RadialLayerOptions,
}

impl Layer {
    fn new(tensors: [CubeTensor; 5], options: RadialLayerOptions) -> Self {
        let [x, weight, bias, gamma, beta] = row_major(tensors);
        let [rows, d_out] = dims(&weight);
        let maps = Maps {
            groups: options.groups,
            d_in: rows / options.groups,
            d_out,
        };
        Self {
            x,
            weight,
            bias,
            gamma,
            beta,
            maps,
            options,
        }
    }

    fn shape_out(&self) -> [usize; 2] {
        [dims(&self.x)[0], self.maps.groups * self.maps.d_out]
    }

    fn is_empty(&self) -> bool {
        self.shape_out().contains(&0) || self.maps.d_in == 0
    }

    fn bias(&self) -> Option<&CubeTensor> {
        (self.bias.meta.num_elements() > 0).then_some(&self.bias)
    }

    fn norm(&self) -> Option<Norm<'_>> {
        (self.gamma.meta.num_elements() > 0).then(|| Norm {
            gamma: &self.gamma,
            beta: &self.beta,
            width: self.options.norm_width,
            epsilon: self.options.epsilon,
            activation: self.options.activation,
        })
    }

    fn forward(&self) -> CubeTensor {
        let linear = self.maps.forward(&self.x, &self.weight, self.bias());
        match self.norm() {
            Some(norm) => norm.forward(&linear),
            None => CubeBackend::activate(linear, self.options.activation),
        }
    }

    /// Gradients to x, weight, bias, gamma and beta.
    fn backward(&self, grad: &CubeTensor, wanted: RadialWanted) -> [CubeTensor; 5] {
        let linear = self.maps.forward(&self.x, &self.weight, self.bias());
        let like = |tensor: &CubeTensor| zeros(tensor, tensor.shape());
        let (to_linear, to_gamma, to_beta) = match self.norm() {
            Some(norm) => norm.backward(grad, &linear).into(),
            None => {
                let activation = self.options.activation;
                let to_linear = CubeBackend::activate_backward(grad.clone(), linear, activation);
                (to_linear, like(&self.gamma), like(&self.beta))
            }
        };
        let to_x = match wanted.input {
            true => self.maps.to_input(&to_linear, &self.weight),
            false => zeros(&self.x, [0, dims(&self.x)[1]]),
        };
        let (to_weight, to_bias) = match (wanted.parameters, self.bias()) {
            (true, Some(_)) => (
                self.maps.to_weight(&to_linear, &self.x),
                sum_columns(&to_linear),
            ),
            (true, None) => (self.maps.to_weight(&to_linear, &self.x), like(&self.bias)),
            (false, _) => (like(&self.weight), like(&self.bias)),
        };
        [to_x, to_weight, to_bias, to_gamma, to_beta]
    }
}
