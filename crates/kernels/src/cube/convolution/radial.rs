//! The backward pass to hidden features and the last radial layer: gradients to the radial weights are
//! formed for a tile of edges and some columns in shared memory, used, and forgotten.

use cubecl::prelude::*;
use steerable_harmonics::plan::Weighting;

use super::super::rows::row_of;
use super::program::STEP;
use super::tile::{Edges, UNITS, couple};
use super::tile_of_workgroup;

/// Hidden features that a workgroup takes.
pub(super) const HIDDEN: usize = 64;
/// Edges of a vector.
pub(super) const VECTOR: usize = 4;
/// Threads side by side over hidden features.
const HIDDEN_LANES: usize = 32;

/// How a workgroup is cut, known when the kernel is compiled.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Columns {
    /// Output channels side by side.
    pub(super) lanes: usize,
    /// Input channels of a step; 1 where the convolution is channel-wise.
    pub(super) channels: usize,
    /// Edges of a tile.
    pub(super) edges: Edges,
    /// Rows of the weight that a workgroup takes, where it sums its gradient.
    pub(super) rows: usize,
    /// `2 l_out + 1`.
    pub(super) components: usize,
    /// Width of the hidden radial features.
    pub(super) hidden: usize,
    /// How channels are joined.
    pub(super) weighting: Weighting,
}

impl Columns {
    /// Vectors of coupled features.
    fn coupled(&self) -> usize {
        match self.weighting {
            Weighting::Full => self.edges.pitch() * self.channels * self.components,
            Weighting::ChannelWise => 1,
        }
    }

    /// Vectors of gradients to radial weights.
    fn gradients(&self) -> usize {
        self.edges.pitch() * self.channels * self.lanes
    }

    /// Vectors of hidden features.
    fn staged(&self) -> usize {
        self.edges.pitch() * self.rows
    }
}

/// The source of each edge, the row it is summed into, and the edges ordered by source, in one buffer:
/// `[3, E]`.
#[cube(launch_unchecked)]
pub(super) fn ends_of_edges(
    src: &[i32],
    row_offsets: &[i32],
    edges_by_src: &[i32],
    out: &mut [i32],
    rows: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    out[ABSOLUTE_POS] = src[ABSOLUTE_POS];
    out[count + ABSOLUTE_POS] = row_of(row_offsets, rows, ABSOLUTE_POS) as i32;
    out[2 * count + ABSOLUTE_POS] = edges_by_src[ABSOLUTE_POS];
}

/// Gradients to the radial weights of a tile, `[k, lane, edge]`, in shared memory; zero behind the
/// last edge and the last channel.
#[cube]
fn weight_gradients<N: Size>(
    features: &[f32],
    harmonics: &[f32],
    ends: &[i32],
    grad: &[f32],
    program: &[u32],
    z: &[Vector<f32, N>],
    to: &mut [Vector<f32, N>],
    step: usize,
    channel_out: usize,
    first: usize,
    num_edges: usize,
    features_width: usize,
    harmonics_width: usize,
    grad_width: usize,
    #[comptime] columns: Columns,
) {
    let mul_in = program[step + 1] as usize;
    let output = program[step + 2] as usize;
    let mul_out = program[step + 3] as usize;
    let terms = program[step + 6] as usize;
    let present = program[step + 7] as usize;
    let pitch = comptime!(columns.edges.pitch());
    let mut at = UNIT_POS as usize;
    while at < comptime!(columns.edges.vectors() * columns.lanes) {
        let lane = at % columns.lanes;
        let vector = at / columns.lanes;
        let edge = first + vector * VECTOR;
        let mut sums = Array::<Vector<f32, N>>::new(columns.channels);
        #[unroll]
        for k in 0..columns.channels {
            sums[k] = Vector::new(0.0f32);
        }
        let mut channels = present;
        if comptime!(columns.weighting == Weighting::Full) {
            channels = mul_out - channel_out;
        }
        if edge < num_edges && lane < channels {
            // Edges behind the last one repeat it, and bring a gradient of zero.
            let mut g = Array::<usize>::new(VECTOR);
            let mut x = Array::<usize>::new(VECTOR);
            let mut y = Array::<usize>::new(VECTOR);
            #[unroll]
            for i in 0..VECTOR {
                let edge = (edge + i).min(num_edges - 1);
                g[i] = ends[num_edges + edge] as usize * grad_width + output + channel_out + lane;
                x[i] = ends[edge] as usize * features_width + program[step] as usize + lane;
                y[i] = edge * harmonics_width;
            }
            #[unroll]
            for m in 0..columns.components {
                let mut gradient = Vector::<f32, N>::new(0.0f32);
                #[unroll]
                for i in 0..VECTOR {
                    if edge + i < num_edges {
                        gradient.insert(i, grad[g[i] + m * mul_out]);
                    }
                }
                if comptime!(columns.weighting == Weighting::Full) {
                    #[unroll]
                    for k in 0..columns.channels {
                        sums[k] += z[(k * columns.components + m) * pitch + vector] * gradient;
                    }
                } else {
                    let mut each = Array::<f32>::new(VECTOR);
                    #[unroll]
                    for i in 0..VECTOR {
                        each[i] = 0.0;
                    }
                    let mut term = program[terms + m] as usize;
                    let last = program[terms + m + 1] as usize;
                    while term < last {
                        let packed = program[term] as usize;
                        let value = f32::reinterpret(program[term + 1]);
                        let harmonic = packed / 65536;
                        let component = packed % 65536 * mul_in;
                        #[unroll]
                        for i in 0..VECTOR {
                            each[i] +=
                                value * harmonics[y[i] + harmonic] * features[x[i] + component];
                        }
                        term += 2;
                    }
                    let mut z = Vector::<f32, N>::new(0.0f32);
                    #[unroll]
                    for i in 0..VECTOR {
                        z.insert(i, each[i]);
                    }
                    sums[0] += z * gradient;
                }
            }
        }
        #[unroll]
        for k in 0..columns.channels {
            to[(k * columns.lanes + lane) * pitch + vector] = sums[k];
        }
        at += UNITS;
    }
}

/// Adds to the gradient of the hidden features that one radial network reads: a workgroup takes a
/// tile of edges and up to [`HIDDEN`] of their features, over all columns of a run of steps.
///
/// `weight` is transposed, `[num_weights, rows]`. Workgroups: edge tiles x tiles of hidden features.
#[cube(launch_unchecked)]
pub(super) fn to_hidden<N: Size>(
    features: &[f32],
    harmonics: &[f32],
    weight: &[f32],
    ends: &[i32],
    grad: &[f32],
    program: &[u32],
    out: &mut [f32],
    num_edges: usize,
    first_step: usize,
    num_steps: usize,
    channel_tiles: usize,
    hidden_column: usize,
    features_width: usize,
    harmonics_width: usize,
    grad_width: usize,
    weight_rows: usize,
    out_width: usize,
    #[comptime] columns: Columns,
) {
    let edges = comptime!(columns.edges);
    let pitch = comptime!(edges.pitch());
    let mine = comptime!(edges.vectors() * HIDDEN_LANES / UNITS);
    let per_thread = comptime!(HIDDEN / HIDDEN_LANES);
    let h = CUBE_POS_Y as usize * HIDDEN + UNIT_POS as usize % HIDDEN_LANES;
    let vector = UNIT_POS as usize / HIDDEN_LANES * mine;
    let first = tile_of_workgroup() * edges.count;
    let mut z = Shared::<[Vector<f32, N>]>::new_slice(comptime!(columns.coupled()));
    let mut to_weights = Shared::<[Vector<f32, N>]>::new_slice(comptime!(columns.gradients()));
    let mut sums = Array::<Vector<f32, N>>::new(comptime!(per_thread * mine));
    #[unroll]
    for i in 0..comptime!(per_thread * mine) {
        sums[i] = Vector::new(0.0f32);
    }
    for index in 0..num_steps {
        let step = first_step + index * STEP;
        let mul_out = program[step + 3] as usize;
        let weight_column = program[step + 4] as usize;
        let present = program[step + 7] as usize;
        for tile in 0..channel_tiles {
            let channel_out = tile * columns.lanes;
            sync_cube();
            if comptime!(columns.weighting == Weighting::Full) {
                if tile == 0 {
                    couple::<N>(
                        features,
                        harmonics,
                        ends,
                        program,
                        &mut z,
                        step,
                        first,
                        num_edges,
                        features_width,
                        harmonics_width,
                        edges,
                        columns.channels,
                        columns.components,
                    );
                }
                sync_cube();
            }
            weight_gradients::<N>(
                features,
                harmonics,
                ends,
                grad,
                program,
                &z,
                &mut to_weights,
                step,
                channel_out,
                first,
                num_edges,
                features_width,
                harmonics_width,
                grad_width,
                columns,
            );
            sync_cube();
            let mut groups = present;
            let mut lanes = (mul_out - channel_out).min(columns.lanes);
            if comptime!(columns.weighting == Weighting::ChannelWise) {
                groups = 1usize.runtime();
                lanes = present;
            }
            for k in 0..groups {
                for lane in 0..lanes {
                    let column = weight_column + k * mul_out + channel_out + lane;
                    let from = (k * columns.lanes + lane) * pitch + vector;
                    #[unroll]
                    for j in 0..per_thread {
                        let h = (h + j * HIDDEN_LANES).min(columns.hidden - 1);
                        let factor = Vector::<f32, N>::new(weight[column * weight_rows + h]);
                        #[unroll]
                        for i in 0..mine {
                            sums[j * mine + i] += to_weights[from + i] * factor;
                        }
                    }
                }
            }
        }
    }
    #[unroll]
    for i in 0..mine {
        #[unroll]
        for e in 0..VECTOR {
            let edge = first + (vector + i) * VECTOR + e;
            #[unroll]
            for j in 0..per_thread {
                let h = h + j * HIDDEN_LANES;
                if edge < num_edges && h < columns.hidden {
                    out[edge * out_width + hidden_column + h] += sums[j * mine + i].extract(e);
                }
            }
        }
    }
}

/// Gradient of the last radial layer, summed over the edges of each split: a workgroup takes the
/// columns of a step and `lanes` output channels, and some rows, over the edges of a split.
///
/// Workgroups: steps x channel tiles, tiles of rows, splits. `out` is `[splits, rows, num_weights]`.
#[cube(launch_unchecked)]
pub(super) fn to_weight<N: Size>(
    features: &[f32],
    harmonics: &[f32],
    hidden: &[f32],
    ends: &[i32],
    grad: &[f32],
    program: &[u32],
    out: &mut [f32],
    num_edges: usize,
    first_step: usize,
    channel_tiles: usize,
    tiles_per_split: usize,
    features_width: usize,
    harmonics_width: usize,
    grad_width: usize,
    hidden_stride: usize,
    weight_rows: usize,
    num_weights: usize,
    #[comptime] columns: Columns,
) {
    let edges = comptime!(columns.edges);
    let pitch = comptime!(edges.pitch());
    let per_thread = comptime!(columns.rows * columns.lanes / UNITS);
    let lane = UNIT_POS as usize % columns.lanes;
    let in_rows = UNIT_POS as usize / columns.lanes * per_thread;
    let step = first_step + CUBE_POS_X as usize / channel_tiles * STEP;
    let channel_out = CUBE_POS_X as usize % channel_tiles * columns.lanes;
    let first_row = CUBE_POS_Y as usize * columns.rows;
    let split = CUBE_POS_Z as usize;
    let mul_out = program[step + 3] as usize;
    let hidden_column = program[step + 5] as usize * columns.hidden;
    let present = program[step + 7] as usize;
    let mut z = Shared::<[Vector<f32, N>]>::new_slice(comptime!(columns.coupled()));
    let mut to_weights = Shared::<[Vector<f32, N>]>::new_slice(comptime!(columns.gradients()));
    let mut staged = Shared::<[Vector<f32, N>]>::new_slice(comptime!(columns.staged()));
    let mut sums = Array::<f32>::new(comptime!(per_thread * columns.channels));
    #[unroll]
    for i in 0..comptime!(per_thread * columns.channels) {
        sums[i] = 0.0;
    }
    for tile in 0..tiles_per_split {
        let first = (split * tiles_per_split + tile) * edges.count;
        sync_cube();
        let mut at = UNIT_POS as usize;
        while at < comptime!(edges.vectors() * columns.rows) {
            let row = first_row + at % columns.rows;
            let vector = at / columns.rows;
            let mut values = Vector::<f32, N>::new(0.0f32);
            #[unroll]
            for i in 0..VECTOR {
                let edge = first + vector * VECTOR + i;
                if edge < num_edges {
                    if row < columns.hidden {
                        values.insert(i, hidden[edge * hidden_stride + hidden_column + row]);
                    } else if row < weight_rows {
                        // The bias row.
                        values.insert(i, 1.0f32.runtime());
                    }
                }
            }
            staged[at % columns.rows * pitch + vector] = values;
            at += UNITS;
        }
        if comptime!(columns.weighting == Weighting::Full) {
            couple::<N>(
                features,
                harmonics,
                ends,
                program,
                &mut z,
                step,
                first,
                num_edges,
                features_width,
                harmonics_width,
                edges,
                columns.channels,
                columns.components,
            );
            sync_cube();
        }
        weight_gradients::<N>(
            features,
            harmonics,
            ends,
            grad,
            program,
            &z,
            &mut to_weights,
            step,
            channel_out,
            first,
            num_edges,
            features_width,
            harmonics_width,
            grad_width,
            columns,
        );
        sync_cube();
        for vector in 0..comptime!(edges.vectors()) {
            let mut gradients = Array::<Vector<f32, N>>::new(columns.channels);
            #[unroll]
            for k in 0..columns.channels {
                gradients[k] = to_weights[(k * columns.lanes + lane) * pitch + vector];
            }
            #[unroll]
            for j in 0..per_thread {
                let features = staged[(in_rows + j) * pitch + vector];
                #[unroll]
                for k in 0..columns.channels {
                    #[unroll]
                    for i in 0..VECTOR {
                        sums[j * columns.channels + k] +=
                            gradients[k].extract(i) * features.extract(i);
                    }
                }
            }
        }
    }
    let weight_column = program[step + 4] as usize + channel_out + lane;
    let mut lanes = mul_out - channel_out.min(mul_out);
    if comptime!(columns.weighting == Weighting::ChannelWise) {
        lanes = present;
    }
    #[unroll]
    for j in 0..per_thread {
        let row = first_row + in_rows + j;
        if row < weight_rows && lane < lanes {
            #[unroll]
            for k in 0..columns.channels {
                if k < present {
                    let to = (split * weight_rows + row) * num_weights;
                    out[to + weight_column + k * mul_out] = sums[j * columns.channels + k];
                }
            }
        }
    }
}
