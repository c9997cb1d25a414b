//! The orders of contraction are the same function, and tiles cover the edges.

mod frames;
mod sparse;

use steerable_harmonics::plan::{ConvolutionPlan, PathNormalization, PlanOptions, RadialSharing};

use super::program::Order;
use super::tiles::{Tile, split_at_rows, tiles};
use super::{Convolution, HiddenKind, Wanted};
use crate::host::real::Real;

const ALL: Wanted = Wanted {
    features: true,
    harmonics: true,
    hidden: true,
    weight: true,
};

/// Numbers in [-1, 1), the same every time.
fn numbers(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// Rows with 0, 1, 2, .. edges, one of them longer than a tile.
fn offsets(rows: usize) -> Vec<i32> {
    let mut offsets = vec![0];
    for row in 0..rows {
        let degree = if row == rows / 2 { 300 } else { row % 7 };
        offsets.push(offsets[row] + degree as i32);
    }
    offsets
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let size = b.iter().fold(1e-300_f64, |size, b| size.max(b.abs()));
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f64::max) / size
}

fn full_plan(
    (irreps_in, irreps_out): (&str, &str),
    sharing: RadialSharing,
    l_filter_max: Option<usize>,
) -> ConvolutionPlan {
    let parse = |text: &str| text.parse().expect("irreps");
    let options = PlanOptions {
        l_filter_max,
        normalization: PathNormalization::FanIn,
        sharing,
    };
    ConvolutionPlan::full(&parse(irreps_in), &parse(irreps_out), options)
}

/// A convolution, the numbers of which are made in f64 and rounded.
struct Case<T> {
    plan: ConvolutionPlan,
    features: Vec<T>,
    harmonics: Vec<T>,
    hidden: Vec<T>,
    hidden_kind: HiddenKind,
    hidden_width: usize,
    weight: Vec<T>,
    src: Vec<i32>,
    row_offsets: Vec<i32>,
    grad: Vec<T>,
}

impl<T: Real> Case<T> {
    fn harmonics_width(&self) -> usize {
        (self.plan.l_filter_max() + 1).pow(2)
    }

    fn convolution(&self) -> Convolution<'_, T> {
        Convolution {
            plan: &self.plan,
            features: &self.features,
            harmonics: &self.harmonics,
            harmonics_width: self.harmonics_width(),
            hidden: &self.hidden,
            hidden_kind: self.hidden_kind,
            hidden_width: self.hidden_width,
            weight: &self.weight,
            src: &self.src,
            row_offsets: &self.row_offsets,
        }
    }
}

fn in_double<T: Real>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

#[test]
fn both_orders_give_the_same_values_and_gradients() {
    let cases = [
        ("4x0 + 3x1 + 2x2", "5x0 + 2x1 + 3x2", RadialSharing::Shared),
        (
            "4x0 + 3x1",
            "2x0 + 2x1 + 2x0 + 2x1",
            RadialSharing::PerOutputIrrep,
        ),
        ("2x0 + 1x4", "3x3 + 1x5 + 2x0", RadialSharing::PerPair),
        (
            "5x0e + 2x1o + 1x1e",
            "3x0e + 2x1o + 1x2e",
            RadialSharing::PerInputIrrep,
        ),
    ];
    for (seed, (irreps_in, irreps_out, sharing)) in cases.into_iter().enumerate() {
        for bias in [0, 1] {
            let plan = full_plan((irreps_in, irreps_out), sharing, None);
            let (nodes, hidden_width, seed) = (20, 6, seed as u64 + 1);
            let row_offsets = offsets(40);
            let edges = row_offsets[40] as usize;
            let harmonics_width = (plan.l_filter_max() + 1).pow(2);
            let src: Vec<i32> = (0..edges).map(|e| (e * 7 % nodes) as i32).collect();
            let features = numbers(nodes * plan.irreps_in().dim(), seed);
            let harmonics = numbers(edges * harmonics_width, seed + 10);
            let hidden = numbers(edges * plan.num_radials() * hidden_width, seed + 20);
            let weight = numbers((hidden_width + bias) * plan.num_weights(), seed + 30);
            let grad = numbers(40 * plan.irreps_out().dim(), seed + 40);
            let convolution = Convolution {
                plan: &plan,
                features: &features,
                harmonics: &harmonics,
                harmonics_width,
                hidden: &hidden,
                hidden_kind: HiddenKind::Any,
                hidden_width,
                weight: &weight,
                src: &src,
                row_offsets: &row_offsets,
            };
            let [by_edges, by_rows] = [Order::EdgeWeights, Order::RowSums].map(|order| {
                let gradients = convolution.backward_in(&grad, ALL, Some(order));
                [
                    convolution.forward_in(Some(order)),
                    gradients.features,
                    gradients.harmonics,
                    gradients.hidden,
                    gradients.weight,
                ]
            });
            for (what, (a, b)) in by_edges.iter().zip(&by_rows).enumerate() {
                let apart = largest_difference(a, b);
                assert!(
                    apart < 1e-13,
                    "{irreps_in} into {irreps_out}, bias {bias}, result {what}: {apart:e} apart"
                );
            }
        }
    }
}

#[test]
fn tiles_cover_every_edge_once_and_workers_share_no_row() {
    let row_offsets = offsets(100);
    let edges = row_offsets[100] as usize;
    for (most_edges, most_rows) in [(64, usize::MAX), (256, 5), (1, 1), (7, 3)] {
        let all = tiles(&row_offsets, most_edges, most_rows);
        let mut next = 0;
        for tile in &all {
            assert_eq!(tile.edges.start, next);
            assert!(tile.edges.len() <= most_edges && !tile.edges.is_empty());
            let segments: Vec<_> = tile.segments(&row_offsets).collect();
            assert!(segments.len() <= most_rows);
            let counted: usize = segments.iter().map(|segment| segment.edges.len()).sum();
            assert_eq!(counted, tile.edges.len());
            next = tile.edges.end;
        }
        assert_eq!(next, edges);
        for parts in [1, 2, 3, 8] {
            let parts = split_at_rows(&all, parts);
            assert_eq!(
                parts.iter().map(|part| part.len()).sum::<usize>(),
                all.len()
            );
            for pair in parts.windows(2) {
                let before: &Tile = &all[pair[0].end - 1];
                assert!(before.rows.end <= all[pair[1].start].rows.start);
            }
        }
    }
    assert!(tiles(&[0, 0, 0], 64, 64).is_empty());
}
