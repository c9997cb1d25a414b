//! The page.

use std::error::Error;

use super::Report;
use super::plots::{COLORS, Curve, curves, histogram, parity, tick};
use crate::run_folder::{EpochRecord, Quantity};
use crate::table::{duration, grouped};

const STYLE: &str = include_str!("style.css");

/// Pairs drawn in one picture; the first ones that are numbers, not chosen ones.
const POINTS: usize = 3000;

impl Report {
    /// The page, with everything it needs inside.
    ///
    /// # Errors
    /// When a picture cannot be drawn.
    pub fn to_html(&self) -> Result<String, Box<dyn Error>> {
        let title = escaped(&self.title);
        let mut body = String::new();
        body.push_str(&self.head());
        body.push_str(&self.tiles());
        body.push_str(&self.errors());
        body.push_str(&self.learning()?);
        body.push_str(&self.predictions()?);
        body.push_str(&self.details());
        Ok(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
        ))
    }

    fn head(&self) -> String {
        let line = self.header.as_ref().map_or(String::new(), |header| {
            let irreps: Vec<String> = header
                .model
                .irreps
                .iter()
                .map(|(name, irreps)| {
                    format!("{name} <code>{}</code>", escaped(&irreps.to_string()))
                })
                .collect();
            format!(
                "<p class=\"sub\">{} &middot; {}</p>\n",
                escaped(&header.model.kind),
                irreps.join(" &middot; ")
            )
        });
        format!(
            "<header>\n<h1>{}</h1>\n{line}</header>\n",
            escaped(&self.title)
        )
    }

    fn tiles(&self) -> String {
        let mut tiles: Vec<(String, String)> = Vec::new();
        if let Some(quantity) = self.quantities().first() {
            tiles.push((
                format!("{} of {}, test", measure(quantity), quantity.name),
                with_unit(quantity.value, quantity),
            ));
        }
        if let Some(header) = &self.header {
            tiles.push(("parameters".into(), grouped(header.parameters)));
        }
        if let Some(last) = self.epochs.last() {
            tiles.push(("epochs".into(), grouped(last.epoch)));
            tiles.push(("training".into(), duration(last.seconds)));
            tiles.push(("items per second".into(), tick(last.items_per_second)));
        }
        let tiles: String = tiles
            .into_iter()
            .map(|(name, value)| {
                format!(
                    "<div class=\"tile\"><b>{}</b><span>{}</span></div>\n",
                    escaped(&value),
                    escaped(&name)
                )
            })
            .collect();
        format!("<section class=\"tiles\">\n{tiles}</section>\n")
    }

    fn quantities(&self) -> &[Quantity] {
        self.evaluation
            .as_ref()
            .map_or(&[], |evaluation| &evaluation.quantities)
    }

    fn errors(&self) -> String {
        let tested = self.evaluation.as_ref().filter(|tested| tested.items > 0);
        let Some(evaluation) = tested else {
            return String::new();
        };
        let cell = |value: Option<f64>, quantity: &Quantity| {
            value.map_or("&ndash;".into(), |value| {
                escaped(&with_unit(value, quantity))
            })
        };
        let rows: String = evaluation
            .quantities
            .iter()
            .map(|quantity| {
                format!(
                    "<tr><td>{}</td><td>{}</td><td><b>{}</b></td><td>{}</td><td>{}</td></tr>\n",
                    escaped(&quantity.name),
                    measure(quantity),
                    cell(Some(quantity.value), quantity),
                    cell(quantity.rotated, quantity),
                    cell(quantity.trivial, quantity),
                )
            })
            .collect();
        let rotation = evaluation.rotation_error.map_or(String::new(), |error| {
            format!(
                "<p class=\"note\">Predictions for the first batch rotated at random differ from the rotated predictions \
                 by {error:.1e} of their spread (root mean squares).</p>\n"
            )
        });
        format!(
            "<section>\n<h2>Errors on {} held-out items</h2>\n<table>\n<tr><th>quantity</th><th>measure</th>\
             <th>test</th><th>test, rotated</th><th>trivial prediction</th></tr>\n{rows}</table>\n{rotation}</section>\n",
            grouped(evaluation.items)
        )
    }

    fn learning(&self) -> Result<String, Box<dyn Error>> {
        if self.epochs.is_empty() {
            return Ok(String::new());
        }
        let line = |name: &str, color, pick: &dyn Fn(&EpochRecord) -> Option<f64>| Curve {
            name: name.into(),
            points: self
                .epochs
                .iter()
                .filter_map(|epoch| {
                    Some((epoch.epoch as f64, pick(epoch).filter(|v| v.is_finite())?))
                })
                .collect(),
            color,
        };
        let mut figures = Vec::new();
        let loss = line("training", COLORS[0], &|epoch| {
            epoch.train.get("loss").copied()
        });
        figures.push(("Training loss", curves("epoch", "loss", &[loss])?));
        let names: Vec<&String> = self
            .epochs
            .iter()
            .flat_map(|epoch| epoch.validation.keys())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let metrics = names.iter().enumerate().map(|(index, name)| {
            let color = COLORS[index % COLORS.len()];
            line(name, color, &|epoch| epoch.validation.get(*name).copied())
        });
        let metrics = present(metrics);
        let label = match metrics.as_slice() {
            [only] => only.name.clone(),
            _ => String::new(),
        };
        figures.push(("Validation errors", curves("epoch", &label, &metrics)?));
        let rotation = line("rotation error", COLORS[1], &|epoch| epoch.rotation_error);
        figures.push((
            "Rotation error of predictions, relative",
            curves("epoch", "", &[rotation])?,
        ));
        let rate = line("learning rate", COLORS[2], &|epoch| {
            Some(epoch.learning_rate)
        });
        figures.push(("Learning rate", curves("epoch", "", &[rate])?));
        let speed = line("items per second", COLORS[3], &|epoch| {
            Some(epoch.items_per_second)
        });
        figures.push(("Speed", curves("epoch", "items / s", &[speed])?));
        Ok(section("Learning", &figures))
    }

    fn predictions(&self) -> Result<String, Box<dyn Error>> {
        let mut figures = Vec::new();
        for (index, quantity) in self.quantities().iter().enumerate() {
            let finite = |pair: &&[f64; 2]| pair.iter().all(|x| x.is_finite());
            let pairs = quantity.pairs.iter().filter(finite).take(POINTS);
            let pairs: Vec<[f64; 2]> = pairs.copied().collect();
            let color = COLORS[index % COLORS.len()];
            let (label, pairs) = centred(&quantity.unit, &pairs);
            figures.push((quantity.name.as_str(), parity(&label, &pairs, color)?));
            figures.push(("errors", histogram(&quantity.unit, &quantity.pairs, color)?));
        }
        Ok(section("Predictions on held-out items", &figures))
    }

    fn details(&self) -> String {
        let mut text = String::new();
        if !self.config.is_empty() {
            text.push_str(&format!(
                "<details>\n<summary>Configuration</summary>\n<pre>{}</pre>\n</details>\n",
                escaped(&self.config)
            ));
        }
        if let Some(header) = &self.header {
            let header = serde_json::to_string_pretty(header).unwrap_or_default();
            text.push_str(&format!(
                "<details>\n<summary>Header of the model</summary>\n<pre>{}</pre>\n</details>\n",
                escaped(&header)
            ));
        }
        format!(
            "<section>\n<h2>Details</h2>\n{text}</section>\n<footer>steerable {}</footer>\n",
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// Numbers that are far from zero and near each other, as total energies are, from the mean of the true ones.
fn centred(unit: &str, pairs: &[[f64; 2]]) -> (String, Vec<[f64; 2]>) {
    let truths = pairs.iter().map(|[truth, _]| *truth);
    let (least, most) = truths
        .clone()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| {
            (a.min(x), b.max(x))
        });
    let mean = truths.sum::<f64>() / pairs.len().max(1) as f64;
    if mean.abs() <= 50.0 * (most - least) {
        return (unit.to_owned(), pairs.to_vec());
    }
    let shifted = pairs.iter().map(|pair| pair.map(|x| x - mean)).collect();
    (format!("{unit} from the mean"), shifted)
}

fn present(curves: impl IntoIterator<Item = Curve>) -> Vec<Curve> {
    curves
        .into_iter()
        .filter(|curve| !curve.points.is_empty())
        .collect()
}

/// Figures with captions; those without a picture are left out.
fn section(title: &str, figures: &[(&str, String)]) -> String {
    let figures: String = figures
        .iter()
        .filter(|(_, svg)| !svg.is_empty())
        .map(|(caption, svg)| {
            format!(
                "<figure><figcaption>{}</figcaption>{}</figure>\n",
                escaped(caption),
                scalable(svg)
            )
        })
        .collect();
    if figures.is_empty() {
        return String::new();
    }
    format!("<section>\n<h2>{title}</h2>\n<div class=\"figures\">\n{figures}</div>\n</section>\n")
}

/// Lets the page choose the size: the picture has a viewBox of its own.
fn scalable(svg: &str) -> String {
    let Some(end) = svg.find('>') else {
        return svg.to_owned();
    };
    let (head, rest) = svg.split_at(end);
    let kept: Vec<&str> = head
        .split(' ')
        .filter(|part| !part.starts_with("width=") && !part.starts_with("height="))
        .collect();
    kept.join(" ") + rest
}

fn measure(quantity: &Quantity) -> &'static str {
    match quantity.measure.as_str() {
        "accuracy" => "accuracy",
        "mae" => "MAE",
        _ => "mean",
    }
}

fn with_unit(value: f64, quantity: &Quantity) -> String {
    match quantity.measure.as_str() {
        "accuracy" => format!("{:.1} %", 100.0 * value),
        _ => format!("{} {}", tick(value), quantity.unit)
            .trim_end()
            .to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
