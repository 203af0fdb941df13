//! The outputs that handlers may return.

use std::error::Error;

/// An error of any kind that prints.
type AnyError = Box<dyn Error + Send + Sync>;

/// The output of a handler: nothing, or a result whose error prints. An error ends the connection, counts as
/// failed, and is logged.
///
/// An async block that only returns `Ok(())` does not say of which type its errors are; write
/// `std::io::Result::Ok(())` there, or return nothing.
///
/// ```
/// use switchboard_server::HandlerOutput;
///
/// assert!(().into_result().is_ok());
/// assert!("7".parse::<u8>().map(drop).into_result().is_ok());
/// assert_eq!(Err::<(), _>("no room").into_result().unwrap_err().to_string(), "no room");
/// ```
pub trait HandlerOutput {
    /// Returns the error that ended the connection, if there was one.
    ///
    /// # Errors
    /// That of the handler.
    fn into_result(self) -> Result<(), AnyError>;
}

impl HandlerOutput for () {
    fn into_result(self) -> Result<(), AnyError> {
        Ok(())
    }
}

impl<E: Into<AnyError>> HandlerOutput for Result<(), E> {
    fn into_result(self) -> Result<(), AnyError> {
        self.map_err(Into::into)
    }
}
