//! SDF files: bonds, charges and data, and what damaged ones get.

use std::io::Cursor;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_data::{AtomValues, BondKind, ReadError, Structure, Value, sdf};

/// Formate with an aromatic bond for the test's sake, and a lone nitrogen.
const FILE: &str = "\
formate
  program 01012600003D

  4  3  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0  0  0  0  0
    1.2500    0.0000    0.0000 O   0  0  0  0  0  0
   -0.6250    1.0825    0.0000 O   0  5  0  0  0  0
   -0.5450   -0.9440   -0.1000 H   0  0  0  0  0  0
  2  1  2  0
  1  3  1  0
  1  4  4  0
M  END
> <energy>
-189.25

> 2 <note>
two
lines

$$$$
nitrogen


  1  0  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 N   0  3
M  CHG  1   1  -1
M  END
$$$$
";

fn read(text: &str) -> Result<Vec<Structure>, ReadError> {
    let source = Cursor::new(text.as_bytes().to_vec());
    sdf::open_source(source, "text")?.collect()
}

#[test]
fn molecules_are_what_their_records_say() {
    let molecules = read(FILE).unwrap();
    let [formate, nitrogen] = &molecules[..] else {
        panic!("{molecules:?}")
    };
    assert_eq!(formate.species, [6, 8, 8, 1]);
    assert_eq!(formate.positions[3], [-0.545, -0.944, -0.1]);
    let bonds = formate.bonds.as_ref().unwrap();
    let bonds: Vec<_> = bonds.iter().map(|bond| (bond.atoms, bond.kind)).collect();
    use BondKind::{Aromatic, Double, Single};
    assert_eq!(
        bonds,
        [([0, 1], Double), ([0, 2], Single), ([0, 3], Aromatic)]
    );
    let charges = |molecule: &Structure| {
        let property = molecule.atom_property(sdf::FORMAL_CHARGE).unwrap();
        property.values.clone()
    };
    assert_eq!(charges(formate), AtomValues::Integer(vec![0, 0, -1, 0]));
    assert_eq!(formate.number("energy"), Ok(-189.25));
    let note = &formate.property("note").unwrap().value;
    assert_eq!(note, &Value::Text("two\nlines".into()));
    let title = &formate.property("_Name").unwrap().value;
    assert_eq!(title, &Value::Text("formate".into()));
    assert_eq!(charges(nitrogen), AtomValues::Integer(vec![-1]));
    assert_eq!(nitrogen.bonds, Some(vec![]));
}

#[test]
fn a_mol_file_ends_with_its_properties() {
    let (mol, _) = FILE.split_once("> <energy>").unwrap();
    assert_eq!(read(mol).unwrap().len(), 1);
    assert_eq!(read(&format!("{mol}\n\n")).unwrap().len(), 1);
}

#[test]
fn blank_headers_and_blank_lines_at_the_end_are_no_fault() {
    let nameless = FILE.replace("$$$$\nnitrogen\n", "$$$$\n\n");
    let molecules = read(&format!("{nameless}\n\n\n\n\n\n")).unwrap();
    assert_eq!(molecules.len(), 2);
    assert!(molecules[1].property("_Name").is_err());
    assert_eq!(read("\n\n").unwrap(), []);
    assert!(read("title\n").is_err());
}

#[test]
fn faults_are_told_with_their_line() {
    let (first, _) = FILE.split_once("nitrogen").unwrap();
    let message = |from: &str, to: &str| {
        assert!(first.contains(from));
        read(&first.replacen(from, to, 1)).unwrap_err().to_string()
    };
    let cases = [
        (
            "3D",
            "2D",
            "line 2: \"2D\" is no structure in three dimensions",
        ),
        ("V2000", "V3000", "line 4: \"V3000\" is no version V2000"),
        ("1.2500", "1.25x0", "line 6: \"1.25x0\" is no coordinate"),
        (" O ", " Q ", "line 6: \"Q\" is no element"),
        (
            "  2  1  2",
            "  9  1  2",
            "line 9: \"9  1\" is no pair of atoms",
        ),
        (
            "  2  1  2",
            "  1  1  2",
            "line 9: \"1  1\" is no pair of atoms",
        ),
        ("  1  3  1", "  1  2  1", "line 10: \"1 2\" is given twice"),
        (
            "  1  4  4",
            "  1  4  8",
            "line 11: \"8\" is no type of bond from 1 to 4",
        ),
        ("<note>", "<energy>", "line 16: \"energy\" is given twice"),
        (
            "> <energy>",
            "energy",
            "line 13: \"energy\" is no header of a data item",
        ),
    ];
    for (from, to, expected) in cases {
        let message = message(from, to);
        assert!(message.ends_with(expected), "{message}");
    }
    let (cut, _) = FILE.split_once("  1  4  4").unwrap();
    let error = read(cut).unwrap_err().to_string();
    assert!(error.ends_with("the file ends where the line of a bond should follow"));
}

#[test]
fn damaged_files_are_refused_or_read_and_never_panic() {
    let mut rng = StdRng::seed_from_u64(23);
    let (mut whole, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = FILE.split_once("nitrogen").unwrap().0.as_bytes().to_vec();
        for _ in 0..rng.random_range(1..=2) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..5) {
                0 => bytes[at] = rng.random(),
                1 => bytes[at] = b' ',
                2 => drop(bytes.drain(at..(at + 5).min(bytes.len()))),
                3 => drop(bytes.splice(at..at, "é99".bytes())),
                _ => bytes.truncate(at.max(1)),
            }
        }
        match sdf::open_source(Cursor::new(bytes), "damaged").and_then(Iterator::collect) {
            Ok(molecules) => {
                let molecules: Vec<Structure> = molecules;
                for molecule in molecules {
                    let atoms = molecule.len();
                    assert_eq!(molecule.positions.len(), atoms);
                    let bonds = molecule.bonds.unwrap();
                    let known = |atom: u32| (atom as usize) < atoms;
                    assert!(bonds.iter().all(|bond| bond.atoms.into_iter().all(known)));
                }
                whole += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        whole > 2000 && refused > 2000,
        "{whole} read, {refused} refused"
    );
}
