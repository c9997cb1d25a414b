//! Pictures as SVG text.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// The colours of lines and points, in order.
pub(super) const COLORS: [RGBColor; 4] = [
    RGBColor(37, 99, 235),
    RGBColor(217, 119, 6),
    RGBColor(5, 150, 105),
    RGBColor(147, 51, 234),
];
const INK: RGBColor = RGBColor(71, 85, 105);
const FAINT: RGBColor = RGBColor(226, 232, 240);

type Drawn = Result<String, Box<dyn std::error::Error>>;

/// A line.
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) color: RGBColor,
}

/// Lines over epochs, the scale of values logarithmic when they are all positive and spread.
pub(super) fn curves(x_label: &str, y_label: &str, curves: &[Curve]) -> Drawn {
    let (mut xs, mut ys) = (Extent::default(), Extent::default());
    for &(x, y) in curves.iter().flat_map(|curve| &curve.points) {
        xs.add(x);
        ys.add(y);
    }
    if !(xs.least.is_finite() && ys.least.is_finite()) {
        return Ok(String::new());
    }
    let logarithmic = ys.least > 0.0 && ys.most > 3.0 * ys.least;
    let scaled = |y: f64| if logarithmic { y.log10() } else { y };
    let (low, high) = (scaled(ys.least), scaled(ys.most));
    let margin = (high - low).max(1e-9 * high.abs()).max(1e-12) * 0.08;
    let (low, high) = (low - margin, high + margin);
    let ticks = match logarithmic {
        true => decades(low, high),
        false => evenly(low, high),
    };
    let x_end = if xs.least == xs.most {
        xs.most + 1.0
    } else {
        xs.most
    };
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (480, 300)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .margin_right(20)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(xs.least..x_end, Axis { low, high, ticks })?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(FAINT)
            .x_labels(8)
            .y_labels(6)
            .x_label_formatter(&|value| tick(*value))
            .y_label_formatter(&|value| {
                tick(if logarithmic {
                    10_f64.powf(*value)
                } else {
                    *value
                })
            })
            .x_desc(x_label)
            .y_desc(y_label)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .axis_desc_style(("sans-serif", 13).into_font().color(&INK))
            .draw()?;
        for curve in curves {
            let style = curve.color.stroke_width(2);
            let points: Vec<(f64, f64)> =
                curve.points.iter().map(|&(x, y)| (x, scaled(y))).collect();
            if let [point] = points[..] {
                chart.draw_series([Circle::new(point, 3, style.filled())])?;
            }
            chart
                .draw_series(LineSeries::new(points, style))?
                .label(&curve.name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 16, y)], style.stroke_width(2))
                });
        }
        // One line needs no legend: the caption and the axis say what it is.
        if curves.len() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.8))
                .border_style(TRANSPARENT)
                .label_font(("sans-serif", 13).into_font().color(&INK))
                .draw()?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// An axis with marks at given places.
struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let part = (value - self.low) / (self.high - self.low);
        limit.0 + (part * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

/// The logarithms of 1, 2 and 5 times powers of ten between two logarithms; of 1 alone over many decades.
fn decades(low: f64, high: f64) -> Vec<f64> {
    let steps: &[f64] = if high - low > 3.0 {
        &[1.0]
    } else {
        &[1.0, 2.0, 5.0]
    };
    (low.floor() as i32..=high.ceil() as i32)
        .flat_map(|power| {
            steps
                .iter()
                .map(move |step| step.log10() + f64::from(power))
        })
        .filter(|place| (low..=high).contains(place))
        .collect()
}

/// Some five round numbers between two.
fn evenly(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let unit = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * unit);
    let step = step
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|count| count as f64 * step).collect()
}

type Plane = Cartesian2d<RangedCoordf64, RangedCoordf64>;

/// A picture of one set of numbers: its frame with the axes, in which `draw` draws.
fn picture(
    [x, y]: [Range<f64>; 2],
    [x_label, y_label]: [&str; 2],
    vertical_lines: bool,
    draw: impl FnOnce(
        &mut ChartContext<'_, SVGBackend<'_>, Plane>,
    ) -> Result<(), Box<dyn std::error::Error>>,
) -> Drawn {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (420, 400)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(14)
            .margin_right(22)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)?;
        let mut mesh = chart.configure_mesh();
        if !vertical_lines {
            mesh.disable_x_mesh();
        }
        mesh.light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(FAINT)
            .x_labels(5)
            .y_labels(6)
            .x_label_formatter(&|value| tick(*value))
            .y_label_formatter(&|value| tick(*value))
            .x_desc(x_label)
            .y_desc(y_label)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .axis_desc_style(("sans-serif", 14).into_font().color(&INK))
            .draw()?;
        draw(&mut chart)?;
        root.present()?;
    }
    Ok(svg)
}

/// What an axis shows, with its unit if there is one.
fn label(what: &str, unit: &str) -> String {
    match unit {
        "" => what.to_owned(),
        _ => format!("{what}, {unit}"),
    }
}

/// Predicted over true values, with the line where they are equal.
pub(super) fn parity(unit: &str, pairs: &[[f64; 2]], color: RGBColor) -> Drawn {
    let mut extent = Extent::default();
    for &value in pairs.as_flattened() {
        extent.add(value);
    }
    if pairs.is_empty() {
        return Ok(String::new());
    }
    let margin = (extent.most - extent.least).max(1e-9) * 0.06;
    let range = extent.least - margin..extent.most + margin;
    let diagonal = [(range.start, range.start), (range.end, range.end)];
    let labels = [label("true", unit), label("predicted", unit)];
    let [x, y] = &labels;
    picture([range.clone(), range], [x, y], true, |chart| {
        chart.draw_series(LineSeries::new(diagonal, INK.mix(0.5)))?;
        // Many points cover each other: the more there are, the paler is one.
        let alpha = (60.0 / pairs.len() as f64).sqrt().clamp(0.12, 0.7);
        let style = color.mix(alpha).filled();
        chart.draw_series(pairs.iter().map(|&[x, y]| Circle::new((x, y), 2, style)))?;
        Ok(())
    })
}

/// How many errors are of which size: predicted minus true.
pub(super) fn histogram(unit: &str, pairs: &[[f64; 2]], color: RGBColor) -> Drawn {
    const BINS: usize = 41;
    let mut errors: Vec<f64> = pairs.iter().map(|[x, y]| y - x).collect();
    errors.retain(|error| error.is_finite());
    if errors.is_empty() {
        return Ok(String::new());
    }
    // The widest percent would flatten the rest.
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let reach = sizes[(sizes.len() - 1) * 99 / 100].max(1e-12);
    let mut counts = [0_u32; BINS];
    for error in errors {
        let place = ((error / reach + 1.0) / 2.0 * BINS as f64).floor();
        if (0.0..BINS as f64).contains(&place) {
            counts[place as usize] += 1;
        }
    }
    let top = 1.08 * f64::from(*counts.iter().max().unwrap_or(&1));
    let x = label("error", unit);
    picture([-reach..reach, 0.0..top], [&x, "items"], false, |chart| {
        let step = 2.0 * reach / BINS as f64;
        let style = color.mix(0.75).filled();
        chart.draw_series(counts.iter().enumerate().map(|(place, &count)| {
            let left = -reach + place as f64 * step;
            Rectangle::new([(left, 0.0), (left + 0.9 * step, f64::from(count))], style)
        }))?;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (0.0, top)], INK.mix(0.5)))?;
        Ok(())
    })
}

/// A number on an axis.
pub(super) fn tick(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".into()
    } else if (1e-3..1e5).contains(&size) {
        let digits = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
        let text = format!("{value:.digits$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    } else {
        format!("{value:.1e}")
    }
}

struct Extent {
    least: f64,
    most: f64,
}

impl Default for Extent {
    fn default() -> Self {
        Self {
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
        }
    }
}

impl Extent {
    fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.least = self.least.min(value);
            self.most = self.most.max(value);
        }
    }
}
