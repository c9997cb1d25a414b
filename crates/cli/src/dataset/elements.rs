//! The elements that a model is built for.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

use steerable_data::{Sample, element};

use crate::config::RunConfig;

/// Items of one part of the data, with what is needed to name one of them.
pub(super) struct Part<'a> {
    /// What they are for: "test".
    pub(super) purpose: &'static str,
    /// Where they are from.
    pub(super) file: &'a Path,
    /// The items.
    pub(super) samples: &'a [Sample],
    /// For each its number in the file, from 0; their places in `samples` if it is not given.
    pub(super) numbers: Option<&'a [usize]>,
}

/// The elements of the items to train on, or those that the configuration gives, in the order of their numbers.
///
/// # Errors
/// When the configuration gives what is no element, or an item of any part holds another one: with file, item and
/// element.
pub(super) fn elements(
    config: &RunConfig,
    given: Option<&[String]>,
    parts: &[Part<'_>],
) -> Result<Vec<u8>, Box<dyn Error>> {
    let known: BTreeSet<u8> = match given {
        Some(symbols) => {
            let number = |symbol: &String| {
                let allowed = "the symbol of an element, such as \"C\" or \"Cl\"";
                let number = element::atomic_number(symbol);
                number
                    .ok_or_else(|| config.refuse("data.elements", &format!("{symbol:?}"), allowed))
            };
            symbols.iter().map(number).collect::<Result<_, _>>()?
        }
        None => {
            let train = parts.iter().filter(|part| part.purpose == TRAIN);
            let samples = train.flat_map(|part| part.samples);
            samples
                .flat_map(|sample| &sample.species)
                .copied()
                .collect()
        }
    };
    for part in parts {
        for (place, sample) in part.samples.iter().enumerate() {
            if let Some(&other) = sample.species.iter().find(|z| !known.contains(z)) {
                let number = part.numbers.map_or(place, |numbers| numbers[place]);
                let none = match given {
                    Some(_) => "which data.elements does not name".to_owned(),
                    None => {
                        let all: Vec<_> = known.iter().chain([&other]).map(|&z| named(z)).collect();
                        format!(
                            "which no item to train on holds: more of these are needed, or elements = {all:?} in [data]"
                        )
                    }
                };
                return Err(format!(
                    "{}: item {number}, {}, one of those to {}, holds {}, {none}",
                    part.file.display(),
                    formula(&sample.species),
                    part.purpose,
                    named(other),
                )
                .into());
            }
        }
    }
    Ok(known.into_iter().collect())
}

/// What the items to train on are for.
pub(super) const TRAIN: &str = "train on";

fn named(z: u8) -> &'static str {
    element::symbol(z).unwrap_or("?")
}

/// The formula by Hill's order: carbon, hydrogen, then the others by their symbols.
fn formula(species: &[u8]) -> String {
    let mut symbols: Vec<&str> = species.iter().map(|&z| named(z)).collect();
    let has_carbon = symbols.contains(&"C");
    symbols.sort_unstable_by_key(|&symbol| match symbol {
        "C" => (0, symbol),
        "H" if has_carbon => (1, symbol),
        _ => (2, symbol),
    });
    let runs = symbols.chunk_by(|a, b| a == b);
    runs.map(|run| match run.len() {
        1 => run[0].to_owned(),
        count => format!("{}{count}", run[0]),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "task = \"vectors\"\n[data]\nfile = \"x.xyz\"\nvectors = \"forces\"\n\
                        train = 1\nvalidation = 1\n";

    fn found(given: Option<&[&str]>, test: &[u8]) -> Result<Vec<u8>, String> {
        let config = RunConfig::parse(Path::new("a.toml"), TEXT.into()).unwrap();
        let of = |species: &[u8]| Sample {
            species: species.to_vec(),
            ..Sample::default()
        };
        let (train, test) = ([of(&[6, 1, 1])], [of(&[1]), of(test)]);
        let part = |purpose, samples, numbers| Part {
            purpose,
            file: Path::new("x.xyz"),
            samples,
            numbers,
        };
        let parts = [
            part(TRAIN, &train[..], None),
            part("test", &test[..], Some(&[7, 42])),
        ];
        let given: Option<Vec<String>> =
            given.map(|symbols| symbols.iter().map(ToString::to_string).collect());
        elements(&config, given.as_deref(), &parts).map_err(|error| error.to_string())
    }

    #[test]
    fn elements_are_those_to_train_on_or_those_given_and_others_are_refused_by_name() {
        assert_eq!(found(None, &[6]), Ok(vec![1, 6]));
        assert_eq!(found(Some(&["Br", "H", "C"]), &[35, 1]), Ok(vec![1, 6, 35]));
        let error = found(None, &[6, 35, 6, 1]).unwrap_err();
        assert!(
            error.starts_with(
                "x.xyz: item 42, C2HBr, one of those to test, holds Br, which no item"
            ),
            "{error}"
        );
        assert!(error.contains(r#"elements = ["H", "C", "Br"]"#), "{error}");
        let error = found(Some(&["H"]), &[1]).unwrap_err();
        assert!(
            error.contains("item 0, CH2, one of those to train on, holds C, which data.elements"),
            "{error}"
        );
        let error = found(Some(&["H", "c"]), &[1]).unwrap_err();
        assert!(error.contains("data.elements = \"c\""), "{error}");
    }
}
