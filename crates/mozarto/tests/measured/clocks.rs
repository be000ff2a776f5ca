//! Clocks that disagree, or step.
