//! Reading and writing by halves of a connection.

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use switchboard_runtime::Chunk;

use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::stream::Stream;

/// Implements the reading methods for a half, whose connection `$stream` returns.
macro_rules! read_half {
    ($half:ty, $of:ident => $stream:expr) => {
        impl $half {
            fn connection(&self) -> &Stream {
                let $of = self;
                $stream
            }

            /// Returns the whole connection, as for its addresses and options.
            pub fn stream(&self) -> &Stream {
                self.connection()
            }

            /// Waits for bytes, as [`Stream::recv`] does.
            ///
            /// # Errors
            /// Those of [`Stream::recv`].
            pub fn recv(&self) -> impl Future<Output = io::Result<Chunk>> {
                self.connection().recv()
            }

            /// Waits for bytes, as [`Stream::read`] does.
            ///
            /// # Errors
            /// Those of [`Stream::read`].
            pub fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
                self.connection().read(buffer)
            }

            /// Waits until `buffer` is filled, as [`Stream::read_exact`] does.
            ///
            /// # Errors
            /// Those of [`Stream::read_exact`].
            pub async fn read_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
                self.connection().read_exact(buffer).await
            }

            /// Waits for bytes and leaves them, as [`Stream::peek`] does.
            ///
            /// # Errors
            /// Those of [`Stream::peek`].
            pub fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
                self.connection().peek(buffer)
            }
        }

        impl AsyncRead for $half {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.connection().poll_read(context, buffer)
            }
        }
    };
}

/// Implements the writing methods for a half, whose connection `$stream` returns.
macro_rules! write_half {
    ($half:ty, $of:ident => $stream:expr) => {
        impl $half {
            fn connection(&self) -> &Stream {
                let $of = self;
                $stream
            }

            /// Returns the whole connection, as for its addresses and options.
            pub fn stream(&self) -> &Stream {
                self.connection()
            }

            /// Sends some of `bytes`, as [`Stream::write`] does.
            ///
            /// # Errors
            /// Those of [`Stream::write`].
            pub fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
                self.connection().write(bytes)
            }

            /// Sends all of `bytes`, as [`Stream::write_all`] does.
            ///
            /// # Errors
            /// Those of [`Stream::write_all`].
            pub fn write_all<'b>(
                &'b self,
                bytes: &'b [u8],
            ) -> impl Future<Output = io::Result<()>> + 'b {
                self.connection().write_all(bytes)
            }

            /// Sends some bytes of several buffers, as [`Stream::write_vectored`] does.
            ///
            /// # Errors
            /// Those of [`Stream::write_vectored`].
            pub fn write_vectored(
                &self,
                buffers: &[io::IoSlice<'_>],
            ) -> impl Future<Output = io::Result<usize>> {
                self.connection().write_vectored(buffers)
            }

            /// Sends a part of a file, as [`Stream::send_file`] does.
            ///
            /// # Errors
            /// Those of [`Stream::send_file`].
            pub fn send_file<'b>(
                &'b self,
                file: &'b impl AsFd,
                range: &'b mut Range<u64>,
            ) -> impl Future<Output = io::Result<()>> + 'b {
                self.connection().send_file(file, range)
            }
        }

        impl AsyncWrite for $half {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.connection().poll_send(context, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffers: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.connection().poll_send_vectored(context, buffers)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut &*self.connection()).poll_close(context)
            }
        }
    };
}

read_half!(ReadHalf<'_>, half => half.0);
read_half!(OwnedReadHalf, half => &half.0);
write_half!(WriteHalf<'_>, half => half.0);
write_half!(OwnedWriteHalf, half => &half.stream);
