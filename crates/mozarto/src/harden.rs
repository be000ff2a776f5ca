//! What every start does before anything else, so that little is left behind by whatever comes.

use rustix::fs::Mode;

/// Files are the owner's alone, whoever makes them (the stores make theirs themselves); and a process that dies leaves no image
/// of its memory, which holds the master key and for a moment cards.
pub(crate) fn harden() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    // The limit does not count where the system hands images to a program; that the memory is not to be dumped does. Where one
    // fails the other is left.
    let _ = rlimit::Resource::CORE.set(0, 0);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
