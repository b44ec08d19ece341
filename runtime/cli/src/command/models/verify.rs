//! `models verify`: are the files what the manifest says, and do the graphs give what they have to?

use pickup_client::Client;
use pickup_core::protocol::Deviation;
use pickup_core::{Error, Provider, ProviderChoice, Result};
use pickup_package::{Package, default_search_dirs};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::command::job::client;
use crate::console::{Console, table};
use crate::interrupt::Interrupt;
use crate::progress::Display;

/// A package whose files are good, and how far its components are from its golden values.
struct Verified {
    package: Package,
    deviations: Vec<Deviation>,
    provider: Option<Provider>,
}

/// Verifies one package, or all.
pub(crate) fn run(
    model: Option<&str>,
    provider: ProviderChoice,
    store: Option<&Path>,
    console: &Console,
) -> Result<()> {
    let dirs: Vec<PathBuf> = match model {
        Some(model) => vec![super::folder(model)?],
        None => pickup_package::list(&default_search_dirs()).into_iter().map(|listed| listed.dir).collect(),
    };
    let (interrupt, client) = (Interrupt::listen()?, client(store));
    let checked: Vec<_> = dirs.iter().map(|dir| (dir, verify(dir, provider, &client, &interrupt))).collect();
    let objects: Vec<_> = checked.iter().map(|(dir, verified)| object(dir, verified)).collect();
    console.result(&json!({ "packages": objects }), || {
        let texts: Vec<_> = checked.iter().map(|(dir, verified)| text(dir, verified)).collect();
        format!("{}\n{} packages checked", texts.join("\n"), checked.len())
    });
    checked.into_iter().try_for_each(|(_, verified)| verified?.judge())
}

fn verify(dir: &Path, provider: ProviderChoice, client: &Client, interrupt: &Interrupt) -> Result<Verified> {
    let package = Package::open_verified(dir, true)?;
    if package.manifest().golden.is_none() {
        return Ok(Verified { package, deviations: Vec::new(), provider: None });
    }
    let mut display = Display::new();
    let answer = client.verify(package.dir(), provider, &interrupt.cancel, &mut |event| {
        if interrupt.is_urgent() {
            client.hurry();
        }
        event.iter().for_each(|event| display.show(event));
        ControlFlow::Continue(())
    });
    display.finish();
    let (deviations, provider) = answer?;
    Ok(Verified { package, deviations, provider: Some(provider) })
}

impl Verified {
    /// The error of the first component that is too far off.
    fn judge(&self) -> Result<()> {
        let Some(wrong) = self.deviations.iter().find(|deviation| !deviation.holds()) else { return Ok(()) };
        Err(Error::model(format!(
            "{}: expected the {} to be at most {:.0e} off its golden values, found {}.",
            self.package.dir().display(),
            wrong.component,
            wrong.bound,
            error(wrong)
        ))
        .hint("Make the package again, or try another provider with --provider cpu."))
    }

    fn is_good(&self) -> bool {
        self.deviations.iter().all(Deviation::holds)
    }
}

fn error(deviation: &Deviation) -> String {
    deviation.error.map_or("no finite numbers".to_owned(), |error| format!("{error:.1e}"))
}

fn object(dir: &Path, verified: &Result<Verified>) -> Value {
    match verified {
        Ok(Verified { package, deviations, provider }) => {
            let each = |deviation: &Deviation| {
                json!({
                    "component": deviation.component, "error": deviation.error, "bound": deviation.bound,
                    "good": deviation.holds(),
                })
            };
            json!({
                "dir": dir, "name": package.manifest().name, "hash": package.hash(), "provider": provider,
                "golden": deviations.iter().map(each).collect::<Vec<_>>(),
            })
        }
        Err(error) => json!({ "dir": dir, "error": error }),
    }
}

fn text(dir: &Path, verified: &Result<Verified>) -> String {
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return format!("BAD  {}", error.message),
    };
    let word = if verified.is_good() { "ok  " } else { "BAD " };
    let head = format!("{word} {}  {}", verified.package.manifest().name, dir.display());
    let Some(provider) = verified.provider else {
        return format!("{head}\n     its files are good; it has no golden values");
    };
    let mut rows = vec![vec![
        format!("     on {}", provider.label()),
        "relative error".to_owned(),
        "bound".to_owned(),
        String::new(),
    ]];
    rows.extend(verified.deviations.iter().map(|deviation| {
        vec![
            format!("     {}", deviation.component),
            error(deviation),
            format!("{:.0e}", deviation.bound),
            if deviation.holds() { "ok" } else { "TOO FAR" }.to_owned(),
        ]
    }));
    format!("{head}\n{}", table(&rows))
}
