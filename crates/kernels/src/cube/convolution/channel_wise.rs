//! The channel-wise convolution: no channels are joined, so a thread keeps to one channel of a row or of
//! some edges, and forms the radial weights of four edges at a time in registers.
//!
//! The gradient to features is the same sum as the convolution itself, over the edges out of a node and
//! with inputs and outputs swapped.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::super::{THREADS, buffer, dims, empty_like};
use super::backward::Backward;
use super::program::{Cut, Program, STEP};
use super::tile::{UNITS, lanes};
use super::{Convolution, tile_of_workgroup};

/// Edges that a thread takes at a time.
const EDGES: usize = 4;
/// Channels that a step takes at most.
const CHANNELS: usize = 32;

/// How a workgroup is cut, known when the kernel is compiled.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Strip {
    /// Channels side by side.
    lanes: usize,
    /// Components of what a thread sums: `2 l + 1`.
    components: usize,
    /// Width of the hidden radial features.
    hidden: usize,
    /// Hidden features that are read at once.
    vector: usize,
    /// Whether the weights have a bias row.
    bias: bool,
}

/// `hidden_edge . weight[:, column]` for the edges whose hidden features begin at the vectors `from`.
#[cube]
fn radial_weights<N: Size>(
    hidden: &[Vector<f32, N>],
    weight: &[f32],
    radial: &mut Array<f32>,
    from: &Array<usize>,
    first: usize,
    column: usize,
    num_weights: usize,
    #[comptime] strip: Strip,
) {
    #[unroll]
    for i in 0..EDGES {
        if comptime!(strip.bias) {
            radial[i] = weight[strip.hidden * num_weights + column];
        } else {
            radial[i] = 0.0;
        }
    }
    for block in 0..comptime!(strip.hidden / strip.vector) {
        let mut factors = Array::<f32>::new(strip.vector);
        #[unroll]
        for j in 0..strip.vector {
            factors[j] = weight[(block * strip.vector + j) * num_weights + column];
        }
        #[unroll]
        for i in 0..EDGES {
            let features = hidden[from[i] + first + block];
            #[unroll]
            for j in 0..strip.vector {
                radial[i] += features.extract(j) * factors[j];
            }
        }
    }
}

/// Sums, over the edges of a row, of what they bring to one channel of an output block. A thread takes
/// one row and channel, a few edges at a time.
///
/// Forward, the edges of a row are those into it and `values` are features; `backward`, those out of it
/// and the gradients to the output. Workgroups: tiles of rows x groups of `steps` steps.
#[cube(launch_unchecked)]
fn sum_edges<N: Size>(
    values: &[f32],
    harmonics: &[f32],
    hidden: &[Vector<f32, N>],
    weight: &[f32],
    ends: &[i32],
    offsets: &[i32],
    program: &[u32],
    out: &mut [f32],
    rows: usize,
    num_edges: usize,
    first_step: usize,
    steps: usize,
    values_width: usize,
    harmonics_width: usize,
    hidden_stride: usize,
    num_weights: usize,
    out_width: usize,
    #[comptime] backward: bool,
    #[comptime] strip: Strip,
) {
    let lane = UNIT_POS as usize % strip.lanes;
    let row =
        tile_of_workgroup() * comptime!(UNITS / strip.lanes) + UNIT_POS as usize / strip.lanes;
    let first_step = first_step + CUBE_POS_Y as usize * steps * STEP;
    let mul = program[first_step + 1] as usize;
    if row >= rows || lane >= program[first_step + 7] as usize {
        terminate!();
    }
    let mut sums = Array::<f32>::new(strip.components);
    #[unroll]
    for m in 0..strip.components {
        sums[m] = 0.0;
    }
    let mut first = offsets[row] as usize;
    let end = offsets[row + 1] as usize;
    while first < end {
        let mut x = Array::<usize>::new(EDGES);
        let mut y = Array::<usize>::new(EDGES);
        let mut r = Array::<usize>::new(EDGES);
        #[unroll]
        for i in 0..EDGES {
            // Edges behind the last one repeat it, with no weight.
            let at = (first + i).min(end - 1);
            if comptime!(backward) {
                let edge = ends[2 * num_edges + at] as usize;
                x[i] = ends[num_edges + edge] as usize * values_width + lane;
                y[i] = edge * harmonics_width;
                r[i] = edge * hidden_stride;
            } else {
                x[i] = ends[at] as usize * values_width + lane;
                y[i] = at * harmonics_width;
                r[i] = at * hidden_stride;
            }
        }
        for index in 0..steps {
            let step = first_step + index * STEP;
            let input = program[step] as usize;
            let column = program[step + 4] as usize + lane;
            let network = program[step + 5] as usize * comptime!(strip.hidden / strip.vector);
            let terms = program[step + 6] as usize;
            let mut radial = Array::<f32>::new(EDGES);
            radial_weights::<N>(
                hidden,
                weight,
                &mut radial,
                &r,
                network,
                column,
                num_weights,
                strip,
            );
            #[unroll]
            for i in 0..EDGES {
                if first + i >= end {
                    radial[i] = 0.0;
                }
            }
            #[unroll]
            for m in 0..strip.components {
                let mut z = Array::<f32>::new(EDGES);
                #[unroll]
                for i in 0..EDGES {
                    z[i] = 0.0;
                }
                let mut term = program[terms + m] as usize;
                let last = program[terms + m + 1] as usize;
                while term < last {
                    let packed = program[term] as usize;
                    let value = f32::reinterpret(program[term + 1]);
                    let harmonic = packed / 65536;
                    let component = input + packed % 65536 * mul;
                    #[unroll]
                    for i in 0..EDGES {
                        z[i] += value * harmonics[y[i] + harmonic] * values[x[i] + component];
                    }
                    term += 2;
                }
                #[unroll]
                for i in 0..EDGES {
                    sums[m] += radial[i] * z[i];
                }
            }
        }
        first += EDGES;
    }
    let to = row * out_width + program[first_step + 2] as usize + lane;
    #[unroll]
    for m in 0..strip.components {
        out[to + m * mul] = sums[m];
    }
}

/// Gradient to the harmonics of one degree: a thread takes a channel of some edges, over all steps, and
/// the threads side by side add up in order.
///
/// Workgroups: edge tiles.
#[cube(launch_unchecked)]
fn to_harmonics<N: Size>(
    features: &[f32],
    hidden: &[Vector<f32, N>],
    weight: &[f32],
    ends: &[i32],
    grad: &[f32],
    program: &[u32],
    out: &mut [f32],
    num_edges: usize,
    first_step: usize,
    num_steps: usize,
    first_harmonic: usize,
    features_width: usize,
    hidden_stride: usize,
    num_weights: usize,
    grad_width: usize,
    out_width: usize,
    #[comptime] strip: Strip,
) {
    let lane = UNIT_POS as usize % strip.lanes;
    let group = tile_of_workgroup() * comptime!(UNITS / strip.lanes);
    let first = (group + UNIT_POS as usize / strip.lanes) * EDGES;
    let mut parts = Shared::<[f32]>::new_slice(comptime!(UNITS * EDGES));
    let mut sums = Array::<f32>::new(comptime!(strip.components * EDGES));
    let mut x = Array::<usize>::new(EDGES);
    let mut g = Array::<usize>::new(EDGES);
    let mut r = Array::<usize>::new(EDGES);
    #[unroll]
    for i in 0..EDGES {
        // Edges behind the last one repeat it, and are not written.
        let edge = (first + i).min(num_edges - 1);
        x[i] = ends[edge] as usize * features_width + lane;
        g[i] = ends[num_edges + edge] as usize * grad_width + lane;
        r[i] = edge * hidden_stride;
    }
    #[unroll]
    for i in 0..comptime!(strip.components * EDGES) {
        sums[i] = 0.0;
    }
    for index in 0..num_steps {
        let step = first_step + index * STEP;
        if lane < program[step + 7] as usize {
            let input = program[step] as usize;
            let mul = program[step + 1] as usize;
            let output = program[step + 2] as usize;
            let column = program[step + 4] as usize + lane;
            let network = program[step + 5] as usize * comptime!(strip.hidden / strip.vector);
            let terms = program[step + 6] as usize;
            let mut radial = Array::<f32>::new(EDGES);
            radial_weights::<N>(
                hidden,
                weight,
                &mut radial,
                &r,
                network,
                column,
                num_weights,
                strip,
            );
            #[unroll]
            for m in 0..strip.components {
                let mut z = Array::<f32>::new(EDGES);
                #[unroll]
                for i in 0..EDGES {
                    z[i] = 0.0;
                }
                let mut term = program[terms + m] as usize;
                let last = program[terms + m + 1] as usize;
                while term < last {
                    let packed = program[term] as usize;
                    let value = f32::reinterpret(program[term + 1]);
                    let from = input + packed % 65536 * mul;
                    let to = output + packed / 65536 * mul;
                    #[unroll]
                    for i in 0..EDGES {
                        z[i] += value * features[x[i] + from] * grad[g[i] + to];
                    }
                    term += 2;
                }
                #[unroll]
                for i in 0..EDGES {
                    sums[m * EDGES + i] += radial[i] * z[i];
                }
            }
        }
    }
    #[unroll]
    for m in 0..strip.components {
        sync_cube();
        #[unroll]
        for i in 0..EDGES {
            parts[i * UNITS + UNIT_POS as usize] = sums[m * EDGES + i];
        }
        sync_cube();
        if lane < EDGES && first + lane < num_edges {
            let from = lane * UNITS + UNIT_POS as usize - lane;
            let mut total = 0.0f32;
            for other in 0..strip.lanes {
                total += parts[from + other];
            }
            out[(first + lane) * out_width + first_harmonic + m] = total;
        }
    }
}

impl Convolution {
    fn strip(&self, mul: usize, components: usize) -> Strip {
        let hidden = self.hidden_width();
        Strip {
            lanes: lanes(mul),
            components,
            hidden,
            vector: if hidden % 4 == 0 { 4 } else { 1 },
            bias: self.bias(),
        }
    }

    pub(super) fn forward_channel_wise(&self) -> CubeTensor {
        // Every output block belongs to a path: all columns are written.
        let out = empty_like(&self.features, [self.rows, self.plan.irreps_out().dim()]);
        let program = Program::new(&self.plan, CHANNELS, Cut::Degree);
        let words = self.upload(&program.words);
        for run in &program.runs {
            let strip = self.strip(run.mul, run.components);
            // SAFETY: rows and lanes are guarded; the graph's indices and the plan's columns are in bounds.
            unsafe {
                sum_edges::launch_unchecked(
                    &out.client,
                    self.tiles(self.rows.div_ceil(UNITS / strip.lanes), run.len),
                    CubeDim::new_1d(THREADS),
                    strip.vector,
                    buffer(&self.features),
                    buffer(&self.harmonics),
                    buffer(&self.hidden),
                    buffer(&self.weight),
                    buffer(&self.src),
                    buffer(&self.row_offsets),
                    buffer(&words),
                    buffer(&out),
                    self.rows,
                    self.edges,
                    run.first,
                    1,
                    dims(&self.features)[1],
                    dims(&self.harmonics)[1],
                    dims(&self.hidden)[1] / strip.vector,
                    self.plan.num_weights(),
                    dims(&out)[1],
                    false,
                    strip,
                );
            }
        }
        out
    }

    pub(super) fn channel_wise_to_features(&self, backward: &Backward) -> CubeTensor {
        // Blocks that no path reads stay zero.
        let out = self.zeros(dims(&self.features));
        let nodes = dims(&out)[0];
        let program = Program::new(&self.plan, CHANNELS, Cut::Input);
        let words = self.upload(&program.words);
        for run in &program.runs {
            let strip = self.strip(run.mul, run.components);
            let channel_tiles = run.mul.div_ceil(CHANNELS);
            // SAFETY: rows and lanes are guarded; the graph's indices and the plan's columns are in bounds.
            unsafe {
                sum_edges::launch_unchecked(
                    &out.client,
                    self.tiles(nodes.div_ceil(UNITS / strip.lanes), channel_tiles),
                    CubeDim::new_1d(THREADS),
                    strip.vector,
                    buffer(&backward.grad),
                    buffer(&self.harmonics),
                    buffer(&self.hidden),
                    buffer(&self.weight),
                    buffer(&backward.ends),
                    buffer(&backward.src_offsets),
                    buffer(&words),
                    buffer(&out),
                    nodes,
                    self.edges,
                    run.first,
                    run.len / channel_tiles,
                    dims(&backward.grad)[1],
                    dims(&self.harmonics)[1],
                    dims(&self.hidden)[1] / strip.vector,
                    self.plan.num_weights(),
                    dims(&out)[1],
                    true,
                    strip,
                );
            }
        }
        out
    }

    pub(super) fn channel_wise_to_harmonics(&self, backward: &Backward) -> CubeTensor {
        // Degrees that no path uses stay zero.
        let out = self.zeros(dims(&self.harmonics));
        let program = Program::new(&self.plan, CHANNELS, Cut::Filter);
        let words = self.upload(&program.words);
        for run in &program.runs {
            let strip = self.strip(run.mul, run.components);
            // SAFETY: edges and lanes are guarded; the graph's indices and the plan's columns are in bounds.
            unsafe {
                to_harmonics::launch_unchecked(
                    &out.client,
                    self.tiles(self.edges.div_ceil(UNITS / strip.lanes * EDGES), 1),
                    CubeDim::new_1d(THREADS),
                    strip.vector,
                    buffer(&self.features),
                    buffer(&self.hidden),
                    buffer(&self.weight),
                    buffer(&backward.ends),
                    buffer(&backward.grad),
                    buffer(&words),
                    buffer(&out),
                    self.edges,
                    run.first,
                    run.len,
                    (run.components / 2).pow(2),
                    dims(&self.features)[1],
                    dims(&self.hidden)[1] / strip.vector,
                    self.plan.num_weights(),
                    dims(&backward.grad)[1],
                    dims(&out)[1],
                    strip,
                );
            }
        }
        out
    }
}
