//! What the types of a manifest cannot say: ranges, and fields that have to agree.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;

use crate::{
    ControlSpec, DecodeSpec, Demand, FileRecord, GoldenSpec, Graphs, HeldSpec, Limits, MANIFEST, Manifest,
    Preset, SamplerKind, SamplerSpec, ScheduleKind, check_path,
};

/// A field that is wrong.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// Its path, as `limits.max_frames`.
    pub field: String,
    /// What was expected and what was found.
    pub what: String,
}

type Checked = Result<(), Wrong>;

/// Looks at every field of `manifest`.
pub(crate) fn check(manifest: &Manifest) -> Checked {
    check_names(manifest)?;
    check_files(&manifest.files)?;
    check_graphs(&manifest.graphs)?;
    check_listed(manifest)?;
    check_shapes(manifest)?;
    check_limits(&manifest.limits, manifest.latent.spatial)?;
    check_sampler(&manifest.sampler)?;
    check_presets(manifest)?;
    for (field, demands) in [("memory", &manifest.memory), ("gpu_memory", &manifest.gpu_memory)] {
        let entries = demands.iter().flat_map(|demands| demands.entries());
        entries.into_iter().try_for_each(|(component, demand)| {
            check_demand(&format!("{field}.{}", component.field()), demand)
        })?;
    }
    let golden = manifest.golden.iter().flat_map(|golden| golden.entries());
    golden
        .into_iter()
        .try_for_each(|(component, spec)| check_golden(component.field(), spec, &manifest.files))
}

fn wrong(field: impl Display, expected: impl Display, found: impl Display) -> Checked {
    Err(Wrong { field: field.to_string(), what: format!("expected {expected}, found {found}") })
}

/// `value` lies in `low..=high`; a NaN never does.
fn range<T: PartialOrd + Display>(field: &str, value: T, low: T, high: T) -> Checked {
    if value >= low && value <= high {
        return Ok(());
    }
    wrong(field, format_args!("{low} to {high}"), value)
}

fn text(field: &str, value: &str, longest: usize) -> Checked {
    let count = value.chars().count();
    if value.trim().is_empty() || count > longest || value.chars().any(char::is_control) {
        return wrong(field, format_args!("1 to {longest} printable characters"), format_args!("{value:?}"));
    }
    Ok(())
}

fn check_names(manifest: &Manifest) -> Checked {
    let name = &manifest.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    // The name becomes a folder, so it has to be a good segment too.
    if !starts || name.len() > 64 || !name.chars().all(plain) || check_path(name).is_err() {
        return wrong(
            "name",
            "1 to 64 of a–z 0–9 . _ -, starting with a letter or digit",
            format_args!("{name:?}"),
        );
    }
    text("title", &manifest.title, 200)?;
    text("version", &manifest.version, 64)?;
    text("family", &manifest.family, 64)?;
    text("licence.spdx", &manifest.licence.spdx, 200)?;
    text("source.origin", &manifest.source.origin, 2000)?;
    text("source.revision", &manifest.source.revision, 200)?;
    range("opset", manifest.opset, 17, 25)
}

fn check_files(files: &BTreeMap<String, FileRecord>) -> Checked {
    let mut seen = HashSet::new();
    for (path, record) in files {
        let field = format!("files[{path:?}]");
        check_path(path).map_err(|what| Wrong { field: field.clone(), what })?;
        let folded = path.to_ascii_lowercase();
        if folded == MANIFEST {
            return wrong(field, "no record of the manifest itself", "one");
        }
        if !seen.insert(folded) {
            return wrong(field, "names that differ in more than case", "two that do not");
        }
        let digits = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if record.sha256.len() != 64 || !record.sha256.chars().all(digits) {
            let found = format_args!("{:?}", record.sha256).to_string();
            return wrong(format!("{field}.sha256"), "64 lower-case hex digits", found);
        }
    }
    Ok(())
}

/// A VAE works in steps in both directions, or in neither.
fn check_graphs(graphs: &Graphs) -> Checked {
    match (&graphs.vae_enc_next, &graphs.vae_dec_next) {
        (Some(_), None) => wrong("graphs.vae_dec_next", "a path, as `vae_enc_next` has one", "nothing"),
        (None, Some(_)) => wrong("graphs.vae_enc_next", "a path, as `vae_dec_next` has one", "nothing"),
        _ => check_mid(graphs),
    }
}

/// Both stages of a decoder work in steps, or neither.
fn check_mid(graphs: &Graphs) -> Checked {
    let stepped = graphs.vae_mid_first.is_some() && graphs.is_stepped();
    match (&graphs.vae_mid_next, stepped) {
        (None, true) => wrong("graphs.vae_mid_next", "a path, as `vae_dec_next` has one", "nothing"),
        (Some(path), false) => {
            let expected = "nothing, as `vae_mid_first` or `vae_dec_next` has no path";
            wrong("graphs.vae_mid_next", expected, format_args!("{path:?}"))
        }
        _ => Ok(()),
    }
}

/// What is measured is a number of bytes.
fn check_demand(name: &str, demand: &Demand) -> Checked {
    const MOST: f64 = 1e13;
    range(&format!("{name}.resident"), demand.resident, 0, MOST as u64)?;
    range(&format!("{name}.least"), demand.least, 0, MOST as u64)?;
    range(&format!("{name}.idle"), demand.idle, 0, demand.resident)?;
    range(&format!("{name}.each"), demand.each, 0.0, MOST)?;
    range(&format!("{name}.kept"), demand.kept, 0.0, MOST)
}

/// A case is a folder that holds at least what is expected.
fn check_golden(name: &str, spec: &GoldenSpec, files: &BTreeMap<String, FileRecord>) -> Checked {
    range(&format!("golden.{name}.cases"), spec.cases.len(), 1, 64)?;
    range(&format!("golden.{name}.bound"), spec.bound, 1e-9, 1.0)?;
    let lacking = |case: &&String| !files.contains_key(&format!("{case}/expected.npy"));
    match spec.cases.iter().find(lacking) {
        Some(case) => wrong(
            format!("golden.{name}.cases"),
            "folders that hold an `expected.npy` listed in `files`",
            format_args!("{case:?}"),
        ),
        None => Ok(()),
    }
}

/// Every path that a field names is listed.
fn check_listed(manifest: &Manifest) -> Checked {
    let graphs = manifest.graphs.kinds().map(|(kind, path)| (format!("graphs.{}", kind.field()), path));
    let others = [
        ("tokenizer.file".to_owned(), manifest.tokenizer.file.as_str()),
        ("licence.file".to_owned(), manifest.licence.file.as_str()),
    ];
    for (field, path) in graphs.chain(others) {
        check_path(path).map_err(|what| Wrong { field: field.clone(), what })?;
        if !manifest.files.contains_key(path) {
            return wrong(field, "a path listed in `files`", format_args!("{path:?}"));
        }
    }
    Ok(())
}

fn check_shapes(manifest: &Manifest) -> Checked {
    range("tokenizer.max_tokens", manifest.tokenizer.max_tokens, 1, 4096)?;
    range("text.width", manifest.text.width, 1, 65_536)?;
    range("latent.channels", manifest.latent.channels, 1, 4096)?;
    range("latent.spatial", manifest.latent.spatial, 1, 64)?;
    range("latent.temporal", manifest.latent.temporal, 1, 64)?;
    manifest.control.as_ref().map_or(Ok(()), check_control)?;
    manifest.held.as_ref().map_or(Ok(()), check_held)?;
    manifest.decode.as_ref().map_or(Ok(()), check_decode)?;
    let distinct: HashSet<_> = manifest.conditioning.iter().collect();
    if distinct.len() != manifest.conditioning.len() {
        return wrong("conditioning", "each kind once", format_args!("{:?}", manifest.conditioning));
    }
    Ok(())
}

fn check_control(control: &ControlSpec) -> Checked {
    range("control.layers", control.layers, 1, 1024)?;
    range("control.scale", control.scale, 0.0, 2.0)?;
    range("control.max_references", control.max_references, 0, 64)
}

fn check_held(held: &HeldSpec) -> Checked {
    range("held.strength", held.strength, 0.01, 1.0)?;
    range("held.noise", held.noise, 0.0, 1.0)
}

fn check_decode(decode: &DecodeSpec) -> Checked {
    range("decode.timestep", decode.timestep, 0.0, 1.0)?;
    range("decode.noise", decode.noise, 0.0, 1.0)
}

fn check_limits(limits: &Limits, spatial: usize) -> Checked {
    range("limits.size_multiple", limits.size_multiple, 1, 1024)?;
    if !(limits.size_multiple as usize).is_multiple_of(spatial) {
        return wrong(
            "limits.size_multiple",
            format_args!("a multiple of `latent.spatial` ({spatial})"),
            limits.size_multiple,
        );
    }
    range("limits.frame_multiple", limits.frame_multiple, 1, 256)?;
    range("limits.frame_offset", limits.frame_offset, 0, 256)?;
    range("limits.max_frames", limits.max_frames, 1, 100_000)?;
    range("limits.min_frames", limits.min_frames, 1, limits.max_frames)?;
    for (field, frames) in
        [("limits.min_frames", limits.min_frames), ("limits.max_frames", limits.max_frames)]
    {
        if !limits.allows_length(frames) {
            let rule = format!("{} n + {}", limits.frame_multiple, limits.frame_offset);
            return wrong(field, format_args!("{rule} frames"), frames);
        }
    }
    range("limits.max_side", limits.max_side, limits.size_multiple, 16_384)?;
    range("limits.min_side", limits.min_side, 1, limits.max_side)?;
    let smallest = limits.size_multiple.pow(2);
    range("limits.max_pixels", limits.max_pixels, smallest, 1 << 28)?;
    range("limits.native_pixels", limits.native_pixels, smallest, limits.max_pixels)
}

fn check_sampler(sampler: &SamplerSpec) -> Checked {
    let most = if sampler.kind == SamplerKind::DpmPlusPlus { 2 } else { 3 };
    range("sampler.order", sampler.order, 1, most)?;
    range("sampler.shift", sampler.shift, 1e-3, 100.0)?;
    if sampler.schedule == ScheduleKind::LinearQuadratic && sampler.shift != 1.0 {
        return wrong("sampler.shift", "1 with the schedule `linear_quadratic`", sampler.shift);
    }
    range("sampler.train_timesteps", sampler.train_timesteps, 1, 100_000)
}

fn check_presets(manifest: &Manifest) -> Checked {
    let presets = &manifest.presets;
    let continuing = presets.continuing.iter().map(|preset| ("continuing", preset));
    for (name, preset) in [("draft", &presets.draft), ("final", &presets.full)].into_iter().chain(continuing)
    {
        check_preset(&format!("presets.{name}"), preset)?;
    }
    Ok(())
}

fn check_preset(field: &str, preset: &Preset) -> Checked {
    range(&format!("{field}.steps"), preset.steps, 1, 200)?;
    range(&format!("{field}.guidance"), preset.guidance, 1.0, 30.0)?;
    range(&format!("{field}.scale"), preset.scale, 0.1, 4.0)?;
    range(&format!("{field}.guidance_rescale"), preset.guidance_rescale, 0.0, 1.0)?;
    check_interval(field, preset.guidance_interval.unwrap_or([0.0, 1.0]))?;
    preset.sigmas.as_deref().map_or(Ok(()), |sigmas| check_sigmas(field, preset.steps, sigmas))
}

fn check_interval(field: &str, [start, stop]: [f64; 2]) -> Checked {
    if (0.0..1.0).contains(&start) && start < stop && stop <= 1.0 {
        return Ok(());
    }
    let expected = "a share of the steps, 0 to 1, and a larger one";
    wrong(format!("{field}.guidance_interval"), expected, format_args!("[{start}, {stop}]"))
}

fn check_sigmas(field: &str, steps: u32, sigmas: &[f64]) -> Checked {
    let field = format!("{field}.sigmas");
    if sigmas.len() != steps as usize {
        return wrong(field, format_args!("{steps} noise levels, as `steps`"), sigmas.len());
    }
    let falls = sigmas.windows(2).all(|pair| pair[0] > pair[1]);
    if !falls || sigmas.iter().any(|sigma| !(*sigma > 0.0 && *sigma <= 1.0)) {
        return wrong(field, "falling noise levels above 0 and up to 1", format_args!("{sigmas:?}"));
    }
    Ok(())
}
