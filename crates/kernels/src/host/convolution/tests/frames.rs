//! The order in the frames of the edges is the same function of harmonics that have a direction.

use std::hint::black_box;
use std::time::Instant;

use steerable_harmonics::plan::{ConvolutionPlan, RadialSharing};
use steerable_harmonics::{Normalization, SphericalHarmonics};
use steerable_irreps::Irreps;

use super::super::cost::Pass;
use super::super::lanes::LANES;
use super::super::program::Order;
use super::super::{HiddenKind, Wanted};
use super::{Case, full_plan, in_double, largest_difference, numbers, offsets};
use crate::host::real::Real;

/// All gradients but that to the harmonics, for which no frame is used.
const INSIDE: Wanted = Wanted {
    features: true,
    harmonics: false,
    hidden: true,
    weight: true,
};

/// The pass of [`INSIDE`].
const GRADIENTS: Pass = Pass::Backward {
    to_harmonics: false,
};

/// Irreps in and out, and the highest filter degree.
type Shape = (&'static str, &'static str, Option<usize>);

impl<T: Real> Case<T> {
    /// The first edges point along and close to the poles; the envelope of every fifth edge is zero.
    fn new(
        (irreps_in, irreps_out, l_filter_max): Shape,
        sharing: RadialSharing,
        normalization: Normalization,
        bias: usize,
    ) -> Self {
        let plan = full_plan((irreps_in, irreps_out), sharing, l_filter_max);
        let row_offsets = offsets(40);
        let edges = row_offsets[40] as usize;
        let mut vectors = numbers(edges * 3, 1);
        let poles = [
            [0.0, 2.0, 0.0],
            [0.0, -0.5, 0.0],
            [1e-9, 1.0, -1e-9],
            [-1e-5, -1.0, 1e-6],
            [0.0, 0.0, 3.0],
            [-1.0, 0.0, 0.0],
        ];
        vectors[..18].copy_from_slice(poles.as_flattened());
        let mut case = Self::of(plan, row_offsets, &vectors, (6, bias), normalization);
        let width = case.harmonics_width();
        for (edge, y) in case.harmonics.chunks_exact_mut(width).enumerate() {
            let envelope = T::of((edge % 5) as f64 / 4.0);
            y.iter_mut().for_each(|y| *y = *y * envelope);
        }
        case
    }

    /// On as many nodes as there are rows, with a hidden width and a bias or none.
    fn of(
        plan: ConvolutionPlan,
        row_offsets: Vec<i32>,
        vectors: &[f64],
        (hidden_width, bias): (usize, usize),
        normalization: Normalization,
    ) -> Self {
        let rows = row_offsets.len() - 1;
        let edges = vectors.len() / 3;
        let harmonics =
            SphericalHarmonics::new(plan.l_filter_max()).with_normalization(normalization);
        let mut y = vec![0.0; edges * harmonics.dim()];
        harmonics.values(vectors, &mut y);
        let of = |values: Vec<f64>| values.into_iter().map(T::of).collect();
        Self {
            features: of(numbers(rows * plan.irreps_in().dim(), 2)),
            harmonics: of(y),
            hidden: of(numbers(edges * plan.num_radials() * hidden_width, 3)),
            hidden_kind: HiddenKind::Any,
            hidden_width,
            weight: of(numbers((hidden_width + bias) * plan.num_weights(), 4)),
            src: (0..edges).map(|e| (e * 7 % rows) as i32).collect(),
            grad: of(numbers(rows * plan.irreps_out().dim(), 5)),
            row_offsets,
            plan,
        }
    }

    /// 512 edges, as many into each row, from degrees 0 to `l` into the same, 32 hidden features, about half
    /// of them zero where they are rectified.
    fn regular(l: usize, channels: usize, edges_in_a_row: usize, hidden_kind: HiddenKind) -> Self {
        let irreps = Irreps::uniform_so3(channels, l);
        let irreps = irreps.to_string();
        let plan = full_plan((&irreps, &irreps), RadialSharing::PerPair, None);
        let row_offsets = (0..=512).step_by(edges_in_a_row).collect();
        let vectors = numbers(3 * 512, 1);
        let mut case = Self::of(
            plan,
            row_offsets,
            &vectors,
            (32, 0),
            Normalization::Component,
        );
        if hidden_kind == HiddenKind::Rectified {
            let negative = case.hidden.iter_mut().filter(|value| **value < T::ZERO);
            negative.for_each(|value| *value = T::ZERO);
        }
        case.hidden_kind = hidden_kind;
        case
    }

    /// Output and gradients to features, hidden and weight, in an order or in what is chosen.
    fn results(&self, order: impl Into<Option<Order>>) -> [Vec<T>; 4] {
        let (convolution, order) = (self.convolution(), order.into());
        let gradients = convolution.backward_in(&self.grad, INSIDE, order);
        [
            convolution.forward_in(order),
            gradients.features,
            gradients.hidden,
            gradients.weight,
        ]
    }

    fn has_frames(&self) -> bool {
        let program = self
            .convolution()
            .program(Some(Order::EdgeFrames), Pass::Forward);
        program.framing.is_some()
    }

    /// Whether some groups go to the frames when nobody says where.
    fn chooses_frames(&self, pass: Pass) -> bool {
        self.convolution().program(None, pass).framing.is_some()
    }
}

fn frames_agree_with_paths<T: Real>(tolerance: f64) {
    let shapes: [Shape; 6] = [
        ("4x0 + 3x1 + 2x2", "5x0 + 2x1 + 3x2", None),
        ("4x0 + 3x1 + 5x3", "2x0 + 2x1 + 2x0 + 2x1", None),
        ("2x0 + 1x4", "3x3 + 1x5 + 2x0", None),
        ("3x2 + 2x4", "2x4 + 3x1", Some(3)),
        (
            "5x0e + 2x1o + 1x1e + 2x3o",
            "3x0e + 2x1o + 1x2e + 4x3e",
            None,
        ),
        ("1x8 + 1x2", "2x8", None),
    ];
    let sharings = [
        RadialSharing::Shared,
        RadialSharing::PerOutputIrrep,
        RadialSharing::PerInputIrrep,
        RadialSharing::PerPair,
    ];
    let lengths = [
        Normalization::Component,
        Normalization::Norm,
        Normalization::Integral,
    ];
    for (index, shape) in shapes.into_iter().enumerate() {
        for (normalization, bias) in lengths.into_iter().zip([0, 1, 0]) {
            let sharing = sharings[index % sharings.len()];
            let case = Case::<T>::new(shape, sharing, normalization, bias);
            assert!(case.has_frames(), "{shape:?}, {normalization:?}");
            let [by_paths, in_frames] =
                [Order::EdgeWeights, Order::EdgeFrames].map(|order| case.results(order));
            for (what, (a, b)) in in_frames.iter().zip(&by_paths).enumerate() {
                let apart = largest_difference(&in_double(a), &in_double(b));
                assert!(
                    apart < tolerance,
                    "{shape:?}, {normalization:?}, bias {bias}, result {what}: {apart:e} apart"
                );
            }
        }
    }
}

#[test]
fn frames_and_paths_give_the_same_values_and_gradients() {
    frames_agree_with_paths::<f64>(1e-12);
}

#[test]
fn frames_and_paths_agree_in_single_precision() {
    frames_agree_with_paths::<f32>(1e-5);
}

#[test]
fn frames_give_the_same_bits_each_time() {
    let shape = ("4x0 + 3x1 + 5x3", "2x0 + 2x3", None);
    let case = Case::<f32>::new(shape, RadialSharing::Shared, Normalization::Norm, 1);
    assert!(case.has_frames());
    assert!(case.results(Order::EdgeFrames) == case.results(Order::EdgeFrames));
}

/// What may be wrong with the harmonics of an edge, told in f64.
type Change = (&'static str, fn(&mut [f64]));

const CHANGES: [Change; 4] = [
    ("an edge without a length", |y| y[1..].fill(0.0)),
    ("one degree of another length", |y| y[9] += 1e-3),
    ("not a number", |y| y[3] = f64::NAN),
    ("no harmonics", |y| y.copy_from_slice(&numbers(y.len(), 9))),
];

impl<T: Real> Case<T> {
    fn change(&mut self, edge: usize, change: fn(&mut [f64])) {
        let width = self.harmonics_width();
        let y = &mut self.harmonics[edge * width..(edge + 1) * width];
        let mut changed = in_double(y);
        change(&mut changed);
        for (to, from) in y.iter_mut().zip(changed) {
            *to = T::of(from);
        }
    }

    fn edges_without_frames(&self) -> Option<Vec<usize>> {
        let program = self
            .convolution()
            .program(Some(Order::EdgeFrames), Pass::Forward);
        let framing = program.framing.as_ref()?;
        Some(framing.edges_without().to_vec())
    }
}

/// An edge along the axis, two of one row, one of the row that is longer than a tile, and the last; none of
/// them beyond the envelope.
const CHANGED: [usize; 5] = [1, 33, 34, 201, 408];

fn edges_without_frames_go_by_the_paths<T: Real>(tolerance: f64) {
    let shapes: [Shape; 3] = [
        ("2x1 + 2x2", "3x2", None),
        ("4x0 + 3x1 + 5x3", "2x0 + 2x1 + 2x0 + 2x1", None),
        ("3x2 + 2x4", "2x4 + 3x1", Some(3)),
    ];
    for (what, change) in CHANGES {
        for (shape, bias) in shapes.into_iter().zip([0, 1, 1]) {
            let sharing = RadialSharing::PerOutputIrrep;
            let mut case = Case::<T>::new(shape, sharing, Normalization::Component, bias);
            assert_eq!(case.src.len(), CHANGED[4] + 1);
            CHANGED
                .into_iter()
                .for_each(|edge| case.change(edge, change));
            assert_eq!(
                case.edges_without_frames().as_deref(),
                Some(&CHANGED[..]),
                "{what}"
            );
            let [by_paths, in_frames] =
                [Order::EdgeWeights, Order::EdgeFrames].map(|order| case.results(order));
            for (result, (a, b)) in in_frames.iter().zip(&by_paths).enumerate() {
                let (a, b) = (in_double(a), in_double(b));
                let are_finite = |values: &[f64]| -> Vec<bool> {
                    values.iter().map(|value| value.is_finite()).collect()
                };
                assert_eq!(are_finite(&a), are_finite(&b), "{what}, result {result}");
                let [a, b] = [a, b].map(|mut values| {
                    values.retain(|value| value.is_finite());
                    values
                });
                let apart = largest_difference(&a, &b);
                assert!(
                    apart < tolerance,
                    "{what}, {shape:?}, bias {bias}, result {result}: {apart:e} apart"
                );
            }
        }
    }
}

#[test]
fn edges_without_a_frame_go_by_the_paths_beside_the_others() {
    edges_without_frames_go_by_the_paths::<f64>(1e-12);
}

#[test]
fn edges_without_a_frame_go_by_the_paths_in_single_precision() {
    edges_without_frames_go_by_the_paths::<f32>(1e-5);
}

#[test]
fn many_edges_without_a_frame_send_all_back_to_the_paths() {
    let shape = ("2x1 + 2x2", "3x2", None);
    let (_, without_length) = CHANGES[0];
    let mut case = Case::<f64>::new(shape, RadialSharing::Shared, Normalization::Component, 0);
    for edge in (0..case.src.len()).step_by(4) {
        case.change(edge, without_length);
    }
    assert!(!case.has_frames());
    let [by_paths, in_frames] =
        [Order::EdgeWeights, Order::EdgeFrames].map(|order| case.results(order));
    let bits = |results: [Vec<f64>; 4]| results.concat().into_iter().map(f64::to_bits);
    assert!(bits(by_paths).eq(bits(in_frames)));
}

#[test]
fn mixed_edges_give_the_same_bits_each_time() {
    let shape = ("4x0 + 3x1 + 5x3", "2x0 + 2x3", None);
    let mut case = Case::<f32>::new(shape, RadialSharing::Shared, Normalization::Norm, 1);
    let (_, without_length) = CHANGES[0];
    CHANGED
        .into_iter()
        .for_each(|edge| case.change(edge, without_length));
    assert!(case.results(Order::EdgeFrames) == case.results(Order::EdgeFrames));
}

#[test]
fn a_gradient_to_the_harmonics_is_that_of_the_paths() {
    let shape = ("2x1 + 2x2", "3x2", None);
    let case = Case::<f64>::new(shape, RadialSharing::Shared, Normalization::Component, 0);
    let [by_paths, in_frames] = [Order::EdgeWeights, Order::EdgeFrames].map(|order| {
        let wanted = Wanted {
            harmonics: true,
            ..INSIDE
        };
        let gradients = case
            .convolution()
            .backward_in(&case.grad, wanted, Some(order));
        gradients.harmonics
    });
    assert!(by_paths == in_frames);
}

#[test]
fn frames_are_chosen_for_high_degrees_and_few_edges_in_a_row() {
    for (l, channels, edges_in_a_row, expected) in [
        (6, 8, 1, true),
        (8, 16, 16, true),
        (4, 16, 1, true),
        (1, 16, 1, false),
        (2, 16, 16, false),
    ] {
        let case = Case::<f64>::regular(l, channels, edges_in_a_row, HiddenKind::Any);
        for pass in [Pass::Forward, GRADIENTS] {
            let chooses = case.chooses_frames(pass);
            assert_eq!(
                chooses, expected,
                "l = {l}, {edges_in_a_row} in a row, {pass:?}"
            );
        }
        let to_harmonics = true;
        assert!(!case.chooses_frames(Pass::Backward { to_harmonics }));
    }
}

#[test]
fn chosen_frames_give_what_the_paths_give_and_the_same_bits_each_time() {
    let case = Case::<f64>::regular(5, 8, 2, HiddenKind::Any);
    assert!([Pass::Forward, GRADIENTS].map(|pass| case.chooses_frames(pass)) == [true; 2]);
    let by_paths = case.results(Order::EdgeWeights);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let chosen = pool.expect("two threads").install(|| {
        let [one, other] = [0; 2].map(|_| case.results(None));
        assert!(one == other);
        one
    });
    for (what, (a, b)) in chosen.iter().zip(&by_paths).enumerate() {
        let apart = largest_difference(a, b);
        assert!(apart < 1e-12, "result {what}: {apart:e} apart");
    }
}

/// Milliseconds of each, the least of some samples on this thread, taken by turns: the machine's mood is the same.
fn times<const N: usize>(
    is_timed: impl Fn(usize) -> bool,
    mut call: impl FnMut(usize),
) -> [f64; N] {
    let mut least = [f64::MAX; N];
    for _ in 0..5 {
        for (which, least) in least.iter_mut().enumerate().filter(|(i, _)| is_timed(*i)) {
            // The first call finds the memory as the one before has left it.
            call(which);
            let start = Instant::now();
            call(which);
            *least = least.min(1e3 * start.elapsed().as_secs_f64());
        }
    }
    least
}

/// The table "Orders of contraction" of docs/PERFORMANCE.md: `cargo test --release -p steerable-kernels --lib --
/// --ignored --nocapture near_the_fastest`.
#[test]
#[ignore = "measures times: five minutes of a quiet machine"]
fn the_chosen_order_is_near_the_fastest() {
    const ORDERS: [Option<Order>; 5] = [
        Some(Order::EdgeWeights),
        Some(Order::SparseEdgeWeights),
        Some(Order::RowSums),
        Some(Order::EdgeFrames),
        None,
    ];
    const SHAPES: [(usize, usize); 9] = [
        (2, 16),
        (3, 8),
        (3, 16),
        (3, 32),
        (4, 16),
        (6, 8),
        (6, 16),
        (6, 32),
        (8, 16),
    ];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.expect("a thread").install(|| {
        for ((l, channels), kind) in SHAPES
            .into_iter()
            .flat_map(|shape| [(shape, HiddenKind::Any), (shape, HiddenKind::Rectified)])
            .filter(|&((_, channels), kind)| channels % LANES == 0 || kind == HiddenKind::Any)
        {
            for edges_in_a_row in [1, 16, 64] {
                let case = Case::<f32>::regular(l, channels, edges_in_a_row, kind);
                let convolution = case.convolution();
                // Sums over the one edge of a row save nothing and take long; other channels than
                // whole units do not fit the strips.
                let is_timed = |which: usize| match ORDERS[which] {
                    Some(Order::RowSums) => edges_in_a_row > 1,
                    Some(Order::SparseEdgeWeights) => channels % LANES == 0,
                    _ => true,
                };
                let forward: [f64; 5] = times(is_timed, |which| {
                    black_box(convolution.forward_in(ORDERS[which]));
                });
                let gradients: [f64; 5] = times(is_timed, |which| {
                    black_box(convolution.backward_in(&case.grad, INSIDE, ORDERS[which]));
                });
                let cells = forward.iter().chain(&gradients);
                let cells: Vec<String> = cells
                    .map(|&ms| match ms {
                        f64::MAX => "-".into(),
                        ms => format!(
                            "{ms:.*}",
                            (1 - ms.log10().floor() as i32).max(0) as usize + 1
                        ),
                    })
                    .collect();
                let zeros = match kind {
                    HiddenKind::Any => "none",
                    HiddenKind::Rectified => "half",
                };
                println!(
                    "| {l} | {channels} | {edges_in_a_row} | {zeros} | {} |",
                    cells.join(" | ")
                );
                for times in [forward, gradients] {
                    let [others @ .., chosen] = times;
                    let fastest = others.into_iter().fold(f64::MAX, f64::min);
                    assert!(
                        chosen < 1.5 * fastest,
                        "{chosen} ms, the fastest takes {fastest}"
                    );
                }
            }
        }
    });
}
