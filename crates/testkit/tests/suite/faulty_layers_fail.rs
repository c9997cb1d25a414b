//! Layers that panic, return NaN or return nothing worth comparing fail, with the sample named.

use steerable_testkit::{
    Degenerate, FaultKind, InputPart, Irrep, OutputKind, Parity, Property, Report, Sample,
    SampleKind, Transform,
};

use crate::layers::*;

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

#[test]
fn an_unguarded_direction_is_not_finite_at_coincident_points() {
    let report = test("", "1x1o").run(in_precision::<f64>(|input| {
        let mut output = input.zeros(3);
        for (i, _, x) in input.pairs().into_iter().filter(|(i, j, _)| i != j) {
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
    assert_eq!(report.failures().count(), 0);
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
    // Scalars of the size of 1, and vectors of the size of their rounding errors.
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
    test.allow_zero(Irrep::o3(1, Parity::Odd))
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

#[test]
fn rounding_noise_that_is_allowed_is_no_failure() {
    // The same expression in two forms: their difference is rounding noise, and no vector.
    let noisy = |sample: &Sample| {
        let rows = sample.features.chunks_exact(3);
        rows.flat_map(|v| {
            let square = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
            let noise = (v[0] + v[1]) * (v[0] - v[1]) - (v[0] * v[0] - v[1] * v[1]);
            [square, noise, 0.0, -noise]
        })
        .collect()
    };
    let test = test("1x1", "1x0 + 1x1");
    assert!(!test.run(noisy).passed());
    test.allow_zero(Irrep::so3(1)).run(noisy).assert_ok();
}

#[test]
fn a_fault_seen_first_while_measuring_amplification_says_so() {
    // Fails on everything but the exact inputs of the trials.
    let test = test("1x0e", "1x0e");
    let known: Vec<Sample> = (0..8)
        .map(|trial| test.sample(SampleKind::Generic(trial)))
        .collect();
    let report = test.run(|sample| {
        assert!(known.contains(sample), "unknown");
        sample.features.clone()
    });
    let first = report.faults[0].first.as_ref().expect("a place");
    let Transform::Perturbed { part, sample } = &first.transform else {
        panic!("{first}");
    };
    assert_eq!(*part, InputPart::Positions);
    let original = test.sample(first.sample);
    assert_ne!(sample.positions, original.positions);
    assert_eq!(sample.features, original.features);
    assert_eq!(test.transformed(&original, &first.transform), **sample);
}
