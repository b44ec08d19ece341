//! Graphs in closed form, for tests.

use ndarray::{Array5, Axis, concatenate, s};
use pickup_core::{Cancel, Graph, Result, Tensor, TensorKind, TensorSpec};

type Run = dyn FnMut(&[(String, Tensor)]) -> Vec<Tensor> + Send;

/// A graph that is a function; it remembers what it was given.
pub(crate) struct Closed {
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    bound: Vec<(String, Tensor)>,
    pub seen: Vec<Vec<(String, Tensor)>>,
    run: Box<Run>,
}

impl Closed {
    pub fn new(
        inputs: &[&str],
        outputs: &[&str],
        run: impl FnMut(&[(String, Tensor)]) -> Vec<Tensor> + Send + 'static,
    ) -> Self {
        let specs = |names: &[&str]| {
            let spec =
                |name: &&str| TensorSpec { name: (*name).to_owned(), kind: TensorKind::Float, shape: vec![] };
            names.iter().map(spec).collect()
        };
        Self {
            inputs: specs(inputs),
            outputs: specs(outputs),
            bound: vec![],
            seen: vec![],
            run: Box::new(run),
        }
    }
}

impl Graph for Closed {
    fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    fn bind(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        self.bound.retain(|(bound, _)| bound != name);
        self.bound.push((name.to_owned(), tensor.clone()));
        Ok(())
    }

    fn unbind(&mut self) {
        self.bound.clear();
    }

    fn run(&mut self, inputs: &[(&str, &Tensor)], cancel: &Cancel) -> Result<Vec<Tensor>> {
        cancel.check()?;
        let mut given = self.bound.clone();
        given.extend(inputs.iter().map(|(name, tensor)| ((*name).to_owned(), (*tensor).clone())));
        let mut names: Vec<_> = given.iter().map(|(name, _)| name.as_str()).collect();
        let mut wanted: Vec<_> = self.inputs.iter().map(|spec| spec.name.as_str()).collect();
        names.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(names, wanted, "a run gives exactly the graph's inputs");
        let outputs = (self.run)(&given);
        self.seen.push(given);
        Ok(outputs)
    }
}

/// The tensor called `name`.
pub(crate) fn given(inputs: &[(String, Tensor)], name: &str) -> Array5<f32> {
    let tensor = &inputs.iter().find(|(given, _)| given == name).unwrap().1;
    tensor.clone().into_float().unwrap().into_dimensionality().unwrap()
}

/// A causal filter of two frames of memory, `y[t] = x[t] + 2 x[t−1] + 4 x[t−2]` with zeros before the
/// start; it stands for a VAE with caches. `first` takes no cache.
pub(crate) fn causal_filter(first: bool, input: &'static str) -> Closed {
    let inputs: &[&str] = if first { &[input] } else { &["cache_in_0", input] };
    Closed::new(inputs, &["cache_out_0", "result"], move |inputs| {
        let x = given(inputs, input);
        let mut shape = x.raw_dim();
        shape[2] = 2;
        let past = if first { Array5::zeros(shape) } else { given(inputs, "cache_in_0") };
        let whole = concatenate(Axis(2), &[past.view(), x.view()]).unwrap();
        let last = whole.len_of(Axis(2)) - 1;
        let result = &whole.slice(s![.., .., 2.., .., ..])
            + &(&whole.slice(s![.., .., 1..last, .., ..]) * 2.0)
            + &(&whole.slice(s![.., .., ..-2, .., ..]) * 4.0);
        vec![whole.slice(s![.., .., -2.., .., ..]).to_owned().into(), result.into()]
    })
}
