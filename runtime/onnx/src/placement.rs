//! Which provider runs which nodes of an open graph.

#![expect(unsafe_code, reason = "asks ONNX Runtime through its C interface; `ort` has no such call")]

use ort::AsPointer;
use ort::session::Session;
use ort::sys::{OrtEpAssignedNode, OrtEpAssignedSubgraph, OrtStatusPtr};
use pickup_core::{NodeCount, Provider};
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};

use crate::status::check;

/// Lets a session keep what [`placement`] asks for (onnxruntime_session_options_config_keys.h).
pub(crate) const RECORD: (&str, &str) = ("session.record_ep_graph_assignment_info", "1");

/// ONNX Runtime's names of the providers.
const PROVIDERS: [(&str, Provider); 3] = [
    ("CUDAExecutionProvider", Provider::Cuda),
    ("DmlExecutionProvider", Provider::DirectMl),
    ("CPUExecutionProvider", Provider::Cpu),
];

/// Where the nodes of `session` run, which was opened with [`RECORD`].
///
/// # Errors
/// If ONNX Runtime cannot say, or names a provider that we do not know.
pub(crate) fn placement(session: &Session) -> ort::Result<Vec<NodeCount>> {
    let mut counts = BTreeMap::<Provider, NodeCount>::new();
    for subgraph in subgraphs(session)? {
        let name = text(ort::api().EpAssignedSubgraph_GetEpName, *subgraph)?;
        let provider = PROVIDERS.iter().find(|(known, _)| *known == name);
        let provider = provider.ok_or_else(|| ort::Error::new(format!("unknown provider {name}")))?.1;
        let count =
            counts.entry(provider).or_insert_with(|| NodeCount { provider, operators: BTreeMap::new() });
        for node in nodes(*subgraph)? {
            let operator = text(ort::api().EpAssignedNode_GetOperatorType, *node)?;
            *count.operators.entry(operator.to_owned()).or_default() += 1;
        }
    }
    Ok(counts.into_values().collect())
}

fn subgraphs(session: &Session) -> ort::Result<&[*const OrtEpAssignedSubgraph]> {
    let ask = ort::api().Session_GetEpGraphAssignmentInfo;
    // SAFETY: the session is open as long as it is borrowed, and keeps the list as long (onnxruntime_c_api.h).
    unsafe { list(|first, count| ask(session.ptr(), first, count)) }
}

fn nodes<'a>(subgraph: *const OrtEpAssignedSubgraph) -> ort::Result<&'a [*const OrtEpAssignedNode]> {
    let ask = ort::api().EpAssignedSubgraph_GetNodes;
    // SAFETY: `subgraph` comes from `subgraphs` within `placement`, which borrows the session that keeps it.
    unsafe { list(|first, count| ask(subgraph, first, count)) }
}

/// The list that `ask` writes place and length of.
///
/// # Safety
/// What `ask` writes must be a list, or nothing, that lives for `'a`.
unsafe fn list<'a, T>(ask: impl FnOnce(*mut *const T, *mut usize) -> OrtStatusPtr) -> ort::Result<&'a [T]> {
    let (mut first, mut count) = (std::ptr::null(), 0);
    check(ask(&raw mut first, &raw mut count))?;
    if count == 0 || first.is_null() {
        return Ok(&[]);
    }
    // SAFETY: as the caller says.
    Ok(unsafe { std::slice::from_raw_parts(first, count) })
}

/// The word that `ask` says of `of`, which is one of the session's within `placement`.
fn text<'a, T>(
    ask: unsafe extern "system" fn(*const T, *mut *const c_char) -> OrtStatusPtr,
    of: *const T,
) -> ort::Result<&'a str> {
    let mut word = std::ptr::null();
    // SAFETY: `of` comes from `subgraphs` or `nodes` and lives as long as the session; `word` may be written.
    check(unsafe { ask(of, &raw mut word) })?;
    if word.is_null() {
        return Err(ort::Error::new("a node without a name"));
    }
    // SAFETY: a string ended by a zero byte that the session keeps (onnxruntime_c_api.h).
    unsafe { CStr::from_ptr(word) }.to_str().map_err(|error| ort::Error::new(error.to_string()))
}
