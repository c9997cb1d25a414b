//! Secondary structure beside mkdssp, and atoms that were added beside those of the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use steerable_protein::{Chain, SecondaryStructure, file};

fn folder(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn only_chain(path: &Path) -> Chain {
    let [chain] = file::read(path).unwrap().chains.try_into().unwrap();
    chain
}

/// The strings of mkdssp by the chain's name, made by `fixtures/dssp.py`.
fn references(json: &str) -> BTreeMap<String, String> {
    serde_json::from_str(json).unwrap()
}

/// One letter for each residue that has a CA, as the references have it.
fn letters(chain: &Chain) -> String {
    let classes = chain.secondary_structure();
    let with_ca = chain.residues.iter().zip(classes);
    let with_ca = with_ca.filter(|(residue, _)| residue.atom("CA").is_some());
    with_ca
        .map(|(_, class)| class.map_or('?', SecondaryStructure::letter))
        .collect()
}

/// The residues of one class in both, and those that both tools classify.
fn agreement(ours: &str, reference: &str) -> (usize, usize) {
    assert_eq!(ours.chars().count(), reference.chars().count());
    let pairs = ours.chars().zip(reference.chars());
    let known: Vec<_> = pairs.filter(|&(a, b)| a != '?' && b != '?').collect();
    (known.iter().filter(|(a, b)| a == b).count(), known.len())
}

#[test]
fn each_residue_of_the_fixtures_has_the_class_that_mkdssp_gives_it() {
    let references = references(include_str!("fixtures/dssp.json"));
    assert_eq!(references.len(), 10);
    for (name, reference) in references {
        let path = folder("../../tests/fixtures/proteins").join(format!("{name}.pdb.gz"));
        let ours = letters(&only_chain(&path));
        let (same, known) = agreement(&ours, &reference);
        assert_eq!(same, known, "{name}\n{ours}\n{reference}");
    }
}

#[test]
#[ignore = "needs ../shared/data/proteins and DSSP_JSON, which fixtures/dssp.py makes of it"]
fn agreement_with_mkdssp_on_many_chains() {
    let json = std::fs::read_to_string(std::env::var("DSSP_JSON").unwrap()).unwrap();
    let (mut same, mut known, mut compared) = (0, 0, 0);
    let references = references(&json);
    for (name, reference) in &references {
        let path = folder("../../../shared/data/proteins/chains").join(format!("{name}.pdb.gz"));
        let ours = letters(&only_chain(&path));
        if ours.chars().count() != reference.chars().count() {
            println!("{name}: residues differ");
            continue;
        }
        let (a, b) = agreement(&ours, reference);
        (same, known, compared) = (same + a, known + b, compared + 1);
        if a < b {
            println!("{name}: {a} of {b}\n{ours}\n{reference}");
        }
    }
    println!(
        "{compared} of {} chains: {same} of {known} residues",
        references.len()
    );
    assert!(same as f64 >= 0.999 * known as f64, "{same} of {known}");
}

#[test]
fn added_oxygens_and_side_chain_carbons_stand_near_those_of_the_files() {
    for (name, at_most) in [("O", 0.15), ("CB", 0.15)] {
        let (mut squares, mut count) = (0.0, 0);
        for stem in ["5PTI_A", "1A8O_A"] {
            let path = folder("../../tests/fixtures/proteins").join(format!("{stem}.pdb.gz"));
            let real = only_chain(&path);
            let mut bare = real.clone();
            for residue in &mut bare.residues {
                residue.atoms.retain(|atom| atom.name != name);
            }
            let (filled, added) = bare.with_ideal_atoms();
            // The last O has no psi to go by.
            let torsions = real.backbone().backbone.torsions();
            for (i, residue) in real.residues.iter().enumerate() {
                let (Some(a), Some(b)) =
                    (residue.position(name), filled.residues[i].position(name))
                else {
                    continue;
                };
                if name == "CB" || torsions[i].psi.is_some() {
                    squares += (a - b).norm_squared();
                    count += 1;
                }
            }
            let lacking = real.residues.iter().filter(|r| r.atom(name).is_some());
            assert_eq!(added.len(), lacking.count(), "{stem} {name}");
            assert!(added.iter().all(|atom| atom.name == name));
        }
        let rms = (squares / f64::from(count)).sqrt();
        println!("{name}: {count} atoms, root mean square {rms:.3} angstrom");
        assert!(rms < at_most, "{name}: {rms}");
    }
}

#[test]
fn a_chain_without_residues_or_with_few_has_a_structure_of_as_many() {
    assert!(Chain::default().secondary_structure().is_empty());
    let whole = only_chain(&folder("../../tests/fixtures/proteins/5PTI_A.pdb.gz"));
    for length in 0..8 {
        let short = Chain {
            id: whole.id.clone(),
            residues: whole.residues[..length].to_vec(),
        };
        assert_eq!(short.secondary_structure().len(), length);
    }
}
