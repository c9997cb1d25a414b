//! The convolution of a plan, with the radial weights of all edges stored.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Shape;
use burn_autodiff::Autodiff;
use steerable_harmonics::plan::{ConvolutionPlan, Pair, Path, Weighting, blocks};

use super::rows::Runs;
use super::{Matrix, tape};
use crate::{RowOps, Wanted};

/// The float tensors of a convolution.
#[derive(Clone, Debug)]
pub(crate) struct Inputs<F> {
    /// `[num_src, dim_in]`
    pub(crate) features: F,
    /// `[E, at least (l_filter_max + 1)^2]`
    pub(crate) harmonics: F,
    /// `[E, num_radials * hidden_width]`
    pub(crate) hidden: F,
    /// `[hidden_width, num_weights]`, with one more row when there is a bias.
    pub(crate) weight: F,
}

/// Where the edges come from and go to.
#[derive(Debug)]
pub(crate) struct Edges<B: Backend> {
    /// Row of the features that each edge reads.
    pub(crate) src: IntTensor<B>,
    /// Edges listed source by source.
    pub(crate) edges_by_src: IntTensor<B>,
    pub(crate) src_offsets: IntTensor<B>,
    /// Edges `row_offsets[i]..row_offsets[i + 1]` are summed into output row i.
    pub(crate) row_offsets: IntTensor<B>,
}

impl<B: Backend> Edges<B> {
    /// Integers are the same tensors on the tape.
    fn on_tape(self) -> Edges<Autodiff<B>> {
        Edges {
            src: self.src,
            edges_by_src: self.edges_by_src,
            src_offsets: self.src_offsets,
            row_offsets: self.row_offsets,
        }
    }
}

/// The convolution of a plan, `[rows, dim_out]`; see [`crate::convolve`].
pub(crate) fn convolve<B: RowOps>(
    inputs: Inputs<FloatTensor<B>>,
    edges: Edges<B>,
    plan: &ConvolutionPlan,
) -> FloatTensor<B> {
    let Inputs {
        features,
        harmonics,
        hidden,
        weight,
    } = inputs;
    let num_edges = edges.src.shape()[0];
    let rows = edges.row_offsets.shape()[0] - 1;
    if num_edges == 0 || plan.pairs().is_empty() {
        return Matrix::<B>::zeros([rows, plan.irreps_out().dim()], &features).0;
    }
    let sources = Matrix::<B>(B::gather_rows(
        features,
        edges.src,
        edges.edges_by_src,
        edges.src_offsets,
    ));
    let (harmonics, hidden, weight) = (Matrix::<B>(harmonics), Matrix(hidden), Matrix(weight));
    let mut columns = Vec::new();
    for (output, _) in blocks(plan.irreps_out()).filter(|(block, _)| block.mul > 0) {
        let mut sum = Matrix::<B>::zeros([num_edges, output.dim()], &sources.0);
        for pair in plan.pairs().iter().filter(|pair| pair.output == output) {
            let radial = radial_weights(pair, &hidden, &weight, plan.num_radials());
            let block = sources.columns(pair.input.columns());
            sum = sum + message(pair, &block, &harmonics, &radial, plan.weighting());
        }
        columns.push(sum);
    }
    let messages = Matrix::side_by_side(columns).0;
    let (device, dtype) = (messages.device(), edges.row_offsets.dtype().into());
    let each = B::int_arange(0..num_edges as i64, &device, dtype);
    let row_of_edge = Runs::<B>::new(edges.row_offsets.clone(), num_edges);
    B::sum_rows(messages, row_of_edge.run_of_row, each, edges.row_offsets)
}

/// Gradients of [`convolve`] to features, harmonics, hidden and weight; those that are not wanted have no
/// rows.
pub(crate) fn convolve_backward<B: RowOps>(
    grad: FloatTensor<B>,
    inputs: Inputs<FloatTensor<B>>,
    edges: Edges<B>,
    plan: &ConvolutionPlan,
    wanted: Wanted,
) -> [FloatTensor<B>; 4] {
    let Inputs {
        features,
        harmonics,
        hidden,
        weight,
    } = inputs;
    let inputs = [features, harmonics, hidden, weight];
    let gradients = if edges.src.shape()[0] == 0 || plan.pairs().is_empty() {
        inputs.map(|input| Matrix::<B>::zeros(Matrix::<B>(input.clone()).dims(), &input).0)
    } else {
        tape::gradients::<B, 4>(inputs, grad, |[features, harmonics, hidden, weight]| {
            let inputs = Inputs {
                features,
                harmonics,
                hidden,
                weight,
            };
            convolve::<Autodiff<B>>(inputs, edges.on_tape(), plan)
        })
    };
    let wanted = [
        wanted.features,
        wanted.harmonics,
        wanted.hidden,
        wanted.weight,
    ];
    let mut wanted = wanted.into_iter();
    gradients.map(|gradient| match wanted.next() {
        Some(true) => gradient,
        _ => Matrix::<B>::zeros([0, gradient.shape()[1]], &gradient).0,
    })
}

/// `[E, weights of the pair]`
fn radial_weights<B: Backend>(
    pair: &Pair,
    hidden: &Matrix<B>,
    weight: &Matrix<B>,
    num_radials: usize,
) -> Matrix<B> {
    let width = hidden.dims()[1] / num_radials;
    let hidden = hidden.columns(pair.radial * width..(pair.radial + 1) * width);
    let weight = weight.columns(pair.weights.clone());
    let radial = hidden.matmul(weight.rows(0..width));
    match weight.dims()[0] > width {
        true => radial + weight.rows(width..width + 1),
        false => radial,
    }
}

/// The messages of a pair, `[E, (2 l_out + 1) mul_out]`: on each edge and path the matrix `Q_J Y_J`, then
/// the radial weights.
fn message<B: Backend>(
    pair: &Pair,
    sources: &Matrix<B>,
    harmonics: &Matrix<B>,
    radial: &Matrix<B>,
    weighting: Weighting,
) -> Matrix<B> {
    let edges = sources.dims()[0];
    let (mul_in, mul_out) = (pair.input.mul, pair.output.mul);
    let (m_in, m_out) = (2 * pair.input.l + 1, 2 * pair.output.l + 1);
    let per_path = radial.dims()[1] / pair.paths.len();
    let cube = |matrix: Matrix<B>, rows: usize, columns: usize| {
        B::float_reshape(matrix.0, Shape::new([edges, rows, columns]))
    };
    let mut sum = Matrix::zeros([edges, m_out * mul_out], &sources.0);
    for (p, path) in pair.paths.iter().enumerate() {
        let own = path.l_filter * path.l_filter..(path.l_filter + 1) * (path.l_filter + 1);
        let kernel = harmonics
            .columns(own)
            .matmul(coupling(path, [m_out, m_in], sources));
        let coupled = B::float_matmul(
            cube(kernel, m_out, m_in),
            cube(sources.clone(), m_in, mul_in),
        );
        let weights = radial.columns(p * per_path..(p + 1) * per_path);
        let message = match weighting {
            Weighting::Full => B::float_matmul(coupled, cube(weights, mul_in, mul_out)),
            Weighting::ChannelWise => B::float_mul(coupled, cube(weights, 1, mul_in)),
        };
        sum = sum
            + Matrix(B::float_reshape(
                message,
                Shape::new([edges, m_out * mul_out]),
            ));
    }
    sum
}

/// The coefficients of a path, `[2 l_filter + 1, m_out * m_in]`.
fn coupling<B: Backend>(path: &Path, [m_out, m_in]: [usize; 2], like: &Matrix<B>) -> Matrix<B> {
    let filters = 2 * path.l_filter + 1;
    let mut values = vec![0.0; filters * m_out * m_in];
    for term in &path.terms {
        let filter = term.harmonic - path.l_filter * path.l_filter;
        values[(filter * m_out + term.m_out) * m_in + term.m_in] += term.value;
    }
    Matrix::constant(values, [filters, m_out * m_in], &like.0)
}
