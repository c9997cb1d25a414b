//! What is read from files, what is reported, and what is written.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use nalgebra::Vector3;
use steerable_protein::file::{
    self, FileContents, LineFault, ModelChoice, ReadError, ReadNote, ReadOptions, WriteError,
};
use steerable_protein::{AminoAcid, Chain, ResidueNumber};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/proteins")
}

fn read_text(text: &str) -> Result<FileContents, ReadError> {
    ReadOptions::default().read_bytes(text.as_bytes(), "test")
}

/// An atom's line of a PDB file, in the xy plane's origin but for x, in chain A.
struct Line {
    record: &'static str,
    atom: &'static str,
    alternate: char,
    residue: &'static str,
    /// With the insertion code or a space at its end.
    number: &'static str,
    x: f64,
    occupancy: f64,
}

const GLYCINE_CA: Line = Line {
    record: "ATOM",
    atom: "CA",
    alternate: ' ',
    residue: "GLY",
    number: "1 ",
    x: 0.0,
    occupancy: 1.0,
};

impl Line {
    fn text(&self) -> String {
        let Self {
            record,
            atom,
            alternate,
            residue,
            number,
            x,
            occupancy,
        } = self;
        let element = &atom[..1];
        format!(
            "{record:<6}    1 {atom:^4}{alternate}{residue:>3} A{number:>5}   {x:8.3}   0.000   \
             0.000{occupancy:6.2} 10.00           {element}\n"
        )
    }
}

/// N, CA and C on a line: residues begun 4.2 angstrom apart are bonded.
fn residue(record: &'static str, name: &'static str, number: &'static str, x: f64) -> String {
    let atoms = ["N", "CA", "C"].into_iter().enumerate();
    let lines = atoms.map(|(i, atom)| Line {
        record,
        atom,
        residue: name,
        number,
        x: x + 1.4 * i as f64,
        ..GLYCINE_CA
    });
    lines.map(|line| line.text()).collect()
}

/// The only chain of a text that must be readable, and the notes on it.
fn chain_and_notes(text: &str) -> (Chain, Vec<ReadNote>) {
    let mut contents = read_text(&format!("{text}END\n")).unwrap();
    assert_eq!(contents.chains.len(), 1);
    (contents.chains.remove(0), contents.report.notes)
}

#[test]
fn every_fixture_is_read_whole() {
    let index = [
        ("1LCD_A", 51, 0),
        ("1A8O_A", 70, 0),
        ("1A7G_E", 82, 0),
        ("2OFG_X", 106, 0),
        ("2XHE_B", 220, 2),
        ("5PTI_A", 58, 0),
        ("3PWP_B", 100, 0),
        ("1adz_A", 71, 0),
        ("2sdf_A", 67, 0),
        ("d1m60a_A", 104, 0),
    ];
    for (name, length, breaks) in index {
        let contents = file::read(fixtures().join(format!("{name}.pdb.gz"))).unwrap();
        let traced = contents.chains[0].backbone();
        assert_eq!(traced.backbone.len(), length, "{name}");
        assert_eq!(traced.breaks.len(), breaks, "{name}");
        assert_eq!(traced.incomplete.len(), 0, "{name}");
        let is_break = |note: &&ReadNote| matches!(note, ReadNote::Break { .. });
        let reported = contents.report.notes.iter().filter(is_break).count();
        assert_eq!(reported, breaks, "{name}");
    }
}

#[test]
fn selenomethionine_is_taken_for_methionine_and_reported() {
    let contents = file::read(fixtures().join("1A8O_A.pdb.gz")).unwrap();
    let first = &contents.chains[0].residues[0];
    assert_eq!(first.name, "MSE");
    assert_eq!(first.amino_acid, AminoAcid::Methionine);
    assert_eq!(first.atom("SE").unwrap().element, "SE");
    let modified = |note: &&ReadNote| matches!(note, ReadNote::Modified { .. });
    assert_eq!(contents.report.notes.iter().filter(modified).count(), 4);
}

#[test]
fn of_alternate_locations_the_highest_occupancy_is_kept_and_the_first_of_equals() {
    let atoms = [
        ("N", ' ', 0.0, 1.0),
        ("CA", 'A', 1.4, 0.4),
        ("CA", 'B', 1.5, 0.6),
        ("C", ' ', 2.8, 1.0),
        ("CB", 'A', 3.0, 0.5),
        ("CB", 'B', 4.0, 0.5),
    ];
    let lines = atoms.map(|(atom, alternate, x, occupancy)| {
        let line = Line {
            atom,
            alternate,
            x,
            occupancy,
            ..GLYCINE_CA
        };
        line.text()
    });
    let (chain, notes) = chain_and_notes(&lines.concat());
    let read = &chain.residues[0];
    assert_eq!(read.atoms.len(), 4);
    assert_eq!(read.position("CA").unwrap().x, 1.5);
    assert_eq!(read.position("CB").unwrap().x, 3.0);
    assert_eq!(read.atom("N").unwrap().occupancy, 1.0);
    let residue = chain.residue_id(0);
    assert_eq!(
        notes,
        [ReadNote::AlternateLocations {
            residue,
            dropped: 2
        }]
    );
}

#[test]
fn of_two_kinds_of_residue_in_one_place_the_more_frequent_is_kept() {
    let mut text = String::new();
    for (i, atom) in ["N", "CA", "C"].into_iter().enumerate() {
        for (alternate, residue, occupancy) in [('A', "SER", 0.3), ('B', "GLY", 0.7)] {
            let line = Line {
                atom,
                alternate,
                residue,
                x: 1.4 * i as f64,
                occupancy,
                ..GLYCINE_CA
            };
            text += &line.text();
        }
    }
    let (chain, notes) = chain_and_notes(&text);
    assert_eq!(chain.sequence(), [AminoAcid::Glycine]);
    let residue = chain.residue_id(0);
    let dropped = vec!["SER".into()];
    assert_eq!(notes, [ReadNote::AlternateResidues { residue, dropped }]);
}

#[test]
fn insertion_codes_tell_residues_apart() {
    let text = residue("ATOM", "GLY", "52 ", 0.0) + &residue("ATOM", "ALA", "52A", 4.2);
    let (chain, notes) = chain_and_notes(&text);
    let numbers = [None, Some('A')].map(|insertion| ResidueNumber {
        sequence: 52,
        insertion,
    });
    let read: Vec<_> = chain.residues.iter().map(|r| r.number).collect();
    assert_eq!(read, numbers);
    let residue = chain.residue_id(1);
    assert_eq!(residue.to_string(), "A ALA 52A");
    assert_eq!(notes, [ReadNote::InsertionCode { residue }]);
}

#[test]
fn missing_atoms_leave_a_residue_out_of_the_backbone_and_break_it() {
    let only_ca = Line {
        residue: "ALA",
        number: "2 ",
        x: 5.6,
        ..GLYCINE_CA
    };
    let text =
        residue("ATOM", "GLY", "1 ", 0.0) + &only_ca.text() + &residue("ATOM", "GLY", "3 ", 8.4);
    let (chain, notes) = chain_and_notes(&text);
    assert_eq!(chain.residues.len(), 3);
    assert_eq!(chain.backbone().backbone.len(), 2);
    let missing = ReadNote::Incomplete {
        residue: chain.residue_id(1),
        missing: vec!["N", "C"],
    };
    assert_eq!(notes[0], missing);
    assert!(matches!(notes[1], ReadNote::Break { .. }));
    assert_eq!(notes.len(), 2);
}

#[test]
fn ligands_waters_and_hydrogens_are_left_out_and_counted() {
    let hetero = |atom, residue, number, x| {
        let line = Line {
            record: "HETATM",
            atom,
            residue,
            number,
            x,
            ..GLYCINE_CA
        };
        line.text()
    };
    let text = residue("ATOM", "GLY", "1 ", 0.0)
        + &hetero("HA", "GLY", "1 ", 1.0)
        + &residue("HETATM", "GLY", "200 ", 40.0)
        + &hetero("ZN", "ZN", "201 ", 50.0)
        + &hetero("O", "HOH", "1 ", 60.0);
    let (chain, notes) = chain_and_notes(&text);
    assert_eq!(chain.residues.len(), 1);
    assert_eq!(chain.residues[0].atoms.len(), 3);
    let not_protein = |note: &&ReadNote| matches!(note, ReadNote::NotProtein { .. });
    assert_eq!(notes.iter().filter(not_protein).count(), 2);
    assert!(notes.contains(&ReadNote::Waters { atoms: 1 }));
    assert!(notes.contains(&ReadNote::Hydrogens { atoms: 1 }));
    assert_eq!(notes.len(), 4);
}

#[test]
fn an_unknown_residue_among_hetero_groups_counts_where_it_is_bonded() {
    let text = residue("HETATM", "XYZ", "1 ", 0.0) + &residue("ATOM", "GLY", "2 ", 4.2);
    let (chain, notes) = chain_and_notes(&text);
    let sequence = [AminoAcid::Unknown, AminoAcid::Glycine];
    assert_eq!(chain.sequence(), sequence);
    let residue = chain.residue_id(0);
    assert_eq!(notes, [ReadNote::Unknown { residue }]);
}

#[test]
fn a_ligand_with_the_number_of_a_residue_does_not_join_it() {
    let ligand = Line {
        record: "HETATM",
        atom: "C1",
        residue: "LIG",
        x: 9.0,
        ..GLYCINE_CA
    };
    let (chain, notes) = chain_and_notes(&(residue("ATOM", "GLY", "1 ", 0.0) + &ligand.text()));
    assert_eq!(chain.residues[0].atoms.len(), 3);
    let [
        ReadNote::NumberTaken {
            taken_by, atoms: 1, ..
        },
    ] = &notes[..]
    else {
        panic!("{notes:?}");
    };
    assert_eq!(taken_by, "GLY");
}

#[test]
fn of_several_models_the_first_is_read_or_the_one_asked_for() {
    let model = |number: u32, x: f64| {
        let atoms = residue("ATOM", "GLY", "1 ", x);
        format!("MODEL     {number:4}\n{atoms}ENDMDL\n")
    };
    let text = format!("{}{}END\n", model(3, 0.0), model(7, 20.0));
    let read = |model| {
        let options = ReadOptions {
            model,
            ..Default::default()
        };
        options.read_bytes(text.as_bytes(), "test")
    };
    for (choice, number, x) in [
        (ModelChoice::First, 3, 0.0),
        (ModelChoice::Number(7), 7, 20.0),
    ] {
        let contents = read(choice).unwrap();
        assert_eq!(contents.chains[0].residues[0].atoms[0].position.x, x);
        let note = ReadNote::OtherModels {
            read: number,
            dropped: 1,
        };
        assert_eq!(contents.report.notes, [note]);
    }
    match read(ModelChoice::Number(4)) {
        Err(ReadError::NoSuchModel {
            wanted, present, ..
        }) => assert_eq!((wanted, present), (4, vec![3, 7])),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_line_that_cannot_be_understood_is_named() {
    let good = residue("ATOM", "GLY", "1 ", 0.0);
    let fourth = Line {
        atom: "CB",
        x: 3.0,
        ..GLYCINE_CA
    };
    let fourth = fourth.text();
    let invalid = LineFault::Invalid {
        field: "coordinate",
        text: "inf".into(),
    };
    let missing = LineFault::Missing {
        field: "residue name",
    };
    let faults = [
        (fourth[..50].to_owned(), LineFault::TooShort { columns: 50 }),
        (fourth.replace("CB", "Cé"), LineFault::NotAscii),
        (fourth.replace("   3.000", "     inf"), invalid),
        (fourth.replace("GLY", "   "), missing),
    ];
    for (bad, expected) in faults {
        match read_text(&format!("{good}{bad}")) {
            Err(ReadError::Line { line: 4, fault, .. }) => assert_eq!(fault, expected),
            other => panic!("{bad:?}: {other:?}"),
        }
    }
}

/// Two glycines as mmCIF, with the author's chain `X1` and the numbers 52 and 52A.
fn mmcif() -> String {
    let mut text = String::from("data_TEST\n#\nloop_\n");
    for column in [
        "group_PDB",
        "id",
        "type_symbol",
        "label_atom_id",
        "label_alt_id",
        "label_comp_id",
        "label_asym_id",
        "label_seq_id",
        "pdbx_PDB_ins_code",
        "Cartn_x",
        "Cartn_y",
        "Cartn_z",
        "occupancy",
        "B_iso_or_equiv",
        "auth_seq_id",
        "auth_asym_id",
        "pdbx_PDB_model_num",
    ] {
        writeln!(text, "_atom_site.{column} ").unwrap();
    }
    for (i, atom) in ["N", "CA", "C", "N", "CA", "C"].into_iter().enumerate() {
        let (element, residue) = (&atom[..1], i / 3 + 1);
        let code = ["?", "A"][i / 3];
        let x = 1.4 * i as f64 + 0.123;
        let names = format!("ATOM {i} {element} {atom} . GLY B {residue} {code}");
        writeln!(text, "{names} {x:.5} 0.1 -7.30001 1.00 35.12 52 X1 1").unwrap();
    }
    text + "#\n"
}

#[test]
fn mmcif_gives_the_authors_chains_and_numbers_and_exact_coordinates() {
    let contents = read_text(&mmcif()).unwrap();
    let chain = &contents.chains[0];
    assert_eq!(chain.id, "X1");
    assert_eq!(chain.residue_id(1).to_string(), "X1 GLY 52A");
    let position = chain.residues[0].position("CA").unwrap();
    assert_eq!(position, Vector3::new(1.523, 0.1, -7.30001));
    assert_eq!(contents.report.notes.len(), 1);
}

#[test]
fn an_mmcif_row_that_is_cut_off_is_named() {
    let text = mmcif();
    let rows = text.strip_suffix("#\n").unwrap();
    match read_text(&rows[..rows.len() - 20]) {
        Err(ReadError::Line {
            line: 26,
            fault: LineFault::ValueCount { expected: 17, .. },
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
    let uncut = read_text(rows).unwrap();
    assert!(uncut.report.notes.contains(&ReadNote::NoEnd));
    match read_text(&text.replace("_atom_site.Cartn_y", "_atom_site.other")) {
        Err(ReadError::MissingColumn { column, .. }) => assert_eq!(column, "Cartn_y"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_protein_is_an_error() {
    for text in ["", "\n\n", "hello", "{\"a\": 1}"] {
        let read = read_text(text);
        assert!(
            matches!(read, Err(ReadError::UnknownFormat { .. })),
            "{text:?}"
        );
    }
    let water = Line {
        residue: "HOH",
        ..GLYCINE_CA
    };
    let read = read_text(&water.text());
    assert!(matches!(read, Err(ReadError::NoProtein { .. })));
    let read = read_text("data_EMPTY\n#\n");
    assert!(matches!(read, Err(ReadError::MissingColumn { .. })));
}

#[test]
fn text_beyond_the_limit_is_refused_also_when_compressed() {
    let compressed = std::fs::read(fixtures().join("1LCD_A.pdb.gz")).unwrap();
    let read = |max_bytes, bytes: &[u8]| {
        let options = ReadOptions {
            max_bytes,
            ..Default::default()
        };
        options.read_bytes(bytes, "test")
    };
    match read(10_000, &compressed) {
        Err(ReadError::TooLarge { limit, .. }) => assert_eq!(limit, 10_000),
        other => panic!("{other:?}"),
    }
    assert!(read(1 << 20, &compressed).is_ok());
    let cut = read(1 << 20, &compressed[..3000]);
    assert!(matches!(cut, Err(ReadError::Io { .. })));
}

/// Writes chains to a file of this name, and hands its path to the reader before it is removed.
fn written<T>(name: &str, chains: &[Chain], reader: impl Fn(&Path) -> T) -> T {
    let folder = format!("steerable-{}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    file::write(&path, chains).unwrap();
    let read = reader(&path);
    std::fs::remove_file(&path).unwrap();
    read
}

#[test]
fn what_is_written_is_read_back_to_the_last_digit() {
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(name) = name.strip_suffix(".pdb.gz") else {
            continue;
        };
        let mut chain = file::read(&path).unwrap().chains.remove(0);
        let length = chain.residues.len();
        let confidence: Vec<f64> = (0..length).map(|i| (i % 100) as f64 + 0.25).collect();
        chain = chain.with_b_factors(&confidence);
        for (i, residue) in chain.residues.iter_mut().enumerate() {
            residue.number = ResidueNumber {
                sequence: i as i32 - 20,
                insertion: (i % 7 == 3).then_some('B'),
            };
        }
        let chains = [chain];
        for extension in ["pdb", "cif", "pdb.gz", "cif.gz"] {
            let name = format!("{name}.{extension}");
            let read = written(&name, &chains, |path| file::read(path).unwrap().chains);
            assert_eq!(read, chains, "{name}");
        }
    }
}

#[test]
fn an_mmcif_file_has_the_name_of_its_file_as_its_entry() {
    let original = fixtures().join("1A8O_A.pdb.gz");
    let chains = file::read(original).unwrap().chains;
    for (name, entry) in [
        ("My model-2.Cif", "My_model-2"),
        (".cif", "entry"),
        ("_refined.cif", "entry__refined"),
        ("Data_1.cif", "entry_Data_1"),
    ] {
        let text = written(name, &chains, |path| {
            assert_eq!(file::read(path).unwrap().chains, chains);
            std::fs::read_to_string(path).unwrap()
        });
        assert!(text.starts_with(&format!("data_{entry}\n")), "{name}");
        let line = text.lines().find(|line| line.starts_with("_entry.id"));
        assert_eq!(line.unwrap().split_whitespace().last(), Some(entry));
    }
}

#[test]
fn names_of_atoms_stand_in_the_columns_that_other_programs_read() {
    let original = fixtures().join("1A8O_A.pdb.gz");
    let chains = file::read(original).unwrap().chains;
    let text = written("columns.pdb", &chains, |path| {
        std::fs::read_to_string(path).unwrap()
    });
    let second = "HETATM    2  CA  MSE A 151      20.255  33.101  26.891  1.00 18.64           C  ";
    assert_eq!(text.lines().nth(1), Some(second));
    let selenium = text.lines().find(|line| line.contains("SE   MSE")).unwrap();
    assert_eq!((&selenium[12..16], &selenium[76..78]), ("SE  ", "SE"));
    assert_eq!(text.lines().last(), Some("END"));
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let original = fixtures().join("1LCD_A.pdb.gz");
    let mut chains = file::read(original).unwrap().chains;
    let id = chains[0].residue_id(4).to_string();
    chains[0].residues[4].atoms[0].position.y = -1000.0;
    let message = file::write("unwritten.pdb", &chains)
        .unwrap_err()
        .to_string();
    assert!(message.contains(&id), "{message}");
    chains[0].residues[4].atoms[0].position.y = f64::NAN;
    for name in ["unwritten.pdb", "unwritten.cif"] {
        let refused = file::write(name, &chains);
        assert!(matches!(refused, Err(WriteError::DoesNotFit { .. })));
    }
    let refused = file::write("unwritten.xyz", &chains);
    assert!(matches!(refused, Err(WriteError::UnknownFormat { .. })));
    let refused = file::write("unwritten.pdb", &[]);
    assert!(matches!(refused, Err(WriteError::Empty { .. })));
}
