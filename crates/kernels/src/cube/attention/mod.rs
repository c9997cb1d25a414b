//! Attention: a thread for each edge and head, for each node and head, or for each number of the
//! result. The weights, `[E, heads]`, are stored while they are used.

mod kernels;

use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

use self::kernels::{
    envelope_backward, logits_backward, products, spread_weighted, sum_weighted, weigh,
};
use super::rows::rows_of_edges;
use super::{buffer, dims, empty_like, has_kernels, one_thread_each, row_major, upload, zeros};
use crate::composed::attention as composed;
use crate::host::attention::AttentionPlan;
use crate::{AttentionForm, AttentionOps};

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
