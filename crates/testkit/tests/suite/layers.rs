//! Small layers written by hand, generic over f32 and f64.
//!
//! Features are `mul_ir` unless a layer says otherwise.

use std::ops::{Add, Div, Mul, Neg, Sub};

use steerable_testkit::{EquivarianceTest, Irreps, Sample, Signature};

/// The arithmetic of f32 or f64.
pub(crate) trait Real:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    fn of(value: f64) -> Self;
    fn value(self) -> f64;
    fn sqrt(self) -> Self;
    fn exp(self) -> Self;
}

macro_rules! impl_real {
    ($($float:ty),*) => {$(
        impl Real for $float {
            fn of(value: f64) -> Self {
                value as Self
            }
            fn value(self) -> f64 {
                f64::from(self)
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn exp(self) -> Self {
                self.exp()
            }
        }
    )*};
}
impl_real!(f32, f64);

/// Irreps from a literal.
pub(crate) fn irreps(text: &str) -> Irreps {
    text.parse().expect("valid irreps")
}

/// The default test for these irreps.
pub(crate) fn test(irreps_in: &str, irreps_out: &str) -> EquivarianceTest {
    EquivarianceTest::new(Signature {
        irreps_in: irreps(irreps_in),
        irreps_out: irreps(irreps_out),
    })
}

/// A model that computes in `R`: takes positions and features of one sample, cast to `R`.
pub(crate) fn in_precision<R: Real>(
    layer: impl Fn(&Input<R>) -> Vec<R>,
) -> impl Fn(&Sample) -> Vec<f64> {
    move |sample| {
        layer(&Input::new(sample))
            .into_iter()
            .map(Real::value)
            .collect()
    }
}

/// A sample in the precision of the model.
pub(crate) struct Input<'a, R> {
    pub(crate) sample: &'a Sample,
    pub(crate) positions: Vec<[R; 3]>,
    pub(crate) features: Vec<R>,
    pub(crate) edge_features: Vec<R>,
}

impl<'a, R: Real> Input<'a, R> {
    fn new(sample: &'a Sample) -> Self {
        Self {
            sample,
            positions: sample.positions.iter().map(|x| x.map(R::of)).collect(),
            features: sample.features.iter().copied().map(R::of).collect(),
            edge_features: sample.edge_features.iter().copied().map(R::of).collect(),
        }
    }

    /// `x_i - x_j` for each ordered pair of one graph, self included, as (i, j, difference).
    pub(crate) fn pairs(&self) -> Vec<(usize, usize, [R; 3])> {
        let mut pairs = Vec::new();
        for nodes in self.sample.graph_ranges() {
            for i in nodes.clone() {
                for j in nodes.clone() {
                    pairs.push((i, j, sub(self.positions[i], self.positions[j])));
                }
            }
        }
        pairs
    }

    /// The features of a node.
    pub(crate) fn row(&self, node: usize, width: usize) -> &[R] {
        &self.features[node * width..(node + 1) * width]
    }

    /// Zeros, `width` for each node.
    pub(crate) fn zeros(&self, width: usize) -> Vec<R> {
        vec![R::of(0.0); self.positions.len() * width]
    }
}

pub(crate) fn sub<R: Real>(a: [R; 3], b: [R; 3]) -> [R; 3] {
    std::array::from_fn(|axis| a[axis] - b[axis])
}

pub(crate) fn dot<R: Real>(a: [R; 3], b: [R; 3]) -> R {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross<R: Real>([ax, ay, az]: [R; 3], [bx, by, bz]: [R; 3]) -> [R; 3] {
    [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]
}

pub(crate) fn add_to<R: Real>(sums: &mut [R], values: impl IntoIterator<Item = R>) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = *sum + value;
    }
}

/// A smooth radial function.
pub(crate) fn radial<R: Real>(squared_distance: R) -> R {
    (-squared_distance * R::of(0.25)).exp()
}

/// Some fixed weight between -1 and 1.
fn weight<R: Real>(to: usize, from: usize) -> R {
    R::of(((to * 37 + from * 11 + 5) as f64).sin())
}

/// `y_c = sum_c' W_cc' x_c'` for each irrep; irreps that the input lacks give zero.
pub(crate) fn linear<R: Real>(irreps_in: &Irreps, irreps_out: &Irreps, input: &Input<R>) -> Vec<R> {
    let mut output = Vec::new();
    for node in 0..input.sample.num_nodes() {
        let row = input.row(node, irreps_in.dim());
        for block_out in irreps_out {
            let dim = block_out.irrep.dim();
            for to in 0..block_out.mul {
                let mut channel = vec![R::of(0.0); dim];
                for (block_in, slice) in irreps_in.iter().zip(irreps_in.slices()) {
                    if block_in.irrep != block_out.irrep {
                        continue;
                    }
                    for (from, values) in row[slice].chunks_exact(dim).enumerate() {
                        add_to(
                            &mut channel,
                            values.iter().map(|&x| weight::<R>(to, from) * x),
                        );
                    }
                }
                output.extend(channel);
            }
        }
    }
    output
}

/// How a norm layer puts the new norm of a channel into effect.
#[derive(Clone, Copy)]
pub(crate) struct Rescale<R> {
    pub(crate) feature: R,
    pub(crate) norm: R,
    pub(crate) new_norm: R,
}

/// `y = f(|x|) x / |x|` for each channel, and 0 for 0; `f` is softplus with a bias by channel.
pub(crate) fn norm_nonlinearity<R: Real>(
    irreps: &Irreps,
    input: &Input<R>,
    rescale: impl Fn(Rescale<R>) -> R,
) -> Vec<R> {
    let mut output = Vec::new();
    for node in 0..input.sample.num_nodes() {
        let row = input.row(node, irreps.dim());
        for (block, slice) in irreps.iter().zip(irreps.slices()) {
            for (channel, values) in row[slice].chunks_exact(block.irrep.dim()).enumerate() {
                let norm = values.iter().fold(R::of(0.0), |sum, &x| sum + x * x).sqrt();
                let shifted = norm + weight::<R>(channel, 0);
                let new_norm = shifted / (R::of(1.0) + (-shifted).exp());
                output.extend(values.iter().map(|&feature| {
                    if norm > R::of(0.0) {
                        rescale(Rescale {
                            feature,
                            norm,
                            new_norm,
                        })
                    } else {
                        R::of(0.0)
                    }
                }));
            }
        }
    }
    output
}

/// The honest rescaling.
pub(crate) fn rescale<R: Real>(
    Rescale {
        feature,
        norm,
        new_norm,
    }: Rescale<R>,
) -> R {
    feature / norm * new_norm
}

/// `1x0e -> 1x0e + 1x1o + 1x2e`: `sum_j g(|x_ij|) s_j Y_l(x_ij)` with homogeneous harmonics.
pub(crate) fn tensor_field<R: Real>(input: &Input<R>) -> Vec<R> {
    let mut output = input.zeros(9);
    for (i, j, x) in input.pairs() {
        let factor = radial(dot(x, x)) * input.features[j];
        let harmonics = [R::of(1.0)].into_iter().chain(x).chain(harmonics_2(x));
        add_to(&mut output[9 * i..9 * i + 9], harmonics.map(|y| factor * y));
    }
    output
}

/// The harmonics of degree 2 up to a common factor: m = -2..=2 with y as the polar axis.
pub(crate) fn harmonics_2<R: Real>([x, y, z]: [R; 3]) -> [R; 5] {
    let (half, root3) = (R::of(0.5), R::of(3.0).sqrt());
    [
        root3 * x * z,
        root3 * x * y,
        y * y - half * (x * x + z * z),
        root3 * y * z,
        half * root3 * (z * z - x * x),
    ]
}

/// `1x1o -> 1x1e + 1x0o`: `sum_j g x_ij x v_j` and its product with `v_i`.
pub(crate) fn cross_products<R: Real>(input: &Input<R>) -> Vec<R> {
    let mut output = input.zeros(4);
    let vector = |node: usize| -> [R; 3] { std::array::from_fn(|a| input.row(node, 3)[a]) };
    for (i, j, x) in input.pairs() {
        let normal = cross(x, vector(j)).map(|c| radial(dot(x, x)) * c);
        let volume = dot(normal, vector(i));
        add_to(
            &mut output[4 * i..4 * i + 4],
            normal.into_iter().chain([volume]),
        );
    }
    output
}

/// Positions moved along the directions to their neighbours.
pub(crate) fn move_positions<R: Real>(input: &Input<R>) -> Vec<R> {
    let mut moved = input.positions.clone();
    for (i, _, x) in input.pairs() {
        add_to(&mut moved[i], x.map(|c| R::of(0.3) * radial(dot(x, x)) * c));
    }
    moved.concat()
}

/// `-> 1x0e` for each graph: mean of squared distances from the centroid, 0 for an empty graph.
pub(crate) fn gyration<R: Real>(input: &Input<R>) -> Vec<R> {
    let graphs = input.sample.graph_ranges().into_iter().map(|nodes| {
        let count = R::of(nodes.len().max(1) as f64);
        let positions = &input.positions[nodes];
        let centroid: [R; 3] = std::array::from_fn(|axis| {
            positions.iter().fold(R::of(0.0), |sum, x| sum + x[axis]) / count
        });
        let squares = positions
            .iter()
            .map(|&x| sub(x, centroid))
            .map(|x| dot(x, x));
        squares.fold(R::of(0.0), |sum, square| sum + square) / count
    });
    graphs.collect()
}

/// With `1x1o` on the edges, `-> 1x0e + 1x1o` for each edge: a product with the direction.
pub(crate) fn edge_messages<R: Real>(input: &Input<R>) -> Vec<R> {
    let edges = input
        .sample
        .edges
        .iter()
        .zip(input.edge_features.chunks_exact(3));
    let messages = edges.map(|(edge, v)| {
        let x = sub(input.positions[edge.dst], input.positions[edge.src]);
        let v = [v[0], v[1], v[2]];
        let [a, b, c] = x.map(|c| c * dot(x, v));
        [dot(x, v), a, b, c]
    });
    messages.flatten().collect()
}
