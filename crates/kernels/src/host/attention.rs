//! Attention over the incoming edges of each node, on packed rows read where they lie.
//!
//! A node's few edges stay in cache between the passes over them, and nothing of size edges x heads
//! outlives its node: the backward pass forms the weights again.

use std::ops::Range;

use steerable_harmonics::plan::{Block, blocks};
use steerable_irreps::Irreps;

use super::real::Real;
use super::segment::split_rows;
use super::simd::{Instructions, Loop, dispatch};
use super::tasks::{run_all, split_mut};

/// Columns that are worked on at a time.
const LANES: usize = 16;

/// Numbers that one thread should have to read before a second one is called.
const WORK_PER_THREAD: usize = 1 << 16;

/// Envelopes below this count as zero.
pub(crate) const SMALLEST_ENVELOPE: f64 = 1e-20;

/// How attention reads packed rows: which columns are keys, which are values, and whose head they are.
///
/// The channels of each block are dealt to the heads in consecutive runs.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionPlan {
    values: Vec<Slab>,
    keys: Vec<Slab>,
    dim_value: usize,
    dim_key: usize,
    num_heads: usize,
    scale: f64,
}

/// Consecutive blocks with one multiplicity: the channels repeat every `mul` columns.
#[derive(Clone, Debug, PartialEq)]
struct Slab {
    columns: Range<usize>,
    mul: usize,
    /// Head of each column until the heads repeat and a run of [`LANES`] is full.
    heads: Vec<u32>,
}

impl AttentionPlan {
    /// The plan of values and keys of these irreps; logits are multiplied by `scale`.
    ///
    /// # Panics
    /// When there are no heads or they do not divide a multiplicity.
    pub fn new(irreps_value: &Irreps, irreps_key: &Irreps, num_heads: usize, scale: f64) -> Self {
        assert!(num_heads > 0, "AttentionPlan: at least one head");
        Self {
            values: slabs(irreps_value, num_heads),
            keys: slabs(irreps_key, num_heads),
            dim_value: irreps_value.dim(),
            dim_key: irreps_key.dim(),
            num_heads,
            scale,
        }
    }

    /// Number of columns of the values.
    pub fn dim_value(&self) -> usize {
        self.dim_value
    }

    /// Number of columns of keys and queries.
    pub fn dim_key(&self) -> usize {
        self.dim_key
    }

    /// Number of heads.
    pub fn num_heads(&self) -> usize {
        self.num_heads
    }

    /// What the logits are multiplied by.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The head of each column of the values.
    pub(crate) fn value_heads(&self) -> Vec<usize> {
        self.values.iter().flat_map(Slab::head_of_columns).collect()
    }

    /// The head of each column of keys and queries.
    pub(crate) fn key_heads(&self) -> Vec<usize> {
        self.keys.iter().flat_map(Slab::head_of_columns).collect()
    }
}

impl Slab {
    fn head_of_columns(&self) -> impl Iterator<Item = usize> {
        let heads = self.heads.iter().cycle().take(self.columns.len());
        heads.map(|&head| head as usize)
    }
}

/// Blocks, joined where neighbours have one multiplicity.
fn slabs(irreps: &Irreps, num_heads: usize) -> Vec<Slab> {
    let mut slabs: Vec<Slab> = Vec::new();
    for (block, _) in blocks(irreps).filter(|(block, _)| block.mul > 0) {
        assert!(
            block.mul.is_multiple_of(num_heads),
            "AttentionPlan: {num_heads} heads do not divide {} channels",
            block.mul
        );
        match slabs.last_mut() {
            Some(slab) if slab.mul == block.mul => slab.columns.end = block.columns().end,
            _ => slabs.push(Slab::new(&block, num_heads)),
        }
    }
    slabs
}

impl Slab {
    fn new(block: &Block, num_heads: usize) -> Self {
        let period = (1..)
            .map(|runs| runs * LANES)
            .find(|columns| columns.is_multiple_of(block.mul))
            .expect("a common multiple");
        let width = block.mul / num_heads;
        Self {
            columns: block.columns(),
            mul: block.mul,
            heads: (0..period)
                .map(|column| (column % block.mul / width) as u32)
                .collect(),
        }
    }
}

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

impl<T: Real> Attention<'_, T> {
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
    /// every envelope is. A NaN among the logits shows in all weights of its head.
    #[inline(always)]
    fn weigh<I: Instructions>(&self, node: usize, weights: &mut [T]) {
        let (heads, scale) = (self.plan.num_heads, T::of(self.plan.scale));
        let edges = self.edges_of(node);
        let query = self.query_of(node);
        for (edge, logits) in edges.clone().zip(weights.chunks_exact_mut(heads)) {
            logits.fill(T::ZERO);
            add_dots::<T, I>(&self.plan.keys, query, self.key_of(edge), logits);
            logits.iter_mut().for_each(|logit| *logit = *logit * scale);
        }
        for head in 0..heads {
            let mut highest = T::of(f64::NEG_INFINITY);
            for (edge, &logit) in edges.clone().zip(weights.iter().skip(head).step_by(heads)) {
                // A NaN never is the highest.
                if logit > highest && !self.is_dead(edge) {
                    highest = logit;
                }
            }
            let mut total = T::ZERO;
            for (edge, weight) in edges
                .clone()
                .zip(weights.iter_mut().skip(head).step_by(heads))
            {
                *weight = match self.envelope {
                    // Zero, but a NaN or an infinite logit still shows.
                    Some(_) if self.is_dead(edge) => T::ZERO * *weight,
                    Some(envelope) => envelope[edge] * Real::exp(*weight - highest),
                    None => Real::exp(*weight - highest),
                };
                total += *weight;
            }
            if total == T::ZERO {
                continue;
            }
            // Divided, so that a single edge weighs exactly one: its gradient is then exactly zero.
            for weight in weights.iter_mut().skip(head).step_by(heads) {
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

impl<T: Real> Loop for Forward<'_, T> {
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
        for (node, out) in nodes.zip(out.chunks_exact_mut(*dim_value)) {
            let edges = attention.edges_of(node);
            let weights = &mut weights[..edges.len() * num_heads];
            attention.weigh::<I>(node, weights);
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

impl<T: Real> Loop for Backward<'_, T> {
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
        for (local, node) in nodes.enumerate() {
            let edges = attention.edges_of(node);
            let weights = &mut weights[..edges.len() * heads];
            let to_logits = &mut to_logits[..edges.len() * heads];
            attention.weigh::<I>(node, weights);
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

/// `out[head] += sum of a b` over the columns of each head.
#[inline(always)]
fn add_dots<T: Real, I: Instructions>(slabs: &[Slab], a: &[T], b: &[T], out: &mut [T]) {
    for slab in slabs {
        let (a, a_rest) = a[slab.columns.clone()].as_chunks::<LANES>();
        let (b, b_rest) = b[slab.columns.clone()].as_chunks::<LANES>();
        let (heads, _) = slab.heads.as_chunks::<LANES>();
        let period = heads.len();
        for (first, heads) in heads.iter().enumerate().take(a.len()) {
            let mut sum = [T::ZERO; LANES];
            let a = a[first..].iter().step_by(period);
            for (a, b) in a.zip(b[first..].iter().step_by(period)) {
                for lane in 0..LANES {
                    sum[lane] = I::multiply_add(a[lane], b[lane], sum[lane]);
                }
            }
            for (&head, &sum) in heads.iter().zip(&sum) {
                out[head as usize] += sum;
            }
        }
        let heads = &heads[a.len() % period];
        for ((&head, &a), &b) in heads.iter().zip(a_rest).zip(b_rest) {
            out[head as usize] += a * b;
        }
    }
}

/// `out += weight[head] x`, column by column.
#[inline(always)]
fn add_weighted<T: Real, I: Instructions>(slabs: &[Slab], weights: &[T], x: &[T], out: &mut [T]) {
    for slab in slabs {
        let (x, x_rest) = x[slab.columns.clone()].as_chunks::<LANES>();
        let (out, out_rest) = out[slab.columns.clone()].as_chunks_mut::<LANES>();
        let (heads, _) = slab.heads.as_chunks::<LANES>();
        let period = heads.len();
        for (first, heads) in heads.iter().enumerate().take(x.len()) {
            let weight = heads.map(|head| weights[head as usize]);
            let x = x[first..].iter().step_by(period);
            for (out, x) in out[first..].iter_mut().step_by(period).zip(x) {
                for lane in 0..LANES {
                    out[lane] = I::multiply_add(weight[lane], x[lane], out[lane]);
                }
            }
        }
        let heads = &heads[x.len() % period];
        for ((out, &x), &head) in out_rest.iter_mut().zip(x_rest).zip(heads) {
            *out += weights[head as usize] * x;
        }
    }
}
