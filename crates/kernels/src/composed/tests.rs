//! Every composition, on every backend and in both float types, against the host kernels in f64.

use std::sync::Arc;

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{AutodiffBackend, Backend, Flex, TensorMetadata, read_sync};
use burn::tensor::{DType, TensorData};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_harmonics::Normalization;
use steerable_harmonics::plan::{ConvolutionPlan, PathNormalization, PlanOptions, RadialSharing};
use steerable_irreps::Irreps;
use steerable_testkit::{Precision, tolerance};

use super::convolution::{Edges, Inputs};
use super::{attention, convolution, geometry, rows};
use crate::{
    AttentionForm, AttentionOps, AttentionPlan, ConvolutionOps, GeometryOps, HiddenKind, RowOps,
    Wanted,
};

/// Highest degree in these tests.
const L_MAX: usize = 4;

/// A matrix of numbers that both float types have.
#[derive(Clone)]
struct Numbers {
    values: Vec<f64>,
    dims: [usize; 2],
}

impl Numbers {
    fn on<B: Backend>(&self, dtype: DType) -> FloatTensor<B> {
        let data = TensorData::new(self.values.clone(), self.dims).convert_dtype(dtype);
        B::float_from_data(data, &B::Device::default())
    }
}

/// Rows that belong together, as [`crate::RowGroups`] has them.
struct Groups {
    index: Vec<i32>,
    order: Vec<i32>,
    offsets: Vec<i32>,
}

impl Groups {
    fn new(index: Vec<i32>, groups: usize) -> Self {
        let mut order: Vec<i32> = (0..index.len() as i32).collect();
        order.sort_by_key(|&row| index[row as usize]);
        let offsets = (0..=groups as i32)
            .map(|group| index.iter().filter(|&&own| own < group).count() as i32)
            .collect();
        Self {
            index,
            order,
            offsets,
        }
    }
}

fn int<B: Backend>(values: &[i32]) -> IntTensor<B> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    B::int_from_data(data, &B::Device::default())
}

struct Draw(StdRng);

impl Draw {
    fn numbers(&mut self, dims: [usize; 2]) -> Numbers {
        let draw = |_| f64::from(self.0.random_range(-1.0..1.0_f32));
        let values = (0..dims[0] * dims[1]).map(draw).collect();
        Numbers { values, dims }
    }

    fn groups(&mut self, rows: usize, groups: usize) -> Groups {
        let index = (0..rows).map(|_| self.0.random_range(0..groups as i32));
        Groups::new(index.collect(), groups)
    }

    fn sorted_groups(&mut self, rows: usize, groups: usize) -> Groups {
        let mut index = self.groups(rows, groups).index;
        index.sort_unstable();
        Groups::new(index, groups)
    }
}

/// Rows and groups: some groups have no rows, one row more than a power of two, one group, no rows.
const SIZES: [(usize, usize); 6] = [(7, 11), (65, 6), (40, 1), (1, 3), (0, 3), (0, 0)];

fn each_size(mut check: impl FnMut(&mut Draw, usize, usize)) {
    for seed in 0..3 {
        for (rows, groups) in SIZES {
            check(&mut Draw(StdRng::seed_from_u64(seed)), rows, groups);
        }
    }
}

fn read<B: Backend>(tensor: FloatTensor<B>) -> Vec<f64> {
    let data = read_sync(B::float_into_data(tensor)).expect("the tensor can be read");
    data.convert::<f64>().try_into_vec().expect("f64")
}

/// Shapes agree, and numbers within rounding of the largest one, or of `size`.
#[track_caller]
fn agree_to<B: Backend>(
    what: &str,
    (got, want): (FloatTensor<B>, FloatTensor<Flex>),
    dtype: DType,
    size: f64,
) {
    assert_eq!(got.shape(), want.shape(), "{what}: shape");
    let (got, want) = (read::<B>(got), read::<Flex>(want));
    let precision = match dtype {
        DType::F64 => Precision::F64,
        _ => Precision::F32,
    };
    let largest = want.iter().fold(size, |max, x| max.max(x.abs()));
    let allowed = tolerance(precision, L_MAX) * largest;
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let error = (got - want).abs();
        assert!(
            error <= allowed,
            "{what} in {dtype:?}: number {i}: {got} for {want}"
        );
    }
}

#[track_caller]
fn agree<B: Backend>(what: &str, got: FloatTensor<B>, want: FloatTensor<Flex>, dtype: DType) {
    agree_to::<B>(what, (got, want), dtype, 0.0);
}

fn rows_agree<B: Backend>(dtype: DType) {
    each_size(|draw, rows, groups| {
        for columns in [1, 5] {
            let all = draw.groups(rows, groups);
            let Groups {
                index,
                order,
                offsets,
            } = &all;
            let values = draw.numbers([groups, columns]);
            agree::<B>(
                "gather_rows",
                rows::gather_rows::<B>(values.on::<B>(dtype), int::<B>(index)),
                Flex::gather_rows(
                    values.on::<Flex>(DType::F64),
                    int::<Flex>(index),
                    int::<Flex>(order),
                    int::<Flex>(offsets),
                ),
                dtype,
            );
            let values = draw.numbers([rows, columns]);
            agree::<B>(
                "sum_rows",
                rows::sum_rows::<B>(values.on::<B>(dtype), int::<B>(order), int::<B>(offsets)),
                Flex::sum_rows(
                    values.on::<Flex>(DType::F64),
                    int::<Flex>(index),
                    int::<Flex>(order),
                    int::<Flex>(offsets),
                ),
                dtype,
            );
        }
    });
}

fn attention_agrees<B: RowOps>(dtype: DType) {
    let irreps = |text: &str| text.parse::<Irreps>().expect("irreps");
    let plan =
        |value: &str, key: &str| Arc::new(AttentionPlan::new(&irreps(value), &irreps(key), 2, 0.7));
    let plans = [
        plan("4x0 + 2x1 + 6x0", "2x0 + 4x1"),
        plan("2x1", "0x0"),
        plan("0x1", "2x0"),
    ];
    for plan in plans {
        for form in [[false, false], [false, true], [true, false], [true, true]] {
            let [is_joint, has_envelope] = form;
            let form = AttentionForm {
                is_joint,
                has_envelope,
            };
            each_size(|draw, edges, nodes| {
                let offsets = draw.sorted_groups(edges, nodes).offsets;
                let (value, key) = match is_joint {
                    true => (plan.dim_value() + plan.dim_key(), [0, 0]),
                    false => (plan.dim_value(), [edges, plan.dim_key()]),
                };
                let mut inputs = [
                    draw.numbers([nodes, plan.dim_key()]),
                    draw.numbers([edges, value]),
                    draw.numbers(key),
                    draw.numbers(if has_envelope { [edges, 1] } else { [0, 0] }),
                ];
                // About half of the edges have faded.
                inputs[3].values.iter_mut().for_each(|x| *x = x.max(0.0));
                let own = || inputs.each_ref().map(|input| input.on::<B>(dtype));
                let [a, b, c, d] = inputs.each_ref().map(|input| input.on::<Flex>(DType::F64));
                let [a_, b_, c_, d_] = [&a, &b, &c, &d].map(Clone::clone);
                let got = attention::attend::<B>(own(), int::<B>(&offsets), &plan, form);
                let want = Flex::attend(a_, b_, c_, d_, int::<Flex>(&offsets), plan.clone(), form);
                agree::<B>("attend", got, want, dtype);
                let grad = draw.numbers([nodes, plan.dim_value()]);
                let got = attention::attend_backward::<B>(
                    grad.on::<B>(dtype),
                    own(),
                    int::<B>(&offsets),
                    &plan,
                    form,
                );
                let grad = grad.on::<Flex>(DType::F64);
                let offsets = int::<Flex>(&offsets);
                let want = Flex::attend_backward(grad, a, b, c, d, offsets, plan.clone(), form);
                let want = [want.0, want.1, want.2, want.3];
                let names = ["query", "value", "key", "envelope"];
                for ((got, want), name) in got.into_iter().zip(want).zip(names) {
                    // Gradients of logits are differences of numbers up to about 10.
                    let what = format!("gradient to {name}");
                    agree_to::<B>(&what, (got, want), dtype, 10.0);
                }
            });
        }
    }
}

fn geometry_agrees<B: Backend>(dtype: DType) {
    each_size(|draw, edges, nodes| {
        let (src, dst) = (draw.groups(edges, nodes), draw.groups(edges, nodes));
        let positions = draw.numbers([nodes, 3]);
        for shifts in [0, edges] {
            let shifts = draw.numbers([shifts, 3]);
            let got = geometry::relative_positions::<B>(
                positions.on::<B>(dtype),
                int::<B>(&src.index),
                int::<B>(&dst.index),
                shifts.on::<B>(dtype),
            );
            let (want, ..) = Flex::edge_geometry(
                positions.on::<Flex>(DType::F64),
                int::<Flex>(&src.index),
                int::<Flex>(&src.order),
                int::<Flex>(&src.offsets),
                int::<Flex>(&dst.index),
                int::<Flex>(&dst.order),
                int::<Flex>(&dst.offsets),
                shifts.on::<Flex>(DType::F64),
                0,
                Normalization::Norm,
            );
            agree::<B>("relative_positions", got, want, dtype);
        }
        let grad = draw.numbers([edges, 3]);
        let orders = [&src.order, &src.offsets, &dst.order, &dst.offsets];
        let [a, b, c, d] = orders.map(|values| int::<Flex>(values));
        agree::<B>(
            "gradient of relative_positions",
            geometry::relative_positions_backward::<B>(
                grad.on::<B>(dtype),
                orders.map(|values| int::<B>(values)),
            ),
            Flex::relative_positions_backward(grad.on::<Flex>(DType::F64), a, b, c, d),
            dtype,
        );
    });
}

fn harmonics_agree<B: Backend>(dtype: DType) {
    let all = [
        Normalization::Component,
        Normalization::Norm,
        Normalization::Integral,
    ];
    for (l_max, normalization) in (0..=L_MAX).zip(all.into_iter().cycle()) {
        each_size(|draw, edges, _| {
            let mut vectors = draw.numbers([edges, 3]);
            for vector in vectors.values.chunks_exact_mut(3) {
                // Directions of very short vectors amplify the rounding of their gradients.
                vector[0] += vector[0].signum() * 0.5;
            }
            if let Some(vector) = vectors.values.get_mut(..3) {
                vector.fill(0.0);
            }
            let on_flex = || vectors.on::<Flex>(DType::F64);
            let (lengths, values) = Flex::vector_geometry(on_flex(), l_max, normalization);
            let got_lengths = geometry::lengths::<B>(vectors.on::<B>(dtype));
            agree::<B>("lengths", got_lengths.clone(), lengths.clone(), dtype);
            let grad = draw.numbers([edges, 1]);
            agree::<B>(
                "gradient of lengths",
                geometry::lengths_backward::<B>(
                    grad.on::<B>(dtype),
                    vectors.on::<B>(dtype),
                    got_lengths,
                ),
                Flex::lengths_backward(grad.on::<Flex>(DType::F64), on_flex(), lengths),
                dtype,
            );
            let got =
                geometry::spherical_harmonics::<B>(vectors.on::<B>(dtype), l_max, normalization);
            agree::<B>("spherical_harmonics", got, values, dtype);
            let grad = draw.numbers([edges, (l_max + 1) * (l_max + 1)]);
            agree::<B>(
                "gradient of spherical_harmonics",
                geometry::spherical_harmonics_backward::<B>(
                    grad.on::<B>(dtype),
                    vectors.on::<B>(dtype),
                    l_max,
                    normalization,
                ),
                Flex::spherical_harmonics_backward(
                    grad.on::<Flex>(DType::F64),
                    on_flex(),
                    l_max,
                    normalization,
                ),
                dtype,
            );
        });
    }
}

fn plans() -> Vec<ConvolutionPlan> {
    let irreps = |text: &str| text.parse().expect("irreps");
    let options = |sharing| PlanOptions {
        l_filter_max: None,
        normalization: PathNormalization::FanIn,
        sharing,
    };
    let full =
        |from, to, sharing| ConvolutionPlan::full(&irreps(from), &irreps(to), options(sharing));
    vec![
        full("3x0 + 2x1 + 1x2", "1x0 + 3x1 + 2x2", RadialSharing::PerPair),
        full(
            "2x0e + 0x1o + 1x1e",
            "1x0e + 2x0o + 1x1o",
            RadialSharing::Shared,
        ),
        full("2x0e", "1x0o", RadialSharing::Shared),
        ConvolutionPlan::channel_wise(
            &irreps("3x0 + 2x1 + 1x2"),
            2,
            |irrep| irrep.l() <= 2,
            options(RadialSharing::PerOutputIrrep),
        ),
    ]
}

fn convolution_agrees<B: RowOps>(dtype: DType) {
    const HIDDEN: usize = 3;
    for plan in plans().into_iter().map(Arc::new) {
        each_size(|draw, num_edges, nodes| {
            let (src, dst) = (
                draw.groups(num_edges, nodes),
                draw.sorted_groups(num_edges, nodes),
            );
            let inputs = [
                draw.numbers([nodes, plan.irreps_in().dim()]),
                draw.numbers([num_edges, (plan.l_filter_max() + 1).pow(2) + 1]),
                draw.numbers([num_edges, plan.num_radials() * HIDDEN]),
                draw.numbers([HIDDEN + num_edges % 2, plan.num_weights()]),
            ];
            let edges = || Edges::<B> {
                src: int::<B>(&src.index),
                edges_by_src: int::<B>(&src.order),
                src_offsets: int::<B>(&src.offsets),
                row_offsets: int::<B>(&dst.offsets),
            };
            let own = || {
                let [features, harmonics, hidden, weight] =
                    inputs.each_ref().map(|input| input.on::<B>(dtype));
                Inputs {
                    features,
                    harmonics,
                    hidden,
                    weight,
                }
            };
            let [a, b, c, d] = inputs.each_ref().map(|input| input.on::<Flex>(DType::F64));
            let want = Flex::convolve(
                a.clone(),
                b.clone(),
                c.clone(),
                d.clone(),
                int::<Flex>(&src.index),
                int::<Flex>(&src.order),
                int::<Flex>(&src.offsets),
                int::<Flex>(&dst.offsets),
                plan.clone(),
                HiddenKind::Any,
            );
            agree::<B>(
                "convolve",
                convolution::convolve(own(), edges(), &plan),
                want,
                dtype,
            );
            let grad = draw.numbers([nodes, plan.irreps_out().dim()]);
            let wanted = Wanted {
                features: true,
                harmonics: true,
                hidden: true,
                weight: true,
            };
            for wanted in [
                wanted,
                Wanted {
                    features: false,
                    hidden: false,
                    ..wanted
                },
            ] {
                let got = convolution::convolve_backward(
                    grad.on::<B>(dtype),
                    own(),
                    edges(),
                    &plan,
                    wanted,
                );
                let want = Flex::convolve_backward(
                    grad.on::<Flex>(DType::F64),
                    a.clone(),
                    b.clone(),
                    c.clone(),
                    d.clone(),
                    int::<Flex>(&src.index),
                    int::<Flex>(&src.order),
                    int::<Flex>(&src.offsets),
                    int::<Flex>(&dst.offsets),
                    plan.clone(),
                    HiddenKind::Any,
                    wanted,
                );
                let want = [want.0, want.1, want.2, want.3];
                let names = ["features", "harmonics", "hidden", "weight"];
                for ((got, want), name) in got.into_iter().zip(want).zip(names) {
                    agree::<B>(&format!("gradient to {name}"), got, want, dtype);
                }
            }
        });
    }
}

/// A NaN stays in its own group: masks, not products with zero.
fn a_nan_stays_in_its_group<B: Backend>(dtype: DType) {
    let values = Numbers {
        values: vec![1.0, f64::NAN, 2.0, 3.0, 4.0],
        dims: [5, 1],
    };
    let (order, offsets) = ([0, 1, 2, 3, 4], [0, 2, 2, 5]);
    let sums = rows::sum_rows::<B>(values.on::<B>(dtype), int::<B>(&order), int::<B>(&offsets));
    let sums = read::<B>(sums);
    assert!(sums[0].is_nan(), "{sums:?}");
    assert_eq!(sums[1..], [0.0, 9.0]);
}

/// A composition's own tape runs inside the backward pass of another tape.
#[derive(Debug)]
struct Nested;

impl<B: Backend> Backward<B, 1> for Nested {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            let normalization = Normalization::Component;
            geometry::spherical_harmonics_backward::<B>(grad, ops.state, L_MAX, normalization)
        });
    }
}

fn a_tape_runs_inside_the_backward_pass_of_another<B: Backend>(dtype: DType) {
    let vectors = Draw(StdRng::seed_from_u64(5)).numbers([9, 3]);
    let normalization = Normalization::Component;
    let leaf = Autodiff::<B>::from_inner(vectors.on::<B>(dtype));
    let leaf = <Autodiff<B>>::float_set_require_grad(leaf, true);
    let primitive = vectors.on::<B>(dtype);
    let out = geometry::spherical_harmonics::<B>(primitive.clone(), L_MAX, normalization);
    let prepared = Nested.prepare::<NoCheckpointing>([leaf.node()]);
    let out: FloatTensor<Autodiff<B>> = match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(primitive, out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    };
    let mut grads = Autodiff::<B>::backward(Autodiff::<B>::float_sum(out));
    let got = Autodiff::<B>::grad_remove(&leaf, &mut grads).expect("a gradient");
    let ones = Numbers {
        values: vec![1.0; 9 * 25],
        dims: [9, 25],
    };
    let want = Flex::spherical_harmonics_backward(
        ones.on::<Flex>(DType::F64),
        vectors.on::<Flex>(DType::F64),
        L_MAX,
        normalization,
    );
    agree::<B>("nested", got, want, dtype);
}

/// Every check on a backend, in the float types it has.
macro_rules! stamp {
    ($($name:ident: $backend:ty, [$($dtype:ident $type:expr),*];)*) => {$(
        mod $name {
            $(stamp!(@dtype $dtype, $backend, $type,
                rows_agree, attention_agrees, geometry_agrees, harmonics_agree, convolution_agrees,
                a_nan_stays_in_its_group, a_tape_runs_inside_the_backward_pass_of_another);)*
        }
    )*};
    (@dtype $dtype:ident, $backend:ty, $type:expr, $($check:ident),*) => {
        mod $dtype {
            use burn::tensor::DType;

            $(#[test]
            fn $check() {
                super::super::$check::<$backend>($type);
            })*
        }
    };
}

stamp! {
    flex: burn::backend::Flex, [f32 DType::F32, f64 DType::F64];
}

#[cfg(feature = "ndarray")]
stamp! {
    ndarray: burn::backend::NdArray, [f32 DType::F32, f64 DType::F64];
}

#[cfg(feature = "cubecl")]
stamp! {
    cube: burn_cubecl::CubeBackend, [f32 DType::F32];
}
