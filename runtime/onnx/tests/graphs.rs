//! Real sessions of the real library on small graphs with known answers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use ndarray::{Array1, Array2, array};
use pickup_core::{Cancel, ErrorKind, Graph, Provider, ProviderChoice, Tensor, TensorKind};
use pickup_onnx::{Library, Runtime, Session};
use proptest::prelude::*;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn runtime() -> Runtime {
    Runtime::load(&Library::find().expect("run `cargo xtask setup` first")).unwrap()
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn open(name: &str) -> Session {
    runtime().open(&path(name), Provider::Cpu, &Cancel::new()).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.clone().into_float().unwrap().iter().copied().collect()
}

#[test]
fn reports_its_version_and_decides_for_the_cpu_aloud() {
    let runtime = runtime();
    assert!(runtime.version().starts_with("1."), "{}", runtime.version());
    let chosen = runtime.decide(ProviderChoice::Cpu).unwrap();
    assert_eq!((chosen.provider, chosen.warnings.len()), (Provider::Cpu, 0));
    let auto = runtime.decide(ProviderChoice::Auto).unwrap();
    assert_eq!(auto.provider == Provider::Cpu, !auto.warnings.is_empty(), "{auto:?}");
    if !cfg!(windows) {
        let error = runtime.decide(ProviderChoice::DirectMl).unwrap_err();
        assert!(error.message.contains("DirectML"), "{error:?}");
    }
}

#[test]
fn half_precision_graphs_are_fed_floats_like_any_other() {
    for name in ["blend_f32.onnx", "blend_f16.onnx"] {
        let mut graph = open(name);
        assert!(graph.inputs().iter().all(|input| input.kind == TensorKind::Float));
        assert_eq!(graph.inputs()[0].shape, [None, Some(3)]);
        let x = Tensor::from(array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let y = Tensor::from(array![[0.5f32, 1.0, -2.0], [8.0, 0.25, 0.0]]);
        let scale = Tensor::from(array![2.0f32]);
        let out = graph.run(&[("x", &x), ("y", &y), ("scale", &scale)], &Cancel::new()).unwrap();
        assert_eq!(floats(&out[0]), [2.0, 4.0, -1.0, 20.0, 5.5, 6.0], "{name}: x + 2 y");
        assert_eq!(floats(&out[1]), [0.5, 1.0, 5.0, -4.0, 4.75, 6.0], "{name}: x - y");
        assert_eq!(out[0].shape(), [2, 3]);
    }
}

#[test]
fn integers_of_both_widths_pass() {
    let mut graph = open("tokens.onnx");
    let ids = Tensor::from(array![3i64, 0, 4]);
    let out = graph.run(&[("ids", &ids)], &Cancel::new()).unwrap();
    assert_eq!(floats(&out[0]), [12., 13., 14., 15., 0., 1., 2., 3., 16., 17., 18., 19.]);
    assert_eq!(out[1], Tensor::from(array![4i64, 1, 5]));
}

#[test]
fn bound_inputs_hold_and_never_stand_in_for_missing_ones() {
    let mut graph = open("blend_f32.onnx");
    let row = |value: f32| Tensor::from(Array2::from_elem((1, 3), value));
    let cancel = Cancel::new();
    graph.bind("y", &row(10.0)).unwrap();
    graph.bind("scale", &Tensor::from(array![0.5f32])).unwrap();
    for value in [1.0, 2.0, 3.0] {
        let out = graph.run(&[("x", &row(value))], &cancel).unwrap();
        assert_eq!(floats(&out[0]), [value + 5.0; 3]);
    }
    assert!(
        graph.run(&[], &cancel).unwrap_err().message.contains("x is missing"),
        "x of the run before is not reused"
    );
    let twice = graph.run(&[("x", &row(1.0)), ("y", &row(1.0))], &cancel).unwrap_err();
    assert!(twice.message.contains("more than once"), "{twice:?}");
    graph.bind("y", &row(20.0)).unwrap();
    assert_eq!(floats(&graph.run(&[("x", &row(0.0))], &cancel).unwrap()[0]), [10.0; 3]);
    graph.unbind();
    assert!(graph.run(&[("x", &row(1.0))], &cancel).unwrap_err().message.contains("y is missing"));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mut graph = open("blend_f32.onnx");
    for (tensor, why) in [
        (Tensor::from(Array2::<f32>::zeros((1, 4))), "width 4 for 3"),
        (Tensor::from(Array1::<f32>::zeros(3)), "rank 1 for 2"),
        (Tensor::from(Array2::<i64>::zeros((1, 3))), "integers for floats"),
    ] {
        let error = graph.bind("x", &tensor).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Model, "{why}");
        assert!(error.message.contains("input x"), "{why}: {error:?}");
    }
    assert!(graph.bind("z", &Tensor::from(array![0.0f32])).unwrap_err().message.contains("x, y, scale"));
}

#[test]
fn a_run_is_cancelled_inside_and_the_session_lives_on() {
    let mut graph = open("slow.onnx");
    let x = Tensor::from(Array1::from_elem(64, 1.0f32));
    let turns = |count: i64| Tensor::from(ndarray::arr0(count));
    let cancel = Cancel::new();
    let raiser = cancel.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        raiser.cancel();
        Instant::now()
    });
    let error = graph.run(&[("x", &x), ("turns", &turns(1 << 40))], &cancel).unwrap_err();
    let late = thread.join().unwrap().elapsed();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert!(late < Duration::from_secs(1), "answered {late:?} after the cancel");
    let out = graph.run(&[("x", &x), ("turns", &turns(2))], &Cancel::new()).unwrap();
    assert!((floats(&out[0])[0] - 1.0f32.tanh().tanh()).abs() < 1e-6);
    assert_eq!(
        runtime().open(&path("slow.onnx"), Provider::Cpu, &cancel).err().unwrap().kind,
        ErrorKind::Cancelled
    );
}

#[test]
fn external_weights_are_found_and_their_loss_is_reported() {
    let mut graph = open("external.onnx");
    let x = Tensor::from(Array2::from_shape_fn((2, 64), |(row, column)| (row * 64 + column) as f32));
    let out = graph.run(&[("x", &x)], &Cancel::new()).unwrap();
    let doubled: Vec<f32> = (0..128).map(|index| 2.0 * index as f32).collect();
    assert_eq!(floats(&out[0]), doubled);
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("external.onnx");
    std::fs::copy(path("external.onnx"), &alone).unwrap();
    assert!(runtime().open(&alone, Provider::Cpu, &Cancel::new()).is_err());
}

#[test]
fn bad_files_are_errors_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.onnx");
    std::fs::write(&junk, "not a graph").unwrap();
    for bad in [junk, folder.path().join("absent.onnx"), path("strings.onnx")] {
        let error = runtime().open(&bad, Provider::Cpu, &Cancel::new()).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Model, "{error:?}");
        assert!(error.message.contains(bad.file_name().unwrap().to_str().unwrap()), "{error:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever the memory order of the caller's array, rows stay rows.
    #[test]
    fn any_layout_passes(rows in 1usize..6, transposed in any::<bool>(), seed in -8i32..8) {
        let fill = |(row, column): (usize, usize)| (seed + (row * 3 + column) as i32) as f32;
        let x = if transposed {
            Array2::from_shape_fn((3, rows), |(column, row)| fill((row, column))).reversed_axes()
        } else {
            Array2::from_shape_fn((rows, 3), fill)
        };
        let expected: Vec<f32> = x.iter().copied().collect();
        let mut graph = open("blend_f16.onnx");
        let zeros = Tensor::from(Array2::<f32>::zeros((rows, 3)));
        let scale = Tensor::from(array![1.0f32]);
        let out = graph.run(&[("x", &Tensor::from(x)), ("y", &zeros), ("scale", &scale)], &Cancel::new()).unwrap();
        prop_assert_eq!(floats(&out[0]), expected);
    }
}

/// The first to be opened makes the domain of Pickup's operator known in the process; others may come meanwhile. A race: opened
/// without the lock, one run of forty failed on two cores.
#[test]
fn graphs_are_opened_by_several_threads() {
    let (runtime, start) = (runtime(), std::sync::Barrier::new(64));
    let open = || {
        start.wait();
        runtime.open(&path("slow.onnx"), Provider::Cpu, &Cancel::new()).map(drop)
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}
