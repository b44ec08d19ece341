//! `takes`: what was generated.

use pickup_core::{Error, Result, TakeId};
use pickup_takes::{Store, Take, TakeEntry};
use serde_json::{Value, json};
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::args::TakesCommand;
use crate::console::{Console, bytes, table};
use crate::output::Output;

/// Runs a command about takes.
pub(crate) fn run(command: &TakesCommand, store: Option<&Path>, console: &Console) -> Result<()> {
    let store = Store::open(store)?;
    match command {
        TakesCommand::List => list(&store, console),
        TakesCommand::Show { take } => show(&store, &find(&store, take)?, console),
        TakesCommand::Note { take, text } => note(&store, &find(&store, take)?, text, console),
        TakesCommand::Verify { take, remove } => verify(&store, take.as_deref(), *remove, console),
        TakesCommand::Export { take, out, overwrite, format } => {
            let take = store.open_take(&find(&store, take)?)?;
            let files = Output::prepare(out, *format, *overwrite)?.write(&take)?;
            let object = json!({ "take": take.id(), "out": out, "files": files });
            console.result(&object, || {
                format!("{}: {} frames of take {}", out.display(), files.len(), take.id().short())
            });
            Ok(())
        }
        TakesCommand::Gc { limit } => collect(&store, *limit, console),
    }
}

fn list(store: &Store, console: &Console) -> Result<()> {
    let entries = store.list()?;
    let usage = store.usage()?;
    let rows: Vec<_> = entries.iter().map(|entry| (entry, store.open_take(&entry.id))).collect();
    let objects: Vec<_> =
        rows.iter().map(|(entry, take)| object(&store.note(&entry.id), entry, take)).collect();
    let object = json!({ "store": store.root(), "takes": objects, "bytes": usage.bytes() });
    console.result(&object, || {
        let heads = ["take", "job", "frames", "size", "room", "prompt", "note"];
        let mut lines = vec![heads.map(str::to_owned).to_vec()];
        lines.extend(rows.iter().map(|(entry, take)| row(&store.note(&entry.id), entry, take)));
        let total = format!("{} takes, {} in {}", usage.takes, bytes(usage.bytes()), store.root().display());
        if rows.is_empty() { total } else { format!("{}\n{total}", table(&lines)) }
    });
    Ok(())
}

fn object(note: &str, entry: &TakeEntry, take: &Result<Take>) -> Value {
    let used = entry.used.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match take {
        Ok(take) => json!({
            "id": entry.id, "bytes": entry.bytes, "used": used, "frames": take.frame_count(),
            "width": take.width(), "height": take.height(), "job": take.record().request.job,
            "prompt": take.record().request.prompt, "made_at": take.record().made_at, "note": note,
        }),
        Err(error) => {
            json!({ "id": entry.id, "bytes": entry.bytes, "used": used, "note": note, "error": error })
        }
    }
}

fn row(note: &str, entry: &TakeEntry, take: &Result<Take>) -> Vec<String> {
    let id = entry.id.to_string()[..12].to_owned();
    let begun = |text: &str| text.chars().take(40).collect();
    match take {
        Ok(take) => {
            let request = &take.record().request;
            let size = format!("{}×{}", take.width(), take.height());
            let frames = take.frame_count().to_string();
            let prompt = begun(&request.prompt);
            vec![id, request.job.label().to_owned(), frames, size, bytes(entry.bytes), prompt, begun(note)]
        }
        Err(error) => vec![
            id,
            "damaged".to_owned(),
            String::new(),
            String::new(),
            bytes(entry.bytes),
            error.message.clone(),
            begun(note),
        ],
    }
}

fn show(store: &Store, id: &TakeId, console: &Console) -> Result<()> {
    let (take, note) = (store.open_take(id)?, store.note(id));
    let object = json!({ "path": take.path(), "record": take.record(), "note": note });
    let record = serde_json::to_string_pretty(take.record())
        .map_err(|error| Error::storage(format!("the record cannot be written as JSON: {error}.")))?;
    let note = if note.is_empty() { note } else { format!("\nnote: {note}") };
    console.result(&object, || format!("{record}\n{}{note}", take.path().display()));
    Ok(())
}

fn note(store: &Store, id: &TakeId, text: &str, console: &Console) -> Result<()> {
    store.set_note(id, text)?;
    let note = store.note(id);
    console.result(&json!({ "id": id, "note": note }), || format!("{}: {note}", id.short()));
    Ok(())
}

fn verify(store: &Store, take: Option<&str>, remove: bool, console: &Console) -> Result<()> {
    let ids = match take {
        Some(take) => vec![find(store, take)?],
        None => store.list()?.into_iter().map(|entry| entry.id).collect(),
    };
    let mut damaged = Vec::new();
    for id in &ids {
        if let Err(error) = store.open_take(id).and_then(|take| take.verify()) {
            damaged.push((*id, error));
        }
    }
    if remove {
        damaged.iter().try_for_each(|(id, _)| store.remove(id).map(drop))?;
    }
    let objects: Vec<_> = damaged.iter().map(|(id, error)| json!({ "id": id, "error": error })).collect();
    let object = json!({ "checked": ids.len(), "damaged": objects, "removed": remove });
    console.result(&object, || verify_text(ids.len(), &damaged, remove));
    if damaged.is_empty() || remove {
        return Ok(());
    }
    Err(Error::storage(format!("{} of {} takes are damaged.", damaged.len(), ids.len()))
        .hint("Remove them with `pickup takes verify --remove`, then generate them again."))
}

fn verify_text(checked: usize, damaged: &[(TakeId, Error)], removed: bool) -> String {
    let end = if removed { " Removed." } else { "" };
    let mut lines: Vec<_> = damaged.iter().map(|(_, error)| format!("{}{end}", error.message)).collect();
    lines.push(format!("{checked} takes checked, {} damaged", damaged.len()));
    lines.join("\n")
}

fn collect(store: &Store, limit: u64, console: &Console) -> Result<()> {
    let collected = store.gc(limit)?;
    let object = json!({
        "takes": collected.takes, "plates": collected.plates, "freed": collected.freed, "left": collected.left,
    });
    console.result(&object, || {
        format!(
            "{} takes and {} plates removed, {} freed, {} left",
            collected.takes,
            collected.plates,
            bytes(collected.freed),
            bytes(collected.left)
        )
    });
    Ok(())
}

/// The take whose id starts with `digits`.
fn find(store: &Store, digits: &str) -> Result<TakeId> {
    if let Ok(id) = digits.parse::<TakeId>() {
        return Ok(id);
    }
    let entries = store.list()?;
    let found: Vec<_> = entries.iter().filter(|entry| entry.id.to_string().starts_with(digits)).collect();
    match found.as_slice() {
        [entry] if !digits.is_empty() => Ok(entry.id),
        [] => Err(Error::usage(format!("no take starts with {digits:?} in {}.", store.root().display()))
            .hint("See `pickup takes list`.")),
        _ => {
            Err(Error::usage(format!("{} takes start with {digits:?}.", found.len()))
                .hint("Give more digits."))
        }
    }
}
