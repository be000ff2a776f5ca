//! One company, provider or peer at its worst: nobody else notices.
