//! A whole layer on the edges within a memory budget: radial networks, convolution and attention.

use std::ops::Range;
use std::sync::Arc;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

use super::{register, same_dtype};
use crate::composed::messages as composed;
use crate::message_plan::{EdgeColumns, MessageConvolution, MessagePlan, Reduction};
use crate::slabs::{BudgetTooSmall, EdgeList, Slab};
use crate::{AttentionOps, ConvolutionOps, RadialOps};

/// The tensors that a layer reads on the edges.
#[derive(Clone, Debug)]
pub struct MessageInputs {
    /// Features of the nodes, `[N, F]`.
    pub features: Tensor<2>,
    /// Features of the edges, which stand behind those of the source, `[E, G]`.
    pub edge_features: Option<Tensor<2>>,
    /// Spherical harmonics of the edges, `[E, at least (l_filter_max + 1)^2]`.
    pub harmonics: Tensor<2>,
    /// Input of the radial networks, `[E, d_input]`.
    pub invariants: Tensor<2>,
    /// Parameters of the convolution of the messages, or of the values.
    pub value: MessageParameters,
    /// What attention reads, where the messages are attended to.
    pub attention: Option<MessageAttention>,
}

/// Parameters of a convolution and its radial networks.
#[derive(Clone, Debug)]
pub struct MessageParameters {
    /// Those of the hidden layers, `[stack.num_parameters()]`.
    pub hidden: Tensor<1>,
    /// Last radial layer: `[hidden_width, plan.num_weights()]`, or one more row with the bias.
    pub weight: Tensor<2>,
}

/// What attention reads beside the messages.
#[derive(Clone, Debug)]
pub struct MessageAttention {
    /// Queries of the nodes, `[N, plan.dim_key()]`.
    pub query: Tensor<2>,
    /// How far each edge has faded, `[E, 1]`.
    pub envelope: Option<Tensor<2>>,
    /// Parameters of the convolution of the keys, where they have their own.
    pub key: Option<MessageParameters>,
}

/// One of something for each tensor that a layer reads on the edges. A tensor that is absent is `[0, 0]`,
/// or `[0]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageTensors<T> {
    pub(crate) features: T,
    pub(crate) edge_features: T,
    pub(crate) harmonics: T,
    pub(crate) invariants: T,
    pub(crate) envelope: T,
    pub(crate) query: T,
    pub(crate) hidden: T,
    pub(crate) weight: T,
    pub(crate) key_hidden: T,
    pub(crate) key_weight: T,
}

impl<T> MessageTensors<T> {
    pub(crate) fn into_array(self) -> [T; 10] {
        [
            self.features,
            self.edge_features,
            self.harmonics,
            self.invariants,
            self.envelope,
            self.query,
            self.hidden,
            self.weight,
            self.key_hidden,
            self.key_weight,
        ]
    }
}

impl<T> From<[T; 10]> for MessageTensors<T> {
    fn from(all: [T; 10]) -> Self {
        let [
            features,
            edge_features,
            harmonics,
            invariants,
            envelope,
            query,
            hidden,
            weight,
            key_hidden,
            key_weight,
        ] = all;
        Self {
            features,
            edge_features,
            harmonics,
            invariants,
            envelope,
            query,
            hidden,
            weight,
            key_hidden,
            key_weight,
        }
    }
}

/// What is done, and in which pieces.
#[derive(Debug)]
pub struct MessageJob {
    pub(crate) plan: MessagePlan,
    pub(crate) edges: Arc<EdgeList>,
    pub(crate) slabs: Vec<Slab>,
}

impl MessageJob {
    /// Rows of the output.
    pub(crate) fn num_rows(&self) -> usize {
        match self.plan.reduction {
            Reduction::PerEdge => self.edges.num_edges(),
            Reduction::Sum | Reduction::Attend { .. } => self.edges.num_nodes(),
        }
    }

    /// Those of a slab.
    pub(crate) fn rows_of(&self, slab: &Slab) -> Range<usize> {
        match self.plan.reduction {
            Reduction::PerEdge => slab.edges.clone(),
            Reduction::Sum | Reduction::Attend { .. } => slab.nodes.clone(),
        }
    }
}

/// Radial networks, convolution and, if the plan has it, attention, in `budget` bytes: [`radial_layer`],
/// [`convolve`] and [`attend`] for slab after slab, each as many whole nodes as fit.
///
/// Nothing on the edges is stored for the backward pass, which forms each slab again. The budget is for
/// what a slab holds on its edges; inputs, output, parameters, the gradients to all of them, and the tiles
/// that each thread works on, come on top; on GPUs also the messages and coupled gradients that a kernel stores,
/// 64 MiB at most. Sums over slabs have the order of the nodes. Gradients flow to
/// all tensors.
///
/// # Shapes
/// - output: `[N, columns]`, or `[E, columns]` where messages stay on the edges
///
/// # Errors
/// When not even the edges into one node fit the budget.
///
/// # Panics
/// When a shape does not fit the plan.
///
/// [`radial_layer`]: crate::radial_layer
/// [`convolve`]: crate::convolve
/// [`attend`]: crate::attend
pub fn pass_messages(
    inputs: MessageInputs,
    edges: &Arc<EdgeList>,
    budget: u64,
    plan: MessagePlan,
) -> Result<Tensor<2>, BudgetTooSmall> {
    inputs.expect_shapes(edges, &plan);
    let (device, dtype) = (inputs.features.device(), inputs.features.dtype());
    let per_edge = plan.bytes_per_edge(inputs.columns(), dtype.size());
    let job = MessageJob {
        slabs: edges.slabs(budget, per_edge)?,
        edges: edges.clone(),
        plan,
    };
    let absent = || Tensor::<2>::zeros([0, 0], (&device, dtype));
    let (query, envelope, key) = match inputs.attention {
        None => (None, None, None),
        Some(attention) => (Some(attention.query), attention.envelope, attention.key),
    };
    let key = key.unwrap_or_else(|| MessageParameters {
        hidden: Tensor::zeros([0], (&device, dtype)),
        weight: absent(),
    });
    let [edge_features, envelope, query] =
        [inputs.edge_features, envelope, query].map(|given| given.unwrap_or_else(absent));
    same_dtype(
        "pass_messages",
        [
            dtype,
            edge_features.dtype(),
            inputs.harmonics.dtype(),
            inputs.invariants.dtype(),
            envelope.dtype(),
            query.dtype(),
            inputs.value.hidden.dtype(),
            inputs.value.weight.dtype(),
            key.hidden.dtype(),
            key.weight.dtype(),
        ],
    );
    Ok(Tensor::from_dispatch(Dispatch::pass_messages(
        inputs.features.into_dispatch(),
        edge_features.into_dispatch(),
        inputs.harmonics.into_dispatch(),
        inputs.invariants.into_dispatch(),
        envelope.into_dispatch(),
        query.into_dispatch(),
        inputs.value.hidden.into_dispatch(),
        inputs.value.weight.into_dispatch(),
        key.hidden.into_dispatch(),
        key.weight.into_dispatch(),
        Arc::new(job),
    )))
}

impl MessageInputs {
    fn columns(&self) -> EdgeColumns {
        let own = self.edge_features.as_ref();
        EdgeColumns {
            features: self.features.dims()[1],
            edge_features: own.map_or(0, |own| own.dims()[1]),
            harmonics: self.harmonics.dims()[1],
            invariants: self.invariants.dims()[1],
        }
    }

    fn expect_shapes(&self, edges: &EdgeList, plan: &MessagePlan) {
        let (nodes, edges) = (edges.num_nodes(), edges.num_edges());
        let EdgeColumns {
            features,
            edge_features,
            harmonics,
            invariants,
        } = self.columns();
        assert_eq!(
            self.features.dims()[0],
            nodes,
            "pass_messages: rows of features"
        );
        let on_edges = [&self.harmonics, &self.invariants].into_iter();
        for tensor in on_edges.chain(&self.edge_features) {
            assert_eq!(
                tensor.dims()[0],
                edges,
                "pass_messages: rows of what the edges have"
            );
        }
        let expect = |convolution: &MessageConvolution, parameters: &MessageParameters| {
            let MessageConvolution { hidden, plan } = convolution;
            let read = features + edge_features;
            assert_eq!(
                read,
                plan.irreps_in().dim(),
                "pass_messages: columns of the features, and of those of the edges, for {}",
                plan.irreps_in()
            );
            let width = (plan.l_filter_max() + 1).pow(2);
            assert!(
                harmonics >= width,
                "pass_messages: {harmonics} columns of harmonics, at least {width} are needed"
            );
            assert_eq!(
                invariants, hidden.d_input,
                "pass_messages: columns of the invariants"
            );
            hidden.expect_chain("pass_messages");
            assert_eq!(
                parameters.hidden.dims(),
                [hidden.num_parameters()],
                "pass_messages: parameters of the hidden layers"
            );
            let [rows, columns] = parameters.weight.dims();
            let width = hidden.columns() / plan.num_radials().max(1);
            assert!(
                hidden.columns() == width * plan.num_radials().max(1)
                    && (rows == width || rows == width + 1)
                    && columns == plan.num_weights(),
                "pass_messages: weight must be [{width} or {}, {}], got [{rows}, {columns}]",
                width + 1,
                plan.num_weights()
            );
        };
        expect(&plan.value, &self.value);
        match (&plan.reduction, &self.attention) {
            (Reduction::Attend { key, plan: heads }, Some(attention)) => {
                assert_eq!(
                    attention.query.dims(),
                    [nodes, heads.dim_key()],
                    "pass_messages: queries must be [nodes, dim of the keys]"
                );
                if let Some(envelope) = &attention.envelope {
                    assert_eq!(
                        envelope.dims(),
                        [edges, 1],
                        "pass_messages: the envelope must be [edges, 1]"
                    );
                }
                let given = plan.value.plan.irreps_out().dim();
                let behind = match (key, &attention.key) {
                    (None, None) => heads.dim_key(),
                    (Some(key), Some(parameters)) => {
                        expect(key, parameters);
                        assert_eq!(
                            key.plan.irreps_out().dim(),
                            heads.dim_key(),
                            "pass_messages: columns of the keys"
                        );
                        0
                    }
                    _ => panic!(
                        "pass_messages: keys of their own, in the plan or in the inputs only"
                    ),
                };
                assert_eq!(
                    given,
                    heads.dim_value() + behind,
                    "pass_messages: columns of the values, with keys behind them if those do not come by themselves"
                );
            }
            (Reduction::Sum | Reduction::PerEdge, None) => {}
            _ => panic!("pass_messages: attention, in the plan or in the inputs only"),
        }
    }
}

/// Layers on the edges, slab by slab. Every backend runs it on its other operations.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait MessageOps: ConvolutionOps + RadialOps + AttentionOps {
    /// The job, see [`crate::pass_messages`]; tensors that are absent have no numbers.
    #[fusion(default)]
    #[allow(
        clippy::too_many_arguments,
        reason = "a backend operation takes plain tensors"
    )]
    fn pass_messages(
        features: FloatTensor<Self>,
        edge_features: FloatTensor<Self>,
        harmonics: FloatTensor<Self>,
        invariants: FloatTensor<Self>,
        envelope: FloatTensor<Self>,
        query: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        key_hidden: FloatTensor<Self>,
        key_weight: FloatTensor<Self>,
        job: Arc<MessageJob>,
    ) -> FloatTensor<Self> {
        let tensors = MessageTensors {
            features,
            edge_features,
            harmonics,
            invariants,
            envelope,
            query,
            hidden,
            weight,
            key_hidden,
            key_weight,
        };
        composed::forward::<Self>(&tensors, &job)
    }
}

#[cfg(feature = "flex")]
impl MessageOps for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl MessageOps for burn::backend::NdArray {}

#[cfg(feature = "cubecl")]
impl MessageOps for burn_cubecl::CubeBackend {}

impl<B: Backend + MessageOps, C: CheckpointStrategy> MessageOps for Autodiff<B, C> {
    fn pass_messages(
        features: FloatTensor<Self>,
        edge_features: FloatTensor<Self>,
        harmonics: FloatTensor<Self>,
        invariants: FloatTensor<Self>,
        envelope: FloatTensor<Self>,
        query: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        key_hidden: FloatTensor<Self>,
        key_weight: FloatTensor<Self>,
        job: Arc<MessageJob>,
    ) -> FloatTensor<Self> {
        let tensors = [
            features,
            edge_features,
            harmonics,
            invariants,
            envelope,
            query,
            hidden,
            weight,
            key_hidden,
            key_weight,
        ];
        let nodes = tensors.each_ref().map(|tensor| tensor.node());
        let tensors = MessageTensors::from(tensors.map(|tensor| tensor.into_primitive()));
        let out = composed::forward::<B>(&tensors, &job);
        match MessagesBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((tensors.into_array(), job), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct MessagesBackward;

impl<B: Backend + MessageOps> Backward<B, 10> for MessagesBackward {
    /// The inputs, and nothing that was formed on the edges.
    type State = ([FloatTensor<B>; 10], Arc<MessageJob>);

    fn backward(self, ops: Ops<Self::State, 10>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (tensors, job) = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = composed::backward::<B>(&grad, &tensors.into(), &job, &wanted.into());
        register!(grads, ops.parents, gradients);
    }
}
