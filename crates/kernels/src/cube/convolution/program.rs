//! A path plan as the numbers that kernels read.

use steerable_harmonics::plan::{Block, ConvolutionPlan, Pair, Path, Term, Weighting};

/// Words of one step.
pub(super) const STEP: usize = 8;

/// Consecutive steps of one program with one degree of what they write.
pub(super) struct Run {
    /// Components of that degree, `2 l + 1`.
    pub(super) components: usize,
    /// Channels of the widest output block.
    pub(super) mul: usize,
    /// The radial network of all steps, where the steps were cut by it.
    pub(super) radial: usize,
    /// Word of the first step.
    pub(super) first: usize,
    /// Number of steps.
    pub(super) len: usize,
}

/// What the steps of a run have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// One output block.
    Output,
    /// One output block and one radial network.
    OutputAndRadial,
    /// One output degree.
    Degree,
    /// One output degree and one radial network.
    DegreeAndRadial,
    /// One input block, channel after channel; steps read outputs and write inputs.
    Input,
    /// One degree of harmonics; steps write those.
    Filter,
}

impl Cut {
    /// What the steps of a run share.
    fn key(self, pair: &Pair, path: &Path) -> (usize, usize) {
        match self {
            Self::Output => (pair.output.offset, 0),
            Self::OutputAndRadial => (pair.output.offset, pair.radial),
            Self::Degree => (pair.output.l, 0),
            Self::DegreeAndRadial => (pair.output.l, pair.radial),
            Self::Input => (pair.input.offset, 0),
            Self::Filter => (path.l_filter, 0),
        }
    }

    /// The degree of what a step writes.
    fn degree(self, pair: &Pair, path: &Path) -> usize {
        match self {
            Self::Input => pair.input.l,
            Self::Filter => path.l_filter,
            _ => pair.output.l,
        }
    }

    /// The component that a term adds to, and the two that it reads.
    fn components(self, path: &Path, term: &Term) -> (usize, [usize; 2]) {
        match self {
            Self::Input => (term.m_in, [term.m_out, term.harmonic]),
            Self::Filter => (
                term.harmonic - path.l_filter.pow(2),
                [term.m_in, term.m_out],
            ),
            _ => (term.m_out, [term.m_in, term.harmonic]),
        }
    }
}

/// Steps over a plan's paths and input channels, with the coupling coefficients they use.
///
/// A step is [`STEP`] words: first input column, input channels, first output column, output channels,
/// first weight column, radial network, where its coefficients are, and how many channels it takes.
/// At that place are, for each component that is written, the word of its first coefficient, and one
/// more for the end; a coefficient is two words, those of the two components that it reads,
/// `first + (second << 16)` ([`Cut::components`]), and the bits of its value.
pub(super) struct Program {
    pub(super) words: Vec<u32>,
    pub(super) runs: Vec<Run>,
}

impl Program {
    /// Steps of at most `channels` input channels each.
    pub(super) fn new(plan: &ConvolutionPlan, channels: usize, cut: Cut) -> Self {
        let mut steps: Vec<(&Pair, &Path, usize, usize)> = Vec::new();
        for pair in plan.pairs() {
            for (p, path) in pair.paths.iter().enumerate() {
                let columns = pair.weights.len() / pair.paths.len();
                for first in (0..pair.input.mul).step_by(channels) {
                    steps.push((pair, path, pair.weights.start + p * columns, first));
                }
            }
        }
        let order = |&(pair, path, _, first): &(&Pair, &Path, usize, usize)| {
            let channel = if cut == Cut::Input { first } else { 0 };
            (cut.key(pair, path), channel)
        };
        steps.sort_by_key(order);
        let mut program = Self {
            words: vec![0; steps.len() * STEP],
            runs: Vec::new(),
        };
        let mut coefficients: Vec<(&Path, usize)> = Vec::new();
        for (i, &(pair, path, column, first)) in steps.iter().enumerate() {
            let place = coefficients
                .iter()
                .find(|(known, _)| std::ptr::eq(*known, path))
                .map(|(_, place)| *place)
                .unwrap_or_else(|| {
                    let place = program.push_coefficients(path, cut.degree(pair, path), cut);
                    coefficients.push((path, place));
                    place
                });
            let (output, weight) = match plan.weighting() {
                Weighting::Full => (pair.output.offset, column + first * pair.output.mul),
                Weighting::ChannelWise => (pair.output.offset + first, column + first),
            };
            let mut step = [
                pair.input.offset + first,
                pair.input.mul,
                output,
                pair.output.mul,
                weight,
                pair.radial,
                place,
                channels.min(pair.input.mul - first),
            ];
            if cut == Cut::Input {
                step.swap(0, 2);
                step.swap(1, 3);
            }
            program.words[i * STEP..(i + 1) * STEP].copy_from_slice(&step.map(word));
            let before = i.checked_sub(1).map(|before| steps[before]);
            let key = cut.key(pair, path);
            let new_run = before.is_none_or(|(pair, path, ..)| cut.key(pair, path) != key);
            if new_run {
                program.runs.push(Run {
                    components: 2 * cut.degree(pair, path) + 1,
                    mul: 0,
                    radial: pair.radial,
                    first: i * STEP,
                    len: 0,
                });
            }
            let run = program.runs.last_mut().expect("a run was begun");
            run.len += 1;
            run.mul = run.mul.max(pair.output.mul);
        }
        program
    }

    /// Appends the coefficients of a path by the component of degree `l` that they add to; returns where
    /// they are.
    fn push_coefficients(&mut self, path: &Path, l: usize, cut: Cut) -> usize {
        let place = self.words.len();
        let mut terms: Vec<_> = path
            .terms
            .iter()
            .map(|t| (cut.components(path, t), t.value))
            .collect();
        terms.sort_by_key(|((written, _), _)| *written);
        let first = place + 2 * l + 2;
        for m in 0..2 * l + 2 {
            let before = terms.partition_point(|((written, _), _)| *written < m);
            self.words.push(word(first + 2 * before));
        }
        for ((_, [one, two]), value) in terms {
            self.words.push(word(one | two << 16));
            self.words.push((value as f32).to_bits());
        }
        place
    }
}

/// The pairs that read one input block, and their coupled features side by side:
/// `[path, m_out, channel]`, pair after pair.
pub(super) struct Reading<'a> {
    pub(super) input: Block,
    pub(super) pairs: Vec<Source<'a>>,
    /// Numbers per edge.
    pub(super) width: usize,
}

/// A pair and where its coupled features begin.
pub(super) struct Source<'a> {
    pub(super) pair: &'a Pair,
    pub(super) first: usize,
}

impl<'a> Reading<'a> {
    /// One for each input block that something reads.
    pub(super) fn all(plan: &'a ConvolutionPlan) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for pair in plan.pairs() {
            let known = all.iter().position(|reading| reading.input == pair.input);
            let at = known.unwrap_or_else(|| {
                all.push(Self {
                    input: pair.input,
                    pairs: Vec::new(),
                    width: 0,
                });
                all.len() - 1
            });
            let reading = &mut all[at];
            let first = reading.width;
            reading.pairs.push(Source { pair, first });
            reading.width += pair.paths.len() * (2 * pair.output.l + 1) * pair.input.mul;
        }
        all
    }

    /// The coefficients that each input component meets: offsets, then for each coefficient where its
    /// coupled features begin, its harmonic and the bits of its value.
    pub(super) fn by_component(&self) -> Vec<u32> {
        let components = 2 * self.input.l + 1;
        lists(components, &self.coefficients(), |c| {
            (c.m_in, [word(c.coupled), word(c.harmonic), c.value])
        })
    }

    /// As [`Self::by_component`], for each of `harmonics` harmonics: where the coupled features
    /// begin, the input column, and the bits of the value.
    pub(super) fn by_harmonic(&self, harmonics: usize) -> Vec<u32> {
        lists(harmonics, &self.coefficients(), |c| {
            let column = self.input.offset + c.m_in * self.input.mul;
            (c.harmonic, [word(c.coupled), word(column), c.value])
        })
    }

    fn coefficients(&self) -> Vec<Coefficient> {
        let mut all = Vec::new();
        for source in &self.pairs {
            let (mul, components) = (self.input.mul, 2 * source.pair.output.l + 1);
            for (p, path) in source.pair.paths.iter().enumerate() {
                all.extend(path.terms.iter().map(|term| Coefficient {
                    coupled: source.first + (p * components + term.m_out) * mul,
                    m_in: term.m_in,
                    harmonic: term.harmonic,
                    value: (term.value as f32).to_bits(),
                }));
            }
        }
        all
    }
}

/// One coupling coefficient, seen from an input block.
struct Coefficient {
    coupled: usize,
    m_in: usize,
    harmonic: usize,
    value: u32,
}

/// `count + 1` words that say where each list begins, then the lists, three words to an entry.
fn lists(
    count: usize,
    coefficients: &[Coefficient],
    entry: impl Fn(&Coefficient) -> (usize, [u32; 3]),
) -> Vec<u32> {
    let mut words = vec![0; count + 1];
    for list in 0..count {
        words[list] = word(words.len());
        for coefficient in coefficients {
            let (owner, entry) = entry(coefficient);
            if owner == list {
                words.extend(entry);
            }
        }
    }
    words[count] = word(words.len());
    words
}

fn word(number: usize) -> u32 {
    u32::try_from(number).expect("a plan's columns fit 32 bits")
}
