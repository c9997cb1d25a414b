//! The `fold` example from files to refined files, in small.
#![allow(missing_docs, reason = "tests are documented by their names")]

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use clap::Parser;
use rand::SeedableRng;
use rand::rngs::StdRng;
use steerable_examples::fold::cli::Cli;
use steerable_examples::fold::noise::perturb;
use steerable_examples::fold::run::run;
use steerable_protein::{Frame, file};

/// A folder that is gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("fold-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder is writable");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Parameters are drawn from the device's generator, of which there is one.
static GENERATOR: Mutex<()> = Mutex::new(());

fn small_run(layer: &str, out: &Folder) -> Result<String, String> {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = out.0.to_str().expect("the folder's name is text");
    let flags = ["fold", "--layer", layer, "--out", folder, "--steps", "3"];
    let cli = Cli::parse_from(flags.into_iter().chain(["--noise", "2", "--crop", "40"]));
    run(&cli).map_err(|error| error.to_string())?;
    fs::read_to_string(out.0.join("results.json")).map_err(|error| error.to_string())
}

#[test]
fn a_small_run_writes_split_results_pictures_and_structures() {
    for layer in ["transformer", "point-attention"] {
        let out = Folder::new(layer);
        let results = small_run(layer, &out).expect("the run goes through");
        let results: serde_json::Value = serde_json::from_str(&results).expect("JSON");
        let task = &results[0];
        assert_eq!(task["task"], "denoise-2A");
        let before = task["rmsd_before"].as_f64().expect("a number");
        assert!((1.5..2.5).contains(&before), "{before}");
        assert!(task["rmsd_after"].as_f64().expect("a number").is_finite());

        let split = fs::read_to_string(out.0.join("split.json")).expect("the split is saved");
        let split: serde_json::Value = serde_json::from_str(&split).expect("JSON");
        for name in split["test"].as_array().expect("names") {
            let name = name.as_str().expect("text");
            let path = out.0.join("denoise-2A").join(format!("{name}.pdb"));
            let refined = file::read(&path).expect("what was written can be read");
            let [chain] = refined.chains.as_slice() else {
                panic!("{name}: one chain");
            };
            for residue in &chain.residues {
                let names: Vec<&str> = residue.atoms.iter().map(|a| a.name.as_str()).collect();
                assert_eq!(names, ["N", "CA", "C"]);
                assert!((0.0..=100.0).contains(&residue.atoms[0].b_factor));
            }
            assert!(path.with_extension("svg").exists());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_results() {
    let [first, second] = ["first", "second"].map(|name| {
        let out = Folder::new(name);
        small_run("transformer", &out).expect("the run goes through")
    });
    assert_eq!(first, second);
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
    let empty = Folder::new("empty");
    let folder = empty.0.to_str().expect("the folder's name is text");
    let cli = Cli::parse_from(["fold", "--train", folder, "--out", folder]);
    let error = run(&cli)
        .expect_err("there is nothing to train on")
        .to_string();
    assert!(error.contains(folder), "{error}");
}
