//! The backward pass to features and harmonics, by way of the gradients to the coupled features.
//!
//! Coupled gradients of some edges and of the pairs that read one input block are stored side by
//! side, `[edge, pair, path, m_out, channel]`; the edges are cut so that they keep to a budget.

use cubecl::prelude::*;

use super::tile::{Tile, UNITS, accumulate, stage_hidden};

/// The weights of one pair with output channels outside: `[h, path, c_out, c_in]`, so that
/// neighbouring input channels lie side by side.
#[cube(launch_unchecked)]
pub(super) fn swap_channels(
    weight: &[f32],
    out: &mut [f32],
    first: usize,
    columns: usize,
    mul_in: usize,
    mul_out: usize,
    num_weights: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let row = ABSOLUTE_POS / columns;
    let column = ABSOLUTE_POS % columns;
    let channels = mul_in * mul_out;
    let path = column / channels;
    let channel_in = column % mul_in;
    let channel_out = column % channels / mul_in;
    let from = path * channels + channel_in * mul_out + channel_out;
    out[ABSOLUTE_POS] = weight[row * num_weights + first + from];
}

/// Gradients to the coupled features of one pair: the radial weights applied backwards. A workgroup
/// takes a tile of edges and `lanes` input channels of one path.
///
/// `grad` is read as `couple` would fill it: component by component of the channels of a step.
/// Workgroups: edge tiles x channel tiles x paths.
#[cube(launch_unchecked)]
pub(super) fn full<N: Size>(
    hidden: &[f32],
    weight: &[f32],
    ends: &[i32],
    grad: &[f32],
    coupled: &mut [f32],
    num_edges: usize,
    start: usize,
    end: usize,
    mul_in: usize,
    mul_out: usize,
    output: usize,
    grad_width: usize,
    hidden_stride: usize,
    hidden_column: usize,
    columns: usize,
    first_coupled: usize,
    coupled_width: usize,
    #[comptime] tile: Tile,
) {
    let edges = comptime!(tile.edges());
    let mine = comptime!(tile.vectors_per_thread());
    let lane = UNIT_POS as usize % tile.lanes;
    let group = UNIT_POS as usize / tile.lanes;
    let channel = CUBE_POS_Y as usize * tile.lanes + lane;
    let path = CUBE_POS_Z as usize;
    let first = start + CUBE_POS_X as usize * edges.count;
    let pitch = comptime!(edges.pitch());
    let mut staged = Shared::<[Vector<f32, N>]>::new_slice(comptime!(tile.staged_vectors()));
    let mut g = Shared::<[Vector<f32, N>]>::new_slice(comptime!(tile.coupled_vectors()));
    let mut sums = Array::<Vector<f32, N>>::new(comptime!(mine * tile.components));
    #[unroll]
    for i in 0..comptime!(mine * tile.components) {
        sums[i] = Vector::new(0.0f32);
    }
    if comptime!(tile.staged) {
        stage_hidden::<N>(
            hidden,
            &mut staged,
            first,
            end,
            hidden_stride,
            hidden_column,
            edges,
            tile.hidden,
        );
    }
    for step in 0..mul_out.div_ceil(tile.channels) {
        let channel_out = step * tile.channels;
        sync_cube();
        let mut at = UNIT_POS as usize;
        while at < comptime!(edges.vectors() * tile.channels * tile.components) {
            let k = at % tile.channels;
            let m = (at / tile.channels) % tile.components;
            let vector = at / comptime!(tile.channels * tile.components);
            let edge = first + vector * edges.vector;
            let column = output + m * mul_out + channel_out + k;
            let mut values = Vector::<f32, N>::new(0.0f32);
            #[unroll]
            for i in 0..edges.vector {
                if edge + i < end && channel_out + k < mul_out {
                    let row = ends[num_edges + edge + i] as usize * grad_width;
                    values.insert(i, grad[row + column]);
                }
            }
            g[(k * tile.components + m) * pitch + vector] = values;
            at += UNITS;
        }
        sync_cube();
        accumulate::<N>(
            hidden,
            &staged,
            &g,
            weight,
            &mut sums,
            group,
            first,
            end,
            hidden_stride,
            hidden_column,
            (path * mul_out + channel_out) * mul_in + channel.min(mul_in - 1),
            mul_in,
            (mul_out - channel_out).min(tile.channels),
            columns,
            tile,
        );
    }
    #[unroll]
    for i in 0..mine {
        #[unroll]
        for j in 0..edges.vector {
            let edge = first + (group * mine + i) * edges.vector + j;
            if edge < end && channel < mul_in {
                let to = (edge - start) * coupled_width + first_coupled;
                #[unroll]
                for m in 0..tile.components {
                    let column = (path * tile.components + m) * mul_in + channel;
                    coupled[to + column] = sums[i * tile.components + m].extract(j);
                }
            }
        }
    }
}

/// Adds to the gradient of one input block's features: one thread for each number of it, over the
/// edges `start..end` out of its node, in their order.
#[cube(launch_unchecked)]
pub(super) fn to_features(
    coupled: &[f32],
    harmonics: &[f32],
    ends: &[i32],
    src_offsets: &[i32],
    lists: &[u32],
    out: &mut [f32],
    by_src: usize,
    start: usize,
    end: usize,
    input: usize,
    mul: usize,
    components: usize,
    coupled_width: usize,
    harmonics_width: usize,
    out_width: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let node = ABSOLUTE_POS / (components * mul);
    let column = ABSOLUTE_POS % (components * mul);
    let component = column / mul;
    let channel = column % mul;
    // The edges of a node ascend: those before `start` are skipped by halving.
    let mut at = src_offsets[node] as usize;
    let last = src_offsets[node + 1] as usize;
    let mut above = last;
    while at < above {
        let middle = (at + above) / 2;
        if (ends[by_src + middle] as usize) < start {
            at = middle + 1;
        } else {
            above = middle;
        }
    }
    let mut edge = end;
    if at < last {
        edge = ends[by_src + at] as usize;
    }
    let mut sum = 0.0f32;
    while edge < end {
        let from = (edge - start) * coupled_width + channel;
        let y = edge * harmonics_width;
        let mut entry = lists[component] as usize;
        let end_of_list = lists[component + 1] as usize;
        while entry < end_of_list {
            let value = f32::reinterpret(lists[entry + 2]);
            let y = harmonics[y + lists[entry + 1] as usize];
            sum += value * y * coupled[from + lists[entry] as usize];
            entry += 3;
        }
        at += 1;
        edge = end;
        if at < last {
            edge = ends[by_src + at] as usize;
        }
    }
    out[node * out_width + input + column] += sum;
}

/// Adds to the gradient of the harmonics: `lanes` threads share the channels of an edge and a
/// harmonic, and one of them adds their sums up in order.
///
/// Workgroups: edge tiles x harmonics.
#[cube(launch_unchecked)]
pub(super) fn to_harmonics(
    coupled: &[f32],
    features: &[f32],
    src: &[i32],
    lists: &[u32],
    out: &mut [f32],
    start: usize,
    end: usize,
    mul: usize,
    features_width: usize,
    coupled_width: usize,
    out_width: usize,
    #[comptime] lanes: usize,
) {
    let lane = UNIT_POS as usize % lanes;
    let edge = start + CUBE_POS_X as usize * comptime!(UNITS / lanes) + UNIT_POS as usize / lanes;
    let harmonic = CUBE_POS_Y as usize;
    let mut parts = Shared::<[f32]>::new_slice(UNITS);
    let mut sum = 0.0f32;
    if edge < end {
        let x = src[edge] as usize * features_width;
        let from = (edge - start) * coupled_width;
        let mut entry = lists[harmonic] as usize;
        let last = lists[harmonic + 1] as usize;
        while entry < last {
            let value = f32::reinterpret(lists[entry + 2]);
            let x = x + lists[entry + 1] as usize;
            let from = from + lists[entry] as usize;
            let mut channel = lane;
            while channel < mul {
                sum += value * features[x + channel] * coupled[from + channel];
                channel += lanes;
            }
            entry += 3;
        }
    }
    parts[UNIT_POS as usize] = sum;
    sync_cube();
    if lane == 0 && edge < end {
        let mut total = 0.0f32;
        for other in 0..lanes {
            total += parts[UNIT_POS as usize + other];
        }
        out[edge * out_width + harmonic] += total;
    }
}
