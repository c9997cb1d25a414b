//! The backward pass to hidden features and the last radial layer: gradients to the radial weights are
//! formed for a tile of edges and some columns in shared memory, used, and forgotten.

use cubecl::prelude::*;
use steerable_harmonics::plan::Weighting;

use super::super::rows::row_of;
use super::program::STEP;
use super::tile::{UNITS, couple};

/// Hidden features that a workgroup takes.
pub(super) const HIDDEN: usize = 64;
/// Rows of the weight that a workgroup takes.
pub(super) const ROWS: usize = 32;
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
    pub(super) edges: usize,
    /// `2 l_out + 1`.
    pub(super) components: usize,
    /// Width of the hidden radial features.
    pub(super) hidden: usize,
    /// How channels are joined.
    pub(super) weighting: Weighting,
}

impl Columns {
    /// Coupled features of a tile.
    fn coupled(&self) -> usize {
        match self.weighting {
            Weighting::Full => self.edges * self.channels * self.components,
            Weighting::ChannelWise => 1,
        }
    }

    /// Weights of an edge in a tile.
    fn width(&self) -> usize {
        self.channels * self.lanes
    }
}

/// The source of each edge and the row it is summed into, in one buffer: `[2, E]`.
#[cube(launch)]
pub(super) fn ends_of_edges(
    src: &[i32],
    row_offsets: &[i32],
    out: &mut [i32],
    rows: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    out[ABSOLUTE_POS] = src[ABSOLUTE_POS];
    out[count + ABSOLUTE_POS] = row_of(row_offsets, rows, ABSOLUTE_POS) as i32;
}

/// Gradients to the radial weights of a tile, `[k, lane, edge]`, in shared memory; zero behind the
/// last edge and the last channel.
#[cube]
fn weight_gradients(
    features: &[f32],
    harmonics: &[f32],
    ends: &[i32],
    grad: &[f32],
    program: &[u32],
    z: &[f32],
    to: &mut [f32],
    step: usize,
    channel_out: usize,
    first: usize,
    end: usize,
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
    let mut at = UNIT_POS as usize;
    while at < comptime!(columns.edges * columns.lanes) {
        let lane = at % columns.lanes;
        let in_tile = at / columns.lanes;
        let edge = first + in_tile;
        let mut sums = Array::<f32>::new(columns.channels);
        #[unroll]
        for k in 0..columns.channels {
            sums[k] = 0.0;
        }
        let mut channels = present;
        if comptime!(columns.weighting == Weighting::Full) {
            channels = mul_out - channel_out;
        }
        if edge < end && lane < channels {
            let g = ends[num_edges + edge] as usize * grad_width + output + channel_out + lane;
            #[unroll]
            for m in 0..columns.components {
                let g = grad[g + m * mul_out];
                if comptime!(columns.weighting == Weighting::Full) {
                    #[unroll]
                    for k in 0..columns.channels {
                        sums[k] += z[(k * columns.components + m) * columns.edges + in_tile] * g;
                    }
                } else {
                    let x = ends[edge] as usize * features_width + program[step] as usize + lane;
                    let y = edge * harmonics_width;
                    let mut z = 0.0f32;
                    let mut term = program[terms + m] as usize;
                    let last = program[terms + m + 1] as usize;
                    while term < last {
                        let packed = program[term] as usize;
                        let value = f32::reinterpret(program[term + 1]);
                        let x = features[x + packed % 65536 * mul_in];
                        z += value * harmonics[y + packed / 65536] * x;
                        term += 2;
                    }
                    sums[0] += z * g;
                }
            }
        }
        #[unroll]
        for k in 0..columns.channels {
            to[(k * columns.lanes + lane) * columns.edges + in_tile] = sums[k];
        }
        at += UNITS;
    }
}

/// Adds to the gradient of the hidden features that one radial network reads: a workgroup takes a
/// tile of edges and up to [`HIDDEN`] of their features, over all columns of a run of steps.
///
/// `weight` is transposed, `[num_weights, rows]`. Workgroups: edge tiles x tiles of hidden features.
#[cube(launch)]
pub(super) fn to_hidden(
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
    let mine = comptime!(edges * HIDDEN_LANES / UNITS);
    let per_thread = comptime!(HIDDEN / HIDDEN_LANES);
    let h = CUBE_POS_Y as usize * HIDDEN + UNIT_POS as usize % HIDDEN_LANES;
    let in_tile = UNIT_POS as usize / HIDDEN_LANES * mine;
    let first = CUBE_POS_X as usize * edges;
    let mut z = Shared::<[f32]>::new_slice(comptime!(columns.coupled()));
    let mut to_weights = Shared::<[f32]>::new_slice(comptime!(edges * columns.width()));
    let mut sums = Array::<f32>::new(comptime!(per_thread * mine));
    #[unroll]
    for i in 0..comptime!(per_thread * mine) {
        sums[i] = 0.0;
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
                    couple(
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
            weight_gradients(
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
                    let from = (k * columns.lanes + lane) * edges + in_tile;
                    #[unroll]
                    for j in 0..per_thread {
                        let h = (h + j * HIDDEN_LANES).min(columns.hidden - 1);
                        let factor = weight[column * weight_rows + h];
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
        for j in 0..per_thread {
            let edge = first + in_tile + i;
            let h = h + j * HIDDEN_LANES;
            if edge < num_edges && h < columns.hidden {
                out[edge * out_width + hidden_column + h] += sums[j * mine + i];
            }
        }
    }
}

/// Gradient of the last radial layer, summed over the edges of each split: a workgroup takes the
/// columns of a step and `lanes` output channels, and [`ROWS`] rows, over the edges of a split.
///
/// Workgroups: steps x channel tiles, tiles of rows, splits. `out` is `[splits, rows, num_weights]`.
#[cube(launch)]
pub(super) fn to_weight(
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
    let per_thread = comptime!(ROWS * columns.lanes / UNITS);
    let lane = UNIT_POS as usize % columns.lanes;
    let in_rows = UNIT_POS as usize / columns.lanes * per_thread;
    let step = first_step + CUBE_POS_X as usize / channel_tiles * STEP;
    let channel_out = CUBE_POS_X as usize % channel_tiles * columns.lanes;
    let first_row = CUBE_POS_Y as usize * ROWS;
    let split = CUBE_POS_Z as usize;
    let mul_out = program[step + 3] as usize;
    let hidden_column = program[step + 5] as usize * columns.hidden;
    let present = program[step + 7] as usize;
    let mut z = Shared::<[f32]>::new_slice(comptime!(columns.coupled()));
    let mut to_weights = Shared::<[f32]>::new_slice(comptime!(edges * columns.width()));
    let mut staged = Shared::<[f32]>::new_slice(comptime!(edges * ROWS));
    let mut sums = Array::<f32>::new(comptime!(per_thread * columns.channels));
    #[unroll]
    for i in 0..comptime!(per_thread * columns.channels) {
        sums[i] = 0.0;
    }
    for tile in 0..tiles_per_split {
        let first = (split * tiles_per_split + tile) * edges;
        sync_cube();
        let mut at = UNIT_POS as usize;
        while at < comptime!(edges * ROWS) {
            let row = first_row + at % ROWS;
            let in_tile = at / ROWS;
            let edge = first + in_tile;
            let mut value = 0.0f32;
            if edge < num_edges {
                if row < columns.hidden {
                    value = hidden[edge * hidden_stride + hidden_column + row];
                } else if row < weight_rows {
                    // The bias row.
                    value = 1.0f32.runtime();
                }
            }
            staged[at % ROWS * edges + in_tile] = value;
            at += UNITS;
        }
        if comptime!(columns.weighting == Weighting::Full) {
            couple(
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
        weight_gradients(
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
            num_edges,
            features_width,
            harmonics_width,
            grad_width,
            columns,
        );
        sync_cube();
        for in_tile in 0..edges {
            #[unroll]
            for k in 0..columns.channels {
                let gradient = to_weights[(k * columns.lanes + lane) * edges + in_tile];
                #[unroll]
                for j in 0..per_thread {
                    sums[j * columns.channels + k] +=
                        gradient * staged[(in_rows + j) * edges + in_tile];
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
