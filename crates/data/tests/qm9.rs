//! QM9: what its tables say, and what hostile ones get.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_data::npy::{Array, Elements, Npz, write_archive};
use steerable_data::qm9::{self, Qm9, Target};
use steerable_data::{Bond, BondKind, CacheError, ReadError, extxyz};

const HEADER: &str = "XYZ_file,Index,SMILES,Elements,XYZ_Ang,Mulliken_pop,Dipole_debye,\
    Polarizability_bohr3,HOMO_au,LUMO_au,HOMO_LUMO_gap_au,R2_bohr2,ZPVE_au,InternalEnergy_0K_au,\
    InternalEnergy_298K_au,Enthalphy_298K_au,GibbsFreeEnergy_298K_au,Heatcapacity_Cv_cal_mol_K";

/// Hydrogen cyanide with rounded numbers.
const HCN: &str = "\"x.xyz\",5,\"C#N\",\"['C','N','H']\",\"[[0.,0.,0.],[0.,0.,1.15],[1.2*^-6,0.,-1.07]]\",\
    \"[-0.1,-0.1,0.2]\",2.9,12.5,-0.36,0.02,0.38,50.1,0.016,-93.41,-93.40,-93.39,-93.43,6.3";

/// A folder of the test's own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn with_tables(name: &str, tables: [&[u8]; 3]) -> Self {
        let name = format!("steerable-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (part, table) in tables.iter().enumerate() {
            std::fs::write(folder.join(format!("qm9_part{}.csv", part + 1)), table).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn read(name: &str, first: &[u8]) -> Result<Qm9, ReadError> {
    let empty = HEADER.as_bytes();
    qm9::read(&Scratch::with_tables(name, [first, empty, empty]).0)
}

#[test]
fn a_molecule_is_what_its_line_says() {
    let qm9 = read("line", format!("{HEADER}\n{HCN}\n").as_bytes()).unwrap();
    let [molecule] = qm9.molecules() else {
        panic!("{qm9:?}")
    };
    assert_eq!(
        (molecule.index, &molecule.species[..]),
        (5, &[6u8, 7, 1][..])
    );
    assert_eq!(molecule.positions[2], [1.2e-6, 0.0, -1.07]);
    assert_eq!(molecule.charges, [-0.1, -0.1, 0.2]);
    assert_eq!(molecule.target(Target::Homo), -0.36);
    assert_eq!(molecule.target(Target::Cv), 6.3);
    let free = -37.846_772 - 54.583_861 - 0.500_273;
    assert!((molecule.atomization(Target::U0) - (-93.41 - free)).abs() < 1e-12);
    assert_eq!(molecule.atomization(Target::Gap), 0.38);
    let bonds = molecule.bonds.as_ref().unwrap();
    let bonds: Vec<_> = bonds.iter().map(|bond| (bond.atoms, bond.kind)).collect();
    assert_eq!(
        bonds,
        [([0, 1], BondKind::Triple), ([0, 2], BondKind::Single)]
    );
    let structure = molecule.structure();
    let unit = steerable_data::EnergyUnit::Hartree;
    assert_eq!(structure.energy("U0", unit), Ok(-93.41));
}

#[test]
fn bonds_that_do_not_fit_the_coordinates_are_not_told() {
    let bonds = |from: &str, to: &str| {
        let line = HCN.replace(from, to);
        let qm9 = read("misfit", format!("{HEADER}\n{line}\n").as_bytes()).unwrap();
        qm9.molecules()[0].bonds.clone()
    };
    assert!(bonds("1.15", "2.5").is_none());
    assert!(bonds("C#N", "N#C").is_none());
    assert!(bonds("1.15", "1.16").is_some());
}

#[test]
fn faults_are_told_with_their_line() {
    let message = |line: &str| {
        let text = format!("{HEADER}\n{HCN}\n{line}\n");
        read("faults", text.as_bytes()).unwrap_err().to_string()
    };
    assert!(message(&HCN.replace("6.3", "x")).ends_with("line 3: \"x\" is no number"));
    assert!(message(&HCN.replace("'N'", "'S'")).ends_with("\"S\" is no element of QM9"));
    assert!(message(&HCN.replace("[-0.1,", "[")).ends_with("2 values where there should be 3"));
    assert!(message(&HCN.replace("C#N", "C#")).ends_with("is no SMILES string"));
    assert!(message("\"x").ends_with("a quotation that does not end"));
    let truncated = &HCN[..HCN.len() - 20];
    assert!(message(truncated).contains("line 3: "));
    let header = HEADER.replace("HOMO_au", "homo");
    let error = read("header", header.as_bytes()).unwrap_err().to_string();
    assert!(error.ends_with("line 1: no column \"HOMO_au\""), "{error}");
}

#[test]
fn damaged_tables_are_refused_or_read_and_never_panic() {
    let text = format!("{HEADER}\n{HCN}\n{HCN}\n");
    let mut rng = StdRng::seed_from_u64(22);
    let (mut read_, mut refused) = (0, 0);
    for _ in 0..1000 {
        let mut bytes = text.clone().into_bytes();
        let at = rng.random_range(HEADER.len()..bytes.len());
        match rng.random_range(0..6) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] = b"\"[],'()=#19.-*^N"[rng.random_range(0..16)],
            2 | 3 => bytes[at] = rng.random_range(b'0'..=b'9'),
            4 => drop(bytes.drain(at..(at + 20).min(text.len()))),
            _ => bytes.truncate(at),
        }
        match read("fuzz", &bytes) {
            Ok(qm9) => {
                for molecule in qm9.molecules() {
                    let finite = molecule.positions.iter().flatten().all(|x| x.is_finite());
                    assert!(finite && molecule.positions.len() == molecule.species.len());
                }
                read_ += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        read_ > 100 && refused > 100,
        "{read_} read, {refused} refused"
    );
}

/// Three molecules: two with bonds, one whose coordinates do not fit.
fn three(name: &str) -> (Scratch, Qm9) {
    let misfit = HCN.replace("1.15", "2.5");
    let pyrrole = "\"p.xyz\",7,\"C1=CNC=C1\",\"['C','C','N','C','C','H','H','H','H','H']\",\
        \"[[1.3,0.,0.],[0.7,1.2,0.],[-0.6,1.1,0.],[-1.0,-0.1,0.],[0.2,-0.9,0.],[2.4,0.,0.],\
        [1.2,2.1,0.],[-1.2,1.9,0.],[-2.0,-0.4,0.],[0.3,-1.9,0.]]\",\
        \"[0.,0.,0.,0.,0.,0.,0.,0.,0.,0.]\",1,2,3,4,5,6,7,8,9,10,11,12";
    let table = format!("{HEADER}\n{HCN}\n{misfit}\n{pyrrole}\n");
    let empty = HEADER.as_bytes();
    let scratch = Scratch::with_tables(name, [table.as_bytes(), empty, empty]);
    let qm9 = qm9::read(&scratch.0).unwrap();
    let known: Vec<_> = qm9.molecules().iter().map(|m| m.bonds.is_some()).collect();
    assert_eq!(known, [true, false, true]);
    (scratch, qm9)
}

#[test]
fn what_is_saved_is_read_back_to_the_last_bit() {
    let (scratch, qm9) = three("saved");
    let path = scratch.0.join("cache.npz");
    qm9.save(&path).unwrap();
    assert_eq!(qm9::read(&path).unwrap(), qm9);
    let part = qm9.subset(&[2, 0]);
    part.save(&path).unwrap();
    let read = qm9::read(&path).unwrap();
    assert_eq!(read, part);
    assert_eq!(read.molecules()[1], qm9.molecules()[0]);
    assert_eq!(qm9.with_bonds(), [0, 2]);
    let bonds = read.molecules()[0].bonds.as_ref().unwrap();
    let aromatic = bonds.iter().filter(|bond| bond.kind == BondKind::Aromatic);
    assert_eq!((aromatic.count(), bonds.len()), (5, 10));
    let none = qm9.subset(&[]);
    none.save(&path).unwrap();
    assert_eq!(qm9::read(&path).unwrap(), none);
}

#[test]
fn a_cache_is_made_once_and_belongs_to_its_source() {
    let (scratch, qm9) = three("cache");
    let cache = scratch.0.join("cache.npz");
    assert_eq!(qm9::read_cached(&scratch.0, &cache).unwrap(), qm9);
    let written = std::fs::metadata(&cache).unwrap().modified().unwrap();
    assert_eq!(qm9::read_cached(&scratch.0, &cache).unwrap(), qm9);
    let after = std::fs::metadata(&cache).unwrap().modified().unwrap();
    assert_eq!(written, after);
    std::fs::write(scratch.0.join("qm9_part3.csv"), format!("{HEADER}\n")).unwrap();
    let error = qm9::read_cached(&scratch.0, &cache).unwrap_err();
    assert!(matches!(error, CacheError::OtherSource { .. }), "{error}");
    // Without its source a cache is enough.
    let gone = scratch.0.join("gone.whl");
    assert_eq!(qm9::read_cached(&gone, &cache).unwrap(), qm9);
    assert!(qm9::read_cached(&gone, scratch.0.join("none.npz")).is_err());
}

/// The arrays of a cache.
fn arrays(path: &Path) -> Vec<(String, Array)> {
    let mut archive = Npz::open(path).unwrap();
    let names = archive.names().into_iter();
    names
        .map(|name| (name.clone(), archive.array(&name).unwrap()))
        .collect()
}

fn save_arrays(path: &Path, arrays: &[(String, Array)]) {
    let borrowed: Vec<_> = arrays
        .iter()
        .map(|(name, array)| (name.as_str(), array.clone()))
        .collect();
    write_archive(path, &borrowed).unwrap();
}

#[test]
fn an_outdated_or_inconsistent_archive_is_refused_with_the_reason() {
    let (scratch, qm9) = three("outdated");
    let path = scratch.0.join("cache.npz");
    qm9.save(&path).unwrap();
    let whole = arrays(&path);
    let message = |name: &str, elements: Elements| {
        let mut arrays = whole.clone();
        let array = arrays.iter_mut().find(|(known, _)| known == name).unwrap();
        array.1.elements = elements;
        save_arrays(&path, &arrays);
        qm9::read(&path).unwrap_err().to_string()
    };
    let integers = |values: &[i64]| Elements::Integer(values.to_vec());
    assert!(
        message("layout", integers(&[0]))
            .ends_with("array layout: layout 0, this version reads 1: make the file anew")
    );
    let offset = message("offsets", integers(&[0, 3, 2, 16]));
    assert!(
        offset.ends_with("element 2 is 2, which is no offset of the next row"),
        "{offset}"
    );
    assert!(message("offsets", integers(&[0, 3, 6, 15])).contains("offset"));
    assert!(message("offsets", integers(&[1, 3, 6, 16])).contains("offset"));
    assert!(message("index", integers(&[5, -1, 7])).contains("element 1 is -1"));
    let sulfur = [6, 7, 1, 16].into_iter().chain([1; 12]).collect();
    assert!(message("Z", Elements::Integer(sulfur)).contains("element 3 is 16"));
    assert!(message("bond_offsets", integers(&[0, 2, 2, 13])).contains("offset"));
    let mut bonds = vec![0; 36];
    bonds[1] = 3;
    assert!(message("bonds", Elements::Integer(bonds)).contains("no start of two atoms"));
    // Another program's archive has no bonds, and they are found anew.
    let ours = ["layout", "source_sha256", "bound", "bonds", "bond_offsets"];
    let foreign: Vec<_> = whole
        .iter()
        .filter(|(name, _)| !ours.contains(&name.as_str()))
        .cloned()
        .collect();
    save_arrays(&path, &foreign);
    assert_eq!(qm9::read(&path).unwrap().molecules(), qm9.molecules());
}

#[test]
fn a_damaged_cache_is_refused_or_gives_the_same() {
    let (scratch, qm9) = three("damaged");
    let path = scratch.0.join("cache.npz");
    qm9.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut rng = StdRng::seed_from_u64(25);
    let mut refused = 0;
    for round in 0..1000 {
        let mut bytes = whole.clone();
        let at = rng.random_range(0..bytes.len());
        match round % 4 {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..(at + 9).min(whole.len()))),
            _ => bytes[at] ^= 1 << rng.random_range(0..8),
        }
        std::fs::write(&path, &bytes).unwrap();
        match qm9::read(&path) {
            // Times and attributes in the directory mean nothing; an archive that has lost the number of
            // its layout is read as another program's, and tells no source.
            Ok(read) => assert_eq!(read.molecules(), qm9.molecules(), "round {round}, at {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 700, "{refused} refused");
}

/// The sample of `../shared/data`; none, and a word about it, where the data are not there.
#[test]
fn the_shared_sample_has_the_molecules_of_the_fixture() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = here.join("../../../shared/data/qm9/qm9_5000.npz");
    if !shared.exists() {
        println!("SKIPPED: no file {}", shared.display());
        return;
    }
    let sample = qm9::read(&shared).unwrap();
    assert_eq!(sample.len(), 5000);
    let fixture = here.join("../../tests/fixtures/molecules/qm9_100.extxyz");
    let mut compared = 0;
    for structure in extxyz::read(fixture).unwrap() {
        let index = structure.number("id").unwrap();
        let mut same = sample
            .molecules()
            .iter()
            .filter(|m| f64::from(m.index) == index);
        let Some(molecule) = same.next() else {
            continue;
        };
        assert_eq!(molecule.species, structure.species);
        for (a, b) in molecule
            .positions
            .iter()
            .flatten()
            .zip(structure.positions.iter().flatten())
        {
            // The fixture has six decimals, the sample single precision.
            assert!((a - b).abs() < 2e-6, "{a} {b}");
        }
        for (target, name) in [
            (Target::U0, "U0_Ha"),
            (Target::Mu, "mu_D"),
            (Target::Cv, "Cv"),
        ] {
            assert_eq!(structure.number(name), Ok(molecule.target(target)));
        }
        compared += 1;
    }
    assert_eq!(compared, 100);
}

/// The wheel that `STEERABLE_QM9_WHEEL` names; nothing, and a word about it, where it names none.
#[test]
fn the_whole_package_is_read_and_its_bonds_fit() {
    let Some(wheel) = std::env::var_os("STEERABLE_QM9_WHEEL") else {
        println!("SKIPPED: STEERABLE_QM9_WHEEL names no wheel of qm9pack");
        return;
    };
    let qm9 = qm9::read(Path::new(&wheel)).unwrap();
    assert_eq!(qm9.molecules().len(), 130_831);
    assert_eq!(qm9::sha256(&wheel).unwrap(), qm9::WHEEL_SHA256);
    let unbound = qm9
        .molecules()
        .iter()
        .filter(|molecule| molecule.bonds.is_none());
    let unbound: Vec<_> = unbound.map(|molecule| molecule.index).collect();
    assert_eq!(unbound, [23, 24, 486, 52466, 59818, 133_487]);
    let mut aromatic = 0;
    for molecule in qm9.molecules() {
        let bonds = molecule.bonds.iter().flatten();
        aromatic += bonds.filter(|bond| bond.kind == BondKind::Aromatic).count();
        // A sum of total energies would be far off, one of atomization energies is not.
        let energy = molecule.atomization(Target::U0);
        assert!(
            (-5.0..0.0).contains(&energy),
            "{}: {energy}",
            molecule.index
        );
        let gap = molecule.target(Target::Lumo) - molecule.target(Target::Homo);
        assert!((gap - molecule.target(Target::Gap)).abs() < 2e-4);
    }
    // RDKit 2026.9.1 finds the first number; the second is that of twelve oxonines' bonds.
    assert_eq!(aromatic, 122_040 + 12 * 9);
}

#[test]
fn a_kekule_form_becomes_aromatic_where_qm9_has_it_so() {
    use BondKind::{Double, Single};
    let bond = |a: usize, b: usize, kind| Bond {
        atoms: [a.min(b) as u32, a.max(b) as u32],
        kind,
    };
    // A ring of carbon with as many hydrogens, its bonds double and single in turn.
    let ring = |length: u32| {
        let species = [vec![6; length as usize], vec![1; length as usize]].concat();
        let kinds = [Double, Single];
        let within = (0..length).map(|i| {
            bond(
                i as usize,
                ((i + 1) % length) as usize,
                kinds[i as usize % 2],
            )
        });
        let outward = (0..length as usize).map(|i| bond(i, i + length as usize, Single));
        let bonds: Vec<Bond> = within.chain(outward).collect();
        let told = qm9::with_aromatic(&species, None, &bonds);
        assert!(told.iter().zip(&bonds).all(|(a, b)| a.atoms == b.atoms));
        told.iter()
            .filter(|bond| bond.kind == BondKind::Aromatic)
            .count()
    };
    assert_eq!((ring(6), ring(8), ring(66)), (6, 0, 0));
    // Pyrrole gives two electrons by its nitrogen, the ion of cyclopentadiene by its charge, furan has no hydrogen.
    let five = |hetero: u8, hydrogens: usize, charge: i64| {
        let species = [vec![hetero, 6, 6, 6, 6], vec![1; 4 + hydrogens]].concat();
        let kinds = [Single, Double, Single, Double, Single];
        let within = (0..5).map(|i| bond(i, (i + 1) % 5, kinds[i]));
        let outward = (0..4 + hydrogens).map(|h| bond((h + 1) % 5, 5 + h, Single));
        let bonds: Vec<Bond> = within.chain(outward).collect();
        let mut charges = vec![0; species.len()];
        charges[0] = charge;
        let told = qm9::with_aromatic(&species, Some(&charges), &bonds);
        assert_eq!(qm9::with_aromatic(&species, Some(&charges), &told), told);
        told.iter()
            .filter(|bond| bond.kind == BondKind::Aromatic)
            .count()
    };
    assert_eq!((five(7, 1, 0), five(8, 0, 0)), (5, 5));
    assert_eq!((five(6, 1, -1), five(6, 1, 1)), (5, 0));
}
