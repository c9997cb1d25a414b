//! `steerable refine`: from a file and a checkpoint to a file.
#![allow(missing_docs, reason = "tests are documented by their names")]

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use steerable_cli::protein::refine::{RefineArgs, load, run};
use steerable_protein::folding::{BinsConfig, FoldingConfig, MODEL_KIND};
use steerable_protein::structure::{LayerConfig, PointAttentionConfig};
use steerable_protein::{Chain, file};
use steerable_train::checkpoint::{Checkpoint, Group, Header, ModelDescription};
use tempfile::{TempDir, tempdir};

fn checkpoint(folder: &TempDir, kind: &str) -> PathBuf {
    let layer = LayerConfig::PointAttention(PointAttentionConfig::new());
    saved(folder, kind, kind, &FoldingConfig::refining(layer))
}

fn saved(folder: &TempDir, name: &str, kind: &str, config: &FoldingConfig) -> PathBuf {
    let model = config.try_init(&Device::flex()).expect("no irreps");
    let description = ModelDescription::of_kind(kind);
    let config = serde_json::to_value(config).expect("numbers and names");
    let mut checkpoint = Checkpoint::new(Header::new(description.with_config(config)));
    checkpoint.insert_module(Group::Model, &model);
    let path = folder.path().join(format!("{name}.safetensors"));
    checkpoint.save(&path).expect("the folder is writable");
    path
}

/// A chain with two breaks.
fn input() -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/proteins");
    fixtures.join("2XHE_B.pdb.gz")
}

#[test]
fn every_residue_comes_back_with_its_atoms_and_a_confidence() {
    let folder = tempdir().expect("a temporary folder");
    let before = file::read(input()).expect("a fixture");
    for name in ["out.pdb", "out.cif.gz"] {
        let args = RefineArgs {
            input: input(),
            checkpoint: checkpoint(&folder, MODEL_KIND),
            out: folder.path().join(name),
            passes: None,
        };
        run(&args).expect("it can be refined");
        let after = file::read(&args.out).expect("what was written can be read");
        assert_eq!(after.chains.len(), before.chains.len());
        for (after, before) in after.chains.iter().zip(&before.chains) {
            assert_eq!(after.sequence(), before.sequence());
            for (after, before) in after.residues.iter().zip(&before.residues) {
                assert_eq!(after.number, before.number);
                let names = |of: &steerable_protein::Residue| -> Vec<String> {
                    of.atoms.iter().map(|atom| atom.name.clone()).collect()
                };
                assert_eq!(names(after), names(before));
                assert!(
                    after
                        .atoms
                        .iter()
                        .all(|a| (0.0..=100.0).contains(&a.b_factor))
                );
            }
        }
    }
}

#[test]
fn the_file_holds_what_the_model_says_of_each_chain() {
    let folder = tempdir().expect("a temporary folder");
    let checkpoint = checkpoint(&folder, MODEL_KIND);
    let model = load(&checkpoint, &Device::flex()).expect("it refines backbones");
    let before = file::read(input()).expect("a fixture").chains;
    let mut runs = Vec::new();
    for passes in [1, 3] {
        let out = folder.path().join(format!("{passes}.cif"));
        let args = RefineArgs {
            input: input(),
            checkpoint: checkpoint.clone(),
            out: out.clone(),
            passes: Some(passes),
        };
        run(&args).expect("it can be refined");
        let after = file::read(&out).expect("what was written can be read");
        assert_eq!(before.len(), after.chains.len());
        for (before, after) in before.iter().zip(&after.chains) {
            let wanted = model.refine_chain(before, passes).expect("it has residues");
            let atoms = |of: &Chain| -> Vec<(f64, [f64; 3])> {
                let atoms = of.residues.iter().flat_map(|residue| &residue.atoms);
                atoms.map(|a| (a.b_factor, a.position.into())).collect()
            };
            assert_eq!(atoms(after).len(), atoms(&wanted.chain).len());
            // mmCIF has 5 decimals.
            for (found, wanted) in atoms(after).iter().zip(atoms(&wanted.chain)) {
                assert!((found.0 - wanted.0).abs() < 1e-4);
                let off = found.1.iter().zip(wanted.1).map(|(a, b)| (a - b).abs());
                assert!(off.fold(0.0, f64::max) < 1e-4);
            }
        }
        runs.push(after.chains);
    }
    let furthest = |one: &[Chain], other: &[Chain]| {
        let ca = |chains: &[Chain]| -> Vec<_> {
            chains
                .iter()
                .flat_map(|c| c.backbone().backbone.ca())
                .collect()
        };
        let apart = ca(one).into_iter().zip(ca(other));
        apart.map(|(a, b)| (a - b).norm()).fold(0.0, f64::max)
    };
    // Also an untrained model moves residues, and moves them on in more passes.
    assert!(furthest(&before, &runs[0]) > 0.01);
    assert!(furthest(&runs[0], &runs[1]) > 0.01);
    let confidences: Vec<f64> = runs[0]
        .iter()
        .flat_map(|chain| &chain.residues)
        .map(|residue| residue.atoms[0].b_factor)
        .collect();
    assert!(
        confidences
            .iter()
            .any(|b| (b - confidences[0]).abs() > 1e-3)
    );
}

#[test]
fn what_cannot_be_refined_is_told_with_its_file_and_place() {
    let folder = tempdir().expect("a temporary folder");
    let refine = |input: PathBuf, checkpoint: PathBuf| {
        let out = folder.path().join("out.pdb");
        let args = RefineArgs {
            input,
            checkpoint,
            out: out.clone(),
            passes: None,
        };
        let error = run(&args).expect_err("it cannot be refined").to_string();
        assert!(!out.exists(), "nothing is written: {error}");
        error
    };
    let good = checkpoint(&folder, MODEL_KIND);
    let missing = folder.path().join("missing.pdb");
    let error = refine(missing, good.clone());
    assert!(error.contains("missing.pdb"), "{error}");
    let torn = folder.path().join("torn.pdb");
    let line = "ATOM      1  N   ALA A   1      11.104   6.134  -6.50";
    std::fs::write(&torn, line).expect("the folder is writable");
    let error = refine(torn, good);
    assert!(
        error.contains("torn.pdb") && error.contains("line 1"),
        "{error}"
    );
    // A model that starts from distances.
    let config = FoldingConfig::from_distances(
        LayerConfig::PointAttention(PointAttentionConfig::new()),
        BinsConfig::new(),
        None,
    );
    let from_distances = saved(&folder, "distances", MODEL_KIND, &config.expect("bins"));
    let error = refine(input(), from_distances);
    assert!(
        error.contains("2XHE_B") && error.contains("observed distances"),
        "{error}"
    );
}

#[test]
fn a_checkpoint_of_another_kind_is_refused_with_its_kind() {
    let folder = tempdir().expect("a temporary folder");
    let other = checkpoint(&folder, "se3-transformer");
    let error = load(&other, &Device::flex()).expect_err("it refines nothing");
    let text = error.to_string();
    assert!(
        text.contains("se3-transformer") && text.contains(MODEL_KIND),
        "{text}"
    );
}
