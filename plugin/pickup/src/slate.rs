//! The slate: a quiet picture that says why there is none, and what to do next.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use half::f16;
use parking_lot::Mutex;
use pickup_core::Error;
use std::sync::Arc;

use crate::picture::Picture;
use crate::texts;

/// Display-referred grey of the ground.
const GROUND: f32 = 0.09;
/// Display-referred grey of the text.
const INK: f32 = 0.72;
/// Display-referred grey of the hint.
const FAINT: f32 = 0.48;
/// The smallest text, in pixels, that can be read.
const SMALLEST: f32 = 9.0;

/// Ids of what slates say, besides what an error says.
#[cfg(test)]
pub const IDS: [&str; 4] = ["slateOutside", "slateGenerator", "slateSpan", "slateGap"];

/// What a slate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Why there is no picture.
    pub reason: String,
    /// What to do next.
    pub hint: String,
}

impl Words {
    /// The words of an id.
    #[must_use]
    pub fn of(id: &str) -> Self {
        let words = texts::words(id);
        Self { reason: words.label.clone(), hint: words.next().to_owned() }
    }
}

impl From<&Error> for Words {
    /// An error's message is a sentence of its own here.
    fn from(error: &Error) -> Self {
        let mut letters = error.message.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        Self { reason: first.chain(letters).collect(), hint: error.hint.clone() }
    }
}

/// A slate at a size: the rows with text, on a plain ground.
#[derive(Debug)]
pub struct Slate {
    width: usize,
    height: usize,
    /// The first row with text.
    top: usize,
    pixels: Vec<f16>,
    ground: Vec<f16>,
}

/// A line of text, how large, in which grey, and how far below the slate's top its baseline lies.
struct Line {
    text: String,
    size: f32,
    grey: f32,
    baseline: f32,
}

/// The slate that was drawn last: a gap shows the same on every frame.
static LAST: Mutex<Option<(Words, Arc<Slate>)>> = Mutex::new(None);

impl Slate {
    /// The slate of `words` at a size, drawn unless it was the last one.
    #[must_use]
    pub fn of(words: &Words, width: usize, height: usize) -> Arc<Self> {
        let same = |(last, slate): &&(Words, Arc<Self>)| {
            last == words && (slate.width, slate.height) == (width, height)
        };
        if let Some((_, slate)) = LAST.lock().as_ref().filter(same) {
            return slate.clone();
        }
        let slate = Arc::new(Self::new(words, width, height));
        *LAST.lock() = Some((words.clone(), slate.clone()));
        slate
    }

    /// Writes `words` on a slate of `width` by `height` pixels.
    fn new(words: &Words, width: usize, height: usize) -> Self {
        let ground: Vec<f16> = [GROUND, GROUND, GROUND, 1.0].map(f16::from_f32).repeat(width);
        let mut slate = Self { width, height, top: 0, pixels: Vec::new(), ground };
        // A damaged font would leave the slate empty, which is no reason to fail a render.
        if let Ok(font) = FontRef::try_from_slice(dejavu::sans::regular()) {
            slate.write(&font, words);
        }
        slate
    }

    /// The slate as a picture.
    #[must_use]
    pub fn picture(&self) -> Picture<'_> {
        let whole = Picture::whole(self.width, self.height, &self.pixels);
        Picture { first: self.top, ground: &self.ground, ..whole }
    }

    fn write(&mut self, font: &FontRef<'_>, words: &Words) {
        let lines = self.lay_out(font, words);
        let Some((first, last)) = lines.first().zip(lines.last()) else { return };
        // A letter reaches no further than its size above its line, and half of that below.
        let rows = |y: f32| (y.max(0.0) as usize).min(self.height);
        let (top, end) = (rows(first.baseline - first.size), rows(last.baseline + last.size * 0.5 + 1.0));
        self.top = top;
        self.pixels = self.ground.repeat(end.saturating_sub(top));
        let margin = self.margin();
        for Line { text, size, grey, baseline } in lines {
            self.draw(font, &text, size, (margin, baseline - top as f32), grey);
        }
    }

    fn margin(&self) -> f32 {
        (self.width as f32 / 12.0).max(4.0)
    }

    /// Sizes go by the shorter side, so that lines of an upright slate are not torn.
    fn lay_out(&self, font: &FontRef<'_>, words: &Words) -> Vec<Line> {
        let size = (self.width.min(self.height) as f32 / 20.0).clamp(9.0, 96.0);
        let room = self.width as f32 - 2.0 * self.margin();
        let paragraphs =
            [("PICKUP", 0.5, FAINT), (words.reason.as_str(), 1.0, INK), (words.hint.as_str(), 0.72, FAINT)];
        let mut lines: Vec<_> = paragraphs
            .into_iter()
            .map(|(text, share, grey)| (text, (size * share).max(SMALLEST), grey))
            .flat_map(|(text, size, grey)| {
                let lines = wrap(font, text, size, room);
                lines.into_iter().map(move |text| Line { text, size, grey, baseline: 0.0 })
            })
            .collect();
        let total: f32 = lines.iter().map(|line| line.size * 1.5).sum();
        let mut baseline = ((self.height as f32 - total) / 2.0).max(0.0);
        for line in &mut lines {
            baseline += line.size * 1.5;
            line.baseline = baseline;
        }
        lines
    }

    fn draw(&mut self, font: &FontRef<'_>, text: &str, size: f32, (mut x, y): (f32, f32), grey: f32) {
        let scale = PxScale::from(size);
        let scaled = font.as_scaled(scale);
        for letter in text.chars() {
            let glyph = font.glyph_id(letter);
            if let Some(outline) = font.outline_glyph(glyph.with_scale_and_position(scale, point(x, y))) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, coverage| {
                    self.mix(
                        corner.x as i64 + i64::from(dx),
                        corner.y as i64 + i64::from(dy),
                        grey,
                        coverage,
                    );
                });
            }
            x += scaled.h_advance(glyph);
        }
    }

    fn mix(&mut self, x: i64, y: i64, grey: f32, coverage: f32) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        let at = (y * self.width + x) * 4;
        if x >= self.width || at >= self.pixels.len() {
            return;
        }
        for sample in &mut self.pixels[at..at + 3] {
            let was = sample.to_f32();
            *sample = f16::from_f32(was + (grey - was) * coverage.clamp(0.0, 1.0));
        }
    }
}

/// Breaks text into lines of at most `room` pixels: between words, and within one that is wider itself.
fn wrap(font: &FontRef<'_>, text: &str, size: f32, room: f32) -> Vec<String> {
    let scaled = font.as_scaled(PxScale::from(size));
    let width = |text: &str| text.chars().map(|letter| scaled.h_advance(font.glyph_id(letter))).sum::<f32>();
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + width(" ") + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.extend(pieces(word, |part| width(part) <= room)),
        }
    }
    lines
}

/// A word in pieces that fit; at least a letter each.
fn pieces(word: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in word.chars() {
        let last = pieces.len() - 1;
        pieces[last].push(letter);
        if pieces[last].chars().count() > 1 && !fits(&pieces[last]) {
            pieces[last].pop();
            pieces.push(letter.to_string());
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(reason: &str) -> Words {
        Words { reason: reason.into(), hint: "Press Generate.".into() }
    }

    #[test]
    fn a_slate_is_opaque_quiet_and_says_something() {
        let slate = Slate::new(&words("No take yet for frames 48 to 60."), 320, 180);
        let Picture { pixels, first, ground, .. } = slate.picture();
        assert!(first > 40 && pixels.len().is_multiple_of(320 * 4) && pixels.len() < 320 * 100 * 4);
        assert_eq!(ground.len(), 320 * 4);
        assert!(ground.chunks(4).all(|pixel| pixel[3] == f16::ONE && pixel[0].to_f32() < 0.1));
        assert!(pixels.chunks(4).all(|pixel| pixel[3] == f16::ONE && pixel[0].to_f32() < 0.75));
        let inked = pixels.chunks(4).filter(|pixel| pixel[0].to_f32() > 0.3).count();
        assert!(inked > 200 && inked < 320 * 180 / 8, "{inked} pixels of text");
    }

    #[test]
    fn other_words_are_another_slate_and_any_size_will_do() {
        let one = Slate::new(&words("One."), 200, 100);
        assert_ne!(one.pixels, Slate::new(&words("Two."), 200, 100).pixels);
        for (width, height) in [(1, 1), (3, 500), (2000, 2), (0, 0)] {
            let slate = Slate::new(&words("Tiny."), width, height);
            assert!(slate.pixels.len() <= width * height * 4 && slate.ground.len() == width * 4);
        }
    }

    #[test]
    fn an_error_begins_with_a_capital_letter() {
        let error = Error::storage("the take is gone.").hint("Press Generate.");
        let words = Words { reason: "The take is gone.".into(), hint: "Press Generate.".into() };
        assert_eq!(Words::from(&error), words);
    }

    #[test]
    fn the_last_slate_is_drawn_once() {
        let slate = |text: &str, width| Slate::of(&words(text), width, 90);
        let first = slate("One.", 160);
        assert!(Arc::ptr_eq(&first, &slate("One.", 160)));
        assert!(!Arc::ptr_eq(&first, &slate("Two.", 160)));
        assert!(!Arc::ptr_eq(&slate("Two.", 160), &slate("Two.", 200)));
    }

    /// Nothing is cut off: the rows at both ends of the text are empty.
    #[test]
    fn text_fits_into_its_rows() {
        for (width, height) in [(320, 180), (1920, 1080), (1080, 1920), (3840, 2160)] {
            let long =
                "The take gÄyÅ 3f2a91bc is not in the store of this machine, or it was removed by somebody.";
            let slate = Slate::new(&words(long), width, height);
            let (first, last) = (&slate.pixels[..width * 4], &slate.pixels[slate.pixels.len() - width * 4..]);
            assert!(slate.pixels != slate.ground.repeat(slate.pixels.len() / width / 4));
            assert!(first == slate.ground && last == slate.ground, "{width}×{height}");
        }
    }

    #[test]
    fn lines_hold_all_words_and_fit() {
        let font = FontRef::try_from_slice(dejavu::sans::regular()).unwrap();
        let text = "The take 3f2a91bc is not in the store of this machine, or it was removed.";
        let lines = wrap(&font, text, 20.0, 200.0);
        assert!(lines.len() > 2);
        assert_eq!(lines.join(" "), text);
        let path = "/a/very/long/path/without/any/place/to/break/it";
        let lines = wrap(&font, path, 20.0, 200.0);
        let scaled = font.as_scaled(PxScale::from(20.0));
        let width =
            |line: &str| line.chars().map(|letter| scaled.h_advance(font.glyph_id(letter))).sum::<f32>();
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line) <= 200.0), "{lines:?}");
        assert_eq!(lines.concat(), path);
        assert_eq!(wrap(&font, "ab", 20.0, 1.0), ["a", "b"], "no room at all");
    }
}
