//! Screening of PDB files: fixed columns, one record to a line.

use std::fmt::Write;

use super::screen::{
    AtomValues, Labels, NumberFields, Refusal, Screened, Sieve, choose_model, numbered_lines,
    present, printable, residue_number,
};
use super::{LineFault, ModelChoice, ReadNote};

/// The column, from 1, in which the coordinates end.
const END_OF_COORDINATES: usize = 54;

/// Keeps the atoms of one model, and the TER records between them.
///
/// Blank fields that pdbtbx insists on are filled, and the columns from 67 on, in which old files have
/// a segment and the file's own name, are reduced to the element.
pub(super) fn screen(text: &[u8], choice: ModelChoice) -> Result<Screened, Refusal> {
    let mut models = Models::default();
    for (_, line) in numbered_lines(text) {
        models.meet(line);
    }
    let (chosen, other_models) = choose_model(&models.numbers, choice)?;

    let mut models = Models::default();
    let mut sieve = Sieve::default();
    let mut atoms = Vec::new();
    let mut kept = String::new();
    let mut has_end = false;
    for (at, line) in numbered_lines(text) {
        let is_atom = models.meet(line);
        has_end |= line == b"END";
        if is_atom && models.current() == chosen {
            let line = printable(line).map_err(|fault| (at, fault))?;
            let read = Record::read(line).map_err(|fault| (at, fault))?;
            sieve.defaults += usize::from(read.has_defaults);
            sieve.unnamed += usize::from(read.labels.chain.is_empty());
            if sieve.keeps(&read.labels) {
                // The parser takes 99999 followed by 0 for 100000.
                let serial = atoms.len() % 100_000;
                let (record, names) = (&line[..6], &line[11..END_OF_COORDINATES]);
                writeln!(kept, "{record}{serial:5}{names}  1.00  0.00              ")
                    .expect("text grows");
                atoms.push(read.values);
            }
        } else if line.starts_with(b"TER") && models.is_open() && models.current() == chosen {
            kept.push_str("TER\n");
        }
    }
    let end = (!has_end).then_some(ReadNote::NoEnd);
    let notes = other_models.into_iter().chain(sieve.notes()).chain(end);
    Ok(Screened {
        text: kept,
        atoms,
        notes: notes.collect(),
    })
}

/// Which model a line belongs to. Atoms outside MODEL and ENDMDL are a model of their own.
#[derive(Default)]
struct Models {
    numbers: Vec<u32>,
    open: bool,
}

impl Models {
    /// Takes note of a line, and says whether it is an atom's.
    fn meet(&mut self, line: &[u8]) -> bool {
        let is_atom = line.starts_with(b"ATOM  ") || line.starts_with(b"HETATM");
        if line.starts_with(b"MODEL") {
            let number = std::str::from_utf8(&line[5..]).ok();
            let number = number.and_then(|text| text.trim().parse().ok());
            self.begin(number);
        } else if line.starts_with(b"ENDMDL") {
            self.open = false;
        } else if is_atom && !self.open {
            self.begin(None);
        }
        is_atom
    }

    fn begin(&mut self, number: Option<u32>) {
        let next = self.numbers.len() as u32 + 1;
        self.numbers.push(number.unwrap_or(next));
        self.open = true;
    }

    /// The index of the last model begun.
    fn current(&self) -> usize {
        self.numbers.len().saturating_sub(1)
    }

    fn is_open(&self) -> bool {
        self.open
    }
}

/// The fields of a record ATOM or HETATM.
struct Record<'a> {
    labels: Labels<'a>,
    values: AtomValues,
    /// Whether occupancy or B factor are blank.
    has_defaults: bool,
}

impl<'a> Record<'a> {
    /// Reads a line of ASCII.
    fn read(line: &'a str) -> Result<Self, LineFault> {
        if line.len() < END_OF_COORDINATES {
            return Err(LineFault::TooShort {
                columns: line.len(),
            });
        }
        // Columns from 1, both ends included, as the format's description has them; blank where the
        // line is shorter.
        let field = |first: usize, last: usize| {
            line.get(first - 1..last.min(line.len()))
                .unwrap_or("")
                .trim()
        };
        let labels = Labels {
            atom: present(field(13, 16), "atom name")?,
            alternate: field(17, 17),
            residue: present(field(18, 20), "residue name")?,
            chain: field(22, 22),
            number: residue_number(field(23, 26), field(27, 27))?,
            element: field(77, 78),
        };
        let numbers = NumberFields {
            position: [field(31, 38), field(39, 46), field(47, 54)],
            occupancy: field(55, 60),
            b_factor: field(61, 66),
        };
        Ok(Self {
            values: numbers.read(&labels)?,
            has_defaults: numbers.has_defaults(),
            labels,
        })
    }
}
