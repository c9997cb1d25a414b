//! Proteins are converted and compared by commands.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::ProgressBar;
use steerable_cli::protein::compare::describe;
use steerable_cli::protein::comparison::{Comparison, ComparisonError};
use steerable_cli::protein::tables;
use steerable_protein::{Chain, file};

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/proteins");
    folder.join(format!("{name}.pdb.gz"))
}

fn chains(path: impl AsRef<Path>) -> Vec<Chain> {
    file::read(path).unwrap().chains
}

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let name = format!("steerable-proteins-{name}-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn steerable(arguments: &[&str]) -> bool {
    let arguments = std::iter::once("steerable").chain(arguments.iter().copied());
    // Exit codes can only be compared as text.
    let code = steerable_cli::run(arguments.map(Into::into));
    format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS)
}

fn text(
    table: impl Fn(&[Chain], &mut Vec<u8>) -> Result<(), tables::TableError>,
    of: &[Chain],
) -> String {
    let mut text = Vec::new();
    table(of, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_structure_goes_to_mmcif_and_back_with_the_same_atoms() {
    let folder = folder("formats");
    let [cif, pdb] = ["a.cif.gz", "b.pdb"].map(|name| folder.join(name));
    let paths = [fixture("5PTI_A"), cif, pdb.clone()];
    for two in paths.windows(2) {
        assert!(steerable(&[
            "convert",
            two[0].to_str().unwrap(),
            two[1].to_str().unwrap()
        ]));
    }
    assert_eq!(chains(&paths[0]), chains(&pdb));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn tables_have_a_row_for_each_residue_and_say_na_where_nothing_is_defined() {
    let of = chains(fixture("5PTI_A"));
    let torsions = text(tables::torsions, &of);
    let lines: Vec<&str> = torsions.lines().collect();
    assert_eq!(lines.len(), 59);
    assert!(lines[1].starts_with("A\t1\tARG\tNA\t") && lines[58].ends_with("\tNA\tNA"));
    let expected = of[0].backbone().backbone.torsions()[20];
    let columns: Vec<f64> = lines[21]
        .split('\t')
        .skip(3)
        .map(|x| x.parse().unwrap())
        .collect();
    let angles = [expected.phi, expected.psi, expected.omega];
    for (column, angle) in columns.iter().zip(angles) {
        assert!((column - angle.unwrap().to_degrees()).abs() < 1e-4);
    }
    assert_eq!(text(tables::bonds, &of).lines().count(), 59);
    assert_eq!(text(tables::frames, &of).lines().count(), 59);
    let distances = text(tables::distances, &of);
    let rows: Vec<Vec<&str>> = distances
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    assert!(rows.len() == 59 && rows.iter().all(|row| row.len() == 59));
    assert_eq!((rows[4][9], rows[4][4]), (rows[9][4], "0.000"));
}

#[test]
fn wrong_requests_end_with_a_failure() {
    let input = fixture("5PTI_A");
    let input = input.to_str().unwrap();
    // Atoms without a file, a chain that is not there, a format that is none, a file that is none.
    assert!(!steerable(&["convert", input]));
    assert!(!steerable(&["convert", input, "x.pdb", "--chains", "Z"]));
    assert!(!steerable(&["convert", input, "x.xyz"]));
    assert!(!steerable(&["convert", "no-such-file.pdb", "x.pdb"]));
    assert!(!steerable(&["compare", input]));
    assert!(steerable(&["compare", input, input, "--json"]));
}

#[test]
fn a_structure_is_like_itself_and_less_like_a_moved_copy() {
    let reference = chains(fixture("5PTI_A"));
    let bar = ProgressBar::hidden();
    let same = Comparison::of(&reference, &reference, &bar).unwrap();
    let chain = &same.chains[0];
    assert!(chain.rmsd < 1e-9 && chain.rmsd_backbone < 1e-9);
    assert!(chain.gdt_ts == 1.0 && chain.gdt_ha == 1.0);
    let target = chain.target;
    assert!(target.tm_score > 1.0 - 1e-9 && target.gdt_ts == 1.0 && target.gdt_ha == 1.0);
    assert_eq!((target.lddt, target.lddt_backbone), (Some(1.0), Some(1.0)));
    assert_eq!((chain.lddt, chain.lddt_backbone), (Some(1.0), Some(1.0)));
    assert_eq!(
        (chain.residues, chain.only_in_model, chain.different),
        (58, 0, 0)
    );

    // A few residues swing out, one is gone, the chain has another name.
    let mut model = reference.clone();
    model[0].id = "B".into();
    for residue in &mut model[0].residues[..8] {
        residue
            .atoms
            .iter_mut()
            .for_each(|atom| atom.position.x += 6.0);
    }
    model[0].residues.remove(30);
    let moved = Comparison::of(&model, &reference, &bar).unwrap();
    let chain = &moved.chains[0];
    assert!(chain.rmsd > 1.0 && chain.target.tm_score < 0.95 && chain.gdt_ts < 0.95);
    assert!(chain.lddt.unwrap() < 0.95);
    assert_eq!((chain.residues, chain.only_in_reference), (57, 1));
    let text = describe(&moved);
    assert!(
        text.contains("B - A") && text.contains("1 residues of the reference left out"),
        "{text}"
    );
}

#[test]
fn residues_that_the_model_lacks_count_as_wrong_over_the_whole_reference() {
    let reference = chains(fixture("5PTI_A"));
    let mut model = reference.clone();
    let kept = 35;
    model[0].residues.truncate(kept);
    let bar = ProgressBar::hidden();
    let found = Comparison::of(&model, &reference, &bar).unwrap();
    let chain = &found.chains[0];
    assert_eq!((chain.residues, chain.target.residues), (kept, 58));
    assert_eq!(
        (chain.gdt_ts, chain.gdt_ha, chain.lddt),
        (1.0, 1.0, Some(1.0))
    );
    let share = kept as f64 / 58.0;
    for score in [
        chain.target.gdt_ts,
        chain.target.gdt_ha,
        chain.target.tm_score,
    ] {
        assert!((score - share).abs() < 1e-9, "{score}");
    }
    // All distances below 15 angstrom between CA, and those among the residues that are there.
    let ca = reference[0].backbone().backbone.ca();
    let near = |i: usize, j: usize| (ca[i] - ca[j]).norm() <= 15.0;
    let count = |length: usize| {
        let pairs = (0..length).flat_map(|j| (0..j).map(move |i| (i, j)));
        pairs.filter(|&(i, j)| near(i, j)).count()
    };
    let wanted = count(kept) as f64 / count(58) as f64;
    assert!((chain.target.lddt.unwrap() - wanted).abs() < 1e-12);
    let of_backbone = chain.target.lddt_backbone.unwrap();
    assert!((of_backbone - wanted).abs() < 0.05 && of_backbone < 1.0);
    let text = describe(&found);
    let whole = text
        .lines()
        .skip_while(|line| !line.starts_with("whole reference"))
        .nth(1)
        .unwrap();
    assert!(
        whole.contains("58") && whole.contains(&format!("{share:.4}")),
        "{text}"
    );
}

#[test]
fn structures_without_common_residues_are_refused() {
    let reference = chains(fixture("5PTI_A"));
    let mut model = reference.clone();
    for residue in &mut model[0].residues {
        residue.number.sequence += 1000;
    }
    let bar = ProgressBar::hidden();
    let refused = Comparison::of(&model, &reference, &bar);
    assert!(
        matches!(refused, Err(ComparisonError::NoCommonResidue { .. })),
        "{refused:?}"
    );
    let mut two = [reference.clone(), reference.clone()].concat();
    two[0].id = "X".into();
    two[1].id = "Y".into();
    let refused = Comparison::of(&two, &reference, &bar);
    assert!(
        matches!(refused, Err(ComparisonError::NoCommonChain { .. })),
        "{refused:?}"
    );
}
