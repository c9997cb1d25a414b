//! QM9: what its tables say, and what hostile ones get.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_data::qm9::{self, Qm9, Target};
use steerable_data::{BondKind, ReadError};

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

/// The wheel that `STEERABLE_QM9_WHEEL` names; nothing, and a word about it, where it names none.
#[test]
fn the_whole_package_is_read_and_its_bonds_fit() {
    let Some(wheel) = std::env::var_os("STEERABLE_QM9_WHEEL") else {
        println!("SKIPPED: STEERABLE_QM9_WHEEL names no wheel of qm9pack");
        return;
    };
    let qm9 = qm9::read(Path::new(&wheel)).unwrap();
    assert_eq!(qm9.molecules().len(), 130_831);
    let unbound = qm9
        .molecules()
        .iter()
        .filter(|molecule| molecule.bonds.is_none());
    let unbound: Vec<_> = unbound.map(|molecule| molecule.index).collect();
    assert_eq!(unbound, [23, 24, 486, 52466, 59818, 133_487]);
    for molecule in qm9.molecules() {
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
}
