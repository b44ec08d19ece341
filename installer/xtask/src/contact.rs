//! Contact sheets: rows of small pictures, known and generated ones told apart.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use anyhow::{Context, Result};
use image::imageops::FilterType;
use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};

const MARGIN: u32 = 36;
const GAP: u32 = 10;
const CELL: (u32, u32) = (228, 128);
const COLUMNS: u32 = 8;
const BORDER: u32 = 4;

const GROUND: Rgb<u8> = Rgb([22, 24, 28]);
const BRIGHT: Rgb<u8> = Rgb([236, 238, 242]);
const QUIET: Rgb<u8> = Rgb([150, 156, 166]);

/// What a picture is.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// Came from the footage and left as it came.
    Known,
    /// Made by the model.
    Generated,
    /// Given as a reference image.
    Reference,
    /// What was really there, for comparison; the model never saw it.
    Truth,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Known, Self::Generated, Self::Reference, Self::Truth];

    fn colour(self) -> Rgb<u8> {
        match self {
            Self::Known => Rgb([112, 120, 132]),
            Self::Generated => Rgb([244, 166, 42]),
            Self::Reference => Rgb([92, 160, 244]),
            Self::Truth => Rgb([104, 186, 120]),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Known => "known, bit for bit",
            Self::Generated => "generated",
            Self::Reference => "reference",
            Self::Truth => "original, for comparison",
        }
    }
}

/// One picture of a sheet.
pub struct Cell {
    pub picture: PathBuf,
    pub kind: Kind,
    pub label: String,
}

/// A heading with its pictures, which wrap after eight.
pub struct Row {
    pub title: String,
    pub note: String,
    pub cells: Vec<Cell>,
}

/// Draws the sheet and writes it as PNG.
pub fn draw(title: &str, note: &str, rows: &[Row], to: &Path) -> Result<()> {
    let width = 2 * MARGIN + COLUMNS * (CELL.0 + GAP) - GAP;
    let height = 130 + rows.iter().map(row_height).sum::<u32>();
    let mut sheet = Sheet::new(width, height)?;
    sheet.write(title, (MARGIN, 24), 34.0, BRIGHT);
    sheet.write(note, (MARGIN, 66), 17.0, QUIET);
    legend(&mut sheet, rows, width);
    let mut top = 112;
    for row in rows {
        sheet.write(&row.title, (MARGIN, top), 22.0, BRIGHT);
        sheet.write(&row.note, (MARGIN, top + 28), 16.0, QUIET);
        for (index, cell) in row.cells.iter().enumerate() {
            let (column, line) = (index as u32 % COLUMNS, index as u32 / COLUMNS);
            let at = (MARGIN + column * (CELL.0 + GAP), top + 56 + line * (CELL.1 + 30));
            sheet.cell(cell, at)?;
        }
        top += row_height(row);
    }
    sheet.picture.save(to).with_context(|| format!("writing {}", to.display()))
}

fn row_height(row: &Row) -> u32 {
    let lines = (row.cells.len() as u32).div_ceil(COLUMNS);
    56 + lines * (CELL.1 + 30) + 26
}

fn legend(sheet: &mut Sheet, rows: &[Row], width: u32) {
    let used = |kind: Kind| rows.iter().any(|row| row.cells.iter().any(|cell| cell.kind == kind));
    let mut right = width - MARGIN;
    for kind in Kind::ALL.into_iter().rev().filter(|kind| used(*kind)) {
        let text = sheet.width(kind.label(), 16.0);
        right -= text;
        sheet.write(kind.label(), (right, 34), 16.0, BRIGHT);
        right -= 24;
        sheet.fill((right, 36), (16, 14), kind.colour());
        right -= 22;
    }
}

struct Sheet {
    picture: RgbImage,
    font: FontRef<'static>,
}

impl Sheet {
    fn new(width: u32, height: u32) -> Result<Self> {
        let font =
            FontRef::try_from_slice(dejavu::sans::regular()).context("the embedded font is damaged")?;
        Ok(Self { picture: RgbImage::from_pixel(width, height, GROUND), font })
    }

    fn cell(&mut self, cell: &Cell, (left, top): (u32, u32)) -> Result<()> {
        let picture = image::open(&cell.picture)
            .with_context(|| format!("reading {}", cell.picture.display()))?
            .to_rgb8();
        self.fill((left, top), CELL, cell.kind.colour());
        let (width, height) = (CELL.0 - 2 * BORDER, CELL.1 - 2 * BORDER);
        let small = image::imageops::resize(&picture, width, height, FilterType::Lanczos3);
        image::imageops::replace(
            &mut self.picture,
            &small,
            i64::from(left + BORDER),
            i64::from(top + BORDER),
        );
        self.write(&cell.label, (left, top + CELL.1 + 4), 15.0, cell.kind.colour());
        Ok(())
    }

    fn fill(&mut self, (left, top): (u32, u32), (width, height): (u32, u32), colour: Rgb<u8>) {
        for y in top..(top + height).min(self.picture.height()) {
            for x in left..(left + width).min(self.picture.width()) {
                self.picture.put_pixel(x, y, colour);
            }
        }
    }

    fn width(&self, text: &str, size: f32) -> u32 {
        let font = self.font.as_scaled(PxScale::from(size));
        text.chars().map(|letter| font.h_advance(font.glyph_id(letter))).sum::<f32>().ceil() as u32
    }

    /// Draws `text` with its top left corner at `at`, without kerning.
    fn write(&mut self, text: &str, at: (u32, u32), size: f32, colour: Rgb<u8>) {
        let scale = PxScale::from(size);
        let font = self.font.clone();
        let scaled = font.as_scaled(scale);
        let (mut x, baseline) = (at.0 as f32, at.1 as f32 + scaled.ascent());
        for letter in text.chars() {
            let id = scaled.glyph_id(letter);
            if let Some(outline) = font.outline_glyph(id.with_scale_and_position(scale, point(x, baseline))) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, cover| {
                    self.blend(
                        corner.x as i64 + i64::from(dx),
                        corner.y as i64 + i64::from(dy),
                        cover,
                        colour,
                    );
                });
            }
            x += scaled.h_advance(id);
        }
    }

    fn blend(&mut self, x: i64, y: i64, cover: f32, colour: Rgb<u8>) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if let Some(pixel) = self.picture.get_pixel_mut_checked(x, y) {
            for (under, over) in pixel.0.iter_mut().zip(colour.0) {
                *under = (f32::from(*under) * (1.0 - cover) + f32::from(over) * cover).round() as u8;
            }
        }
    }
}
