//! What the operating system says of this process; nothing where it says nothing (Linux only).

use std::collections::BTreeSet;

/// How many files are open.
#[must_use]
pub fn open_files() -> Option<usize> {
    // The listing itself is one of them, before and after.
    std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count)
}

/// The processes that this one has started and that still run.
#[must_use]
pub fn children() -> BTreeSet<u32> {
    let me = std::process::id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes.filter(|process| runs_under(*process, me)).collect()
}

/// The threads of this process but the one that asks.
#[must_use]
pub fn other_threads() -> BTreeSet<u32> {
    let own = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    let entries = std::fs::read_dir("/proc/self/task").into_iter().flatten().filter_map(Result::ok);
    let others = entries.filter(|entry| own.file_name() != Some(&entry.file_name()));
    others.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The processes that threads of this process have started (proc_tid_children(5)).
#[must_use]
pub fn children_of(threads: &BTreeSet<u32>) -> BTreeSet<u32> {
    let listed = |thread: &u32| std::fs::read_to_string(format!("/proc/self/task/{thread}/children"));
    let lists: Vec<_> = threads.iter().filter_map(|thread| listed(thread).ok()).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|child| child.parse().ok()).collect()
}

/// The fields after the name in parentheses are state and parent (proc_pid_stat(5)).
fn runs_under(process: u32, parent: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let state = fields.next().unwrap_or("Z");
    state != "Z" && fields.next().and_then(|field| field.parse().ok()) == Some(parent)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_seen_while_it_runs() {
        let mut child = std::process::Command::new("sleep").arg("5").spawn().unwrap();
        assert!(children().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children().contains(&child.id()));
    }

    #[test]
    fn a_child_is_the_thread_s_that_started_it() {
        let (told, heard) = std::sync::mpsc::channel();
        let (done, ends) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut child = std::process::Command::new("sleep").arg("5").spawn().unwrap();
            told.send(child.id()).unwrap();
            let _ = ends.recv();
            child.kill().and_then(|()| child.wait()).unwrap();
        });
        let child = heard.recv().unwrap();
        assert!(children_of(&other_threads()).contains(&child));
        let mut own = std::process::Command::new("sleep").arg("5").spawn().unwrap();
        assert!(children().contains(&own.id()) && !children_of(&other_threads()).contains(&own.id()));
        own.kill().and_then(|()| own.wait()).unwrap();
        done.send(()).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn an_open_file_is_counted() {
        let many: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
        let with = open_files().unwrap();
        drop(many);
        // Other tests of this process open a few meanwhile.
        assert!(open_files().unwrap() + 25 < with);
    }
}
