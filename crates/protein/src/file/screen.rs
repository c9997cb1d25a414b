//! What both formats' lines of atoms are screened for before they reach the parser.
//!
//! pdbtbx 0.12 panics on text that is not ASCII, on coordinates that are not finite and on values that
//! are missing from mmCIF rows; it joins residues of one number, divides the occupancy of atoms that
//! conformers share, and sums the decimals of mmCIF numbers one by one, some units of the last
//! place off. So each line is checked first, with an error that names the line; lines that are of no
//! concern are not handed on; and the numbers are kept here and found again by the atom's serial
//! number, which is its index among the lines handed on. What chains, residues and conformers there
//! are is the parser's to say.

use std::collections::HashMap;

use super::{LineFault, ModelChoice, ReadNote};
use crate::{ResidueId, ResidueNumber};

/// What is kept of an atom aside from the parser: its element and its numbers, as exact as text says.
#[derive(Clone, Debug)]
pub(super) struct AtomValues {
    pub(super) element: String,
    pub(super) position: [f64; 3],
    pub(super) occupancy: f64,
    pub(super) b_factor: f64,
}

/// The numbers of an atom as the file writes them; occupancy and B factor may be blank.
pub(super) struct NumberFields<'a> {
    pub(super) position: [&'a str; 3],
    pub(super) occupancy: &'a str,
    pub(super) b_factor: &'a str,
}

impl NumberFields<'_> {
    /// Whether occupancy or B factor are missing.
    pub(super) fn has_defaults(&self) -> bool {
        self.occupancy.is_empty() || self.b_factor.is_empty()
    }

    /// The numbers, with an occupancy of 1 and a B factor of 0 where they are missing.
    pub(super) fn read(&self, labels: &Labels<'_>) -> Result<AtomValues, LineFault> {
        let [x, y, z] = self.position.map(coordinate);
        Ok(AtomValues {
            element: element_of(labels.atom, labels.element).to_ascii_uppercase(),
            position: [x?, y?, z?],
            occupancy: match self.occupancy {
                "" => 1.0,
                text => occupancy(text)?,
            },
            b_factor: match self.b_factor {
                "" => 0.0,
                text => b_factor(text)?,
            },
        })
    }
}

/// The text for the parser, and what it leaves out.
pub(super) struct Screened {
    /// The lines of atoms, in the file's format.
    pub(super) text: String,
    /// The atoms handed on, in their order.
    pub(super) atoms: Vec<AtomValues>,
    /// What was handled by rule.
    pub(super) notes: Vec<ReadNote>,
}

/// A line's fault and its number, from 1.
pub(super) type Fault = (usize, LineFault);

/// Why a file was refused before its end.
#[derive(Debug)]
pub(super) enum Refusal {
    Line(Fault),
    MissingColumn(&'static str),
    NoSuchModel { wanted: u32, present: Vec<u32> },
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Line(fault)
    }
}

/// The names by which an atom's line says where it belongs.
pub(super) struct Labels<'a> {
    pub(super) chain: &'a str,
    pub(super) residue: &'a str,
    pub(super) number: ResidueNumber,
    pub(super) alternate: &'a str,
    pub(super) atom: &'a str,
    pub(super) element: &'a str,
}

/// Decides which atoms are handed on, and counts the others.
#[derive(Default)]
pub(super) struct Sieve {
    waters: usize,
    hydrogens: usize,
    /// The name of the residue that has a number, in its chain.
    names: HashMap<(String, ResidueNumber), String>,
    taken: Vec<(ResidueId, String, usize)>,
    pub(super) defaults: usize,
    pub(super) unnamed: usize,
}

/// The names of water, also those of simulation programs.
const WATERS: [&str; 9] = [
    "HOH", "DOD", "WAT", "H2O", "SOL", "TIP", "TIP3", "TP3", "SPC",
];

impl Sieve {
    /// Whether the atom is handed on.
    pub(super) fn keeps(&mut self, labels: &Labels<'_>) -> bool {
        if WATERS.contains(&labels.residue) {
            self.waters += 1;
            return false;
        }
        if is_hydrogen(labels) {
            self.hydrogens += 1;
            return false;
        }
        let place = (labels.chain.to_owned(), labels.number);
        let name = self
            .names
            .entry(place)
            .or_insert_with(|| labels.residue.to_owned());
        // Residues of one number with alternate locations are one place of the chain; without, two
        // groups that share a number.
        if name != labels.residue && labels.alternate.is_empty() {
            let residue = ResidueId {
                chain: labels.chain.to_owned(),
                name: labels.residue.to_owned(),
                number: labels.number,
            };
            match self.taken.last_mut() {
                Some((last, _, atoms)) if *last == residue => *atoms += 1,
                _ => self.taken.push((residue, name.clone(), 1)),
            }
            return false;
        }
        true
    }

    /// What was counted.
    pub(super) fn notes(self) -> Vec<ReadNote> {
        let taken = self.taken.into_iter();
        let taken = taken.map(|(residue, taken_by, atoms)| ReadNote::NumberTaken {
            residue,
            taken_by,
            atoms,
        });
        let counts = [
            (self.waters, ReadNote::Waters { atoms: self.waters }),
            (
                self.hydrogens,
                ReadNote::Hydrogens {
                    atoms: self.hydrogens,
                },
            ),
            (
                self.unnamed,
                ReadNote::UnnamedChain {
                    atoms: self.unnamed,
                },
            ),
            (
                self.defaults,
                ReadNote::Defaults {
                    atoms: self.defaults,
                },
            ),
        ];
        let counts = counts.into_iter().filter(|(atoms, _)| *atoms > 0);
        taken.chain(counts.map(|(_, note)| note)).collect()
    }
}

/// Hydrogen or deuterium, by the element or, without one, by the first letter of the atom's name.
fn is_hydrogen(labels: &Labels<'_>) -> bool {
    let element = element_of(labels.atom, labels.element);
    element.eq_ignore_ascii_case("H") || element.eq_ignore_ascii_case("D")
}

/// The element that a line gives, or else the first letter of the atom's name: right for every atom
/// of an amino acid but the selenium of selenomethionine, `SE`.
fn element_of<'a>(atom: &'a str, element: &'a str) -> &'a str {
    if !element.is_empty() && element.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return element;
    }
    if atom == "SE" {
        return atom;
    }
    let first = atom.bytes().position(|byte| byte.is_ascii_alphabetic());
    first.map_or("", |at| &atom[at..=at])
}

/// A coordinate in angstrom. A million is beyond any file and within what the parser can hold.
fn coordinate(text: &str) -> Result<f64, LineFault> {
    number(text, "coordinate", |value| value.abs() < 1e6)
}

/// An occupancy. It is not checked to be at most 1: refinement programs write more.
fn occupancy(text: &str) -> Result<f64, LineFault> {
    number(text, "occupancy", |value| (0.0..1e6).contains(&value))
}

/// A B factor, or what stands in its place.
fn b_factor(text: &str) -> Result<f64, LineFault> {
    number(text, "B factor", |value| value.abs() < 1e6)
}

/// A residue's number and insertion code.
pub(super) fn residue_number(text: &str, insertion: &str) -> Result<ResidueNumber, LineFault> {
    let invalid = |field, text: &str| LineFault::Invalid {
        field,
        text: text.to_owned(),
    };
    let sequence = text.parse().ok();
    let sequence = sequence.filter(|number: &i32| number.abs() < 1_000_000_000);
    let sequence = sequence.ok_or_else(|| invalid("residue number", text))?;
    let mut letters = insertion.chars();
    match (letters.next(), letters.next()) {
        (code, None) => Ok(ResidueNumber {
            sequence,
            insertion: code,
        }),
        _ => Err(invalid("insertion code", insertion)),
    }
}

/// A name that must be there.
pub(super) fn present<'a>(text: &'a str, field: &'static str) -> Result<&'a str, LineFault> {
    match text {
        "" => Err(LineFault::Missing { field }),
        text => Ok(text),
    }
}

/// Whether a line can be handed on: printable ASCII.
pub(super) fn printable(line: &[u8]) -> Result<&str, LineFault> {
    let is_printable = line.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let text = is_printable.then(|| std::str::from_utf8(line).ok());
    text.flatten().ok_or(LineFault::NotAscii)
}

/// The lines of a text without their ends, numbered from 1.
pub(super) fn numbered_lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    lines.map(|(index, line)| (index + 1, line.trim_ascii_end()))
}

/// The chosen model's index among those present, and the note about the others. A file without any
/// has its first at 0.
pub(super) fn choose_model(
    present: &[u32],
    choice: ModelChoice,
) -> Result<(usize, Option<ReadNote>), Refusal> {
    let chosen = match choice {
        ModelChoice::First => 0,
        ModelChoice::Number(wanted) => {
            let index = present.iter().position(|number| *number == wanted);
            index.ok_or_else(|| Refusal::NoSuchModel {
                wanted,
                present: present.to_vec(),
            })?
        }
    };
    let note = (present.len() > 1).then(|| ReadNote::OtherModels {
        read: present[chosen],
        dropped: present.len() - 1,
    });
    Ok((chosen, note))
}

fn number(
    text: &str,
    field: &'static str,
    in_range: impl Fn(f64) -> bool,
) -> Result<f64, LineFault> {
    let value: Option<f64> = text.parse().ok();
    // Not-a-number is in no range.
    let value = value.filter(|value| in_range(*value));
    value.ok_or_else(|| LineFault::Invalid {
        field,
        text: text.to_owned(),
    })
}
