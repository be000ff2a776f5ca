//! What is left behind: files, process, terminal, configuration errors.
