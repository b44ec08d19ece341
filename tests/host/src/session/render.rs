//! Rendering frames in the order of real hosts.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::*;
use parking_lot::Mutex;

use super::face::strip;
use super::{Stopped, expect};
use crate::host::Host;
use crate::images;
use crate::media::source::{Fetched, numbered};
use crate::media::write::{self, Rendered};
use crate::names;
use crate::plan::{Outcome, Premultiplication, RenderPlan};
use crate::profile::{Object, SaidScale};
use crate::report::FrameReport;
use crate::violation::ViolationKind;
use crate::world::calls::{Action, Call, NeededFrames, Target};
use crate::world::handles::Handle;
use crate::world::image::{self, Layout, PixelBuffer};
use crate::world::property_set::{Kind, PropertySet};
use crate::world::property_table;
use crate::{Event, HostError};

/// One render of a range of frames.
#[derive(Debug)]
pub struct Job<'a> {
    /// The host.
    pub host: &'a Host,
    /// The instance.
    pub effect: Handle,
    /// What to render.
    pub plan: &'a RenderPlan,
    /// Threads to use.
    pub threads: usize,
}

/// A frame's report, or why the host could not go on.
type Frames = Result<Vec<FrameReport>, Stopped>;

impl Job<'_> {
    fn scale(&self) -> [f64; 2] {
        self.plan.scale.unwrap_or([1.0, 1.0])
    }

    fn layout(&self) -> Layout {
        self.host.layout(self.scale())
    }

    fn window(&self) -> [i32; 4] {
        self.plan.window.unwrap_or(self.layout().bounds)
    }

    fn call(&self, action: Action, time: f64) -> Call {
        Call::new(action, Some(self.effect), time, self.scale())
    }

    /// Renders all frames, within begin and end of the sequence.
    pub fn run(&self) -> Frames {
        self.check_plan()?;
        self.time_domain();
        if self.host.manners().sequence_per_frame {
            let one = |frame| [frame, frame];
            let frames = (self.plan.from..=self.plan.to)
                .map(|frame| self.within_sequence(one(frame), || Ok(vec![self.frame(frame)?])));
            return frames.collect::<Result<Vec<_>, _>>().map(|frames| frames.concat());
        }
        self.within_sequence([self.plan.from, self.plan.to], || self.frames())
    }

    fn within_sequence(&self, range: [i64; 2], frames: impl FnOnce() -> Frames) -> Frames {
        let status = self.sequence(Action::BeginSequenceRender, range);
        expect(self.host, Action::BeginSequenceRender, status)?;
        let frames = frames();
        let status = self.sequence(Action::EndSequenceRender, range);
        expect(self.host, Action::EndSequenceRender, status)?;
        frames
    }

    /// What the host calls a timeline frame in actions.
    fn time(&self, frame: i64) -> f64 {
        frame as f64 + self.host.source_offset()
    }

    fn check_plan(&self) -> Result<(), Stopped> {
        let ([x1, y1, x2, y2], [left, low, right, high]) = (self.window(), self.layout().bounds);
        if x1 < left || y1 < low || x2 > right || y2 > high || x1 >= x2 || y1 >= y2 {
            return Err(Stopped(format!(
                "render window {:?} is not inside {:?}",
                self.window(),
                self.layout().bounds
            )));
        }
        if self.scale().iter().any(|scale| !(*scale > 0.0 && *scale <= 1.0)) {
            return Err(Stopped(format!("render scale {:?} is outside 0..=1", self.scale())));
        }
        Ok(())
    }

    /// Takes frames from a counter on as many threads as wanted.
    fn frames(&self) -> Frames {
        let times: Vec<i64> = (self.plan.from..=self.plan.to).collect();
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(times.len()));
        std::thread::scope(|scope| {
            for _ in 0..self.threads.min(times.len()).max(1) {
                scope.spawn(|| {
                    while let Some(&time) = times.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let frame = self.frame(time);
                        self.host.tell(&Event::Frame { done: done.lock().len() + 1, of: times.len() });
                        done.lock().push(frame);
                    }
                });
            }
        });
        let mut frames = done.into_inner().into_iter().collect::<Result<Vec<FrameReport>, Stopped>>()?;
        frames.sort_by_key(|frame| frame.time);
        Ok(frames)
    }

    fn sequence(&self, action: Action, range: [i64; 2]) -> OfxStatus {
        let args = self.host.arguments(property_table::SEQUENCE_ARGS, |args| {
            args.put_doubles(kOfxImageEffectPropFrameRange, &range.map(|frame| self.time(frame)));
            args.put_doubles(kOfxImageEffectPropFrameStep, &[1.0]);
            args.put_ints(kOfxPropIsInteractive, &[i32::from(self.plan.interactive)]);
            self.common(args);
        });
        let call = Arc::new(self.call(action, self.time(range[0])));
        let (status, _) = self.host.call(&call, Some(args), None);
        self.host.take_arguments(args);
        status
    }

    /// The scale as this host tells it.
    fn say_scale(&self, args: &mut PropertySet) {
        match self.host.manners().said_scale(self.plan) {
            SaidScale::True => args.put_doubles(kOfxImageEffectPropRenderScale, &self.scale()),
            SaidScale::Full => args.put_doubles(kOfxImageEffectPropRenderScale, &[1.0, 1.0]),
            SaidScale::Missing => args.remove(kOfxImageEffectPropRenderScale),
        }
    }

    fn common(&self, args: &mut PropertySet) {
        self.say_scale(args);
        args.put_ints(kOfxImageEffectPropSequentialRenderStatus, &[i32::from(self.threads == 1)]);
        args.put_ints(kOfxImageEffectPropInteractiveRenderStatus, &[i32::from(self.plan.interactive)]);
        args.put_ints(kOfxImageEffectPropThumbnailRender, &[i32::from(self.plan.thumbnail)]);
        strip(args, self.host.manners(), Object::Arguments);
    }

    fn frame_args(&self, time: f64, window: [i32; 4]) -> Handle {
        self.host.arguments(property_table::RENDER_ARGS, |args| {
            args.put_doubles(kOfxPropTime, &[time]);
            args.put_texts(kOfxImageEffectPropFieldToRender, &[names::fields(self.host.project.fields)]);
            args.put_ints(kOfxImageEffectPropRenderWindow, &window);
            args.put_ints(kOfxImageEffectPropRenderQualityDraft, &[i32::from(self.plan.draft)]);
            self.common(args);
        })
    }

    fn time_args(&self, time: f64) -> Handle {
        self.host.arguments(property_table::TIME_ARGS, |args| {
            args.put_doubles(kOfxPropTime, &[time]);
            self.say_scale(args);
        })
    }

    fn frame(&self, frame: i64) -> Result<FrameReport, Stopped> {
        let time = self.time(frame);
        self.region_of_definition(time)?;
        if let Some(identity) = self.identity(time)? {
            return self.identical(frame, identity);
        }
        self.regions_of_interest(time)?;
        let needed = self.frames_needed(time)?;
        self.render(frame, needed)
    }

    /// Asks with arguments and a reply; gives the reply where the plugin answered OK.
    fn ask(
        &self,
        action: Action,
        time: f64,
        args: Handle,
        reply: Handle,
    ) -> Result<Option<PropertySet>, Stopped> {
        let call = Arc::new(self.call(action, time));
        let (status, _) = self.host.call(&call, Some(args), Some(reply));
        self.host.take_arguments(args);
        let answer = self.host.take_arguments(reply);
        expect(self.host, action, status)?;
        Ok(answer.filter(|_| status == kOfxStatOK))
    }

    fn invalid(&self, action: Action, detail: String) {
        self.host.world.lock().report(ViolationKind::InvalidReply, action.label(), detail);
    }

    fn time_domain(&self) {
        let has_source = self.host.world.lock().clip_named(self.effect, "Source").is_some();
        if has_source {
            return;
        }
        let range = self.host.range.map(|frame| self.time(frame));
        let reply = self.host.arguments(property_table::TIME_DOMAIN_REPLY, |reply| {
            reply.put_doubles(kOfxImageEffectPropFrameRange, &range);
        });
        let call = Arc::new(self.call(Action::GetTimeDomain, range[0]));
        let (status, _) = self.host.call(&call, None, Some(reply));
        let answer = self.host.take_arguments(reply).filter(|_| status == kOfxStatOK);
        let domain = answer.as_ref().map(|a| a.values::<f64>(kOfxImageEffectPropFrameRange));
        if let Some([first, last]) = domain
            && first > last
        {
            self.invalid(Action::GetTimeDomain, format!("{first}..{last}"));
        }
    }

    fn region_of_definition(&self, time: f64) -> Result<(), Stopped> {
        let reply = self.host.arguments(property_table::DEFINITION_REPLY, |reply| {
            reply.put_doubles(kOfxImageEffectPropRegionOfDefinition, &self.host.extent());
        });
        let answer = self.ask(Action::GetRegionOfDefinition, time, self.time_args(time), reply)?;
        let region = answer.as_ref().map(|a| a.values::<f64>(kOfxImageEffectPropRegionOfDefinition));
        if let Some([x1, y1, x2, y2]) = region
            && !(x1 < x2 && y1 < y2)
        {
            self.invalid(Action::GetRegionOfDefinition, format!("{x1},{y1} to {x2},{y2} is empty"));
        }
        Ok(())
    }

    fn identity(&self, time: f64) -> Result<Option<(String, f64)>, Stopped> {
        let reply = self.host.arguments(property_table::IDENTITY_REPLY, |reply| {
            reply.put_doubles(kOfxPropTime, &[time]);
        });
        let Some(answer) = self.ask(Action::IsIdentity, time, self.frame_args(time, self.window()), reply)?
        else {
            return Ok(None);
        };
        let clip = answer.text(kOfxPropName);
        if self.host.world.lock().clip_named(self.effect, &clip).is_none() {
            self.invalid(Action::IsIdentity, format!("there is no clip {clip:?}"));
            return Ok(None);
        }
        let at = answer.values::<f64>(kOfxPropTime).first().copied().unwrap_or(time);
        Ok(Some((clip, at)))
    }

    fn clip_names(&self) -> Vec<String> {
        let world = self.host.world.lock();
        let own = world.clips.values().filter(|clip| clip.effect == self.effect && clip.source.is_some());
        own.map(|clip| clip.name.clone()).collect()
    }

    fn regions_of_interest(&self, time: f64) -> Result<(), Stopped> {
        let region = self.window().map(f64::from);
        let name = |clip: &str| property_table::clip_argument("OfxImageClipPropRoI_", clip);
        let args = self.host.arguments(property_table::INTEREST_ARGS, |args| {
            args.put_doubles(kOfxPropTime, &[time]);
            self.say_scale(args);
            args.put_doubles(kOfxImageEffectPropRegionOfInterest, &region);
        });
        let clips = self.clip_names();
        let reply = self.host.arguments(&[], |reply| {
            for clip in &clips {
                reply.define(&name(clip), Kind::Double, 4, true);
                reply.put_doubles(&name(clip), &region);
            }
        });
        self.ask(Action::GetRegionsOfInterest, time, args, reply).map(|_| ())
    }

    /// The frames that the plugin will fetch; the current one of every clip unless it says otherwise.
    fn frames_needed(&self, time: f64) -> Result<NeededFrames, Stopped> {
        let clips = self.clip_names();
        let current = |clip: &String| (clip.clone(), vec![[time, time]]);
        if !(self.host.temporal_access() && self.host.plugin_temporal()) {
            return Ok(clips.iter().map(current).collect());
        }
        let name = |clip: &str| property_table::clip_argument("OfxImageClipPropFrameRange_", clip);
        let reply = self.host.arguments(&[], |reply| {
            for clip in &clips {
                reply.define(&name(clip), Kind::Double, 0, true);
                reply.put_doubles(&name(clip), &[time, time]);
            }
        });
        let answer = self.ask(Action::GetFramesNeeded, time, self.time_args(time), reply)?;
        let Some(answer) = answer else { return Ok(clips.iter().map(current).collect()) };
        Ok(clips.iter().map(|clip| (clip.clone(), self.ranges(clip, answer.values(&name(clip))))).collect())
    }

    fn ranges(&self, clip: &str, values: &[f64]) -> Vec<[f64; 2]> {
        let (ranges, rest) = values.as_chunks::<2>();
        if !rest.is_empty() || ranges.iter().any(|[from, to]| from > to) {
            self.invalid(Action::GetFramesNeeded, format!("{clip}: {values:?} are no ranges"));
        }
        ranges.to_vec()
    }

    fn render(&self, frame: i64, needed: NeededFrames) -> Result<FrameReport, Stopped> {
        let whole = self.layout();
        let tiles = self.tiles();
        let in_tiles = tiles.len() > 1;
        let mut rows = in_tiles.then(|| vec![0; whole.row() * whole.height()]);
        let mut report = self.report(frame);
        for tile in tiles {
            let layout = if in_tiles { Layout { bounds: tile, ..whole } } else { whole };
            let bytes = self.render_part(&mut report, layout, tile, needed.clone());
            if let Some(rows) = &mut rows {
                place(rows, &whole, &image::packed(&layout, &bytes), &layout);
            } else {
                rows = Some(image::packed(&layout, &bytes));
            }
        }
        let success = went_well(&report.status);
        if !success && self.host.manners().hides_failures {
            return self.source_instead(frame, report);
        }
        if let Some(rows) = rows.filter(|_| success) {
            self.deliver(&mut report, rows)?;
        }
        Ok(report)
    }

    /// The parts that a frame is rendered in: tiles where the plan wants some, and host and plugin can.
    fn tiles(&self) -> Vec<[i32; 4]> {
        let [left, low, right, high] = self.window();
        let able = self.host.manners().tiles
            && self
                .host
                .world
                .lock()
                .effect_props(self.effect)
                .is_some_and(|props| props.int(kOfxImageEffectPropSupportsTiles) != 0);
        let Some([width, height]) = self.plan.tiles.filter(|size| able && size.iter().all(|side| *side > 0))
        else {
            return vec![self.window()];
        };
        let starts = |from: i32, to: i32, step: i32| (from..to).step_by(step.unsigned_abs() as usize);
        let columns = |y: i32| {
            starts(left, right, width).map(move |x| [x, y, (x + width).min(right), (y + height).min(high)])
        };
        starts(low, high, height).flat_map(columns).collect()
    }

    /// Renders a window into an image of a layout; gives the image's memory. Status and times are added to
    /// the frame's report; of several parts the first bad status stands.
    fn render_part(
        &self,
        report: &mut FrameReport,
        layout: Layout,
        window: [i32; 4],
        needed: NeededFrames,
    ) -> Vec<u8> {
        let blank = image::blank(&layout);
        let buffer = Arc::new(PixelBuffer::new(&blank));
        let time = self.time(report.time);
        let mut call = self.call(Action::Render, time);
        if self.host.measured.is_some() {
            call.allow(images::time_of_copy(&blank));
        }
        call.target = Some(Target { buffer: Arc::clone(&buffer), layout, needed });
        let call = Arc::new(call);
        let args = self.frame_args(time, window);
        let (status, took) = self.host.call(&call, Some(args), None);
        self.host.take_arguments(args);
        let bytes = buffer.snapshot();
        let success = names::is_success(status);
        self.check_damage(report.time, &layout, window, &bytes, success);
        let fetching = Duration::from_nanos(call.fetch_nanos.load(Ordering::Relaxed));
        let own = took.saturating_sub(fetching);
        if self.plan.cached {
            self.host.check_time(Action::Render, own);
        }
        if went_well(&report.status) {
            report.status = names::status(status);
        }
        report.ms += own.as_secs_f64() * 1e3;
        report.fetch_ms += fetching.as_secs_f64() * 1e3;
        report.fetched.extend(call.fetched.lock().iter().cloned());
        bytes
    }

    /// What a host shows that takes a failed render for a plugin that does nothing.
    fn source_instead(&self, frame: i64, failed: FrameReport) -> Result<FrameReport, Stopped> {
        let shown = self.identical(frame, ("Source".to_owned(), self.time(frame)))?;
        Ok(FrameReport { identity: None, ..shown }.with_status(failed))
    }

    fn check_damage(&self, frame: i64, layout: &Layout, window: [i32; 4], bytes: &[u8], success: bool) {
        let damage = image::inspect(layout, bytes, window);
        // A render that was told to stop may leave what it has; nobody shows it.
        let stopped = self.host.world.lock().journal.cancelled.is_some();
        let seen = [
            (ViolationKind::WriteOutsideWindow, damage.outside_window, "pixels outside the window"),
            (ViolationKind::WriteOutsideImage, damage.outside_image, "bytes outside the image's rows"),
            (
                ViolationKind::UnwrittenPixels,
                if success && !stopped { damage.unwritten } else { 0 },
                "pixels never written",
            ),
        ];
        for (kind, count, what) in seen.into_iter().filter(|(_, count, _)| *count > 0) {
            let mut world = self.host.world.lock();
            world.log.add(
                kind,
                Some(Action::Render.label()),
                "output image",
                format!("frame {frame}: {count} {what}"),
            );
        }
    }

    fn report(&self, time: i64) -> FrameReport {
        let layout = self.layout();
        FrameReport {
            time,
            status: String::new(),
            ms: 0.0,
            fetch_ms: 0.0,
            identity: None,
            hash: None,
            width: layout.bounds[2] - layout.bounds[0],
            height: layout.bounds[3] - layout.bounds[1],
            depth: layout.depth,
            fetched: Vec::new(),
            files: Vec::new(),
        }
    }

    /// What the host shows for a frame that is the same as a source's.
    fn identical(&self, frame: i64, (clip, at): (String, f64)) -> Result<FrameReport, Stopped> {
        let layout = self.layout();
        let source = {
            let world = self.host.world.lock();
            let handle = world.clip_named(self.effect, &clip);
            handle.and_then(|handle| world.clips.get(&handle)).and_then(|clip| clip.source.clone())
        };
        let fetched = source.map(|source| {
            source.packed(at - self.host.source_offset(), layout.width(), layout.height(), layout.depth)
        });
        let mut report = self.report(frame);
        report.identity = Some((clip, at));
        if let Some(Fetched::Packed(rows)) = fetched.transpose().map_err(told)? {
            self.deliver(&mut report, rows.to_vec())?;
        }
        Ok(report)
    }

    /// Hashes a picture and writes its files.
    fn deliver(&self, report: &mut FrameReport, rows: Vec<u8>) -> Result<(), Stopped> {
        report.hash = Some(blake3::hash(&rows).to_hex().to_string());
        let frame = Rendered {
            width: report.width.unsigned_abs(),
            height: report.height.unsigned_abs(),
            depth: report.depth,
            rows,
            held_as: self.output_alpha(),
        };
        if let Some(pattern) = &self.plan.out {
            let file = numbered(pattern, report.time).map_err(told)?;
            write::image(&frame, Path::new(&file)).map_err(told)?;
            report.files.push(file);
        }
        if let Some(pattern) = &self.plan.raw {
            let file = numbered(pattern, report.time).map_err(told)?;
            write::raw(&frame, Path::new(&file)).map_err(told)?;
            report.files.push(file);
        }
        Ok(())
    }

    /// How the output holds alpha, by the plugin's clip preferences.
    fn output_alpha(&self) -> Premultiplication {
        let world = self.host.world.lock();
        let clip = world.clip_named(self.effect, "Output").and_then(|clip| world.clips.get(&clip));
        let said = clip
            .and_then(|clip| world.props.get(&clip.props))
            .map(|p| p.text(kOfxImageEffectPropPreMultiplication));
        let all =
            [Premultiplication::Opaque, Premultiplication::Premultiplied, Premultiplication::Unpremultiplied];
        let named = |how: &Premultiplication| {
            said.as_deref().map(str::as_bytes) == Some(names::premultiplication(*how).to_bytes())
        };
        all.into_iter().find(named).unwrap_or(Premultiplication::Premultiplied)
    }
}

/// Puts the rows of a part where they belong in the rows of the whole; both from top to bottom.
fn place(rows: &mut [u8], whole: &Layout, part: &[u8], layout: &Layout) {
    let left = whole.pixel() * layout.bounds[0].abs_diff(whole.bounds[0]) as usize;
    let top = whole.bounds[3].abs_diff(layout.bounds[3]) as usize;
    for (at, row) in part.chunks_exact(layout.row().max(1)).enumerate() {
        let to = (top + at) * whole.row() + left;
        rows[to..to + row.len()].copy_from_slice(row);
    }
}

fn told(error: HostError) -> Stopped {
    Stopped(error.to_string())
}

/// Whether a status by name is none yet, or means success.
pub fn went_well(status: &str) -> bool {
    ["", "OK", "ReplyDefault"].contains(&status)
}

/// The first bad status of frames, and what came of them.
pub fn summary(frames: &[FrameReport], cancelled: bool) -> (String, Outcome) {
    let bad = frames.iter().find(|frame| !went_well(&frame.status));
    let outcome = match (bad, cancelled) {
        (_, true) => Outcome::Cancelled,
        (Some(_), false) => Outcome::Failed,
        (None, false) => Outcome::Ok,
    };
    (bad.map_or("OK", |frame| &frame.status).to_owned(), outcome)
}
