//! The slate: a quiet picture that says why there is none, and what to do next.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use half::f16;

use crate::picture::Picture;

/// Display-referred grey of the ground.
const GROUND: f32 = 0.09;
/// Display-referred grey of the text.
const INK: f32 = 0.72;
/// Display-referred grey of the hint.
const FAINT: f32 = 0.48;

/// What a slate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Why there is no picture.
    pub reason: String,
    /// What to do next.
    pub hint: String,
}

/// A slate at a size.
#[derive(Debug)]
pub struct Slate {
    width: usize,
    height: usize,
    pixels: Vec<f16>,
}

impl Slate {
    /// Writes `words` on a slate of `width` by `height` pixels.
    #[must_use]
    pub fn new(words: &Words, width: usize, height: usize) -> Self {
        let ground = [GROUND, GROUND, GROUND, 1.0].map(f16::from_f32);
        let pixels = ground.iter().copied().cycle().take(width * height * 4).collect();
        let mut slate = Self { width, height, pixels };
        // A damaged font would leave the slate empty, which is no reason to fail a render.
        if let Ok(font) = FontRef::try_from_slice(dejavu::sans::regular()) {
            slate.write(&font, words);
        }
        slate
    }

    /// The slate as a picture.
    #[must_use]
    pub fn picture(&self) -> Picture<'_> {
        Picture { width: self.width, height: self.height, pixels: &self.pixels }
    }

    fn write(&mut self, font: &FontRef<'_>, words: &Words) {
        let size = (self.height as f32 / 20.0).clamp(9.0, 96.0);
        let margin = (self.width as f32 / 12.0).max(4.0);
        let room = self.width as f32 - 2.0 * margin;
        let paragraphs = [
            ("PICKUP", size * 0.5, FAINT),
            (words.reason.as_str(), size, INK),
            (words.hint.as_str(), size * 0.72, FAINT),
        ];
        let lines: Vec<_> = paragraphs
            .iter()
            .flat_map(|(text, size, grey)| {
                wrap(font, text, *size, room).into_iter().map(move |line| (line, *size, *grey))
            })
            .collect();
        let total: f32 = lines.iter().map(|(_, size, _)| size * 1.5).sum();
        let mut baseline = ((self.height as f32 - total) / 2.0).max(0.0);
        for (line, size, grey) in lines {
            baseline += size * 1.5;
            self.draw(font, &line, size, (margin, baseline), grey);
        }
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
        if x >= self.width || y >= self.height {
            return;
        }
        let at = (y * self.width + x) * 4;
        for sample in &mut self.pixels[at..at + 3] {
            let was = sample.to_f32();
            *sample = f16::from_f32(was + (grey - was) * coverage.clamp(0.0, 1.0));
        }
    }
}

/// Breaks text into lines of at most `room` pixels, between words.
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
            _ => lines.push(word.to_owned()),
        }
    }
    lines
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
        let pixels = slate.picture().pixels;
        assert_eq!(pixels.len(), 320 * 180 * 4);
        assert!(pixels.chunks(4).all(|pixel| pixel[3] == f16::ONE && pixel[0].to_f32() < 0.75));
        let inked = pixels.chunks(4).filter(|pixel| pixel[0].to_f32() > 0.3).count();
        assert!(inked > 200 && inked < 320 * 180 / 8, "{inked} pixels of text");
    }

    #[test]
    fn other_words_are_another_slate_and_any_size_will_do() {
        let one = Slate::new(&words("One."), 200, 100);
        assert_ne!(one.pixels, Slate::new(&words("Two."), 200, 100).pixels);
        for (width, height) in [(1, 1), (3, 500), (2000, 2), (0, 0)] {
            assert_eq!(Slate::new(&words("Tiny."), width, height).pixels.len(), width * height * 4);
        }
    }

    #[test]
    fn lines_hold_all_words_and_fit() {
        let font = FontRef::try_from_slice(dejavu::sans::regular()).unwrap();
        let text = "The take 3f2a91bc is not in the store of this machine, or it was removed.";
        let lines = wrap(&font, text, 20.0, 200.0);
        assert!(lines.len() > 2);
        assert_eq!(lines.join(" "), text);
    }
}
