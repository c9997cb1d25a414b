//! Screening of mmCIF files: a table of atoms, one row to a line.

use std::fmt::Write;

use super::screen::{
    AtomValues, Fault, Labels, NumberFields, Refusal, Screened, Sieve, choose_model,
    numbered_lines, present, printable, residue_number,
};
use super::{LineFault, ModelChoice, ReadNote};

/// The columns of the table that is handed on.
const HEADER: &str = "data_screened\nloop_\n\
    _atom_site.group_PDB\n_atom_site.id\n_atom_site.type_symbol\n_atom_site.label_atom_id\n\
    _atom_site.label_alt_id\n_atom_site.label_comp_id\n_atom_site.label_asym_id\n\
    _atom_site.label_seq_id\n_atom_site.pdbx_PDB_ins_code\n_atom_site.Cartn_x\n\
    _atom_site.Cartn_y\n_atom_site.Cartn_z\n";

/// Keeps the atoms of one model of the first table `_atom_site`, with the author's names of chains and
/// numbers of residues where they are given, which are those of the PDB file.
pub(super) fn screen(text: &[u8], choice: ModelChoice) -> Result<Screened, Refusal> {
    let table = Table::find(text)?;
    let models = table.models()?;
    let (chosen, other_models) = choose_model(&models, choice)?;
    let chosen = models.get(chosen).copied();

    let columns = Columns::of(&table.header)?;
    let mut sieve = Sieve::default();
    let mut atoms = Vec::new();
    let mut kept = String::from(HEADER);
    for (at, line) in &table.rows {
        let at_line = |fault| (*at, fault);
        let values = table.values(*at, line)?;
        if Some(table.model(&values).map_err(at_line)?) != chosen {
            continue;
        }
        let row = Row::read(&columns, &values).map_err(at_line)?;
        sieve.defaults += usize::from(row.has_defaults);
        if sieve.keeps(&row.labels) {
            let labels = &row.labels;
            let alternate = quoted_or_none(labels.alternate);
            let insertion = labels
                .number
                .insertion
                .map(String::from)
                .unwrap_or_default();
            // The element and the coordinates are kept aside.
            writeln!(
                kept,
                "{} {} X {} {alternate} {} {} {} {} 0 0 0",
                row.record,
                atoms.len(),
                quoted_or_none(labels.atom),
                quoted_or_none(labels.residue),
                quoted_or_none(labels.chain),
                labels.number.sequence,
                quoted_or_none(&insertion),
            )
            .expect("text grows");
            atoms.push(row.values);
        }
    }
    let tables = (table.others > 0).then_some(ReadNote::OtherTables {
        dropped: table.others,
    });
    let end = (!table.has_end).then_some(ReadNote::NoEnd);
    let notes = other_models.into_iter().chain(tables);
    Ok(Screened {
        text: kept,
        atoms,
        notes: notes.chain(sieve.notes()).chain(end).collect(),
    })
}

/// A value in quotes, so that digits stay a name; a dot for none.
fn quoted_or_none(value: &str) -> String {
    match value {
        "" => ".".to_owned(),
        value if value.contains('\'') => format!("\"{value}\""),
        value => format!("'{value}'"),
    }
}

/// The lines of a table of atoms.
struct Table<'a> {
    /// The names of its columns, without `_atom_site.`.
    header: Vec<&'a str>,
    /// Its rows, with their line numbers.
    rows: Vec<(usize, &'a str)>,
    /// The column of the model's number.
    model: Option<usize>,
    /// How many such tables follow.
    others: usize,
    /// Whether something comes after the last row.
    has_end: bool,
}

impl<'a> Table<'a> {
    fn find(text: &'a [u8]) -> Result<Self, Fault> {
        let mut table = Self {
            header: Vec::new(),
            rows: Vec::new(),
            model: None,
            others: 0,
            has_end: false,
        };
        let mut after_loop = false;
        let mut in_rows = false;
        for (at, line) in numbered_lines(text) {
            let trimmed = line.trim_ascii_start();
            if trimmed.is_empty() {
                continue;
            }
            let column = strip_prefix(trimmed, b"_atom_site.");
            let ends_rows = trimmed.starts_with(b"#")
                || trimmed.starts_with(b"_")
                || strip_prefix(trimmed, b"loop_").is_some()
                || strip_prefix(trimmed, b"data_").is_some();
            if in_rows && !ends_rows {
                table
                    .rows
                    .push((at, printable(trimmed).map_err(|f| (at, f))?));
                continue;
            }
            if in_rows {
                in_rows = false;
                table.has_end = true;
            }
            match column {
                // A second table begins: only counted.
                Some(_) if table.has_end => table.others += usize::from(after_loop),
                Some(name) => {
                    let name = printable(name).map_err(|fault| (at, fault))?;
                    table.header.push(name);
                }
                None if !table.header.is_empty() && !table.has_end && !ends_rows => {
                    in_rows = true;
                    table
                        .rows
                        .push((at, printable(trimmed).map_err(|f| (at, f))?));
                }
                None => {}
            }
            after_loop = strip_prefix(trimmed, b"loop_").is_some();
        }
        table.model = table.header.iter().position(|h| *h == "pdbx_PDB_model_num");
        Ok(table)
    }

    /// The numbers of the models, in their order.
    fn models(&self) -> Result<Vec<u32>, Fault> {
        let mut models = Vec::new();
        for (at, line) in &self.rows {
            let values = self.values(*at, line)?;
            let number = self.model(&values).map_err(|fault| (*at, fault))?;
            // Rows of a model stand together in nearly every file: the last is looked at first.
            if models.last() != Some(&number) && !models.contains(&number) {
                models.push(number);
            }
        }
        Ok(models)
    }

    fn model(&self, values: &[&str]) -> Result<u32, LineFault> {
        let Some(text) = self.model.map(|column| values[column]) else {
            return Ok(1);
        };
        text.parse().map_err(|_| LineFault::Invalid {
            field: "model number",
            text: text.to_owned(),
        })
    }

    /// The values of a row, as many as there are columns.
    fn values(&self, at: usize, line: &'a str) -> Result<Vec<&'a str>, Fault> {
        let values = split(line);
        if values.len() == self.header.len() {
            return Ok(values);
        }
        let fault = LineFault::ValueCount {
            found: values.len(),
            expected: self.header.len(),
        };
        Err((at, fault))
    }
}

/// The rest of a line that begins with this, in either case.
fn strip_prefix<'a>(line: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let begins = line.get(..prefix.len())?.eq_ignore_ascii_case(prefix);
    begins.then(|| &line[prefix.len()..])
}

/// The values of a row: a quoted one ends with a quote before white space, and `.` and `?` are none.
fn split(line: &str) -> Vec<&str> {
    let mut values = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let (value, after) = match quote {
            Some(quote) => {
                let ends = rest[1..].match_indices(quote).map(|(at, _)| at + 1);
                let mut ends = ends.filter(|at| {
                    rest[at + 1..]
                        .chars()
                        .next()
                        .is_none_or(char::is_whitespace)
                });
                let end = ends.next().unwrap_or(rest.len());
                (&rest[1..end], rest.get(end + 1..).unwrap_or(""))
            }
            None => {
                let (value, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                (
                    if matches!(value, "." | "?") {
                        ""
                    } else {
                        value
                    },
                    after,
                )
            }
        };
        values.push(value);
        rest = after.trim_start();
    }
    values
}

/// Where the fields of an atom stand in a row.
struct Columns {
    record: Option<usize>,
    atom: usize,
    alternate: Option<usize>,
    residue: usize,
    chain: usize,
    number: usize,
    insertion: Option<usize>,
    element: Option<usize>,
    position: [usize; 3],
    occupancy: Option<usize>,
    b_factor: Option<usize>,
}

impl Columns {
    fn of(header: &[&str]) -> Result<Self, Refusal> {
        let column = |name: &str| header.iter().position(|h| *h == name);
        let either = |first: &str, second: &'static str| {
            let found = column(first).or_else(|| column(second));
            found.ok_or(Refusal::MissingColumn(second))
        };
        let required = |name: &'static str| column(name).ok_or(Refusal::MissingColumn(name));
        Ok(Self {
            record: column("group_PDB"),
            atom: either("auth_atom_id", "label_atom_id")?,
            alternate: column("label_alt_id"),
            residue: either("auth_comp_id", "label_comp_id")?,
            chain: either("auth_asym_id", "label_asym_id")?,
            number: either("auth_seq_id", "label_seq_id")?,
            insertion: column("pdbx_PDB_ins_code"),
            element: column("type_symbol"),
            position: [
                required("Cartn_x")?,
                required("Cartn_y")?,
                required("Cartn_z")?,
            ],
            occupancy: column("occupancy"),
            b_factor: column("B_iso_or_equiv"),
        })
    }
}

/// The fields of a row.
struct Row<'a> {
    record: &'static str,
    labels: Labels<'a>,
    values: AtomValues,
    /// Whether occupancy or B factor are missing.
    has_defaults: bool,
}

impl<'a> Row<'a> {
    fn read(columns: &Columns, values: &[&'a str]) -> Result<Self, LineFault> {
        let optional = |column: Option<usize>| column.map_or("", |column| values[column]);
        let record = match optional(columns.record) {
            "" | "ATOM" => "ATOM",
            "HETATM" => "HETATM",
            text => {
                return Err(LineFault::Invalid {
                    field: "record, ATOM or HETATM",
                    text: text.to_owned(),
                });
            }
        };
        let labels = Labels {
            atom: present(values[columns.atom], "atom name")?,
            alternate: optional(columns.alternate),
            residue: present(values[columns.residue], "residue name")?,
            chain: present(values[columns.chain], "chain name")?,
            number: residue_number(values[columns.number], optional(columns.insertion))?,
            element: optional(columns.element),
        };
        let numbers = NumberFields {
            position: columns.position.map(|column| values[column]),
            occupancy: optional(columns.occupancy),
            b_factor: optional(columns.b_factor),
        };
        Ok(Self {
            record,
            values: numbers.read(&labels)?,
            has_defaults: numbers.has_defaults(),
            labels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn rows_are_split_at_white_space_outside_quotes() {
        let row = r#"ATOM 1 "O5'" 'A B' . ? 'it''s' '' -1.5"#;
        let values = ["ATOM", "1", "O5'", "A B", "", "", "it''s", "", "-1.5"];
        assert_eq!(split(row), values);
        assert_eq!(split("'open"), ["open"]);
        assert!(split("   ").is_empty());
    }
}
