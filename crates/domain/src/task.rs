//! What a provider is asked to do, and what silence after one of its calls means: the words that intents are stored in.

/// What a provider is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Create a pay-in.
    PayIn,
    /// Create a pay-out: send it, or bring it to the provider's hold.
    PayOut,
    /// A person approved a pay-out that the provider already holds: let it go.
    Finalise,
    /// A person ordered that a pay-out be released once more ("Release again").
    ReleaseAgain,
    /// The payer is through with a device check or a challenge: the second call of the same payment, made once, with no Cashier
    /// call waiting.
    Continue,
    /// Ask how a transaction stands.
    Inquire,
    /// "Test connection" (no order is at hand: the provider is given a probe).
    Test,
}

impl Task {
    /// The word in stored intents and on timelines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PayIn => "pay_in",
            Self::PayOut => "pay_out",
            Self::Finalise => "finalise",
            Self::ReleaseAgain => "release_again",
            Self::Continue => "continue",
            Self::Inquire => "inquire",
            Self::Test => "test",
        }
    }
}

impl std::str::FromStr for Task {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::PayIn, Self::PayOut, Self::Finalise, Self::ReleaseAgain, Self::Continue, Self::Inquire, Self::Test]
            .into_iter()
            .find(|task| task.as_str() == text)
            .ok_or(())
    }
}

/// What silence after a call means: what it may have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It moves nothing and leaves nothing behind (validate, a rate): the task ends as `Failed` with the error row, without
    /// asking; inside an inquiry: ask again on the schedule.
    Harmless,
    /// It opens a page or registers something: asked about once, at once, by our reference; found -> `Pending` beside the error
    /// row, else `Failed` and still asked about later.
    Page,
    /// It moves or releases money: 200 `Pending`, inquiry decides, never sent again. Its certain refusals come back as what the
    /// provider's code refused or found.
    Money,
}

impl Doubt {
    /// The word in stored intents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Harmless => "harmless",
            Self::Page => "page",
            Self::Money => "money",
        }
    }
}

impl std::str::FromStr for Doubt {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Harmless, Self::Page, Self::Money].into_iter().find(|doubt| doubt.as_str() == text).ok_or(())
    }
}
