//! The `fold` example from files to refined files, in small.
#![allow(missing_docs, reason = "tests are documented by their names")]

use std::fs;
use std::sync::{Mutex, PoisonError};

use clap::Parser;
use rand::SeedableRng;
use rand::rngs::StdRng;
use steerable_examples::fold::cli::Cli;
use steerable_examples::fold::data::{Target, read_folder};
use steerable_examples::fold::run::run;
use steerable_examples::fold::split::Split;
use steerable_examples::fold::start::perturb;
use steerable_protein::{AminoAcid, Frame, file};
use steerable_train::checkpoint::{Checkpoint, Header};
use tempfile::{TempDir, tempdir};

/// Parameters are drawn from the device's generator, of which there is one.
static GENERATOR: Mutex<()> = Mutex::new(());

/// Few steps on small pieces, and what `results.json` then says.
fn small_run(flags: &[&str], out: &TempDir) -> Result<serde_json::Value, String> {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = out.path().to_str().expect("the folder's name is text");
    let always = [
        "fold",
        "--out",
        folder,
        "--steps",
        "3",
        "--noise",
        "2",
        "--torsion-noise",
        "3",
        "--wrong",
        "2",
        "--crop",
        "40",
        "--pair-crop",
        "30",
        "--passes",
        "2",
    ];
    let cli = Cli::parse_from(always.iter().chain(flags));
    run(&cli).map_err(|error| error.to_string())?;
    let text = fs::read_to_string(out.path().join("results.json"));
    serde_json::from_str(&text.map_err(|error| error.to_string())?)
        .map_err(|error| error.to_string())
}

#[test]
fn a_small_run_writes_split_checkpoints_results_pictures_and_structures() {
    for layer in ["transformer", "point-attention"] {
        let out = tempdir().expect("a temporary folder");
        let results = small_run(&["--layer", layer], &out).expect("the run goes through");
        let split = fs::read_to_string(out.path().join("split.json")).expect("the split is saved");
        let split: serde_json::Value = serde_json::from_str(&split).expect("JSON");
        let held_out = split["test"].as_array().expect("chains");
        let tasks = [
            "denoise-2A",
            "denoise-torsions-3deg",
            "fold-from-distogram-2pc-wrong",
        ];
        for (result, task) in results.as_array().expect("tasks").iter().zip(tasks) {
            assert_eq!(result["task"], task);
            assert!(result["rmsd_before"].as_f64().expect("a number") > 0.5);
            assert!(result["rmsd_after"].as_f64().expect("a number").is_finite());
            assert_eq!(
                result["per_chain"].as_array().expect("chains").len(),
                held_out.len()
            );
            for member in held_out {
                let name = member["name"].as_str().expect("text");
                written_as_others_read_it(&out.path().join(task).join(format!("{name}.pdb")));
            }
        }
        for model in ["denoise", "distogram"] {
            let header = Header::read(&out.path().join(format!("{model}.safetensors")));
            assert_eq!(header.expect("a checkpoint").step, 3);
        }
    }
}

#[test]
fn orientations_are_an_input_that_leaves_the_baseline_as_it_is() {
    let baseline = |flags: &[&str]| {
        let out = tempdir().expect("a temporary folder");
        let always = ["--models", "distogram", "--layer", "point-attention"];
        let results = small_run(&[&always[..], flags].concat(), &out);
        let results = results.expect("the run goes through");
        let header = Header::read(&out.path().join("distogram.safetensors"));
        let result = &results[0];
        let [before, after] = ["rmsd_before", "rmsd_after"].map(|key| result[key].clone());
        (header.expect("a checkpoint").parameters, before, after)
    };
    let (few, before, after) = baseline(&[]);
    let (many, still_before, other_after) = baseline(&["--orientations"]);
    // Seven features more, each to 32 features of pairs.
    assert_eq!(many - few, 7 * 32);
    assert_eq!(still_before, before);
    assert_ne!(other_after, after);
}

fn written_as_others_read_it(path: &std::path::Path) {
    let refined = file::read(path).expect("what was written can be read");
    let [chain] = refined.chains.as_slice() else {
        panic!("{}: one chain", path.display());
    };
    for residue in &chain.residues {
        let mut names: Vec<&str> = residue.atoms.iter().map(|a| a.name.as_str()).collect();
        names.sort_unstable();
        let without_cb = [AminoAcid::Glycine, AminoAcid::Unknown].contains(&residue.amino_acid);
        let wanted: &[&str] = if without_cb {
            &["C", "CA", "N", "O"]
        } else {
            &["C", "CA", "CB", "N", "O"]
        };
        assert_eq!(names, wanted);
        assert!((0.0..=100.0).contains(&residue.atoms[0].b_factor));
    }
    assert!(path.with_extension("svg").exists(), "{}", path.display());
}

#[test]
fn the_same_seed_gives_the_same_results() {
    let run = || {
        let out = tempdir().expect("a temporary folder");
        small_run(&["--layer", "transformer"], &out).expect("the run goes through")
    };
    assert_eq!(run(), run());
}

#[test]
fn a_resumed_training_goes_on_from_its_checkpoint_and_refuses_another_model() {
    let out = tempdir().expect("a temporary folder");
    let flags = ["--models", "denoise", "--layer", "point-attention"];
    small_run(&flags, &out).expect("the run goes through");
    let file = out.path().join("denoise.safetensors");
    let first = Checkpoint::load(&file).expect("a checkpoint");
    let more = [&flags[..], &["--resume", "--steps", "5"]].concat();
    small_run(&more, &out).expect("the run goes through");
    let second = Checkpoint::load(&file).expect("a checkpoint");
    assert_eq!((first.header.step, second.header.step), (3, 5));
    assert_eq!(first.header.model, second.header.model);
    let other = ["--models", "denoise", "--layer", "transformer", "--resume"];
    let error = small_run(&other, &out).expect_err("the layer is another");
    assert!(error.contains("another model"), "{error}");
}

#[test]
fn a_training_on_another_split_is_not_resumed_and_the_split_stays() {
    let out = tempdir().expect("a temporary folder");
    let flags = ["--models", "denoise", "--layer", "point-attention"];
    small_run(&flags, &out).expect("the run goes through");
    let split = || fs::read_to_string(out.path().join("split.json")).expect("the split is saved");
    let before = split();
    let seeded = [&flags[..], &["--resume", "--seed", "2"]].concat();
    let error = small_run(&seeded, &out).expect_err("the seed is another");
    assert!(error.contains("--seed is 1, not 2"), "{error}");
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/proteins");
    let all = [&flags[..], &["--resume", "--test", own]].concat();
    let error = small_run(&all, &out).expect_err("it trains on what was held out");
    assert!(error.contains("other chains"), "{error}");
    assert_eq!(split(), before);
}

#[test]
fn flags_out_of_range_are_refused_by_name() {
    for (flag, value) in [
        ("--noise", "nan"),
        ("--torsion-noise", "inf"),
        ("--minutes", "0"),
        ("--shift", "-1"),
        ("--turn", "-1"),
        ("--missing", "1.5"),
        ("--wrong", "101"),
        ("--crop", "1"),
        ("--pair-crop", "0"),
        ("--passes", "0"),
        ("--lr", "0"),
    ] {
        let argument = format!("{flag}={value}");
        let error = Cli::try_parse_from(["fold", argument.as_str()]);
        let error = error.expect_err(&argument).to_string();
        assert!(error.contains(flag), "{error}");
    }
}

#[test]
fn chains_have_names_of_their_own_and_those_that_pdb_cannot_hold_are_mmcif() {
    let data = tempdir().expect("a temporary folder");
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/proteins");
    let mut chain = read_folder(std::path::Path::new(own)).expect("chains")[0]
        .chain
        .clone();
    file::write(data.path().join("a.b.pdb"), std::slice::from_ref(&chain)).expect("written");
    file::write(data.path().join("a.b.cif"), std::slice::from_ref(&chain)).expect("written");
    chain.id = "AAA".into();
    file::write(data.path().join("a.c.cif"), std::slice::from_ref(&chain)).expect("written");
    let targets = read_folder(data.path()).expect("three chains");
    let mut names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    names.sort_unstable();
    let id = &targets[0].chain.id;
    let [first, second] = [format!("a.b_{id}"), format!("a.b_{id}-2")];
    assert_eq!(names, [first.as_str(), second.as_str(), "a.c_AAA"]);

    let out = tempdir().expect("a temporary folder");
    let test = data.path().to_str().expect("the folder's name is text");
    let flags = [
        "--models",
        "denoise",
        "--layer",
        "point-attention",
        "--test",
        test,
    ];
    small_run(&flags, &out).expect("a chain that PDB cannot hold does not end the run");
    for name in [
        format!("{first}.pdb"),
        format!("{second}.pdb"),
        "a.c_AAA.cif".into(),
    ] {
        written_as_others_read_it(&out.path().join("denoise-2A").join(name));
    }
}

#[test]
fn like_chains_are_not_on_both_sides_of_a_split() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/proteins");
    let chains = read_folder(&folder).expect("chains that ship with the project");
    // Every chain twice: the copies are of one cluster.
    let twice: Vec<_> = chains.iter().chain(&chains).cloned().collect();
    for seed in 0..5 {
        let split = Split::by_cluster(twice.clone(), seed).expect("several clusters");
        assert_eq!(split.train.len() + split.test.len(), twice.len());
        assert!(!split.test.is_empty());
        for test in &split.test {
            let same = |target: &Target| target.sequence == test.sequence;
            assert!(!split.train.iter().any(same), "{}", test.name);
        }
    }
}

#[test]
fn noise_has_the_size_that_is_asked_for() {
    let frames = vec![Frame::identity(); 20_000];
    let mut rng = StdRng::seed_from_u64(4);
    let noisy = perturb(&frames, 2.0, &mut rng);
    let square = |frame: &Frame| frame.translation.norm_squared();
    let rms = (noisy.iter().map(square).sum::<f64>() / 20_000.0).sqrt();
    assert!((rms - 2.0).abs() < 0.02, "{rms}");
    // cos of a normal angle of 40 degrees: exp(-0.5 (40 pi / 180)^2) on average.
    let cosine = |frame: &Frame| (frame.rotation.trace() - 1.0) / 2.0;
    let mean = noisy.iter().map(cosine).sum::<f64>() / 20_000.0;
    let wanted = (-0.5 * 40.0_f64.to_radians().powi(2)).exp();
    assert!((mean - wanted).abs() < 0.01, "{mean} {wanted}");
}

#[test]
fn a_folder_without_chains_is_named() {
    let empty = tempdir().expect("a temporary folder");
    let folder = empty.path().to_str().expect("the folder's name is text");
    let cli = Cli::parse_from(["fold", "--train", folder, "--out", folder]);
    let error = run(&cli)
        .expect_err("there is nothing to train on")
        .to_string();
    assert!(error.contains(folder), "{error}");
}
