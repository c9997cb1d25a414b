//! Round trips of real chains through the representations, in f64.

use std::path::{Path, PathBuf};

use steerable_protein::{
    Backbone, DistanceMatrix, Frame, InternalCoordinates, KnownDistances, Matched, SmacofConfig,
    backbone_of_ca, embed, file, rank, relative_frames,
};

fn folder(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The backbones of all chains in a folder's files, with their names.
fn backbones(folder: &Path) -> Vec<(String, Backbone)> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .collect();
    paths.sort();
    let of_file = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let chains = file::read(path).unwrap().chains;
        let named = chains
            .into_iter()
            .map(move |chain| (name.clone(), chain.backbone().backbone));
        named.collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_file).collect()
}

/// The larger of two; not-a-number if one of them is, which `f64::max` would hide.
fn larger(a: f64, b: f64) -> f64 {
    if a >= b || a.is_nan() { a } else { b }
}

/// The largest distance between an atom and itself after the round trip, in angstrom.
fn largest_distance(one: &Backbone, two: &Backbone) -> f64 {
    assert_eq!(one.len(), two.len());
    let pairs = one.residues().iter().zip(two.residues());
    let distances = pairs.flat_map(|(a, b)| (0..3).map(|i| (a.atoms()[i] - b.atoms()[i]).norm()));
    distances.fold(0.0, larger)
}

fn through_internal_coordinates(backbone: &Backbone) -> f64 {
    let internal = InternalCoordinates::of(backbone).unwrap();
    largest_distance(backbone, &internal.to_backbone())
}

/// To frames and back with each residue's own atoms in its frame: exact but for rounding.
fn through_frames(backbone: &Backbone) -> f64 {
    let residues = backbone.residues().iter().map(|residue| {
        let frame = Frame::of_residue(residue).unwrap();
        let back = frame.compose(&frame.inverse());
        let again = residue
            .atoms()
            .map(|atom| frame.apply(&frame.inverse().apply(&atom)));
        assert!((back.rotation - Frame::identity().rotation).norm() < 1e-14);
        let distances = residue
            .atoms()
            .into_iter()
            .zip(again)
            .map(|(a, b)| (a - b).norm());
        distances.fold(0.0, larger)
    });
    residues.fold(0.0, larger)
}

/// The mean and the largest deviation of residues from ideal ones in their frames, in angstrom.
fn deviations(backbone: &Backbone) -> (f64, f64) {
    let all = backbone
        .residues()
        .iter()
        .map(|r| r.deviation_from_ideal().unwrap());
    let (sum, largest) = all.fold((0.0, 0.0), |(sum, max), d| (sum + d, larger(max, d)));
    (sum / backbone.len() as f64, largest)
}

/// To the relative frames of all residues as seen from the first, and back.
fn through_relative_frames(backbone: &Backbone) -> f64 {
    let frames: Vec<Frame> = backbone
        .residues()
        .iter()
        .map(|residue| Frame::of_residue(residue).unwrap())
        .collect();
    let seen = &relative_frames(&frames)[0];
    let errors = frames.iter().zip(seen).map(|(frame, relative)| {
        let back = frames[0].compose(relative);
        (frame.translation - back.translation)
            .norm()
            .max((frame.rotation - back.rotation).norm())
    });
    errors.fold(0.0, larger)
}

/// To CA distances and back by MDS, with the hand of proteins: the CA-RMSD after superposition, and that of
/// N, CA and C that are put around the CA atoms.
fn through_distances(backbone: &Backbone) -> [f64; 2] {
    let ca = backbone.ca();
    let distances = DistanceMatrix::of(&ca);
    assert_eq!(rank(&distances.gram(), 1e-9), 3);
    assert!(rank(&distances.squared(), 1e-9) <= 5);
    let known = KnownDistances::all(&distances).unwrap();
    let found = embed(&known, SmacofConfig::default()).unwrap().points;
    let of_ca = Matched {
        model: &found,
        reference: &ca,
    };
    let atoms = |backbone: &Backbone| -> Vec<_> {
        backbone
            .residues()
            .iter()
            .flat_map(steerable_protein::BackboneResidue::atoms)
            .collect()
    };
    let rebuilt = backbone_of_ca(&found).unwrap();
    let of_all = Matched {
        model: &atoms(&rebuilt),
        reference: &atoms(backbone),
    };
    [of_ca, of_all].map(|matched| matched.superpose().unwrap().rmsd)
}

/// Prints the errors of a chain that goes round all four representations.
fn check_all_four(name: &str, backbone: &Backbone) {
    check(name, backbone);
    let relative = through_relative_frames(backbone);
    let [ca, all] = through_distances(backbone);
    println!(
        "{name}: relative frames {relative:.1e}; distances and back, CA {ca:.1e}, \
         N, CA and C put around them {all:.2} angstrom"
    );
    assert!(relative < 1e-11, "{name}: {relative:e}");
    assert!(ca < 1e-8, "{name}: {ca:e}");
    // What CA atoms alone cannot tell; see `backbone_of_ca`.
    assert!(all < 0.5, "{name}: {all}");
}

#[test]
fn a_shipped_chain_goes_round_all_four_representations() {
    let path = folder("../../tests/fixtures/proteins/3PWP_B.pdb.gz");
    let chain = file::read(path).unwrap().chains.remove(0);
    check_all_four("3PWP_B", &chain.backbone().backbone);
}

#[test]
fn top7_goes_round_all_four_representations() {
    let path = folder("../../../shared/data/proteins/1qys.pdb");
    if !path.is_file() {
        println!("SKIPPED: no file {}", path.display());
        return;
    }
    for chain in file::read(path).unwrap().chains {
        check_all_four("1qys", &chain.backbone().backbone);
    }
}

/// Prints the errors of a chain, and holds them to a billionth of an angstrom.
fn check(name: &str, backbone: &Backbone) {
    let (frames, internal) = (
        through_frames(backbone),
        through_internal_coordinates(backbone),
    );
    let (mean, largest) = deviations(backbone);
    println!(
        "{name}: {} residues; frames {frames:.1e}, torsions {internal:.1e} angstrom; \
         from ideal {mean:.3}, at most {largest:.3}",
        backbone.len()
    );
    assert!(frames < 1e-12, "{name}: {frames:e}");
    assert!(internal < 1e-9, "{name}: {internal:e}");
}

#[test]
fn shipped_chains_come_back_from_frames_and_torsions() {
    for (name, backbone) in backbones(&folder("../../tests/fixtures/proteins")) {
        check(&name, &backbone);
    }
}

#[test]
fn all_chains_of_the_shared_data_come_back_from_frames_and_torsions() {
    let shared = folder("../../../shared/data/proteins");
    if !shared.is_dir() {
        println!("SKIPPED: no folder {}", shared.display());
        return;
    }
    for name in ["1qys.pdb", "1crn.pdb"] {
        for chain in file::read(shared.join(name)).unwrap().chains {
            check(name, &chain.backbone().backbone);
        }
    }
    let chains = backbones(&shared.join("chains"));
    let errors = chains.iter().map(|(name, backbone)| {
        let error = through_internal_coordinates(backbone);
        assert!(error < 1e-9, "{name}: {error:e}");
        error
    });
    let worst = errors.fold(0.0, larger);
    println!(
        "{} chains: torsions and back at most {worst:e} angstrom",
        chains.len()
    );
    assert!(chains.len() >= 193);
}

#[test]
fn oxygens_and_beta_carbons_are_rebuilt_near_their_places() {
    let path = folder("../../tests/fixtures/proteins/3PWP_B.pdb.gz");
    let chain = file::read(path).unwrap().chains.remove(0);
    let torsions = chain.backbone().backbone.torsions();
    let (mut oxygens, mut carbons) = (Vec::new(), Vec::new());
    for (residue, torsions) in chain.residues.iter().zip(torsions) {
        let backbone = residue.backbone().unwrap();
        if let (Some(psi), Some(o)) = (torsions.psi, residue.position("O")) {
            oxygens.push((backbone.ideal_o(psi) - o).norm());
        }
        if let Some(cb) = residue.position("CB") {
            carbons.push((backbone.ideal_cb().unwrap() - cb).norm());
        }
    }
    for (name, distances) in [("O", oxygens), ("CB", carbons)] {
        let mean = distances.iter().sum::<f64>() / distances.len() as f64;
        let largest = distances.iter().copied().fold(0.0, larger);
        println!(
            "{name}: {} rebuilt, off by {mean:.3}, at most {largest:.3}",
            distances.len()
        );
        assert!(distances.len() > 80 && mean < 0.15 && largest < 0.5);
    }
}
