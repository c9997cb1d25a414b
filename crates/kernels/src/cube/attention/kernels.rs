//! The kernels of attention.

use cubecl::prelude::*;

use crate::host::attention::SMALLEST_ENVELOPE;

/// Envelopes below this count as zero.
const SMALLEST: f32 = SMALLEST_ENVELOPE as f32;

/// `out[e, head] = scale sum over the columns of the head of of_nodes[row(e)] of_edges[e]`.
///
/// `by_head` says for each head where its list of columns begins, and one more for the end; then come
/// the lists.
#[cube(launch)]
pub(super) fn products(
    of_nodes: &[f32],
    of_edges: &[f32],
    rows: &[i32],
    by_head: &[u32],
    out: &mut [f32],
    heads: usize,
    node_width: usize,
    edge_width: usize,
    edge_column: usize,
    scale: f32,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let edge = ABSOLUTE_POS / heads;
    let head = ABSOLUTE_POS % heads;
    let node = rows[edge] as usize * node_width;
    let edge = edge * edge_width + edge_column;
    let mut sum = 0.0f32;
    for at in by_head[head] as usize..by_head[head + 1] as usize {
        let column = by_head[at] as usize;
        sum += of_nodes[node + column] * of_edges[edge + column];
    }
    out[ABSOLUTE_POS] = scale * sum;
}

/// Logits to weights, in place: `a exp(logit) / sum of a exp(logit)` over the edges of a node, zero
/// where every envelope `a` is.
#[cube(launch)]
pub(super) fn weigh(
    weights: &mut [f32],
    envelope: &[f32],
    offsets: &[i32],
    heads: usize,
    count: usize,
    #[comptime] has_envelope: bool,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let node = ABSOLUTE_POS / heads;
    let head = ABSOLUTE_POS % heads;
    let first = offsets[node] as usize;
    let end = offsets[node + 1] as usize;
    let mut highest = 0.0f32;
    let mut total = 0.0f32;
    let mut is_first = true;
    for edge in first..end {
        let logit = weights[edge * heads + head];
        let mut faded = 1.0f32;
        if comptime!(has_envelope) {
            faded = envelope[edge];
        }
        if faded < SMALLEST {
            // Zero, but a NaN or an infinite logit still shows.
            total += 0.0 * logit;
        } else if is_first {
            total += faded;
            highest = logit;
            is_first = false;
        } else if logit > highest {
            total = total * (highest - logit).exp() + faded;
            highest = logit;
        } else {
            total += faded * (logit - highest).exp();
        }
    }
    for edge in first..end {
        let at = edge * heads + head;
        let mut faded = 1.0f32;
        if comptime!(has_envelope) {
            faded = envelope[edge];
        }
        let mut weight = 0.0 * weights[at];
        if faded >= SMALLEST {
            weight = faded * (weights[at] - highest).exp();
        }
        if total != 0.0 {
            weight /= total;
        }
        weights[at] = weight;
    }
}

/// `out[i, column] = scale sum over the edges of node i of weights[e, head(column)] x[e, column]`.
#[cube(launch)]
pub(super) fn sum_weighted(
    weights: &[f32],
    x: &[f32],
    offsets: &[i32],
    head_of: &[u32],
    out: &mut [f32],
    heads: usize,
    width: usize,
    x_width: usize,
    x_column: usize,
    scale: f32,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let node = ABSOLUTE_POS / width;
    let column = ABSOLUTE_POS % width;
    let head = head_of[column] as usize;
    let mut sum = 0.0f32;
    for edge in offsets[node] as usize..offsets[node + 1] as usize {
        sum += weights[edge * heads + head] * x[edge * x_width + x_column + column];
    }
    out[ABSOLUTE_POS] = scale * sum;
}

/// `out[e, out_column + column] = scale weights[e, head(column)] x[row(e), column]`.
#[cube(launch)]
pub(super) fn spread_weighted(
    weights: &[f32],
    x: &[f32],
    rows: &[i32],
    head_of: &[u32],
    out: &mut [f32],
    heads: usize,
    width: usize,
    out_width: usize,
    out_column: usize,
    scale: f32,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let edge = ABSOLUTE_POS / width;
    let column = ABSOLUTE_POS % width;
    let weight = weights[edge * heads + head_of[column] as usize];
    let x = x[rows[edge] as usize * width + column];
    out[edge * out_width + out_column + column] = scale * weight * x;
}

/// Gradients to weights to those to logits, in place: `w (g - sum w g)`.
#[cube(launch)]
pub(super) fn logits_backward(
    weights: &[f32],
    gradients: &mut [f32],
    offsets: &[i32],
    heads: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let node = ABSOLUTE_POS / heads;
    let head = ABSOLUTE_POS % heads;
    let first = offsets[node] as usize;
    let end = offsets[node + 1] as usize;
    let mut mean = 0.0f32;
    for edge in first..end {
        let at = edge * heads + head;
        mean += weights[at] * gradients[at];
    }
    for edge in first..end {
        let at = edge * heads + head;
        gradients[at] = weights[at] * (gradients[at] - mean);
    }
}

/// Gradient of the envelope, `sum over heads of to_logit / a`.
#[cube(launch)]
pub(super) fn envelope_backward(
    to_logits: &[f32],
    envelope: &[f32],
    out: &mut [f32],
    heads: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let mut sum = 0.0f32;
    for head in 0..heads {
        sum += to_logits[ABSOLUTE_POS * heads + head];
    }
    let faded = envelope[ABSOLUTE_POS];
    let mut gradient = 0.0f32;
    if faded >= SMALLEST {
        gradient = sum / faded;
    }
    out[ABSOLUTE_POS] = gradient;
}
