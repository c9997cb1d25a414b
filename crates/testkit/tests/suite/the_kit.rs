//! The kit keeps its own promises: tolerances, settings, reports.

use steerable_testkit::{
    ConfigError, EquivarianceTest, Irreps, OutputKind, Precision, Property, Sample, Signature,
    Transform,
};

use crate::layers::*;

#[test]
fn leaving_a_property_out_changes_no_other() {
    let all = test("1x0e", "1x0e + 1x1o + 1x2e").run(in_precision::<f64>(tensor_field));
    let one = test("1x0e", "1x0e + 1x1o + 1x2e")
        .properties([Property::Rotation])
        .run(in_precision::<f64>(tensor_field));
    assert_eq!(one.checks.len(), 3);
    assert_eq!(one.error(Property::Rotation), all.error(Property::Rotation));
    assert_eq!(one.error(Property::Batch), None);
    assert!(one.evaluations < all.evaluations);
}

#[test]
fn amplification_is_the_condition_number_within_its_bounds() {
    let amplification = |function: &dyn Fn(f64) -> f64| {
        let values = |s: &Sample| s.features.iter().map(|&x| function(x)).collect();
        test("8x0e", "8x0e").run(values).amplification[0]
    };
    // |d sin(k x)| / |sin(k x)| = k |cos| / |sin| = k in the mean over x; a mean over some hundred
    // components, the largest of 8 trials.
    for rate in [10.0, 40.0] {
        let measured = amplification(&|x| (rate * x).sin());
        assert!(
            measured > 0.8 * rate && measured < 1.6 * rate,
            "{measured} for {rate}"
        );
    }
    assert_eq!(amplification(&|x| (1e4 * x).sin()), 100.0);
    assert_eq!(amplification(&|x| 100.0 + x), 1.0);
}

#[test]
fn tolerances_grow_with_the_reach_of_a_far_translation_only() {
    let report = test("1x0e", "1x0e + 1x1o + 1x2e").run(in_precision::<f64>(tensor_field));
    let tolerance = |property| {
        let checks = report
            .checks
            .iter()
            .filter(|check| check.property == property);
        checks.map(|check| check.tolerance).fold(0.0, f64::max)
    };
    let unit = steerable_testkit::tolerance(Precision::F64, 2);
    let amplification = report.amplification.iter().copied().fold(0.0, f64::max);
    assert_eq!(tolerance(Property::Determinism), 0.0);
    assert!(tolerance(Property::Rotation) <= 16.0 * unit * amplification);
    assert!(tolerance(Property::FarTranslation) >= 8192.0 * unit);
}

#[test]
fn contradicting_settings_are_errors_with_values() {
    let error = |test: EquivarianceTest| test.try_run(|s| s.features.clone()).expect_err("refused");
    assert_eq!(error(test("1x0", "")), ConfigError::NoOutput);
    let mixed = error(test("2x0 + 1x1", "1x0e"));
    assert!(mixed.to_string().contains("2x0+1x1") || mixed.to_string().contains("2x0 + 1x1"));
    let vectors = test("", "1x1o + 2x1e").output(OutputKind::Positions);
    assert!(
        error(vectors)
            .to_string()
            .contains("2x1e cannot be a position")
    );
    assert_eq!(error(test("", "1x0").trials(0)), ConfigError::NoTrials);
    assert_eq!(error(test("", "1x0").scale(-1.0)), ConfigError::Scale(-1.0));
    assert_eq!(
        error(test("", "1x0").nodes(0..=2)),
        ConfigError::Nodes(0..=2)
    );
    assert!(
        error(test("", "1x0").irreps_edge(irreps("1x1o")))
            .to_string()
            .contains("irreps_edge")
    );
}

#[test]
#[should_panic(expected = "equivariance test of thing: 0 trials test nothing")]
fn run_panics_with_the_name_and_the_contradiction() {
    let _ = test("", "1x0").name("thing").trials(0).run(|_| vec![]);
}

#[test]
fn no_checks_are_no_pass() {
    let none = test("1x0", "1x0")
        .properties([])
        .run(|s| s.features.clone());
    assert!(!none.passed() && none.faults.is_empty());
    let sweep = steerable_testkit::SweepReport { reports: vec![] };
    assert!(!sweep.passed());
}

#[test]
fn a_report_reads_as_a_table_with_name_seed_and_place() {
    let absolute = |s: &Sample| s.positions.as_flattened().to_vec();
    let report = test("", "1x1o").name("absolute").seed(41).run(absolute);
    let text = report.to_string();
    println!("{text}");
    for part in [
        "absolute: FAILED",
        "seed 41",
        "translation     1x1o",
        "FAILED: trial",
        "translated by (",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    // Every row of the table has the same columns.
    let places: Vec<_> = text
        .lines()
        .filter_map(|line| line.find("1x1o  "))
        .collect();
    assert!(places.len() == 7 && places.iter().all(|&place| place == places[0]));
}

#[test]
#[should_panic(expected = "seed 41")]
fn assert_ok_panics_with_the_seed() {
    let absolute = |s: &Sample| s.positions.as_flattened().to_vec();
    test("", "1x1o").seed(41).run(absolute).assert_ok();
}

#[test]
fn the_failing_input_can_be_made_again() {
    let test = test("", "1x1o");
    let model = |s: &Sample| s.positions.as_flattened().to_vec();
    let report = test.run(model);
    let check = report.failures().next().expect("absolute coordinates fail");
    let place = check.worst.as_ref().expect("compared");
    let sample = test.sample(place.sample);
    let moved = test.transformed(&sample, &place.transform);
    // The model returns what it should not: a feature that moved with the positions.
    assert_ne!(model(&moved), model(&sample));
    assert!(matches!(place.transform, Transform::Translation(_)));
}

#[test]
fn wide_irreps_do_not_break_the_columns() {
    let wide: Irreps = irreps("128x10e");
    let signature = Signature {
        irreps_in: wide.clone(),
        irreps_out: wide,
    };
    let report = EquivarianceTest::new(signature)
        .trials(1)
        .run(|s| s.features.clone());
    report.assert_ok();
    assert!(report.to_string().contains("128x10e   "));
}
