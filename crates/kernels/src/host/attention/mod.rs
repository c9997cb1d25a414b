//! Attention over the incoming edges of each node, on packed rows read where they lie.
//!
//! A node's few edges stay in cache between the passes over them, and nothing of size edges x heads
//! outlives its node: the backward pass forms the weights again.

mod plan;

use std::ops::Range;

pub use plan::AttentionPlan;
use plan::{add_dots, add_weighted};

use super::elementary::{Elementary, exp};
use super::segment::split_rows;
use super::simd::{Instructions, Loop, dispatch};
use super::tasks::{run_all, split_mut};

/// Numbers that one thread should have to read before a second one is called.
const WORK_PER_THREAD: usize = 1 << 16;

/// Envelopes below this count as zero.
pub(crate) const SMALLEST_ENVELOPE: f64 = 1e-20;

/// One attention over edges sorted by destination.
#[derive(Clone, Copy)]
pub(crate) struct Attention<'a, T> {
    pub(crate) plan: &'a AttentionPlan,
    /// `[N, dim_key]`
    pub(crate) query: &'a [T],
    /// `[E, dim_value]`, or with the keys behind the values `[E, dim_value + dim_key]`
    pub(crate) value: &'a [T],
    /// `[E, dim_key]`, or `None` where they stand behind the values
    pub(crate) key: Option<&'a [T]>,
    /// `[E]`, if there is one
    pub(crate) envelope: Option<&'a [T]>,
    /// `[N + 1]`
    pub(crate) row_offsets: &'a [i32],
}

/// Gradients of an [`Attention`], each with the shape of what it belongs to; empty where that is absent.
pub(crate) struct Gradients<T> {
    pub(crate) query: Vec<T>,
    pub(crate) value: Vec<T>,
    pub(crate) key: Vec<T>,
    pub(crate) envelope: Vec<T>,
}

impl<T: Elementary> Attention<'_, T> {
    fn num_edges(&self) -> usize {
        self.row_offsets[self.row_offsets.len() - 1] as usize
    }

    /// Columns of a row of `value`.
    fn value_stride(&self) -> usize {
        match self.key {
            Some(_) => self.plan.dim_value,
            None => self.plan.dim_value + self.plan.dim_key,
        }
    }

    fn value_of(&self, edge: usize) -> &[T] {
        &self.value[edge * self.value_stride()..][..self.plan.dim_value]
    }

    fn key_of(&self, edge: usize) -> &[T] {
        let AttentionPlan {
            dim_value, dim_key, ..
        } = *self.plan;
        match self.key {
            Some(key) => &key[edge * dim_key..][..dim_key],
            None => &self.value[edge * (dim_value + dim_key) + dim_value..][..dim_key],
        }
    }

    fn query_of(&self, node: usize) -> &[T] {
        &self.query[node * self.plan.dim_key..][..self.plan.dim_key]
    }

    fn edges_of(&self, node: usize) -> Range<usize> {
        self.row_offsets[node] as usize..self.row_offsets[node + 1] as usize
    }

    /// Nodes for each thread; each node's numbers do not depend on how they are split.
    fn parts(&self) -> Vec<Range<usize>> {
        let work = self.num_edges() * (self.plan.dim_value + self.plan.dim_key);
        let threads = rayon::current_num_threads();
        split_rows(self.row_offsets, (work / WORK_PER_THREAD).clamp(1, threads))
    }

    fn edges_of_part(&self, part: &Range<usize>) -> Range<usize> {
        self.row_offsets[part.start] as usize..self.row_offsets[part.end] as usize
    }

    pub(crate) fn forward(&self) -> Vec<T> {
        let dim = self.plan.dim_value;
        let mut out = vec![T::ZERO; (self.row_offsets.len() - 1) * dim];
        let parts = self.parts();
        let outs = split_mut(&mut out, parts.iter().map(|part| part.len() * dim));
        let tasks = parts.into_iter().zip(outs).map(|(nodes, out)| Forward {
            attention: *self,
            nodes,
            out,
        });
        run_all(tasks.collect(), dispatch);
        out
    }

    pub(crate) fn backward(&self, grad: &[T]) -> Gradients<T> {
        let AttentionPlan { dim_key, .. } = *self.plan;
        let edges = self.num_edges();
        let zeros = |len: usize| vec![T::ZERO; len];
        let mut gradients = Gradients {
            query: zeros(self.query.len()),
            value: zeros(edges * self.value_stride()),
            key: zeros(self.key.map_or(0, |_| edges * dim_key)),
            envelope: zeros(self.envelope.map_or(0, |_| edges)),
        };
        let parts = self.parts();
        let per_edge = |len: usize| {
            let width = len.checked_div(edges).unwrap_or(0);
            parts
                .iter()
                .map(move |part| self.edges_of_part(part).len() * width)
        };
        let queries = split_mut(
            &mut gradients.query,
            parts.iter().map(|part| part.len() * dim_key),
        );
        let [values, keys, envelopes] = [
            &mut gradients.value,
            &mut gradients.key,
            &mut gradients.envelope,
        ]
        .map(|all| {
            let len = all.len();
            split_mut(all, per_edge(len))
        });
        let tasks = parts
            .iter()
            .zip(queries.into_iter().zip(values))
            .zip(keys.into_iter().zip(envelopes))
            .map(|((nodes, (query, value)), (key, envelope))| Backward {
                attention: *self,
                grad,
                nodes: nodes.clone(),
                query,
                value,
                key,
                envelope,
            });
        run_all(tasks.collect(), dispatch);
        gradients
    }

    /// `e exp(logit) / sum of e exp(logit)` over the edges of a node, `[edges, heads]`; zero where
    /// every envelope is. A NaN among the logits shows in all weights of its head. `highest` and
    /// `totals` have a number for each head.
    #[inline(always)]
    fn weigh<I: Instructions>(
        &self,
        node: usize,
        weights: &mut [T],
        [highest, totals]: &mut [Vec<T>; 2],
    ) {
        let (heads, scale) = (self.plan.num_heads, T::of(self.plan.scale));
        let edges = self.edges_of(node);
        let query = self.query_of(node);
        highest.fill(T::of(f64::NEG_INFINITY));
        for (edge, logits) in edges.clone().zip(weights.chunks_exact_mut(heads)) {
            logits.fill(T::ZERO);
            add_dots::<T, I>(&self.plan.keys, query, self.key_of(edge), logits);
            let is_alive = !self.is_dead(edge);
            for (logit, highest) in logits.iter_mut().zip(&mut *highest) {
                *logit = *logit * scale;
                // A NaN never is the highest.
                if *logit > *highest && is_alive {
                    *highest = *logit;
                }
            }
        }
        totals.fill(T::ZERO);
        for (edge, weights) in edges.zip(weights.chunks_exact_mut(heads)) {
            if self.is_dead(edge) {
                // Zero, but a NaN or an infinite logit still shows.
                weights.iter_mut().for_each(|w| *w = T::ZERO * *w);
            } else {
                let envelope = self.envelope.map_or(T::ONE, |envelope| envelope[edge]);
                for (weight, &highest) in weights.iter_mut().zip(&*highest) {
                    *weight = envelope * exp::<T, I>(*weight - highest);
                }
            }
            for (total, &weight) in totals.iter_mut().zip(&*weights) {
                *total += weight;
            }
        }
        // Every envelope is zero: so are the weights.
        for total in totals.iter_mut().filter(|total| **total == T::ZERO) {
            *total = T::ONE;
        }
        for weights in weights.chunks_exact_mut(heads) {
            // Divided, so that a single edge weighs exactly one: its gradient is then exactly zero.
            for (weight, &total) in weights.iter_mut().zip(&*totals) {
                *weight = *weight / total;
            }
        }
    }

    fn is_dead(&self, edge: usize) -> bool {
        self.envelope
            .is_some_and(|envelope| envelope[edge] < T::of(SMALLEST_ENVELOPE))
    }

    fn most_edges(&self, nodes: &Range<usize>) -> usize {
        let degrees = nodes.clone().map(|node| self.edges_of(node).len());
        degrees.max().unwrap_or(0)
    }
}

struct Forward<'a, T> {
    attention: Attention<'a, T>,
    nodes: Range<usize>,
    /// Rows of `nodes`.
    out: &'a mut [T],
}

impl<T: Elementary> Loop for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Self {
            attention,
            nodes,
            out,
        } = self;
        let AttentionPlan {
            values,
            dim_value,
            num_heads,
            ..
        } = attention.plan;
        if *dim_value == 0 {
            return;
        }
        let mut weights = vec![T::ZERO; attention.most_edges(&nodes) * num_heads];
        let mut of_heads = [(); 2].map(|()| vec![T::ZERO; *num_heads]);
        for (node, out) in nodes.zip(out.chunks_exact_mut(*dim_value)) {
            let edges = attention.edges_of(node);
            let weights = &mut weights[..edges.len() * num_heads];
            attention.weigh::<I>(node, weights, &mut of_heads);
            for (edge, weights) in edges.zip(weights.chunks_exact(*num_heads)) {
                add_weighted::<T, I>(values, weights, attention.value_of(edge), out);
            }
        }
    }
}

struct Backward<'a, T> {
    attention: Attention<'a, T>,
    /// Rows of all nodes.
    grad: &'a [T],
    nodes: Range<usize>,
    /// Rows of `nodes`.
    query: &'a mut [T],
    /// Rows of the edges of `nodes`, as the following.
    value: &'a mut [T],
    key: &'a mut [T],
    envelope: &'a mut [T],
}

impl<T: Elementary> Loop for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Self {
            attention,
            grad,
            nodes,
            query: to_query,
            value: to_value,
            key: to_key,
            envelope: to_envelope,
        } = self;
        let AttentionPlan {
            values,
            keys,
            dim_value,
            dim_key,
            num_heads,
            scale,
        } = attention.plan;
        let (dim_value, dim_key, heads) = (*dim_value, *dim_key, *num_heads);
        let (scale, stride) = (T::of(*scale), attention.value_stride());
        let first = attention.edges_of_part(&nodes).start;
        let most = attention.most_edges(&nodes) * heads;
        let (mut weights, mut to_logits) = (vec![T::ZERO; most], vec![T::ZERO; most]);
        let mut means = vec![T::ZERO; heads];
        let mut of_heads = [(); 2].map(|()| vec![T::ZERO; heads]);
        for (local, node) in nodes.enumerate() {
            let edges = attention.edges_of(node);
            let weights = &mut weights[..edges.len() * heads];
            let to_logits = &mut to_logits[..edges.len() * heads];
            attention.weigh::<I>(node, weights, &mut of_heads);
            // First the gradients to the weights, and their mean.
            let grad = &grad[node * dim_value..][..dim_value];
            to_logits.fill(T::ZERO);
            means.fill(T::ZERO);
            for (k, edge) in edges.clone().enumerate() {
                let to_weights = &mut to_logits[k * heads..][..heads];
                add_dots::<T, I>(values, grad, attention.value_of(edge), to_weights);
                let weights = &weights[k * heads..][..heads];
                for ((mean, &weight), &to) in means.iter_mut().zip(weights).zip(&*to_weights) {
                    *mean += weight * to;
                }
            }
            let query = attention.query_of(node);
            let to_query = &mut to_query[local * dim_key..][..dim_key];
            for (k, edge) in edges.enumerate() {
                let weights = &weights[k * heads..][..heads];
                let to_logits = &mut to_logits[k * heads..][..heads];
                let mut sum = T::ZERO;
                for ((to, &weight), &mean) in to_logits.iter_mut().zip(weights).zip(&means) {
                    let to_logit = weight * (*to - mean);
                    sum += to_logit;
                    *to = to_logit * scale;
                }
                let row = edge - first;
                if let Some(envelope) = attention.envelope {
                    to_envelope[row] = if attention.is_dead(edge) {
                        T::ZERO
                    } else {
                        sum / envelope[edge]
                    };
                }
                let own = &mut to_value[row * stride..][..stride];
                let (to_value, behind) = own.split_at_mut(dim_value);
                let to_key = match attention.key {
                    Some(_) => &mut to_key[row * dim_key..][..dim_key],
                    None => behind,
                };
                add_weighted::<T, I>(values, weights, grad, to_value);
                add_weighted::<T, I>(keys, to_logits, query, to_key);
                add_weighted::<T, I>(keys, to_logits, attention.key_of(edge), to_query);
            }
        }
    }
}
