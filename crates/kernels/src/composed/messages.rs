//! What a layer does on the edges, slab by slab, and its gradients.
//!
//! Between the passes nothing on the edges is stored, and within them only what one slab needs.

use std::ops::Range;

use burn::backend::Backend;
use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{Slice, TensorData};

use super::Matrix;
use super::node_sums::NodeSums;
use crate::edges::group;
use crate::host::convolution::Wanted;
use crate::host::radial::RadialWanted;
use crate::message_plan::{MessageConvolution, Reduction};
use crate::ops::messages::{MessageJob, MessageTensors};
use crate::slabs::Slab;
use crate::{AttentionForm, MessageOps};

/// Where the gradients of a slab go.
#[derive(Clone, Copy)]
enum Place {
    /// Added to those of the other slabs, in their order.
    Sum,
    /// To the rows of the slab's edges.
    Edges,
    /// To the rows of its nodes.
    Nodes,
    /// Added to the rows of the nodes that its edges leave.
    Sources,
}

const PLACES: MessageTensors<Place> = MessageTensors {
    features: Place::Sources,
    edge_features: Place::Edges,
    harmonics: Place::Edges,
    invariants: Place::Edges,
    envelope: Place::Edges,
    query: Place::Nodes,
    hidden: Place::Sum,
    weight: Place::Sum,
    key_hidden: Place::Sum,
    key_weight: Place::Sum,
};

/// The output of a job, see [`crate::pass_messages`].
pub(crate) fn forward<B: MessageOps>(
    tensors: &MessageTensors<FloatTensor<B>>,
    job: &MessageJob,
) -> FloatTensor<B> {
    let rows = job.num_rows();
    let mut out = None;
    for slab in &job.slabs {
        let of_slab = OnSlab::<B>::new(tensors, job, slab).forward();
        out = Some(place::<B>(out, rows, job.rows_of(slab), of_slab));
    }
    out.unwrap_or_else(|| Matrix::<B>::zeros([rows, job.plan.columns()], &tensors.features).0)
}

/// Gradients of [`forward`] to the tensors that want one; the others are not formed, or not complete.
pub(crate) fn backward<B: MessageOps>(
    grad: &FloatTensor<B>,
    tensors: &MessageTensors<FloatTensor<B>>,
    job: &MessageJob,
    wanted: &MessageTensors<bool>,
) -> [FloatTensor<B>; 10] {
    let mut totals: [Option<FloatTensor<B>>; 10] = Default::default();
    let mut to_sources = NodeSums::<B>::new(job.edges.num_nodes());
    for slab in &job.slabs {
        let grad = Matrix::<B>(grad.clone()).rows(job.rows_of(slab)).0;
        let slab_tensors = OnSlab::<B>::new(tensors, job, slab);
        let found = slab_tensors.backward(grad, wanted);
        let places = PLACES.into_array().into_iter().zip(found.into_array());
        for (total, (kind, found)) in totals.iter_mut().zip(places) {
            let Some(found) = found else { continue };
            let before = total.take();
            *total = match kind {
                Place::Sum => Some(sum::<B>(before, found)),
                Place::Edges => {
                    let edges = slab.edges.clone();
                    Some(place::<B>(before, job.edges.num_edges(), edges, found))
                }
                Place::Nodes => {
                    let nodes = slab.nodes.clone();
                    Some(place::<B>(before, job.edges.num_nodes(), nodes, found))
                }
                Place::Sources => {
                    to_sources.add(&slab_tensors.sources, found);
                    None
                }
            };
        }
    }
    let mut totals = MessageTensors::from(totals);
    totals.features = to_sources.finish();
    let mut totals = totals.into_array().into_iter();
    tensors.clone().into_array().map(|like| {
        let total = totals.next().flatten();
        total.unwrap_or_else(|| B::float_zeros(like.shape(), &like.device(), like.dtype().into()))
    })
}

fn sum<B: Backend>(before: Option<FloatTensor<B>>, more: FloatTensor<B>) -> FloatTensor<B> {
    match before {
        None => more,
        Some(before) => B::float_add(before, more),
    }
}

/// Writes the rows of a slab among all `rows`.
fn place<B: Backend>(
    all: Option<FloatTensor<B>>,
    rows: usize,
    own: Range<usize>,
    of_slab: FloatTensor<B>,
) -> FloatTensor<B> {
    if own == (0..rows) {
        return of_slab;
    }
    let columns = of_slab.shape()[1];
    let all = all.unwrap_or_else(|| Matrix::<B>::zeros([rows, columns], &of_slab).0);
    if own.is_empty() || columns == 0 {
        return all;
    }
    let slices = [Slice::from(own), Slice::from(0..columns)];
    B::float_slice_assign(all, &slices, of_slab)
}

pub(super) fn upload<B: Backend>(
    indices: impl Iterator<Item = u32>,
    device: &B::Device,
) -> IntTensor<B> {
    let indices: Vec<i32> = indices.map(|index| index as i32).collect();
    let len = indices.len();
    B::int_from_data(TensorData::new(indices, [len]), device)
}

/// Index, order and offsets of rows that are read.
type Groups<B> = [IntTensor<B>; 3];

/// The parameters of a convolution: its hidden layers, and its last one.
struct Parameters<'a, B: Backend> {
    convolution: &'a MessageConvolution,
    hidden: &'a FloatTensor<B>,
    weight: &'a FloatTensor<B>,
}

/// Gradients of one convolution, where they are wanted.
struct OfConvolution<B: Backend> {
    read: Option<FloatTensor<B>>,
    harmonics: Option<FloatTensor<B>>,
    invariants: Option<FloatTensor<B>>,
    hidden: Option<FloatTensor<B>>,
    weight: Option<FloatTensor<B>>,
}

/// Values or keys, and what the backward pass of the layers before them reads.
struct Formed<B: Backend> {
    stages: Vec<FloatTensor<B>>,
    messages: FloatTensor<B>,
}

/// The tensors of one slab.
struct OnSlab<'a, B: Backend> {
    job: &'a MessageJob,
    tensors: &'a MessageTensors<FloatTensor<B>>,
    slab: &'a Slab,
    /// The nodes that the slab's edges leave, ascending. Only their features are read.
    sources: Vec<u32>,
    /// The slab's edges by the source they leave.
    by_src: Groups<B>,
    /// What the convolutions read: the features of the sources, or where the edges have features of their
    /// own, both side by side on the edges.
    read: FloatTensor<B>,
    /// Which row of `read` each edge reads.
    src: Groups<B>,
    /// The edges of each row of messages.
    rows: IntTensor<B>,
    harmonics: FloatTensor<B>,
    invariants: FloatTensor<B>,
}

impl<'a, B: MessageOps> OnSlab<'a, B> {
    fn new(
        tensors: &'a MessageTensors<FloatTensor<B>>,
        job: &'a MessageJob,
        slab: &'a Slab,
    ) -> Self {
        let device = tensors.features.device();
        let edges = slab.edges.len() as u32;
        let each = |end: u32| [end, end, end + 1].map(|end| upload::<B>(0..end, &device));
        let (sources, index) = distinct(job.edges.sources(slab));
        let features = match sources.len() {
            all if all == job.edges.num_nodes() => tensors.features.clone(),
            some => {
                // Each row is read once, so the way back is that of single rows.
                let [_, order, offsets] = each(some as u32);
                let index = upload::<B>(sources.iter().copied(), &device);
                B::gather_rows(tensors.features.clone(), index, order, offsets)
            }
        };
        let (order, offsets) = group(&index, sources.len());
        let by_src =
            [&index, &order, &offsets].map(|indices| upload::<B>(indices.iter().copied(), &device));
        let of_edges =
            |tensor: &FloatTensor<B>| Matrix::<B>(tensor.clone()).rows(slab.edges.clone());
        let (read, src) = if has_columns(&tensors.edge_features) {
            let [index, order, offsets] = by_src.clone();
            let gathered = B::gather_rows(features, index, order, offsets);
            let parts = vec![Matrix(gathered), of_edges(&tensors.edge_features)];
            (Matrix::side_by_side(parts).0, each(edges))
        } else {
            (features, by_src.clone())
        };
        let rows = match job.plan.reduction {
            Reduction::Sum => upload::<B>(job.edges.offsets_within(slab), &device),
            Reduction::PerEdge | Reduction::Attend { .. } => upload::<B>(0..edges + 1, &device),
        };
        Self {
            job,
            tensors,
            slab,
            sources,
            by_src,
            read,
            src,
            rows,
            harmonics: of_edges(&tensors.harmonics).0,
            invariants: of_edges(&tensors.invariants).0,
        }
    }

    fn values(&self) -> Parameters<'a, B> {
        Parameters {
            convolution: &self.job.plan.value,
            hidden: &self.tensors.hidden,
            weight: &self.tensors.weight,
        }
    }

    fn keys(&self, convolution: &'a MessageConvolution) -> Parameters<'a, B> {
        Parameters {
            convolution,
            hidden: &self.tensors.key_hidden,
            weight: &self.tensors.key_weight,
        }
    }

    fn forward(&self) -> FloatTensor<B> {
        let value = self.form(&self.values()).messages;
        match &self.job.plan.reduction {
            Reduction::Sum | Reduction::PerEdge => value,
            Reduction::Attend { key, plan } => {
                let key = key.as_ref().map(|key| self.form(&self.keys(key)).messages);
                let (query, envelope, offsets, form) = self.attention(key.is_some());
                let key = key.unwrap_or_else(|| self.absent());
                B::attend(query, value, key, envelope, offsets, plan.clone(), form)
            }
        }
    }

    fn backward(
        &self,
        grad: FloatTensor<B>,
        wanted: &MessageTensors<bool>,
    ) -> MessageTensors<Option<FloatTensor<B>>> {
        let values = self.values();
        let mut found = MessageTensors::from([const { None }; 10]);
        let (of_values, of_keys) = match &self.job.plan.reduction {
            // The sum does not need what it adds.
            Reduction::Sum | Reduction::PerEdge => {
                let stages = self.stages(&values);
                (self.pull_back(&values, stages, grad, wanted), None)
            }
            Reduction::Attend { key, plan } => {
                let value = self.form(&values);
                let keys = key.as_ref().map(|key| self.keys(key));
                let key = keys.as_ref().map(|keys| self.form(keys));
                let (query, envelope, offsets, form) = self.attention(key.is_some());
                let (key_stages, key) = match key {
                    Some(formed) => (Some(formed.stages), formed.messages),
                    None => (None, self.absent()),
                };
                let (plan, value_stages, value) = (plan.clone(), value.stages, value.messages);
                let (to_query, to_value, to_key, to_envelope) =
                    B::attend_backward(grad, query, value, key, envelope, offsets, plan, form);
                found.query = wanted.query.then_some(to_query);
                found.envelope = wanted.envelope.then_some(to_envelope);
                let of_values = self.pull_back(&values, value_stages, to_value, wanted);
                let of_keys = keys
                    .zip(key_stages)
                    .map(|(keys, stages)| self.pull_back(&keys, stages, to_key, wanted));
                (of_values, of_keys)
            }
        };
        let mut read = of_values.read;
        found.harmonics = of_values.harmonics;
        found.invariants = of_values.invariants;
        found.hidden = of_values.hidden;
        found.weight = of_values.weight;
        if let Some(of_keys) = of_keys {
            let add = |to: Option<FloatTensor<B>>, more: Option<FloatTensor<B>>| match more {
                Some(more) => Some(sum::<B>(to, more)),
                None => to,
            };
            read = add(read, of_keys.read);
            found.harmonics = add(found.harmonics, of_keys.harmonics);
            found.invariants = add(found.invariants, of_keys.invariants);
            found.key_hidden = of_keys.hidden;
            found.key_weight = of_keys.weight;
        }
        (found.features, found.edge_features) = self.cut_apart(read, wanted);
        found
    }

    /// Query, envelope, offsets and form of the slab's attention.
    fn attention(
        &self,
        has_key: bool,
    ) -> (FloatTensor<B>, FloatTensor<B>, IntTensor<B>, AttentionForm) {
        let form = AttentionForm {
            is_joint: !has_key,
            has_envelope: has_columns(&self.tensors.envelope),
        };
        let query = Matrix::<B>(self.tensors.query.clone()).rows(self.slab.nodes.clone());
        let envelope = match form.has_envelope {
            true => {
                let all = Matrix::<B>(self.tensors.envelope.clone());
                all.rows(self.slab.edges.clone()).0
            }
            false => self.absent(),
        };
        let offsets = self.job.edges.offsets_within(self.slab);
        let offsets = upload::<B>(offsets, &self.read.device());
        (query.0, envelope, offsets, form)
    }

    fn absent(&self) -> FloatTensor<B> {
        Matrix::<B>::zeros([0, 0], &self.read).0
    }

    fn stages(&self, of: &Parameters<'_, B>) -> Vec<FloatTensor<B>> {
        let stack = &of.convolution.hidden;
        stack.forward::<B>(of.hidden, self.invariants.clone())
    }

    fn form(&self, of: &Parameters<'_, B>) -> Formed<B> {
        let stages = self.stages(of);
        let [src, order, offsets] = self.src.clone();
        let messages = B::convolve(
            self.read.clone(),
            self.harmonics.clone(),
            stages[stages.len() - 1].clone(),
            of.weight.clone(),
            src,
            order,
            offsets,
            self.rows.clone(),
            of.convolution.plan.clone(),
            of.convolution.hidden.hidden_kind(),
        );
        Formed { stages, messages }
    }

    /// Gradients of a convolution and its radial networks.
    fn pull_back(
        &self,
        of: &Parameters<'_, B>,
        stages: Vec<FloatTensor<B>>,
        grad: FloatTensor<B>,
        wanted: &MessageTensors<bool>,
    ) -> OfConvolution<B> {
        let of_hidden = RadialWanted {
            input: wanted.invariants,
            parameters: wanted.hidden || wanted.key_hidden,
        };
        let of_convolution = Wanted {
            features: wanted.features || wanted.edge_features,
            harmonics: wanted.harmonics,
            hidden: of_hidden.input || of_hidden.parameters,
            weight: wanted.weight || wanted.key_weight,
        };
        let [src, order, offsets] = self.src.clone();
        let (read, harmonics, hidden, weight) = B::convolve_backward(
            grad,
            self.read.clone(),
            self.harmonics.clone(),
            stages[stages.len() - 1].clone(),
            of.weight.clone(),
            src,
            order,
            offsets,
            self.rows.clone(),
            of.convolution.plan.clone(),
            of.convolution.hidden.hidden_kind(),
            of_convolution,
        );
        let (invariants, parameters) = match of_convolution.hidden {
            true => {
                let stack = &of.convolution.hidden;
                stack.backward::<B>(of.hidden, stages, hidden, of_hidden)
            }
            false => (None, None),
        };
        OfConvolution {
            read: of_convolution.features.then_some(read),
            harmonics: wanted.harmonics.then_some(harmonics),
            invariants,
            hidden: parameters,
            weight: of_convolution.weight.then_some(weight),
        }
    }

    /// The gradient to what the convolutions read, as gradients to the features of the sources and of the
    /// edges.
    fn cut_apart(
        &self,
        read: Option<FloatTensor<B>>,
        wanted: &MessageTensors<bool>,
    ) -> (Option<FloatTensor<B>>, Option<FloatTensor<B>>) {
        if !has_columns(&self.tensors.edge_features) {
            return (read, None);
        }
        let Some(read) = read.map(Matrix::<B>) else {
            return (None, None);
        };
        let (columns, all) = (self.tensors.features.shape()[1], read.dims()[1]);
        let of_nodes = wanted.features.then(|| {
            let [index, order, offsets] = self.by_src.clone();
            B::sum_rows(read.columns(0..columns).0, index, order, offsets)
        });
        let of_edges = wanted.edge_features.then(|| read.columns(columns..all).0);
        (of_nodes, of_edges)
    }
}

fn has_columns<T: TensorMetadata>(tensor: &T) -> bool {
    tensor.shape()[1] > 0
}

/// The distinct numbers of a list, ascending, and where among them each of the list stands.
fn distinct(all: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut distinct = all.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let place = |number: &u32| distinct.partition_point(|other| other < number) as u32;
    let places = all.iter().map(place).collect();
    (distinct, places)
}
