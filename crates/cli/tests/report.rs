//! The report of a run is one page that needs nothing else.

use std::collections::BTreeMap;
use std::fs;

use steerable_cli::report::Report;
use steerable_cli::run_folder::{EpochRecord, Evaluation, Quantity, RunFolder};

fn report() -> Report {
    let epochs = (1..=5).map(|epoch| EpochRecord {
        epoch,
        step: 10 * epoch as u64,
        seconds: 2.0 * epoch as f64,
        learning_rate: 1e-3 / epoch as f64,
        items_per_second: 100.0,
        train: BTreeMap::from([("loss".into(), 1.0 / epoch as f64)]),
        validation: BTreeMap::from([
            ("energy, meV".into(), 50.0 / epoch as f64),
            ("forces, meV/A".into(), 90.0 / epoch as f64),
        ]),
        rotation_error: Some(1e-7 * epoch as f64),
    });
    Report {
        title: "a <b> & \"c\"".into(),
        header: None,
        epochs: epochs.collect(),
        evaluation: Some(Evaluation {
            items: 3,
            seconds: 0.1,
            quantities: vec![Quantity {
                name: "energy".into(),
                unit: "meV".into(),
                measure: "mae".into(),
                value: 12.345,
                rotated: Some(12.345),
                trivial: None,
                pairs: vec![[1.0, 1.1], [2.0, 1.9], [3.0, 3.0]],
            }],
            rotation_error: Some(2e-7),
        }),
        config: "task = \"potential\"\n# a < b".into(),
    }
}

#[test]
fn a_report_has_its_pictures_inside_and_reaches_for_nothing() {
    let html = report().to_html().unwrap();
    assert_eq!(
        html.matches("<svg").count(),
        7,
        "five curves, parity, histogram"
    );
    // Names of XML are no addresses that are fetched; nothing else may look like one.
    let addresses = html.replace("http://www.w3.org/2000/svg", "");
    for forbidden in ["http", "src=", "href=", "url(", "@import", "<script"] {
        assert!(!addresses.contains(forbidden), "{forbidden}");
    }
    assert!(html.contains("Rotation error") && html.contains("2.0e-7"));
    assert!(html.contains("12.35 meV") || html.contains("12.34 meV"));
    assert!(html.contains("a &lt;b&gt; &amp; &quot;c&quot;") && html.contains("# a &lt; b"));
}

#[test]
fn a_report_of_next_to_nothing_can_be_drawn() {
    let empty = Report {
        epochs: Vec::new(),
        evaluation: None,
        ..report()
    };
    assert!(!empty.to_html().unwrap().contains("<svg"));
    let mut one = report();
    one.epochs.truncate(1);
    one.epochs[0].train.insert("loss".into(), f64::NAN);
    one.evaluation.as_mut().unwrap().quantities[0].pairs = vec![[1.0, 1.0]];
    one.to_html().unwrap();
}

#[test]
fn the_log_is_read_back_and_an_unfinished_last_line_is_none() {
    let path = std::env::temp_dir().join(format!("steerable-run-{}", std::process::id()));
    let run = RunFolder::at(&path);
    run.create().unwrap();
    let epochs = report().epochs;
    for epoch in &epochs {
        run.append(epoch).unwrap();
    }
    let mut log = fs::read_to_string(run.log()).unwrap();
    log.push_str("{\"epoch\":6,\"st");
    fs::write(run.log(), &log).unwrap();
    assert_eq!(run.epochs().unwrap(), epochs);
    run.rewind(30).unwrap();
    assert_eq!(run.epochs().unwrap(), epochs[..3]);

    fs::write(run.log(), log.replace("{\"epoch\":2", "{epoch:2")).unwrap();
    let error = run.epochs().unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn numbers_that_are_not_finite_are_written_read_back_and_drawn() {
    let scratch = tempfile::tempdir().unwrap();
    let run = RunFolder::at(scratch.path());
    let Report {
        mut epochs,
        evaluation,
        ..
    } = report();
    epochs[1].rotation_error = Some(f64::INFINITY);
    epochs[2].rotation_error = None;
    epochs[3].train.insert("loss".into(), f64::NEG_INFINITY);
    for epoch in &epochs {
        run.append(epoch).unwrap();
    }
    assert_eq!(run.epochs().unwrap(), epochs);

    let mut evaluation = evaluation.unwrap();
    evaluation.rotation_error = Some(f64::NAN);
    let quantity = &mut evaluation.quantities[0];
    (quantity.value, quantity.rotated) = (f64::NAN, Some(f64::INFINITY));
    quantity.pairs[1][1] = f64::NAN;
    run.save_evaluation(&evaluation).unwrap();
    let read = run.load_evaluation().unwrap().unwrap();
    // As text, since what is no number equals nothing.
    assert_eq!(format!("{read:?}"), format!("{evaluation:?}"));
    Report::of_run(&run).unwrap().to_html().unwrap();

    // What others write where they have no number.
    let told = fs::read_to_string(run.evaluation()).unwrap();
    fs::write(run.evaluation(), told.replace("\"NaN\"", "null")).unwrap();
    let read = run.load_evaluation().unwrap().unwrap();
    assert!(read.quantities[0].value.is_nan() && read.quantities[0].pairs[1][1].is_nan());
    assert_eq!(read.rotation_error, None);
}
