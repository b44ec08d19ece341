//! What the operating system says about this process's memory, and how it looks for libraries.

/// Most memory this process has held since this was last asked, in bytes, where the system tells. Where it cannot begin
/// anew, as on Windows, since the process began.
pub fn take_peak_memory() -> Option<u64> {
    let peak = platform::peak_memory();
    platform::forget_peak();
    peak
}

/// Memory that this process holds, files that it has mapped included, in bytes, where the system tells.
pub fn resident_memory() -> Option<u64> {
    platform::resident_memory()
}

/// The same without files that the system can read again, which is what other programs cannot have.
pub fn own_memory() -> Option<u64> {
    platform::own_memory()
}

/// Returns memory that was freed to the system, which the C library may have kept for later. Does nothing where it does
/// not do so, or cannot be asked.
pub fn give_back() {
    platform::give_back();
}

/// From now on, up to 64 MB that were freed stay for what runs next, unless [`give_back_at_once`] was or is called. Otherwise the
/// pages of a small model are taken anew in each run, which doubles the time that its VAE takes. The C library comes to the
/// same by itself once it has freed a piece of 32 MB. Does nothing where [`give_back`] does nothing.
pub fn keep_for_later() {
    platform::keep_for_later();
}

/// From now on, memory that is taken in large pieces goes back to the system as soon as it is freed. The C library would
/// keep it, and as it does not find a piece again that was taken aligned, as ONNX Runtime takes its tensors, a transformer
/// in half precision then holds fifteen times what it uses. Other models would only lose time by it: pages
/// are taken anew. Does nothing where [`give_back`] does nothing.
pub(crate) fn give_back_at_once() {
    platform::give_back_at_once();
}

/// Memory that this process could still take, in bytes, where the system tells: free memory of the
/// machine, or of the control group that the process is in if that is less.
pub fn available_memory() -> Option<u64> {
    platform::available_memory()
}

/// Ends this process at once. Nothing is put away: ONNX Runtime's libraries would take down what its own threads, in the
/// middle of a run, still use.
pub fn end(code: i32) -> ! {
    platform::end(code)
}

/// Whether NVIDIA's driver is on this machine, whatever state it is in.
pub fn has_nvidia_driver() -> bool {
    platform::NVIDIA_DRIVER.iter().any(|place| std::path::Path::new(place).exists())
}

/// Makes Windows look for libraries only beside the executable, in the system and in folders that
/// were named, never in the current folder or on the PATH. Does nothing elsewhere.
pub fn restrict_library_search() {
    platform::restrict_library_search();
}

/// Makes Windows look for the libraries that `library` needs in its own folder (DirectML.dll lies
/// beside onnxruntime.dll). Does nothing elsewhere: there ONNX Runtime's own run path says so.
pub(crate) fn search_beside(library: &std::path::Path) {
    platform::search_beside(library);
}

#[cfg(not(windows))]
mod platform {
    use std::path::Path;
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    use std::sync::atomic::{AtomicBool, Ordering};

    /// What the kernel module shows, how devices appear in a container, and Windows's GPU of any maker under WSL.
    pub const NVIDIA_DRIVER: &[&str] = &["/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg"];

    pub fn peak_memory() -> Option<u64> {
        status("VmHWM:")
    }

    pub fn resident_memory() -> Option<u64> {
        status("VmRSS:")
    }

    pub fn own_memory() -> Option<u64> {
        status("RssAnon:")
    }

    fn status(name: &str) -> Option<u64> {
        kibibytes(&std::fs::read_to_string("/proc/self/status").ok()?, name)
    }

    /// Makes the peak what is held now (proc_pid_clear_refs(5)). If that is forbidden, the peak stays that of the
    /// whole process.
    pub fn forget_peak() {
        drop(std::fs::write("/proc/self/clear_refs", "5"));
    }

    pub fn available_memory() -> Option<u64> {
        let machine = kibibytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
        Some(group_memory(Path::new("/sys/fs/cgroup")).map_or(machine, |group| machine.min(group)))
    }

    /// What the control group (version 2) in `folder` leaves, if it has a limit. File cache counts
    /// as free, as the kernel gives it back before the limit bites.
    pub fn group_memory(folder: &Path) -> Option<u64> {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
        let cached = read("memory.stat").and_then(|text| {
            text.lines().find_map(|line| line.strip_prefix("file ")?.trim().parse::<u64>().ok())
        });
        let used = number("memory.current")?.saturating_sub(cached.unwrap_or(0));
        Some(number("memory.max")?.saturating_sub(used))
    }

    /// The bytes of a line `<name>   <number> kB`.
    pub fn kibibytes(text: &str, name: &str) -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "calls the C library")]
    pub fn give_back() {
        // SAFETY: takes no pointer, may be called from any thread, and moves nothing that is in use.
        unsafe { libc::malloc_trim(0) };
    }

    /// Bytes from which a piece of memory is mapped by itself (mallopt(3)). Set, it no longer grows with what is freed.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    const LARGE_PIECE: i32 = 1 << 20;
    /// The most that this may be, and that it grows to (mallopt(3), DEFAULT_MMAP_THRESHOLD_MAX).
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    const LARGEST_PIECE: i32 = 32 << 20;
    /// Whether large pieces are given back at once, for good.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    static AT_ONCE: AtomicBool = AtomicBool::new(false);

    /// Pieces of `large` bytes are mapped by themselves; twice as much that lies free at the end of a heap is given back.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "calls the C library")]
    fn map_from(large: i32) {
        // SAFETY: takes no pointer and moves nothing that is in use; glibc holds its heap's lock meanwhile, and what other
        // threads free before they see the new bounds goes by the old ones.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, large);
            libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * large);
        }
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    pub fn give_back_at_once() {
        AT_ONCE.store(true, Ordering::SeqCst);
        map_from(LARGE_PIECE);
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    pub fn keep_for_later() {
        if !AT_ONCE.load(Ordering::SeqCst) {
            map_from(LARGEST_PIECE);
        }
    }

    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    pub fn give_back() {}

    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    pub fn give_back_at_once() {}

    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    pub fn keep_for_later() {}

    #[expect(unsafe_code, reason = "calls the C library")]
    pub fn end(code: i32) -> ! {
        // SAFETY: takes no pointer, runs nothing of this process, and does not return.
        unsafe { libc::_exit(code) }
    }

    pub fn restrict_library_search() {}

    pub fn search_beside(_library: &Path) {}
}

#[cfg(windows)]
#[expect(unsafe_code, reason = "calls the Windows API")]
mod platform {
    use std::os::windows::ffi::OsStrExt;
    use std::path::Path;
    use windows_sys::Win32::System::LibraryLoader::{
        AddDllDirectory, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS, SetDefaultDllDirectories,
    };
    use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
    use windows_sys::Win32::System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX};
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};

    /// The driver's library for CUDA.
    pub const NVIDIA_DRIVER: &[&str] = &[r"C:\Windows\System32\nvcuda.dll"];

    pub fn end(code: i32) -> ! {
        // SAFETY: the pseudo handle needs no closing; of this process nothing runs any more.
        unsafe { TerminateProcess(GetCurrentProcess(), code.cast_unsigned()) };
        std::process::exit(code)
    }

    pub fn peak_memory() -> Option<u64> {
        counters().map(|counters| counters.PeakWorkingSetSize as u64)
    }

    pub fn resident_memory() -> Option<u64> {
        counters().map(|counters| counters.WorkingSetSize as u64)
    }

    pub fn own_memory() -> Option<u64> {
        counters().map(|counters| counters.PagefileUsage as u64)
    }

    pub fn forget_peak() {}

    pub fn give_back() {}

    pub fn give_back_at_once() {}

    pub fn keep_for_later() {}

    fn counters() -> Option<PROCESS_MEMORY_COUNTERS> {
        let mut counters = PROCESS_MEMORY_COUNTERS::default();
        let size = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
        // SAFETY: the pseudo handle needs no closing, and `counters` is as long as `size` says.
        let done = unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &mut counters, size) };
        (done != 0).then_some(counters)
    }

    pub fn available_memory() -> Option<u64> {
        let mut status =
            MEMORYSTATUSEX { dwLength: size_of::<MEMORYSTATUSEX>() as u32, ..Default::default() };
        // SAFETY: `status` is as long as its first field says.
        let done = unsafe { GlobalMemoryStatusEx(&mut status) };
        (done != 0).then_some(status.ullAvailPhys)
    }

    pub fn restrict_library_search() {
        // SAFETY: takes a flag and no pointer; a failure leaves the search as it was.
        unsafe { SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_DEFAULT_DIRS) };
    }

    pub fn search_beside(library: &Path) {
        let Some(folder) = library.parent() else { return };
        let wide: Vec<u16> = folder.as_os_str().encode_wide().chain([0]).collect();
        // SAFETY: `wide` is a string of 16-bit units ended by a zero, alive during the call.
        unsafe { AddDllDirectory(wide.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_notices_what_is_taken_and_forgets_it() {
        let before = take_peak_memory().unwrap();
        let taken = vec![1u8; 256 << 20];
        assert!(std::hint::black_box(&taken).iter().all(|&byte| byte == 1));
        let after = take_peak_memory().unwrap();
        assert!(after >= before.max(256 << 20), "{before} {after}");
        drop(taken);
        take_peak_memory();
        let anew = take_peak_memory().unwrap();
        assert!(anew + (200 << 20) < after, "{after} {anew}");
        assert!(available_memory().unwrap() > 0);
        assert!(own_memory().unwrap() <= resident_memory().unwrap());
    }

    #[cfg(not(windows))]
    #[test]
    fn a_group_limit_counts_what_is_used_but_not_its_cache() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("memory.current", "700\n");
        write("memory.stat", "anon 300\nfile 400\nfile_mapped 5\n");
        write("memory.max", "max\n");
        assert_eq!(platform::group_memory(folder.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(platform::group_memory(folder.path()), Some(700));
        assert_eq!(platform::kibibytes("A: 1 kB\nVmHWM:\t  2048 kB\n", "VmHWM:"), Some(2 << 20));
    }

    /// Runs the test `name` alone in a process of its own and says whether this is that process: what a test asks of
    /// the C library holds for all of it.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn is_alone(name: &str) -> bool {
        if std::env::var_os("PICKUP_ALONE").is_some() {
            return true;
        }
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", &format!("system::tests::{name}")]);
        let done = alone.env("PICKUP_ALONE", "1").output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        // Of a name that there is not, nothing runs, and that would be a success.
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
        false
    }

    /// What stays held of 24 pieces of 1 MB once they are freed, in a thread: each has a heap of its own.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn stays_after_a_run() -> u64 {
        let run = || {
            let before = own_memory().unwrap();
            drop(std::hint::black_box((0..24).map(|_| vec![1u8; 1 << 20]).collect::<Vec<_>>()));
            own_memory().unwrap().saturating_sub(before)
        };
        std::thread::spawn(run).join().unwrap()
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_a_small_model_frees_stays_unless_a_large_one_needs_it() {
        if !is_alone("what_a_small_model_frees_stays_unless_a_large_one_needs_it") {
            return;
        }
        // A control: the C library maps each of these pieces by itself.
        assert!(stays_after_a_run() < 4 << 20);
        keep_for_later();
        let kept = stays_after_a_run();
        assert!(kept > 20 << 20, "{kept}");
        give_back_at_once();
        keep_for_later();
        let kept = stays_after_a_run();
        assert!(kept < 4 << 20, "{kept}");
    }

    /// What stays held of 64 pieces of 2 MB once they are freed, with a small piece behind each that is not.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn stays_held() -> u64 {
        let before = own_memory().unwrap();
        let pieces: Vec<_> =
            (0..64).map(|_| (vec![1u8; 2 << 20], std::hint::black_box(vec![1u8; 4096]))).collect();
        let small: Vec<_> = pieces.into_iter().map(|(_large, small)| small).collect();
        let held = own_memory().unwrap().saturating_sub(before);
        drop(std::hint::black_box(small));
        held
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn large_pieces_are_given_back_at_once() {
        if !is_alone("large_pieces_are_given_back_at_once") {
            return;
        }
        // A control: the C library maps pieces as large as one that was freed no longer by themselves.
        drop(std::hint::black_box(vec![1u8; 24 << 20]));
        let kept = stays_held();
        assert!(kept > 100 << 20, "{kept}");
        give_back_at_once();
        // In a thread, which has a heap of its own: what lies free in a heap is used first.
        let kept = std::thread::spawn(stays_held).join().unwrap();
        assert!(kept < 10 << 20, "{kept}");
    }
}
