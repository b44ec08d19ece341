//! From a plan and the footage to the one request that is sent.

use pickup_core::{Canvas, Error, FrameRate, PlateId, Request, Result, Settings, Slot};
use pickup_takes::{PlateBuffer, Store};

use crate::footage::{Plates, Side};
use crate::references;
use crate::span::Plan;
use crate::values::{Part, Values};

/// What a canvas needs besides frames.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    /// The timeline's rate.
    pub rate: FrameRate,
    /// Width and height for a canvas without known frames.
    pub size: Option<(u32, u32)>,
}

/// Puts the known frames and references into the store and builds the request. `pictures` are references that
/// come from clips.
///
/// # Errors
/// Of kind input if frames differ in size or there is no size, of kind storage if plates cannot be written.
pub fn build(
    values: &Values,
    plan: &Plan,
    footage: &mut dyn Plates,
    pictures: &[PlateBuffer],
    timeline: Timeline,
    store: &Store,
) -> Result<Request> {
    let mut size = None;
    let mut known = |side: Side, frames: &[i64], footage: &mut dyn Plates| -> Result<Vec<Slot>> {
        frames
            .iter()
            .map(|frame| {
                let plate = footage.plate(side, *frame)?;
                agree(&mut size, &plate, *frame)?;
                store.put_plate(&plate.image()).map(Slot::Known)
            })
            .collect()
    };
    let before = known(Side::Before, &plan.before, footage)?;
    let after = known(plan.side_of_after(), &plan.after, footage)?;
    let within = match values.part.filter(|_| plan.is_partial()) {
        Some(part) => {
            let (own, slots) = parts(part, plan, footage, size, timeline.size, store)?;
            size = Some(own);
            slots
        }
        None => vec![Slot::Unknown; usize::try_from(plan.span.count()).unwrap_or(0)],
    };
    let size = size.or(timeline.size).ok_or_else(no_size)?;
    let mut references = references::gather(store, &values.references)?;
    for picture in pictures {
        references.push(store.put_plate(&picture.image())?);
    }
    finish(values, plan, (size, timeline.rate), [before, within, after].concat(), references)
}

/// The request that [`build`] would build, with blank plates: all that decides what it costs. Takes no picture and
/// stores nothing. `pictures` is how many references come from clips.
///
/// # Errors
/// Of kind input if there is no size.
pub fn outline(
    values: &Values,
    plan: &Plan,
    footage: &mut dyn Plates,
    pictures: usize,
    timeline: Timeline,
) -> Result<Request> {
    let blank = PlateId::of(b"");
    let first_before = plan.before.first().map(|frame| (Side::Before, *frame));
    let first_after = plan.after.first().map(|frame| (plan.side_of_after(), *frame));
    let own = plan.is_partial().then_some((Side::Within, plan.span.first));
    let placed = matches!(values.part, Some(Part::Placed(_))).then_some(timeline.size).flatten();
    let known = first_before.or(first_after).or(own.filter(|_| placed.is_none()));
    let size = known.map(|(side, frame)| footage.size(side, frame)).transpose()?;
    let size = size.or(timeline.size).ok_or_else(no_size)?;
    let within = if plan.is_partial() { Slot::Partial(blank) } else { Slot::Unknown };
    let known = |frames: &[i64]| vec![Slot::Known(blank); frames.len()];
    let count = usize::try_from(plan.span.count()).unwrap_or(0);
    let slots = [known(&plan.before), vec![within; count], known(&plan.after)].concat();
    let references = vec![blank; values.references.len() + pictures];
    finish(values, plan, (size, timeline.rate), slots, references)
}

fn finish(
    values: &Values,
    plan: &Plan,
    (size, rate): ((u32, u32), FrameRate),
    slots: Vec<Slot>,
    references: Vec<PlateId>,
) -> Result<Request> {
    let mut canvas = Canvas::around(size, rate, [], 0, []);
    canvas.slots = slots;
    let mut request = Request::new(canvas);
    request.job = plan.job;
    request.references = references;
    request.prompt = values.prompt.clone();
    request.negative_prompt = Some(values.negative_prompt.clone()).filter(|text| !text.trim().is_empty());
    request.model = values.model.clone();
    request.settings = Settings {
        scale: None,
        steps: values.steps,
        guidance: values.guidance,
        seed: values.seed,
        quality: values.quality,
    };
    request.check()?;
    Ok(request)
}

/// A canvas's size, and the frames of the span, each with the part of it that stays. The size is `known` from
/// other frames, else for a picture that is placed on it the `project`'s, where the host says, else the pictures'.
fn parts(
    part: Part,
    plan: &Plan,
    footage: &mut dyn Plates,
    mut known: Option<(u32, u32)>,
    project: Option<(u32, u32)>,
    store: &Store,
) -> Result<((u32, u32), Vec<Slot>)> {
    let mut slots = Vec::new();
    for frame in plan.span.first..=plan.span.last {
        let plate = footage.plate(Side::Within, frame)?;
        let plate = match part {
            Part::Placed(placement) => {
                let canvas = *known.get_or_insert(project.unwrap_or((plate.width, plate.height)));
                plate.placed(canvas, placement)?
            }
            Part::Without(region) => {
                agree(&mut known, &plate, frame)?;
                match footage.mask(frame)? {
                    Some(mask) => plate.without_masked(&mask)?,
                    None => plate.without(region)?,
                }
            }
        };
        slots.push(Slot::Partial(store.put_plate(&plate.image())?));
    }
    Ok((known.ok_or_else(no_size)?, slots))
}

fn agree(size: &mut Option<(u32, u32)>, plate: &PlateBuffer, frame: i64) -> Result<()> {
    let (width, height) = *size.get_or_insert((plate.width, plate.height));
    if (width, height) != (plate.width, plate.height) {
        return Err(Error::input(format!(
            "expected all known frames at {width}×{height}, got {}×{} for frame {frame}.",
            plate.width, plate.height
        ))
        .hint("Bring both shots to one size before Pickup."));
    }
    Ok(())
}

fn no_size() -> Error {
    Error::input("the host does not say how large the picture is.")
        .hint("Set the project's size, or use Pickup on a clip.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footage::FrameSpan;
    use crate::history::{self, ClipKey, History};
    use crate::span::{JobChoice, settle};
    use crate::values::OnRender;
    use half::f16;
    use pickup_core::{Job, Quality};
    use pickup_takes::{Placement, Region};

    fn values() -> Values {
        Values {
            prompt: "a boat".into(),
            negative_prompt: " ".into(),
            model: "starter".into(),
            job: JobChoice::Auto,
            span: Some(FrameSpan { first: 2, last: 4 }),
            frame: None,
            context_frames: 2,
            references: vec![],
            quality: Quality::Draft,
            steps: Some(4),
            guidance: None,
            seed: 9,
            part: None,
            new_seed: false,
            on_render: OnRender::UseTake,
        }
    }

    fn shown(sizes: &[(i64, u32)]) -> History {
        let clip = ClipKey::fresh();
        for (frame, width) in sizes {
            let mut pixels = vec![f16::from_f32(*frame as f32 / 10.0); *width as usize * 16 * 4];
            pixels.iter_mut().skip(3).step_by(4).for_each(|alpha| *alpha = f16::ONE);
            history::show(clip, *frame, PlateBuffer { width: *width, height: 16, pixels }, (*width, 16));
        }
        History::of(clip)
    }

    #[test]
    fn a_fill_is_known_unknown_known_with_everything_the_user_set() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path())).unwrap();
        let mut footage = shown(&[(0, 32), (1, 32), (5, 32), (6, 32)]);
        let plan = settle(&values().wish(), &mut footage, 0).unwrap();
        let timeline = Timeline { rate: FrameRate::new(25, 1).unwrap(), size: None };
        let request = build(&values(), &plan, &mut footage, &[], timeline, &store).unwrap();
        let known: Vec<bool> =
            request.canvas.slots.iter().map(|slot| matches!(slot, Slot::Known(_))).collect();
        assert_eq!(known, [true, true, false, false, false, true, true]);
        assert_eq!((request.canvas.width, request.canvas.height), (32, 16));
        assert_eq!((request.settings.seed, request.settings.steps), (9, Some(4)));
        assert_eq!(request.negative_prompt, None, "blank means the package's default");
        assert_eq!(request.job, Job::Fill);
    }

    /// Jobs of each kind: an outline differs from the request in its plates alone.
    #[test]
    fn an_outline_is_the_request_without_its_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path())).unwrap();
        let mut footage = shown(&[(0, 32), (1, 32), (2, 32), (3, 32), (4, 32), (5, 32), (6, 32)]);
        let picture = PlateBuffer { width: 2, height: 1, pixels: vec![f16::ONE; 8] };
        let region = Part::Without(Region { left: 0.5, top: 0.0, width: 0.5, height: 1.0 });
        let placed = Part::Placed(Placement { scale: 0.5, x: 0.0, y: 0.0 });
        let jobs = [
            (JobChoice::Fill, None),
            (JobChoice::ExtendBefore, None),
            (JobChoice::Generate, None),
            (JobChoice::Remove, Some(region)),
            (JobChoice::Outpaint, Some(placed)),
        ];
        for (size, (job, part)) in
            [Some((64, 48)), None].into_iter().flat_map(|size| jobs.map(|job| (size, job)))
        {
            let timeline = Timeline { rate: FrameRate::new(25, 1).unwrap(), size };
            let values = Values { job, part, ..values() };
            let plan = settle(&values.wish(), &mut footage, 0).unwrap();
            let pictures = [picture.clone()];
            let outline = outline(&values, &plan, &mut footage, 1, timeline);
            let Ok(mut request) = build(&values, &plan, &mut footage, &pictures, timeline, &store) else {
                assert!(outline.is_err() && job == JobChoice::Generate && size.is_none());
                continue;
            };
            let blank = PlateId::of(b"");
            request.references.iter_mut().for_each(|plate| *plate = blank);
            for slot in &mut request.canvas.slots {
                if let Slot::Known(plate) | Slot::Partial(plate) = slot {
                    *plate = blank;
                }
            }
            assert_eq!(outline.unwrap(), request, "{job:?} {size:?}");
        }
    }

    #[test]
    fn frames_of_two_sizes_are_refused_and_a_generator_needs_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path())).unwrap();
        let timeline = Timeline { rate: FrameRate::new(25, 1).unwrap(), size: None };
        let mut footage = shown(&[(0, 32), (1, 32), (5, 48)]);
        let plan = settle(&values().wish(), &mut footage, 0).unwrap();
        let error = build(&values(), &plan, &mut footage, &[], timeline, &store).unwrap_err();
        assert!(error.message.contains("48×16"), "{error}");

        let plan =
            Plan { job: Job::Generate, span: FrameSpan { first: 0, last: 3 }, before: vec![], after: vec![] };
        assert!(build(&values(), &plan, &mut footage, &[], timeline, &store).is_err());
        let timeline = Timeline { size: Some((64, 48)), ..timeline };
        let request = build(&values(), &plan, &mut footage, &[], timeline, &store).unwrap();
        assert_eq!((request.job, request.canvas.unknown_count()), (Job::Generate, 4));
    }

    #[test]
    fn parts_of_frames_stay_and_the_rest_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path())).unwrap();
        let timeline = Timeline { rate: FrameRate::new(25, 1).unwrap(), size: Some((64, 48)) };
        let mut footage = shown(&[(1, 32), (2, 32), (3, 32), (4, 32), (5, 32)]);
        let mut build_with = |job, part| {
            let values = Values { job, part: Some(part), ..values() };
            let plan = settle(&values.wish(), &mut footage, 0).unwrap();
            build(&values, &plan, &mut footage, &[], timeline, &store)
        };
        let region = Region { left: 0.5, top: 0.0, width: 0.5, height: 1.0 };
        let request = build_with(JobChoice::Remove, Part::Without(region)).unwrap();
        let partial: Vec<bool> = request.canvas.slots.iter().map(Slot::is_partial).collect();
        assert_eq!(partial, [false, true, true, true, false]);
        assert_eq!((request.canvas.width, request.canvas.height, request.job), (32, 16, Job::Remove));

        let placement = Placement { scale: 1.0, x: 0.0, y: 0.0 };
        let request = build_with(JobChoice::Outpaint, Part::Placed(placement)).unwrap();
        assert_eq!((request.canvas.width, request.canvas.height, request.job), (64, 48, Job::Outpaint));
        assert!(request.canvas.slots.iter().all(Slot::is_partial));
        let Slot::Partial(id) = request.canvas.slots[0] else { panic!("{request:?}") };
        let plate = store.plate(&id).unwrap();
        let known = plate.pixels().chunks(4).filter(|pixel| pixel[3] == f16::ONE).count();
        assert_eq!(known, 32 * 16, "the picture in the middle of the project");
    }
}
