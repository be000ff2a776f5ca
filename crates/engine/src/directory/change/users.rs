//! People of the back office.

use super::{ChangeError, Changes, Open, Plan, USERS_MAX, change, name_problem, refuse, shown, view};
use domain::CompanyId;
use store::Batch;
use store::repository::users::{self, Role, User};

/// Longest email, bytes (RFC 5321).
const EMAIL_MAX_BYTES: usize = 254;
/// How the PHC text of a password begins.
const ARGON2ID: &str = "$argon2id$";

/// A person to add.
#[derive(Clone)]
pub struct NewUser {
    /// The login; kept in lower case.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// `owner`, `admin`, `operator`, `approver`, `developer` or `viewer`.
    pub role: String,
    /// argon2id, PHC text, made by the caller.
    pub password_hash: String,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("role", &self.role).finish_non_exhaustive()
    }
}

impl Changes<'_> {
    /// Adds a person.
    ///
    /// # Errors
    /// [`ChangeError::Invalid`] with every sentence, also for an email that is in use in whatever company.
    pub async fn create_user(&self, company: CompanyId, new: &NewUser) -> Result<User, ChangeError> {
        change!(self, company, |open| self.plan_user(&open, new).await)
    }

    async fn plan_user(&self, open: &Open, new: &NewUser) -> Result<Plan<User>, ChangeError> {
        let email = new.email.to_lowercase();
        let mut problems = Vec::new();
        if !is_email(&email) {
            problems.push("email must be a valid email".to_owned());
        } else if users::by_email(self.db, &email).await?.is_some() {
            problems.push("email is in use already".to_owned());
        }
        problems.extend(name_problem("firstName", &new.first_name));
        problems.extend(name_problem("lastName", &new.last_name));
        let role = new.role.parse::<Role>();
        if role.is_err() {
            problems.push(format!("role must be one of {}", Role::ALL.map(Role::as_str).join(", ")));
        }
        if !new.password_hash.starts_with(ARGON2ID) {
            problems.push("password must be hashed with argon2id".to_owned());
        }
        refuse(problems)?;
        if users::list(self.db, open.company.id).await?.len() >= USERS_MAX {
            return Err(ChangeError::too_many("people", USERS_MAX));
        }
        let now = self.now();
        let user = User {
            company_id: open.company.id,
            id: User::new_id(now, self.random.bytes()),
            email,
            first_name: new.first_name.clone(),
            last_name: new.last_name.clone(),
            password_hash: new.password_hash.clone(),
            // A problem would have refused it above.
            role: role.map_err(|()| ChangeError::NotFound)?,
            created_at: now,
            updated_at: now,
        };
        let mut batch = Batch::new();
        users::insert(&mut batch, &user);
        Ok(Plan {
            batch,
            action: "user.create",
            object: view::object("user", &user.id),
            before: None,
            after: shown(view::user(&user)),
            result: user,
        })
    }

    /// Sets a person's password anew.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`] where the company has nobody of that email; [`ChangeError::Invalid`].
    pub async fn reset_password(&self, company: CompanyId, email: &str, password_hash: &str) -> Result<User, ChangeError> {
        change!(self, company, |open| self.plan_password(&open, email, password_hash).await)
    }

    async fn plan_password(&self, open: &Open, email: &str, hash: &str) -> Result<Plan<User>, ChangeError> {
        let found = users::by_email(self.db, &email.to_lowercase()).await?;
        let mut user = found.filter(|user| user.company_id == open.company.id).ok_or(ChangeError::NotFound)?;
        if !hash.starts_with(ARGON2ID) {
            return Err(ChangeError::invalid("password must be hashed with argon2id"));
        }
        user.password_hash = hash.to_owned();
        user.updated_at = self.now();
        let mut batch = Batch::new();
        users::update(&mut batch, &user);
        Ok(Plan {
            batch,
            action: "user.reset_password",
            object: view::object("user", &user.id),
            before: None,
            after: None,
            result: user,
        })
    }
}

/// A part, one `@`, a domain with a dot or `localhost`; nothing that cannot be seen.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let visible = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    let labels_good = domain.split('.').all(|label| !label.is_empty());
    text.len() <= EMAIL_MAX_BYTES
        && visible
        && !local.is_empty()
        && !domain.contains('@')
        && labels_good
        && (domain.contains('.') || domain == "localhost")
}
