//! QM9 from its tables to a trained model's answers: in the units and from the origin of the tables, in parts that do
//! not depend on what is read of the molecules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use steerable_cli::config::RunConfig;
use steerable_cli::dataset::DataSet;
use tempfile::{TempDir, tempdir};

const HEADER: &str = "XYZ_file,Index,SMILES,Elements,XYZ_Ang,Mulliken_pop,Dipole_debye,\
    Polarizability_bohr3,HOMO_au,LUMO_au,HOMO_LUMO_gap_au,R2_bohr2,ZPVE_au,InternalEnergy_0K_au,\
    InternalEnergy_298K_au,Enthalphy_298K_au,GibbsFreeEnergy_298K_au,Heatcapacity_Cv_cal_mol_K";

const MOLECULES: usize = 20;

/// Of hydrogen cyanide, whose bond is as long as `0.01 index` says: all numbers of the tables but these are alike.
fn energy(index: usize) -> f64 {
    -93.41 + 1e-3 * index as f64
}

/// Hydrogen cyanide in 20 shapes as the tables of the package; of one the coordinates do not fit the bonds.
struct Tables(TempDir);

impl Tables {
    fn new() -> Self {
        let folder = tempdir().expect("a temporary folder");
        let mut table = format!("{HEADER}\n");
        for index in 0..MOLECULES {
            let length = match index {
                7 => 2.5,
                _ => 1.15 + 0.01 * index as f64,
            };
            let energy = energy(index);
            table.push_str(&format!(
                "\"x.xyz\",{index},\"C#N\",\"['C','N','H']\",\"[[0.,0.,0.],[0.,0.,{length}],[0.,0.,-1.07]]\",\
                 \"[-0.1,-0.1,0.2]\",2.9,12.5,-0.36,0.02,0.38,50.1,0.016,{energy},-93.40,-93.39,-93.43,6.3\n"
            ));
        }
        for (part, text) in [(1, table.as_str()), (2, HEADER), (3, HEADER)] {
            fs::write(folder.path().join(format!("qm9_part{part}.csv")), text).expect("a table");
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A configuration that divides all of the molecules.
    fn config(&self, target: &str, pooling: &str, bonds: bool) -> PathBuf {
        let file = self.path("qm9.toml");
        let text = format!(
            "task = \"qm9\"\n[data]\nfile = {:?}\ntarget = \"{target}\"\ntrain = 12\nvalidation = 4\ntest = 4\n\
             [model]\nhidden = \"4x0e + 2x1o\"\nlayers = 1\nradial_functions = 4\nradial_hidden = [8]\nwidth = 8\n\
             pooling = \"{pooling}\"\nbonds = {bonds}\n[training]\nepochs = 2\n",
            self.0.path()
        );
        fs::write(&file, text).expect("a configuration");
        file
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[track_caller]
fn steerable(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_steerable"))
        .args(arguments)
        .output()
        .expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn answers_are_those_of_the_tables_free_atoms_and_all() {
    const MEV: f64 = 27_211.386_245_988;
    let tables = Tables::new();
    let molecule = tables.path("hcn.xyz");
    fs::write(&molecule, "3\n\nC 0 0 0\nN 0 0 1.2\nH 0 0 -1.07\n").expect("a molecule");
    // How near the tables an answer is after two epochs, and how much free atoms have, which is far more.
    let free = -37.846_772 - 54.583_861 - 0.500_273;
    for (target, pooling, table, near, of_atoms) in [
        ("U0", "mean", energy(5) * MEV, 2000.0, free * MEV),
        ("U0", "sum", energy(5) * MEV, 2000.0, free * MEV),
        ("Cv", "mean", 6.3, 2.0, 3.0 * 2.981),
        ("Cv", "sum", 6.3, 2.0, 3.0 * 2.981),
        ("mu", "mean", 2.9, 2.0, 0.0),
    ] {
        assert!(of_atoms == 0.0 || of_atoms.abs() > 2.0 * near);
        let (config, run) = (tables.config(target, pooling, false), tables.path("run"));
        fs::remove_dir_all(&run).ok();
        steerable(&[
            "train",
            text(&config),
            "--threads",
            "1",
            "--out",
            text(&run),
        ]);
        let out = tables.path("answers.json");
        steerable(&["predict", text(&run), text(&molecule), "--out", text(&out)]);
        let answers: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(out).expect("answers")).expect("JSON");
        let answer = answers[0][target]["value"].as_f64().expect("a number");
        assert!(
            (answer - table).abs() < near,
            "{target}, {pooling}: {answer} where the table has {table}"
        );
    }
}

#[test]
fn a_molecule_is_in_the_same_part_whether_bonds_are_read_or_not() {
    let tables = Tables::new();
    let read = |bonds: bool| {
        let config = RunConfig::read(&tables.config("homo", "mean", bonds)).unwrap();
        let data = DataSet::read(&config).unwrap();
        [data.train, data.validation, data.test]
    };
    let (all, bonded) = (read(false), read(true));
    let mut left_out = 0;
    for (all, bonded) in all.iter().zip(&bonded) {
        let known: Vec<_> = all.iter().filter(|s| s.bonds.is_some()).cloned().collect();
        assert_eq!(&known, bonded);
        left_out += all.len() - bonded.len();
    }
    assert_eq!(all.map(|part| part.len()), [12, 4, 4]);
    assert_eq!(left_out, 1);
}
