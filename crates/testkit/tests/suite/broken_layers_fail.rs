//! Deliberately broken layers fail, and the report names what is broken and nothing else.

use std::cell::Cell;

use steerable_testkit::{Group, IrrepsBounds, IrrepsSweep, Layout, OutputKind, Precision, Report};

use crate::layers::*;

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
