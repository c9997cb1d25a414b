//! Deliberately broken layers fail, and the report names what is broken and nothing else.

use std::cell::Cell;

use steerable_testkit::{
    Degenerate, EquivarianceTest, FaultKind, Group, IrrepsBounds, IrrepsSweep, Layout, OutputKind,
    Precision, Property, Report, Sample, SampleKind, Signature,
};

use crate::layers::*;

fn test(irreps_in: &str, irreps_out: &str) -> EquivarianceTest {
    EquivarianceTest::new(Signature {
        irreps_in: irreps(irreps_in),
        irreps_out: irreps(irreps_out),
    })
}

/// The failed checks, as "property output".
fn failed(report: &Report) -> Vec<String> {
    println!("{report}");
    assert_eq!(
        report.passed(),
        report.failures().count() + report.faults.len() == 0
    );
    report
        .failures()
        .map(|check| format!("{} {}", check.property, check.block))
        .collect()
}

/// The kinds of fault, each with the sample where it was first seen.
fn faults(report: &Report) -> Vec<(FaultKind, Option<SampleKind>)> {
    println!("{report}");
    assert!(!report.passed());
    let faults = report.faults.iter();
    faults
        .map(|fault| (fault.kind.clone(), fault.first.as_ref().map(|at| at.sample)))
        .collect()
}

fn at(degenerate: Degenerate) -> Option<SampleKind> {
    Some(SampleKind::Degenerate(degenerate))
}

/// Runs a layer in both precisions and expects exactly these checks to fail in each.
macro_rules! fails {
    ($test:expr, $layer:expr, $expected:expr) => {
        let report = $test
            .precision(Precision::F64)
            .run(in_precision::<f64>($layer));
        assert_eq!(failed(&report), $expected);
        assert_eq!(report.faults.len(), 0);
        let report = $test
            .precision(Precision::F32)
            .run(in_precision::<f32>($layer));
        assert_eq!(failed(&report), $expected);
        assert_eq!(report.faults.len(), 0);
    };
}

#[test]
fn swapped_arguments_of_a_norm_layer_break_rotation() {
    // NVIDIA DeepLearningExamples, se3_transformer/model/layers/norm.py:90: the new norm is passed
    // where the feature belongs, which only the branch for unequal channels does.
    fn swapped<R: Real>(given: Rescale<R>) -> R {
        rescale(Rescale {
            feature: given.new_norm,
            norm: given.feature,
            new_norm: given.norm,
        })
    }
    let text = "5x0e + 2x1o";
    let types = irreps(text);
    fails!(
        test(text, text),
        |input| norm_nonlinearity(&types, input, swapped),
        ["rotation 2x1o"]
    );
}

#[test]
fn a_cross_product_called_a_vector_breaks_inversion() {
    fails!(
        test("1x1o", "1x1o + 1x0o"),
        cross_products,
        ["inversion 1x1o"]
    );
}

#[test]
fn a_triple_product_called_a_scalar_breaks_inversion() {
    fails!(
        test("1x1o", "1x1e + 1x0e"),
        cross_products,
        ["inversion 1x0e"]
    );
}

#[test]
fn absolute_coordinates_break_translation() {
    fn absolute<R: Real>(input: &Input<R>) -> Vec<R> {
        let rows = tensor_field(input);
        let rows = rows.chunks_exact(9).zip(&input.positions);
        rows.flat_map(|(row, &[x, y, z])| [row[0], x, y, z])
            .collect()
    }
    fails!(
        test("1x0e", "1x0e + 1x1o"),
        absolute,
        ["translation 1x1o", "far translation 1x1o"]
    );
}

#[test]
fn the_order_y_z_x_breaks_rotation() {
    fn reordered<R: Real>(input: &Input<R>) -> Vec<R> {
        let rows = tensor_field(input);
        let rows = rows.chunks_exact(9);
        rows.flat_map(|row| [row[0], row[2], row[3], row[1]])
            .collect()
    }
    fails!(test("1x0e", "1x0e + 1x1o"), reordered, ["rotation 1x1o"]);
}

#[test]
fn harmonics_about_the_z_axis_break_rotation() {
    fn about_z<R: Real>(input: &Input<R>) -> Vec<R> {
        let mut output = input.zeros(5);
        for (i, _, [x, y, z]) in input.pairs() {
            // The textbook order, with z as the polar axis.
            let harmonics = harmonics_2([y, z, x]);
            add_to(&mut output[5 * i..5 * i + 5], harmonics);
        }
        output
    }
    fails!(test("", "1x2e"), about_z, ["rotation 1x2e"]);
}

#[test]
fn one_wrong_sign_among_the_components_breaks_rotation() {
    fn flipped<R: Real>(input: &Input<R>) -> Vec<R> {
        let mut output = tensor_field(input);
        output
            .iter_mut()
            .skip(7)
            .step_by(9)
            .for_each(|value| *value = -*value);
        output
    }
    fails!(
        test("1x0e", "1x0e + 1x1o + 1x2e"),
        flipped,
        ["rotation 1x2e"]
    );
}

#[test]
fn one_percent_on_one_component_of_one_channel_breaks_rotation() {
    let text = "3x0e + 8x1o";
    fn scaled<R: Real>(input: &Input<R>) -> Vec<R> {
        let mut output = input.features.clone();
        let components = output.iter_mut().skip(3 + 3 * 5).step_by(27);
        components.for_each(|value| *value = *value * R::of(1.01));
        output
    }
    fails!(test(text, text), scaled, ["rotation 8x1o"]);
}

#[test]
fn one_part_in_a_thousand_breaks_rotation_up_to_degree_4_in_f32() {
    fn scaled<R: Real>(width: usize) -> impl Fn(&Input<R>) -> Vec<R> {
        move |input| {
            let mut output = input.features.clone();
            let components = output.iter_mut().step_by(width);
            components.for_each(|value| *value = *value * R::of(1.001));
            output
        }
    }
    for l in 1..=4 {
        let text = format!("1x{l}");
        let test = test(&text, &text).precision(Precision::F32);
        let report = test.run(in_precision::<f32>(scaled(2 * l + 1)));
        assert_eq!(failed(&report), [format!("rotation {text}")]);
    }
}

#[test]
fn a_mean_over_the_whole_batch_breaks_batch() {
    fn centred<R: Real>(input: &Input<R>) -> Vec<R> {
        let count = R::of(input.features.len().max(1) as f64);
        let mean = input.features.iter().fold(R::of(0.0), |sum, &x| sum + x) / count;
        input.features.iter().map(|&x| x - mean).collect()
    }
    // Of one node, the difference from the mean is zero: alone and in a batch of one.
    fails!(test("1x0e", "1x0e"), centred, ["batch 1x0e"]);
}

#[test]
fn a_factor_by_place_in_the_graph_breaks_permutation() {
    fn positional<R: Real>(input: &Input<R>) -> Vec<R> {
        let places = input
            .sample
            .graph_ranges()
            .into_iter()
            .flat_map(|nodes| 0..nodes.len());
        let rows = places.zip(input.features.chunks_exact(3));
        rows.flat_map(|(place, row)| row.iter().map(move |&x| x * R::of(1.0 + place as f64)))
            .collect()
    }
    fails!(test("1x1o", "1x1o"), positional, ["permutation 1x1o"]);
}

#[test]
fn assigning_where_edges_should_add_breaks_permutation() {
    fn last_edge_wins<R: Real>(input: &Input<R>) -> Vec<R> {
        let mut output = input.zeros(1);
        for edge in &input.sample.edges {
            output[edge.dst] = input.features[edge.src];
        }
        output
    }
    fails!(test("1x0e", "1x0e"), last_edge_wins, ["permutation 1x0e"]);
}

#[test]
fn distances_by_cancelling_squares_break_far_translation_in_f32() {
    let report = test("", "1x0e")
        .precision(Precision::F32)
        .run(in_precision::<f32>(|input| {
            let mut output = input.zeros(1);
            for (i, j, _) in input.pairs() {
                let [a, b] = [input.positions[i], input.positions[j]];
                output[i] += radial(dot(a, a) + dot(b, b) - 2.0 * dot(a, b));
            }
            output
        }));
    assert_eq!(failed(&report), ["far translation 1x0e"]);
}

#[test]
fn points_that_do_not_move_along_break_translation() {
    fn displacements<R: Real>(input: &Input<R>) -> Vec<R> {
        let moved = move_positions(input);
        moved
            .iter()
            .zip(input.positions.as_flattened())
            .map(|(&new, &old)| new - old)
            .collect()
    }
    fails!(
        test("", "1x1o").output(OutputKind::Positions),
        displacements,
        ["translation 1x1o", "far translation 1x1o"]
    );
    fails!(
        test("", "1x1o"),
        move_positions,
        ["translation 1x1o", "far translation 1x1o"]
    );
}

#[test]
fn the_wrong_layout_breaks_rotation() {
    let text = "3x0e + 2x1o";
    let types = irreps(text);
    fails!(
        test(text, text).layout(Layout::IrMul),
        |input| norm_nonlinearity(&types, input, rescale),
        ["rotation 2x1o"]
    );
}

#[test]
fn a_state_that_changes_between_calls_breaks_determinism() {
    let calls = Cell::new(0.0);
    let report = test("1x0e", "1x0e").tolerance(1e-2).run(|sample| {
        calls.set(calls.get() + 1e-9);
        sample
            .features
            .iter()
            .map(|x| x * (1.0 + calls.get()))
            .collect()
    });
    assert_eq!(failed(&report), ["determinism 1x0e"]);
}

#[test]
fn a_bug_that_needs_unequal_multiplicities_is_found_by_a_sweep() {
    /// Vectors times their squared norms, with the channel stride of the scalars (ir_mul).
    fn wrong_stride(scalars: usize, vectors: usize, row: &[f64]) -> Vec<f64> {
        let (first, last) = row.split_at(scalars);
        let square = |channel: usize| -> f64 {
            (0..3)
                .map(|m| last[(m * scalars + channel) % last.len()].powi(2))
                .sum()
        };
        let scaled = last
            .iter()
            .enumerate()
            .map(|(i, x)| x * square(i % vectors));
        first.iter().copied().chain(scaled).collect()
    }
    let check = |scalars: usize, vectors: usize, seed: u64| {
        let text = format!("{scalars}x0 + {vectors}x1");
        let test = test(&text, &text).layout(Layout::IrMul).seed(seed);
        test.run(|sample| {
            let rows = sample.features.chunks_exact(scalars + 3 * vectors);
            rows.flat_map(|row| wrong_stride(scalars, vectors, row))
                .collect()
        })
    };
    check(4, 4, 0).assert_ok();
    let bounds = IrrepsBounds {
        group: Group::So3,
        l_max: 1,
        max_mul: 6,
    };
    let sweep = IrrepsSweep {
        bounds,
        cases: 8,
        seed: 0,
    }
    .run(|drawn, seed| {
        let mul = |l| {
            drawn
                .irreps_in
                .mul_of(steerable_testkit::Irrep::so3(l))
                .max(1)
        };
        check(mul(0), mul(1), seed)
    });
    assert!(!sweep.passed());
}

#[test]
fn an_unguarded_direction_is_not_finite_at_coincident_points() {
    let report = test("", "1x1o").run(in_precision::<f64>(|input| {
        let mut output = input.zeros(3);
        for (i, j, x) in input.pairs().into_iter().filter(|(i, j, _)| i != j) {
            let _ = j;
            add_to(
                &mut output[3 * i..3 * i + 3],
                x.map(|c| c / dot(x, x).sqrt()),
            );
        }
        output
    }));
    let block = report.checks[0].block;
    assert_eq!(
        faults(&report),
        [(FaultKind::NotFinite(block), at(Degenerate::Coincident))]
    );
    assert_eq!(failed(&report), [""; 0]);
}

#[test]
fn angles_are_not_finite_on_the_polar_axis() {
    let report = test("", "1x1o").run(in_precision::<f64>(|input| {
        let mut output = input.zeros(3);
        for (i, _, x) in input.pairs() {
            let r = dot(x, x).sqrt();
            if r > 0.0 {
                let sin_theta = (1.0 - (x[1] / r).powi(2)).sqrt();
                let (cos_phi, sin_phi) = (x[2] / (r * sin_theta), x[0] / (r * sin_theta));
                let direction = [sin_theta * sin_phi, x[1] / r, sin_theta * cos_phi];
                add_to(
                    &mut output[3 * i..3 * i + 3],
                    direction.map(|c| radial(r * r) * c),
                );
            }
        }
        output
    }));
    let block = report.checks[0].block;
    assert_eq!(
        faults(&report),
        [(FaultKind::NotFinite(block), at(Degenerate::PolarAxis))]
    );
}

#[test]
fn an_unguarded_norm_is_not_finite_for_zero_features() {
    let report = test("2x1o", "2x1o").run(|sample| {
        let channels = sample.features.chunks_exact(3);
        channels
            .flat_map(|v| {
                let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
                v.iter()
                    .map(move |x| x / norm * norm.tanh())
                    .collect::<Vec<_>>()
            })
            .collect()
    });
    let block = report.checks[0].block;
    assert_eq!(
        faults(&report),
        [(FaultKind::NotFinite(block), at(Degenerate::ZeroFeatures))]
    );
}

#[test]
fn a_mean_of_nothing_is_not_finite_in_an_empty_graph() {
    let report = test("1x0e", "1x0e")
        .output(OutputKind::PerGraph)
        .run(|sample| {
            let ranges = sample.graph_ranges().into_iter();
            let mean = ranges.map(|nodes| {
                let count = nodes.len() as f64;
                sample.features[nodes].iter().sum::<f64>() / count
            });
            mean.collect()
        });
    let block = report.checks[0].block;
    assert_eq!(
        faults(&report),
        [(FaultKind::NotFinite(block), at(Degenerate::EmptyGraph))]
    );
}

#[test]
fn a_mean_over_no_edges_is_not_finite_at_an_isolated_node() {
    let mean_over_edges = |sample: &Sample| -> Vec<f64> {
        let mean = |node| {
            let edges = sample.edges.iter().filter(|edge| edge.dst == node);
            let sum: f64 = edges.clone().map(|edge| sample.features[edge.src]).sum();
            sum / edges.count() as f64
        };
        (0..sample.num_nodes()).map(mean).collect()
    };
    // Large graphs, in which only the isolated node has no edge.
    let test = test("1x0e", "1x0e")
        .nodes(8..=10)
        .degenerate([Degenerate::IsolatedNode]);
    let report = test.run(mean_over_edges);
    let block = report.checks[0].block;
    assert_eq!(
        faults(&report),
        [(FaultKind::NotFinite(block), at(Degenerate::IsolatedNode))]
    );
}

#[test]
fn a_nan_for_every_input_leaves_nothing_tested_and_fails() {
    let nan = |sample: &Sample| vec![f64::NAN; sample.num_nodes()];
    let report = test("", "1x0e").run(nan);
    let block = report.checks[0].block;
    assert_eq!(
        faults(&report),
        [(FaultKind::NotFinite(block), Some(SampleKind::Generic(0)))]
    );
    assert!(
        report
            .checks
            .iter()
            .all(|check| check.worst.is_none() && !check.passed())
    );
    assert_eq!(report.error(Property::Rotation), None);
}

#[test]
fn an_output_that_is_zero_or_constant_is_no_pass() {
    let report = test("", "2x0e + 1x1o").run(|sample| {
        (0..sample.num_nodes())
            .flat_map(|_| [1.5, -2.0, 0.0, 0.0, 0.0])
            .collect()
    });
    let [constant, zero] = [report.checks[0].block, report.checks[1].block];
    let expected = [
        (FaultKind::Constant(constant), None),
        (FaultKind::AlwaysZero(zero), None),
    ];
    assert_eq!(faults(&report), expected);
}

#[test]
fn an_output_of_rounding_noise_counts_as_zero() {
    // The cross product of a vector with itself, by a formula that rounds.
    let report = test("1x1", "1x0 + 1x1").run(|sample| {
        let rows = sample.features.chunks_exact(3);
        rows.flat_map(|v| [v[0] * v[0] + v[1] * v[1] + v[2] * v[2], 1e-17, 0.0, -1e-17])
            .collect()
    });
    let zero = report.checks[1].block;
    assert!(faults(&report).contains(&(FaultKind::AlwaysZero(zero), None)));
}

#[test]
fn a_zero_that_is_allowed_is_no_fault() {
    let layer = |sample: &Sample| {
        let rows = sample.features.iter();
        rows.flat_map(|&x| [x, 0.0, 0.0, 0.0]).collect()
    };
    let test = test("1x0e", "1x0e + 1x1o");
    assert!(!test.run(layer).passed());
    test.allow_zero(steerable_testkit::Irrep::o3(
        1,
        steerable_testkit::Parity::Odd,
    ))
    .run(layer)
    .assert_ok();
}

#[test]
fn a_panic_is_reported_with_its_message_and_sample() {
    let report = test("1x0e", "1x0e").run(|sample| {
        assert!(sample.num_nodes() > 0, "no nodes, no tensor");
        sample.features.clone()
    });
    let panicked = FaultKind::Panicked("no nodes, no tensor".into());
    assert_eq!(faults(&report), [(panicked, at(Degenerate::Empty))]);
    // The graph without nodes, evaluated alone, is the second occurrence.
    assert_eq!(report.faults[0].occurrences, 2);
}

#[test]
fn a_wrong_length_is_reported_with_both_lengths() {
    let report = test("2x0e", "1x0e")
        .nodes(4..=4)
        .degenerate([])
        .run(|s| s.features.clone());
    let wrong = FaultKind::WrongLength {
        expected: 12,
        got: 24,
    };
    assert_eq!(faults(&report), [(wrong, Some(SampleKind::Generic(0)))]);
    assert!(!report.passed());
}
