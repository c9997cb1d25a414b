//! Attention over runs of edges, with the weights of all edges stored.

use burn::backend::Backend;
use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_autodiff::Autodiff;

use super::rows::Runs;
use super::{Matrix, bool_dtype, tape};
use crate::host::attention::{AttentionPlan, SMALLEST_ENVELOPE};
use crate::{AttentionForm, RowOps};

/// Attention of node i over the edges `offsets[i]..offsets[i + 1]`, from query, value, key and envelope;
/// see [`crate::attend`].
pub(crate) fn attend<B: RowOps>(
    [query, value, key, envelope]: [FloatTensor<B>; 4],
    offsets: IntTensor<B>,
    plan: &AttentionPlan,
    form: AttentionForm,
) -> FloatTensor<B> {
    let (nodes, edges) = (query.shape()[0], value.shape()[0]);
    let (dim_value, dim_key) = (plan.dim_value(), plan.dim_key());
    if edges * dim_value == 0 {
        return Matrix::<B>::zeros([nodes, dim_value], &query).0;
    }
    let nodes_of_edges = NodesOfEdges::<B>::new(offsets, edges);
    let joint = Matrix::<B>(value);
    let key = match form.is_joint {
        true => joint.columns(dim_value..dim_value + dim_key),
        false => Matrix(key),
    };
    let logits = match dim_key {
        0 => Matrix::zeros([edges, plan.num_heads()], &joint.0),
        _ => {
            let products = nodes_of_edges.gather(Matrix(query)) * key;
            products
                .matmul(heads(&plan.key_heads(), plan.num_heads(), &joint.0).transpose())
                .scale(plan.scale())
        }
    };
    let weights = weights(
        logits,
        form.has_envelope.then_some(Matrix(envelope)),
        &nodes_of_edges,
    );
    let of_columns = weights.matmul(heads(&plan.value_heads(), plan.num_heads(), &joint.0));
    nodes_of_edges
        .sum(of_columns * joint.columns(0..dim_value))
        .0
}

/// Gradients of [`attend`] to query, value, key and envelope.
pub(crate) fn attend_backward<B: RowOps>(
    grad: FloatTensor<B>,
    floats: [FloatTensor<B>; 4],
    offsets: IntTensor<B>,
    plan: &AttentionPlan,
    form: AttentionForm,
) -> [FloatTensor<B>; 4] {
    tape::gradients::<B, 4>(floats, grad, |floats| {
        attend::<Autodiff<B>>(floats, offsets, plan, form)
    })
}

/// `a exp(z) / sum of a exp(z)` over the edges of each node; zero where all edges have faded.
fn weights<B: RowOps>(
    logits: Matrix<B>,
    envelope: Option<Matrix<B>>,
    nodes: &NodesOfEdges<B>,
) -> Matrix<B> {
    let dtype = bool_dtype::<B>(&logits.0.device());
    let faded = envelope
        .as_ref()
        .map(|envelope| B::float_lower_elem(envelope.0.clone(), SMALLEST_ENVELOPE.into(), dtype));
    // The highest logit of the edges that count; weights do not depend on it, so it is a constant.
    let detached = Matrix::<B>(B::float_detach(logits.0.clone()));
    let counting = match &faded {
        Some(faded) => detached.fill_rows(faded.clone(), f64::from(f32::MIN)),
        None => detached,
    };
    let above = logits - nodes.runs.highest(counting);
    let unscaled = match (envelope, faded) {
        (Some(envelope), Some(faded)) => {
            let above = above.fill_rows(faded.clone(), 0.0);
            Matrix(B::float_exp(above.0)) * envelope.fill_rows(faded, 0.0)
        }
        _ => Matrix(B::float_exp(above.0)),
    };
    let total = nodes.gather(nodes.sum(unscaled.clone())).0;
    let nothing = B::float_equal_elem(total.clone(), 0.0.into(), dtype);
    let total = B::float_mask_fill(total, nothing, 1.0.into());
    Matrix(B::float_div(unscaled.0, total))
}

/// Edges sorted by the node they enter, and the way back and forth.
struct NodesOfEdges<B: Backend> {
    runs: Runs<B>,
    /// Edges in their own order.
    order: IntTensor<B>,
}

impl<B: RowOps> NodesOfEdges<B> {
    fn new(offsets: IntTensor<B>, edges: usize) -> Self {
        let (device, dtype) = (offsets.device(), offsets.dtype().into());
        Self {
            order: B::int_arange(0..edges as i64, &device, dtype),
            runs: Runs::new(offsets, edges),
        }
    }

    /// What an edge's node has.
    fn gather(&self, of_nodes: Matrix<B>) -> Matrix<B> {
        let Runs {
            offsets,
            run_of_row,
            ..
        } = &self.runs;
        let order = self.order.clone();
        Matrix(B::gather_rows(
            of_nodes.0,
            run_of_row.clone(),
            order,
            offsets.clone(),
        ))
    }

    /// The sum over a node's edges.
    fn sum(&self, of_edges: Matrix<B>) -> Matrix<B> {
        let Runs {
            offsets,
            run_of_row,
            ..
        } = &self.runs;
        let order = self.order.clone();
        Matrix(B::sum_rows(
            of_edges.0,
            run_of_row.clone(),
            order,
            offsets.clone(),
        ))
    }
}

/// One in the row of a column's head, `[heads, columns]`.
fn heads<B: Backend>(head_of_column: &[usize], heads: usize, like: &FloatTensor<B>) -> Matrix<B> {
    let columns = head_of_column.len();
    let mut values = vec![0.0; heads * columns];
    for (column, head) in head_of_column.iter().enumerate() {
        values[head * columns + column] = 1.0;
    }
    Matrix::constant(values, [heads, columns], like)
}
