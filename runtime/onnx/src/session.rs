//! One open graph.

use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, NoSelectedOutputs, RunOptions, Session as OrtSession};
use ort::value::DynValue;
use pickup_core::{Cancel, Error, Graph, Held, Provider, Result, Tensor, TensorSpec};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::failure::failure;
use crate::tensor::Port;

/// A graph that is open on a provider. Inputs that were bound stay on its device between runs.
///
/// Floats go in and out as f32 and integers as i64; half-precision and 32-bit graphs convert at
/// their border.
pub struct Session {
    // Declared before the session: the binding holds values of the session's allocators.
    binding: IoBinding,
    session: OrtSession,
    name: String,
    inputs: Vec<Port>,
    input_specs: Vec<TensorSpec>,
    outputs: Vec<Port>,
    output_specs: Vec<TensorSpec>,
    bound: BTreeSet<String>,
    provider: Provider,
    /// Outputs that stay on the provider's device.
    held: BTreeSet<String>,
}

impl Session {
    pub(crate) fn new(session: OrtSession, path: &Path, provider: Provider) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ports = |outlets: &[ort::value::Outlet]| outlets.iter().map(Port::of).collect::<Result<Vec<_>>>();
        let inputs = ports(session.inputs()).map_err(|error| error.within(&name))?;
        let outputs = ports(session.outputs()).map_err(|error| error.within(&name))?;
        let binding = session.create_binding().map_err(|error| failure(format!("open {name}"), &error))?;
        let specs = |ports: &[Port]| ports.iter().map(|port| port.spec.clone()).collect();
        let (input_specs, output_specs) = (specs(&inputs), specs(&outputs));
        Ok(Self {
            binding,
            session,
            name,
            inputs,
            input_specs,
            outputs,
            output_specs,
            bound: BTreeSet::new(),
            provider,
            held: BTreeSet::new(),
        })
    }

    fn set(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        let port = self.inputs.iter().find(|port| port.spec.name == name).ok_or_else(|| {
            let names: Vec<_> = self.inputs.iter().map(|port| port.spec.name.as_str()).collect();
            Error::model(format!("{}: there is no input {name}; it has {}.", self.name, names.join(", ")))
        })?;
        let bound = match tensor {
            Tensor::Held(held) => {
                port.check(tensor).map_err(|error| error.within(&self.name))?;
                let value = held.value::<DynValue>().ok_or_else(|| {
                    Error::runtime(format!("{}: {held:?} for {name} is not ONNX Runtime's.", self.name))
                })?;
                self.binding.bind_input(name, value)
            }
            _ => {
                let value = port.encode(tensor).map_err(|error| error.within(&self.name))?;
                self.binding.bind_input(name, &value)
            }
        };
        bound.map_err(|error| failure(format!("pass {name} to {}", self.name), &error))
    }

    /// Every input must be bound or given, and none both: a value of an earlier run must not be
    /// taken for this one's.
    fn check_names(&self, given: &[(&str, &Tensor)]) -> Result<()> {
        for port in &self.inputs {
            let name = port.spec.name.as_str();
            let count = given.iter().filter(|(given, _)| *given == name).count()
                + usize::from(self.bound.contains(name));
            if count != 1 {
                let what = if count == 0 { "missing" } else { "given more than once" };
                return Err(Error::model(format!("{}: input {name} is {what}.", self.name)));
            }
        }
        Ok(())
    }

    fn run_bound(&mut self, cancel: &Cancel) -> ort::Result<Vec<DynValue>> {
        let options = Arc::new(RunOptions::new()?);
        let watch = cancel.watch(terminator(&options));
        let mut outputs = self.session.run_binding_with_options(&self.binding, &options)?;
        drop(watch);
        // Taken out in the graph's order; the binding was told of every output.
        Ok(self.outputs.iter().filter_map(|port| outputs.remove(&port.spec.name)).collect())
    }

    fn bind_outputs(&mut self) -> ort::Result<()> {
        let memory = |device| MemoryInfo::new(device, 0, AllocatorType::Device, MemoryType::Default);
        let (host, device) = (memory(AllocationDevice::CPU)?, memory(AllocationDevice::CUDA)?);
        let place = |name: &str| if self.held.contains(name) { &device } else { &host };
        let names = self.outputs.iter().map(|port| port.spec.name.as_str());
        names.into_iter().try_for_each(|name| self.binding.bind_output_to_device(name, place(name)))
    }

    /// Lets go of the tensors of this run. Bound inputs stay.
    fn release(&mut self) {
        self.binding.clear_outputs();
        if self.bound.is_empty() {
            self.binding.clear_inputs();
        }
    }
}

fn terminator(options: &Arc<RunOptions<NoSelectedOutputs>>) -> impl Fn() + Send + Sync + 'static {
    let options = options.clone();
    // A run that is over already cannot be stopped, and need not be.
    move || drop(options.terminate())
}

fn held(value: DynValue) -> Tensor {
    let shape = value.dtype().tensor_shape().into_iter().flat_map(|shape| shape.iter());
    Tensor::Held(Held::new(shape.map(|&size| size as usize).collect(), value))
}

impl Graph for Session {
    fn inputs(&self) -> &[TensorSpec] {
        &self.input_specs
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.output_specs
    }

    fn bind(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        self.set(name, tensor)?;
        self.bound.insert(name.to_owned());
        Ok(())
    }

    fn unbind(&mut self) {
        self.bound.clear();
        self.binding.clear_inputs();
    }

    fn hold(&mut self, output: &str) {
        if self.provider == Provider::Cuda {
            self.held.insert(output.to_owned());
        }
    }

    fn run(&mut self, inputs: &[(&str, &Tensor)], cancel: &Cancel) -> Result<Vec<Tensor>> {
        cancel.check()?;
        self.check_names(inputs)?;
        inputs.iter().try_for_each(|(name, tensor)| self.set(name, tensor))?;
        let what = format!("run {}", self.name);
        self.bind_outputs().map_err(|error| failure(&what, &error))?;
        let values = self.run_bound(cancel);
        self.release();
        cancel.check()?;
        let values = values.map_err(|error| failure(&what, &error))?;
        if values.len() != self.outputs.len() {
            return Err(Error::runtime(format!(
                "{}: expected {} outputs, got {}.",
                self.name,
                self.outputs.len(),
                values.len()
            )));
        }
        let given = |(port, value): (&Port, DynValue)| match self.held.contains(&port.spec.name) {
            true => Ok(held(value)),
            false => port.decode(&value),
        };
        self.outputs.iter().zip(values).map(given).collect()
    }
}
