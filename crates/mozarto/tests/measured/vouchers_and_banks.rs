//! Flexepin, Neosurf, Gigadat, Brite, PayOne, Cleo: rows in which sheet, connector and simulator disagreed.
