//! The order that leaves hidden features out that are zero is the same function as the others.

use steerable_harmonics::plan::RadialSharing;

use super::super::cost::Pass;
use super::super::program::Order;
use super::super::{ConvolutionGradients, HiddenKind, Wanted};
use super::{ALL, Case, full_plan, in_double, largest_difference, numbers, offsets};
use crate::host::real::Real;

const GRADIENTS: Pass = Pass::Backward { to_harmonics: true };

impl<T: Real> Case<T> {
    /// On forty rows; about half of the hidden features are zero, all of them on every ninth edge.
    fn rectified(
        irreps: (&str, &str),
        sharing: RadialSharing,
        hidden_width: usize,
        bias: usize,
    ) -> Self {
        Self::rectified_on(offsets(40), irreps, sharing, (hidden_width, bias))
    }

    fn rectified_on(
        row_offsets: Vec<i32>,
        irreps: (&str, &str),
        sharing: RadialSharing,
        (hidden_width, bias): (usize, usize),
    ) -> Self {
        let plan = full_plan(irreps, sharing, None);
        let rows = row_offsets.len() - 1;
        let edges = row_offsets[rows] as usize;
        let stride = plan.num_radials() * hidden_width;
        let hidden = numbers(edges * stride, 3).into_iter().enumerate();
        let hidden = hidden.map(|(at, h)| match at / stride % 9 {
            0 => 0.0,
            _ => h.max(0.0),
        });
        let of = |values: Vec<f64>| values.into_iter().map(T::of).collect();
        Self {
            features: of(numbers(20 * plan.irreps_in().dim(), 1)),
            harmonics: of(numbers(edges * (plan.l_filter_max() + 1).pow(2), 2)),
            hidden: of(hidden.collect()),
            hidden_kind: HiddenKind::Rectified,
            hidden_width,
            weight: of(numbers((hidden_width + bias) * plan.num_weights(), 4)),
            src: (0..edges).map(|e| (e * 7 % 20) as i32).collect(),
            grad: of(numbers(rows * plan.irreps_out().dim(), 5)),
            row_offsets,
            plan,
        }
    }

    fn gradients(
        &self,
        wanted: Wanted,
        order: impl Into<Option<Order>>,
    ) -> ConvolutionGradients<T> {
        self.convolution()
            .backward_in(&self.grad, wanted, order.into())
    }

    /// Output and gradients to features, harmonics, hidden as a ReLU lets it through, and weight.
    fn all_results(&self, order: impl Into<Option<Order>>) -> [Vec<T>; 5] {
        let order = order.into();
        let mut gradients = self.gradients(ALL, order);
        for (to_hidden, hidden) in gradients.hidden.iter_mut().zip(&self.hidden) {
            if *hidden == T::ZERO {
                *to_hidden = T::ZERO;
            }
        }
        [
            self.convolution().forward_in(order),
            gradients.features,
            gradients.harmonics,
            gradients.hidden,
            gradients.weight,
        ]
    }

    /// Groups that go by strips, and all of them.
    fn by_strips(&self, pass: Pass) -> (usize, usize) {
        let convolution = self.convolution();
        let program = convolution.program(Some(Order::SparseEdgeWeights), pass);
        let by_strips = program.groups_in(Order::SparseEdgeWeights).count();
        (by_strips, program.groups.len())
    }
}

/// Irreps in and out, and how many groups go by strips forward and backward, of how many.
type Shape = ((&'static str, &'static str), (usize, usize), usize);

const SHAPES: [Shape; 6] = [
    (
        ("16x0 + 32x1 + 16x2", "32x0 + 16x1 + 48x2 + 16x3"),
        (12, 12),
        12,
    ),
    // One to eight units, and rows that no height divides.
    (("80x0 + 128x1", "112x0 + 64x1"), (4, 4), 4),
    // Strips of one row.
    (("5x0 + 9x1", "48x0 + 16x1"), (4, 0), 4),
    // Channels that are no whole units, on one side or on both.
    (("6x0 + 16x1", "32x0 + 5x1"), (2, 2), 4),
    (("17x0 + 1x2", "16x1 + 16x1 + 16x0"), (4, 0), 4),
    (
        ("16x0e + 16x1o + 16x1e", "16x0e + 16x1o + 16x2e"),
        (8, 8),
        8,
    ),
];

fn all_orders_agree<T: Real>(tolerance: f64) {
    let sharings = [
        RadialSharing::PerPair,
        RadialSharing::PerPair,
        RadialSharing::Shared,
        RadialSharing::PerInputIrrep,
        RadialSharing::PerOutputIrrep,
        RadialSharing::PerPair,
    ];
    for ((irreps, counts, groups), sharing) in SHAPES.into_iter().zip(sharings) {
        for (hidden_width, bias) in [(0, 0), (0, 1), (6, 0), (32, 1), (70, 0)] {
            let case = Case::<T>::rectified(irreps, sharing, hidden_width, bias);
            if sharing == RadialSharing::PerPair {
                let of = |pass| case.by_strips(pass);
                assert_eq!(of(Pass::Forward), (counts.0, groups), "{irreps:?}");
                assert_eq!(of(GRADIENTS), (counts.1, groups), "{irreps:?}");
            }
            let [sparse, others] =
                [Order::SparseEdgeWeights, Order::RowSums].map(|order| case.all_results(order));
            for (what, (a, b)) in sparse.iter().zip(&others).enumerate() {
                let apart = largest_difference(&in_double(a), &in_double(b));
                assert!(
                    apart < tolerance,
                    "{irreps:?}, {hidden_width} hidden, bias {bias}, result {what}: {apart:e} apart"
                );
            }
        }
    }
}

#[test]
fn sparse_and_dense_weights_give_the_same_values_and_gradients() {
    all_orders_agree::<f64>(1e-13);
}

#[test]
fn sparse_and_dense_weights_agree_in_single_precision() {
    all_orders_agree::<f32>(1e-5);
}

#[test]
fn each_gradient_is_formed_without_the_others() {
    let case = Case::<f64>::rectified(("16x0 + 16x1", "32x1"), RadialSharing::Shared, 20, 1);
    let of = |gradients: ConvolutionGradients<f64>| {
        [
            gradients.features,
            gradients.harmonics,
            gradients.hidden,
            gradients.weight,
        ]
    };
    let all = of(case.gradients(ALL, Order::SparseEdgeWeights));
    for (only, all) in all.iter().enumerate() {
        let wanted = Wanted {
            features: only == 0,
            harmonics: only == 1,
            hidden: only == 2,
            weight: only == 3,
        };
        let found = of(case.gradients(wanted, Order::SparseEdgeWeights));
        for (which, found) in found.iter().enumerate() {
            let expected: &[f64] = if which == only { all } else { &[] };
            assert_eq!(found, expected, "gradient {which} of {wanted:?}");
        }
    }
}

/// As many edges into each row.
fn with_rows<T: Real>(mut case: Case<T>, edges_in_a_row: usize) -> Case<T> {
    let edges = case.src.len() / edges_in_a_row * edges_in_a_row;
    case.row_offsets = (0..=edges as i32).step_by(edges_in_a_row).collect();
    case.src.truncate(edges);
    let rows = edges / edges_in_a_row;
    let grad = numbers(rows * case.plan.irreps_out().dim(), 6);
    case.grad = grad.into_iter().map(T::of).collect();
    case.hidden
        .truncate(edges * case.plan.num_radials() * case.hidden_width);
    let width = case.harmonics_width();
    case.harmonics.truncate(edges * width);
    case
}

#[test]
fn zeros_send_a_convolution_to_the_sparse_order() {
    let irreps = ("32x0 + 32x1 + 32x2", "32x0 + 32x1 + 32x2");
    let case = Case::<f32>::rectified(irreps, RadialSharing::PerPair, 32, 0);
    let mut case = with_rows(case, 1);
    for pass in [Pass::Forward, GRADIENTS] {
        let convolution = case.convolution();
        let program = convolution.program(None, pass);
        assert!(program.has(Order::SparseEdgeWeights), "{pass:?}");
    }
    // The gradient to a zero matters where no ReLU is known of.
    case.hidden_kind = HiddenKind::Any;
    for pass in [Pass::Forward, GRADIENTS] {
        let convolution = case.convolution();
        let program = convolution.program(None, pass);
        assert!(!program.has(Order::SparseEdgeWeights), "{pass:?}");
    }
    let [chosen, by_edges] =
        [None, Some(Order::EdgeWeights)].map(|order| case.gradients(ALL, order).hidden);
    let apart = largest_difference(&in_double(&chosen), &in_double(&by_edges));
    assert!(apart < 1e-5, "{apart:e} apart");
}

/// Rows of 0 to 6 edges, and in their midst one of 1500.
fn long_row() -> Vec<i32> {
    let mut row_offsets = vec![0];
    for row in 0..500 {
        let degree = if row == 250 { 1500 } else { row % 7 };
        row_offsets.push(row_offsets[row] + degree as i32);
    }
    row_offsets
}

#[test]
fn many_edges_give_the_same_values_whatever_the_threads() {
    for (irreps, order) in [
        (
            ("16x0 + 32x1", "32x0 + 16x1"),
            Some(Order::SparseEdgeWeights),
        ),
        (("32x0 + 32x1 + 8x2", "32x0 + 32x2 + 8x1"), None),
    ] {
        let sharing = RadialSharing::PerPair;
        let case = Case::<f64>::rectified_on(long_row(), irreps, sharing, (32, 1));
        let convolution = case.convolution();
        let program = convolution.program(order, Pass::Forward);
        let run = 0..program.tiles.len();
        assert!(program.has(Order::SparseEdgeWeights) && program.tiles_together(run).count() > 2);
        assert_eq!(program.has_lanes(), order.is_none());
        let by_edges = case.all_results(Order::EdgeWeights);
        let of_threads = [1, 2, 3, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads").install(|| case.all_results(order))
        });
        for found in &of_threads {
            assert!(found[0] == of_threads[0][0], "{irreps:?}: other bits");
            for (what, (a, b)) in found.iter().zip(&by_edges).enumerate() {
                let apart = largest_difference(a, b);
                assert!(apart < 1e-13, "{irreps:?}, result {what}: {apart:e} apart");
            }
        }
    }
}

#[test]
fn orders_are_mixed_and_give_what_one_order_gives() {
    let irreps = ("32x0 + 32x1 + 8x2", "32x0 + 32x3 + 8x1");
    let case = Case::<f64>::rectified(irreps, RadialSharing::PerPair, 32, 1);
    let case = with_rows(case, 5);
    for pass in [Pass::Forward, GRADIENTS] {
        let convolution = case.convolution();
        let program = convolution.program(None, pass);
        let tiles_of_more = program.tiles.iter().any(|tile| tile.runs() > 8);
        assert!(
            program.has(Order::SparseEdgeWeights) && program.has(Order::RowSums) && tiles_of_more,
            "{pass:?}"
        );
    }
    let [mixed, by_edges] = [None, Some(Order::EdgeWeights)].map(|order| case.all_results(order));
    for (what, (a, b)) in mixed.iter().zip(&by_edges).enumerate() {
        let apart = largest_difference(a, b);
        assert!(apart < 1e-13, "result {what}: {apart:e} apart");
    }
}

#[test]
fn the_same_bits_come_each_time() {
    let irreps = ("32x0 + 16x1", "16x0 + 32x1");
    let case = Case::<f32>::rectified(irreps, RadialSharing::PerPair, 32, 0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    pool.expect("two threads").install(|| {
        let order = Order::SparseEdgeWeights;
        assert!(case.all_results(order) == case.all_results(order));
    });
}
