//! Work in children of fork, which end without coming back into the test.

/// A child of fork.
pub(crate) struct Child(libc::pid_t);

/// Starts a child that does this and nothing else of the test.
pub(crate) fn start(work: impl FnOnce()) -> Child {
    // SAFETY: the child does its work and ends without coming back.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let fine = std::panic::catch_unwind(core::panic::AssertUnwindSafe(work)).is_ok();
        // SAFETY: ends the child here.
        unsafe { libc::_exit(i32::from(!fine)) };
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    Child(child)
}

/// How a child ended that did this: 0 if nothing in it failed.
pub(crate) fn in_child(work: impl FnOnce()) -> i32 {
    start(work).status()
}

impl Child {
    /// Waits for its end; how that was, in the system's words.
    pub(crate) fn status(self) -> i32 {
        let mut status = 0;
        // SAFETY: the test's own child.
        assert_eq!(unsafe { libc::waitpid(self.0, &raw mut status, 0) }, self.0);
        status
    }

    /// Kills it, wherever it is.
    pub(crate) fn kill(&self) {
        // SAFETY: the test's own child, which was not waited for.
        assert_eq!(unsafe { libc::kill(self.0, libc::SIGKILL) }, 0);
    }
}
