//! Attention: a thread for each edge and head, for each node and head, or for each number of the
//! result. The weights, `[E, heads]`, are stored while they are used.

use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::rows::rows_of_edges;
use super::{buffer, dims, empty_like, has_kernels, one_thread_each, row_major, upload, zeros};
use crate::composed::attention as composed;
use crate::host::attention::{AttentionPlan, SMALLEST_ENVELOPE};
use crate::{AttentionForm, AttentionOps};

/// `out[e, head] = scale sum over the columns of the head of of_nodes[row(e)] of_edges[e]`.
///
/// `by_head` says for each head where its list of columns begins, and one more for the end; then come
/// the lists.
#[cube(launch)]
fn products(
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
fn weigh(
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

/// Envelopes below this count as zero.
const SMALLEST: f32 = SMALLEST_ENVELOPE as f32;

/// `out[i, column] = scale sum over the edges of node i of weights[e, head(column)] x[e, column]`.
#[cube(launch)]
fn sum_weighted(
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
fn spread_weighted(
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
fn logits_backward(
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
fn envelope_backward(
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

/// The columns of each head, as [`products`] reads them.
fn by_head(head_of: &[u32], heads: usize) -> Vec<u32> {
    let mut out = vec![0; heads + 1];
    for head in 0..heads {
        out[head] = out.len() as u32;
        let columns = head_of.iter().zip(0..);
        out.extend(columns.filter(|(h, _)| **h == head as u32).map(|(_, c)| c));
    }
    out[heads] = out.len() as u32;
    out
}

/// The tensors of one attention, row-major, and what its kernels read besides.
struct Attention {
    query: CubeTensor,
    value: CubeTensor,
    key: CubeTensor,
    envelope: CubeTensor,
    offsets: CubeTensor,
    /// Node of each edge.
    rows: CubeTensor,
    head_of_value: CubeTensor,
    value_by_head: CubeTensor,
    head_of_key: CubeTensor,
    key_by_head: CubeTensor,
    form: AttentionForm,
    edges: usize,
    nodes: usize,
    heads: usize,
    dim_value: usize,
    dim_key: usize,
    scale: f32,
}

impl Attention {
    fn new(
        floats: [CubeTensor; 4],
        offsets: CubeTensor,
        plan: &AttentionPlan,
        form: AttentionForm,
    ) -> Self {
        let [query, value, key, envelope] = row_major(floats);
        let [offsets] = row_major([offsets]);
        let (edges, heads) = (dims(&value)[0], plan.num_heads());
        let (dim_value, dim_key) = (plan.dim_value(), plan.dim_key());
        let [of_value, of_key] = [plan.value_heads(), plan.key_heads()].map(|heads| {
            heads
                .into_iter()
                .map(|head| head as u32)
                .collect::<Vec<_>>()
        });
        Self {
            rows: rows_of_edges(&offsets, edges),
            head_of_value: upload(&query, &of_value),
            value_by_head: upload(&query, &by_head(&of_value, heads)),
            head_of_key: upload(&query, &of_key),
            key_by_head: upload(&query, &by_head(&of_key, heads)),
            nodes: dims(&query)[0],
            scale: plan.scale() as f32,
            query,
            value,
            key,
            envelope,
            offsets,
            form,
            edges,
            heads,
            dim_value,
            dim_key,
        }
    }

    /// The tensor that holds the keys, its width, and where they begin.
    fn keys(&self) -> (&CubeTensor, usize, usize) {
        match self.form.is_joint {
            true => (&self.value, self.dim_value + self.dim_key, self.dim_value),
            false => (&self.key, self.dim_key, 0),
        }
    }

    fn value_width(&self) -> usize {
        dims(&self.value)[1]
    }

    /// `[E, heads]`.
    fn weights(&self) -> CubeTensor {
        let out = empty_like(&self.query, [self.edges, self.heads]);
        let (keys, width, column) = self.keys();
        let count = self.edges * self.heads;
        let (groups, threads) = one_thread_each(&out, count);
        if self.dim_key > 0 {
            products::launch(
                &out.client,
                groups,
                threads,
                buffer(&self.query),
                buffer(keys),
                buffer(&self.rows),
                buffer(&self.key_by_head),
                buffer(&out),
                self.heads,
                self.dim_key,
                width,
                column,
                self.scale,
                count,
            );
        }
        let out = match self.dim_key {
            0 => zeros(&self.query, [self.edges, self.heads]),
            _ => out,
        };
        // Without an envelope the kernel binds something it does not read.
        let envelope = match self.form.has_envelope {
            true => &self.envelope,
            false => &self.value,
        };
        let count = self.nodes * self.heads;
        let (groups, threads) = one_thread_each(&out, count);
        weigh::launch(
            &out.client,
            groups,
            threads,
            buffer(&out),
            buffer(envelope),
            buffer(&self.offsets),
            self.heads,
            count,
            self.form.has_envelope,
        );
        out
    }

    fn forward(&self) -> CubeTensor {
        let out = empty_like(&self.query, [self.nodes, self.dim_value]);
        let weights = self.weights();
        self.sum_weighted(
            &weights,
            (&self.value, self.value_width(), 0),
            &self.head_of_value,
            1.0,
            &out,
        );
        out
    }

    /// Sums rows of the edges, `(x, width, first column)`, into the rows of their nodes.
    fn sum_weighted(
        &self,
        weights: &CubeTensor,
        (x, x_width, x_column): (&CubeTensor, usize, usize),
        head_of: &CubeTensor,
        scale: f32,
        out: &CubeTensor,
    ) {
        let count = self.nodes * dims(out)[1];
        let (groups, threads) = one_thread_each(out, count);
        sum_weighted::launch(
            &out.client,
            groups,
            threads,
            buffer(weights),
            buffer(x),
            buffer(&self.offsets),
            buffer(head_of),
            buffer(out),
            self.heads,
            dims(out)[1],
            x_width,
            x_column,
            scale,
            count,
        );
    }

    /// Writes rows of the nodes to rows of the edges, `(out, width, first column)`.
    fn spread_weighted(
        &self,
        weights: &CubeTensor,
        x: &CubeTensor,
        head_of: &CubeTensor,
        scale: f32,
        (out, out_width, out_column): (&CubeTensor, usize, usize),
    ) {
        let count = self.edges * dims(x)[1];
        if count == 0 {
            return;
        }
        let (groups, threads) = one_thread_each(out, count);
        spread_weighted::launch(
            &out.client,
            groups,
            threads,
            buffer(weights),
            buffer(x),
            buffer(&self.rows),
            buffer(head_of),
            buffer(out),
            self.heads,
            dims(x)[1],
            out_width,
            out_column,
            scale,
            count,
        );
    }

    /// Gradients to query, value, key and envelope.
    fn backward(&self, grad: &CubeTensor) -> [CubeTensor; 4] {
        let weights = self.weights();
        // Gradients to the weights, then to the logits.
        let gradients = empty_like(&self.query, [self.edges, self.heads]);
        let count = self.edges * self.heads;
        let (groups, threads) = one_thread_each(&gradients, count);
        products::launch(
            &gradients.client,
            groups,
            threads,
            buffer(grad),
            buffer(&self.value),
            buffer(&self.rows),
            buffer(&self.value_by_head),
            buffer(&gradients),
            self.heads,
            self.dim_value,
            self.value_width(),
            0,
            1.0,
            count,
        );
        let count = self.nodes * self.heads;
        let (groups, threads) = one_thread_each(&gradients, count);
        logits_backward::launch(
            &gradients.client,
            groups,
            threads,
            buffer(&weights),
            buffer(&gradients),
            buffer(&self.offsets),
            self.heads,
            count,
        );
        let to_envelope = empty_like(&self.query, self.envelope.shape());
        if self.form.has_envelope {
            let (groups, threads) = one_thread_each(&to_envelope, self.edges);
            envelope_backward::launch(
                &gradients.client,
                groups,
                threads,
                buffer(&gradients),
                buffer(&self.envelope),
                buffer(&to_envelope),
                self.heads,
                self.edges,
            );
        }
        let to_value = empty_like(&self.query, self.value.shape());
        let to_key = empty_like(&self.query, self.key.shape());
        let to_query = empty_like(&self.query, self.query.shape());
        let width = self.value_width();
        let values = (&to_value, width, 0);
        self.spread_weighted(&weights, grad, &self.head_of_value, 1.0, values);
        if self.dim_key > 0 {
            let keys = match self.form.is_joint {
                true => (&to_value, width, self.dim_value),
                false => (&to_key, self.dim_key, 0),
            };
            let (heads, scale) = (&self.head_of_key, self.scale);
            self.spread_weighted(&gradients, &self.query, heads, scale, keys);
            self.sum_weighted(&gradients, self.keys(), heads, scale, &to_query);
        }
        [to_query, to_value, to_key, to_envelope]
    }
}

impl AttentionOps for CubeBackend {
    fn attend(
        query: CubeTensor,
        value: CubeTensor,
        key: CubeTensor,
        envelope: CubeTensor,
        offsets: CubeTensor,
        plan: Arc<AttentionPlan>,
        form: AttentionForm,
    ) -> CubeTensor {
        let floats = [query, value, key, envelope];
        if !has_kernels(floats[0].dtype) {
            return composed::attend::<Self>(floats, offsets, &plan, form);
        }
        let (nodes, edges) = (dims(&floats[0])[0], dims(&floats[1])[0]);
        if nodes * edges * plan.dim_value() == 0 {
            return zeros(&floats[0], [nodes, plan.dim_value()]);
        }
        Attention::new(floats, offsets, &plan, form).forward()
    }

    fn attend_backward(
        grad: CubeTensor,
        query: CubeTensor,
        value: CubeTensor,
        key: CubeTensor,
        envelope: CubeTensor,
        offsets: CubeTensor,
        plan: Arc<AttentionPlan>,
        form: AttentionForm,
    ) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
        let floats = [query, value, key, envelope];
        if !has_kernels(floats[0].dtype) {
            return composed::attend_backward::<Self>(grad, floats, offsets, &plan, form).into();
        }
        let (nodes, edges) = (dims(&floats[0])[0], dims(&floats[1])[0]);
        let [query, value, key, envelope] = match nodes * edges * plan.dim_value() {
            0 => floats.map(|tensor| zeros(&tensor, dims(&tensor))),
            _ => {
                let [grad] = row_major([grad]);
                Attention::new(floats, offsets, &plan, form).backward(&grad)
            }
        };
        (query, value, key, envelope)
    }
}
