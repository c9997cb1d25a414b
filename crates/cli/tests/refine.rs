//! `steerable refine`: from a file and a checkpoint to a file.
#![allow(missing_docs, reason = "tests are documented by their names")]

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use steerable_cli::protein::refine::{RefineArgs, load, run};
use steerable_protein::file;
use steerable_protein::folding::{FoldingConfig, MODEL_KIND};
use steerable_protein::structure::{LayerConfig, PointAttentionConfig};
use steerable_train::checkpoint::{Checkpoint, Group, Header, ModelDescription};
use tempfile::{TempDir, tempdir};

fn checkpoint(folder: &TempDir, kind: &str) -> PathBuf {
    let layer = LayerConfig::PointAttention(PointAttentionConfig::new());
    let config = FoldingConfig::refining(layer);
    let model = config.try_init(&Device::flex()).expect("no irreps");
    let description = ModelDescription::of_kind(kind);
    let config = serde_json::to_value(&config).expect("numbers and names");
    let mut checkpoint = Checkpoint::new(Header::new(description.with_config(config)));
    checkpoint.insert_module(Group::Model, &model);
    let path = folder.path().join(format!("{kind}.safetensors"));
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
