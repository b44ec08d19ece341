//! The two plugins as the host knows them: each action goes to the module that answers it.

use pickup_ofx::{Action, Context, Descriptor, Effect, Plugin, Reply, Result};
use std::ffi::CStr;
use std::sync::Arc;

use crate::instance::Instance;
use crate::role::Role;
use crate::{answers, describe, generate, render, worker};

/// "Pickup": fills gaps, extends and repairs shots.
#[derive(Debug)]
pub struct Fill;

/// "Pickup Generate": makes a shot from text and references.
#[derive(Debug)]
pub struct Generate;

/// Both plugins differ in their role alone.
macro_rules! plugin {
    ($name:ident, $identifier:literal) => {
        impl Plugin for $name {
            const IDENTIFIER: &'static CStr = $identifier;
            const VERSION: (u32, u32) = (1, 0);
            type Instance = Instance;

            fn unload() {
                worker::end();
            }

            fn describe(effect: Descriptor<'_>) -> Result<()> {
                describe::plugin(Role::$name, effect)
            }

            fn describe_in_context(effect: Descriptor<'_>, context: Context) -> Result<()> {
                describe::context(Role::$name, effect, context)
            }

            fn create(_effect: Effect<'_>) -> Result<Instance> {
                Ok(Instance::new(Role::$name))
            }

            fn act(instance: &Arc<Instance>, effect: Effect<'_>, action: Action<'_>) -> Result<Reply> {
                act(instance, effect, action)
            }
        }
    };
}

plugin!(Fill, c"studio.pickup.fill");
plugin!(Generate, c"studio.pickup.generate");

fn act(instance: &Instance, effect: Effect<'_>, action: Action<'_>) -> Result<Reply> {
    match action {
        Action::Render(render) => render::render(instance, effect, &render),
        Action::IsIdentity(render, answer) => answers::identity(instance, effect, &render, answer),
        Action::GetRegionOfDefinition(time, answer) => answers::region(instance, effect, time, answer),
        Action::GetFramesNeeded(time, answer) => answers::frames(instance, effect, time, answer),
        Action::GetClipPreferences(answer) => answers::preferences(instance, effect, answer),
        Action::GetTimeDomain(answer) => answers::time_domain(instance, effect, answer),
        Action::InstanceChanged(changed) => generate::changed(instance, effect, &changed),
        // The host is about to save: what a render made must be in the parameters now.
        Action::SyncPrivateData => {
            instance.save(effect);
            Ok(Reply::Done)
        }
        Action::PurgeCaches => {
            instance.purge();
            worker::close_takes();
            Ok(Reply::Done)
        }
        Action::BeginSequenceRender(_) | Action::EndSequenceRender(_) => Ok(Reply::Done),
        _ => Ok(Reply::Default),
    }
}
