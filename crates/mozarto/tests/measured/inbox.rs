//! Callbacks: many that wait together, many that are equal, more than anybody needs.
