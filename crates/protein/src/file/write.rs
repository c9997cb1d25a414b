//! From chains to a file.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use pdbtbx::{Conformer, Model, PDB};

use super::WriteError;
use crate::{AminoAcid, Atom, Chain, Residue, ResidueName, ResidueNumber};

/// Writes chains to a file: `.pdb` or `.cif`, gzipped where `.gz` follows. Chains, numbers and
/// insertion codes stay; coordinates are rounded to 3 decimals in PDB files and to 5 in mmCIF files,
/// occupancies and B factors to 2 and 5. Residues other than the twenty amino acids are written as
/// HETATM. The data block of an mmCIF file, its entry, is called as the file is.
///
/// # Errors
/// [`WriteError`] if the name says no format, if a number or a name does not fit into the format's
/// columns, if there is no atom, or if the file cannot be written.
pub fn write(path: impl AsRef<Path>, chains: &[Chain]) -> Result<(), WriteError> {
    let path = path.as_ref();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = file.to_ascii_lowercase();
    let (name, compressed) = match name.strip_suffix(".gz") {
        Some(name) => (name, true),
        None => (name.as_str(), false),
    };
    let (stem, format) = if let Some(stem) = name.strip_suffix(".pdb") {
        (stem, TextFormat::Pdb)
    } else if let Some(stem) = name.strip_suffix(".cif") {
        (stem, TextFormat::Mmcif)
    } else {
        return Err(WriteError::UnknownFormat {
            path: path.to_owned(),
        });
    };
    if chains
        .iter()
        .all(|chain| chain.residues.iter().all(|r| r.atoms.is_empty()))
    {
        return Err(WriteError::Empty {
            path: path.to_owned(),
        });
    }
    check(chains, format)?;
    // As long in lower case: only ASCII changed.
    let text = text(chains, format, &entry(&file[..stem.len()]));
    let written = if compressed {
        let file = std::fs::File::create(path);
        file.and_then(|file| {
            let mut encoder = GzEncoder::new(file, Compression::default());
            encoder.write_all(text.as_bytes())?;
            encoder.finish().map(drop)
        })
    } else {
        std::fs::write(path, text)
    };
    written.map_err(|source| WriteError::Io {
        path: path.to_owned(),
        source,
    })
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum TextFormat {
    Pdb,
    Mmcif,
}

/// The name of an entry of mmCIF: letters, digits and what joins them, and nothing that the format reads
/// otherwise.
fn entry(stem: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let name: String = stem
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    let reserved = ["data_", "loop_", "save_", "stop_", "global_"];
    let lower = name.to_ascii_lowercase();
    let is_reserved = reserved.iter().any(|word| lower.starts_with(word));
    match name.chars().next() {
        None => "entry".into(),
        Some(first) if first.is_ascii_alphanumeric() && !is_reserved => name,
        Some(_) => format!("entry_{name}"),
    }
}

fn text(chains: &[Chain], format: TextFormat, entry: &str) -> String {
    match format {
        TextFormat::Pdb => pdb(chains),
        TextFormat::Mmcif => {
            let mut bytes = Vec::new();
            pdbtbx::save_mmcif_raw(
                &parsers_structure(chains, entry),
                BufWriter::new(&mut bytes),
            );
            String::from_utf8(bytes).expect("names were checked to be ASCII")
        }
    }
}

/// Records of fixed columns. Not pdbtbx's: version 0.12 sets numbers and names flush left in their
/// columns and takes leading zeros off names, which programs that compare columns do not read.
///
/// # Source
/// Protein Data Bank, format 3.3, section 9.
fn pdb(chains: &[Chain]) -> String {
    let mut text = String::new();
    let mut serial = 0;
    for chain in chains {
        let mut last = String::new();
        for residue in &chain.residues {
            let ResidueNumber {
                sequence,
                insertion,
            } = residue.number;
            let (name, chain) = (&residue.name, &chain.id);
            let code = insertion.unwrap_or(' ');
            last = format!("{name:>3} {chain}{sequence:4}{code}");
            let record = if is_hetero(residue) {
                "HETATM"
            } else {
                "ATOM  "
            };
            for atom in &residue.atoms {
                serial += 1;
                let [x, y, z] = atom.position.into();
                let (occupancy, b) = (atom.occupancy, atom.b_factor);
                let (name, element) = (aligned_name(atom), &atom.element);
                writeln!(
                    text,
                    "{record}{serial:5} {name} {last}   {x:8.3}{y:8.3}{z:8.3}{occupancy:6.2}{b:6.2}\
                     {element:>12}  "
                )
                .expect("text grows");
            }
        }
        serial += 1;
        writeln!(text, "TER   {serial:5}      {last}").expect("text grows");
    }
    text + "END\n"
}

/// The four columns of an atom's name: the element's symbol ends in the second.
fn aligned_name(atom: &Atom) -> String {
    let starts_early = atom.name.len() == 4 || atom.element.len() == 2;
    if starts_early {
        format!("{:<4}", atom.name)
    } else {
        format!(" {:<3}", atom.name)
    }
}

fn parsers_structure(chains: &[Chain], entry: &str) -> PDB {
    let checked = "names and numbers were checked";
    let mut serial = 0;
    let mut model = Model::new(1);
    for chain in chains {
        let mut written = pdbtbx::Chain::new(&chain.id).expect(checked);
        for residue in &chain.residues {
            let mut conformer = Conformer::new(&residue.name, None, None).expect(checked);
            for atom in &residue.atoms {
                serial += 1;
                conformer.add_atom(parsers_atom(atom, serial, is_hetero(residue)));
            }
            let insertion = residue.number.insertion.map(String::from);
            let number = residue.number.sequence as isize;
            let residue = pdbtbx::Residue::new(number, insertion.as_deref(), Some(conformer));
            written.add_residue(residue.expect(checked));
        }
        model.add_chain(written);
    }
    let mut structure = PDB::new();
    structure.identifier = Some(entry.to_owned());
    structure.add_model(model);
    structure
}

fn parsers_atom(atom: &Atom, serial: usize, hetero: bool) -> pdbtbx::Atom {
    let [x, y, z] = atom.position.into();
    let name = atom.name.as_str();
    let element = atom.element.as_str();
    let (occupancy, b) = (atom.occupancy, atom.b_factor);
    pdbtbx::Atom::new(hetero, serial, name, x, y, z, occupancy, b, element, 0)
        .expect("names and numbers were checked")
}

fn is_hetero(residue: &Residue) -> bool {
    let name = AminoAcid::from_residue_name(&residue.name);
    !matches!(name, Some(ResidueName::Standard(_)))
}

/// Whether all names and numbers have room in the format, and nothing becomes another value on the way.
fn check(chains: &[Chain], format: TextFormat) -> Result<(), WriteError> {
    let mut serial = 0;
    for chain in chains {
        for (index, residue) in chain.residues.iter().enumerate() {
            let fault = |field, value: String| WriteError::DoesNotFit {
                residue: chain.residue_id(index),
                field,
                value,
            };
            let is_name = |text: &str, longest: usize| {
                let longest = if format == TextFormat::Pdb {
                    longest
                } else {
                    64
                };
                let graphic = text
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && b != b'\'' && b != b'"');
                (1..=longest).contains(&text.len()) && graphic
            };
            if !is_name(&chain.id, 1) {
                return Err(fault("chain name", chain.id.clone()));
            }
            if !is_name(&residue.name, 3) {
                return Err(fault("residue name", residue.name.clone()));
            }
            let number = residue.number.sequence;
            if format == TextFormat::Pdb && !(-999..=9999).contains(&number) {
                return Err(fault("residue number", number.to_string()));
            }
            let insertion = residue
                .number
                .insertion
                .filter(|c| !c.is_ascii_alphanumeric());
            if let Some(code) = insertion {
                return Err(fault("insertion code", code.to_string()));
            }
            for atom in &residue.atoms {
                serial += 1;
                if !is_name(&atom.name.replace('\'', ""), 4) {
                    return Err(fault("atom name", atom.name.clone()));
                }
                if atom.element.len() > 2 || !atom.element.bytes().all(|b| b.is_ascii_alphabetic())
                {
                    return Err(fault("element", atom.element.clone()));
                }
                let (position, other) = match format {
                    TextFormat::Pdb => (-999.9994..9999.9994, -99.994..999.994),
                    TextFormat::Mmcif => (-1e6..1e6, -1e6..1e6),
                };
                // No range contains not-a-number.
                if let Some(x) = atom.position.iter().find(|x| !position.contains(*x)) {
                    return Err(fault("coordinate", x.to_string()));
                }
                for (field, value) in [("occupancy", atom.occupancy), ("B factor", atom.b_factor)] {
                    if !other.contains(&value) {
                        return Err(fault(field, value.to_string()));
                    }
                }
            }
            if format == TextFormat::Pdb && serial > 99_999 {
                return Err(fault("atom number", serial.to_string()));
            }
        }
    }
    Ok(())
}
