//! gRPC by tonic: one call with one answer, and one whose answers come while its questions go.
//!
//!     cargo run --bin 36-grpc -- green

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::pin::Pin;

use axum::http::uri::PathAndQuery;
use axum::http::{Request, Response, Uri};
use futures_util::{Stream, StreamExt, stream};
use switchboard::http::{Executor, Io, serve_service};
use switchboard_ecosystem::{Failure, serve_for};

use tonic::server::{StreamingService, UnaryService};
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// What `prost-build` makes of `message Text { string text = 1; }`.
#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

type Codec = ProstCodec<Text, Text>;
type Texts = Pin<Box<dyn Stream<Item = Result<Text, Status>> + Send>>;

/// The service: it echoes, and refuses what is empty.
#[derive(Clone, Copy)]
struct Echo;

fn echo(text: Text) -> Result<Text, Status> {
    match text.text.is_empty() {
        true => Err(Status::invalid_argument("nothing to echo")),
        false => Ok(text),
    }
}

impl UnaryService<Text> for Echo {
    type Response = Text;
    type Future = Ready<Result<tonic::Response<Text>, Status>>;

    fn call(&mut self, request: tonic::Request<Text>) -> Self::Future {
        ready(echo(request.into_inner()).map(tonic::Response::new))
    }
}

impl StreamingService<Text> for Echo {
    type Response = Text;
    type ResponseStream = Texts;
    type Future = Ready<Result<tonic::Response<Texts>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Text>>) -> Self::Future {
        let texts = request.into_inner().map(|text| text.and_then(echo));
        ready(Ok(tonic::Response::new(Box::pin(texts))))
    }
}

/// Answers a call, as the code that `tonic-build` makes does.
async fn call(
    request: Request<switchboard::http::Body>,
) -> Result<Response<tonic::body::Body>, Infallible> {
    let mut grpc = tonic::server::Grpc::new(Codec::default());
    Ok(match request.uri().path() {
        "/echo.Echo/Say" => grpc.unary(Echo, request).await,
        "/echo.Echo/Chat" => grpc.streaming(Echo, request).await,
        _ => Status::unimplemented("no such method").into_http(),
    })
}

async fn ask(addr: String) -> Result<(), Failure> {
    let stream = switchboard::Stream::connect(&*addr).await?;
    let handshake = hyper::client::conn::http2::handshake(Executor, Io(stream));
    let (sender, connection) = handshake.await?;
    let asked = async {
        let channel = service_fn(move |request| sender.clone().send_request(request));
        let origin = Uri::try_from(format!("http://{addr}"))?;
        let mut client = tonic::client::Grpc::with_origin(channel, origin);

        let say = PathAndQuery::from_static("/echo.Echo/Say");
        for (text, code) in [("hello", None), ("", Some(tonic::Code::InvalidArgument))] {
            client.ready().await?;
            let question = tonic::Request::new(Text { text: text.into() });
            let said = client.unary(question, say.clone(), Codec::default()).await;
            match code {
                None => assert_eq!(said?.into_inner().text, text),
                Some(code) => assert_eq!(said.unwrap_err().code(), code),
            }
        }

        // The second question is asked once the first answer has come.
        let (asking, questions) = switchboard::channel(1);
        let questions = stream::unfold(questions, async |questions| {
            let text: Text = questions.recv().await.ok()?;
            Some((text, questions))
        });
        let chat = PathAndQuery::from_static("/echo.Echo/Chat");
        client.ready().await?;
        let question = tonic::Request::new(questions);
        let answers = client.streaming(question, chat, Codec::default()).await?;
        let mut answers = answers.into_inner();
        for text in ["one", "two", "three"] {
            asking.send(Text { text: text.into() }).await?;
            let answer = answers.message().await?.ok_or("an answer is missing")?;
            assert_eq!(answer.text, text);
        }
        drop(asking);
        assert_eq!(answers.message().await?, None);
        Ok(())
    };
    // The connection is a future as well, which ends with an error only.
    let connected = async {
        connection.await?;
        pending().await
    };
    switchboard::race(asked, connected).await
}

fn main() -> Result<(), Failure> {
    serve_for(|stream| serve_service(stream, service_fn(call)), ask)
}
