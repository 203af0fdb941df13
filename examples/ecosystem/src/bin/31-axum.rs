//! An axum router with extractors, and layers of tower-http around it.
//!
//!     cargo run --bin 31-axum -- green

use axum::extract::{Path, Query};
use axum::http::{HeaderName, HeaderValue};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use switchboard::fetch::Client;
use switchboard::http::serve_service;
use switchboard_ecosystem::{Failure, serve_for};
use tower_http::cors::CorsLayer;
use tower_http::set_header::SetResponseHeaderLayer;

#[derive(Deserialize, Serialize)]
struct Greeting {
    text: String,
    times: usize,
}

#[derive(Deserialize)]
struct Times {
    times: usize,
}

async fn greet(Path(name): Path<String>, Query(Times { times }): Query<Times>) -> Json<Greeting> {
    // Waits in the model's way, as any other code of a handler does.
    switchboard::sleep(std::time::Duration::from_millis(1)).await;
    Json(Greeting {
        text: format!("hello {name}"),
        times,
    })
}

fn router() -> Router {
    let name = HeaderName::from_static("x-served-by");
    let value = HeaderValue::from_static("switchboard");
    Router::new()
        .route("/greet/{name}", get(greet))
        .route(
            "/echo",
            post(|Json(greeting): Json<Greeting>| async { Json(greeting) }),
        )
        .layer(SetResponseHeaderLayer::overriding(name, value))
        .layer(CorsLayer::permissive())
}

fn main() -> Result<(), Failure> {
    let router = router();
    serve_for(
        move |stream| serve_service(stream, router.clone()),
        async |addr| {
            let url = format!("http://{addr}/greet/world?times=3");
            let response = Client::new().get(&url).await?;
            assert_eq!(response.status(), 200);
            let text = response.text(1 << 16).await?;
            assert_eq!(text, r#"{"text":"hello world","times":3}"#);
            let missing = Client::new().get(&format!("http://{addr}/nothing")).await?;
            assert_eq!(missing.status(), 404);
            Ok(())
        },
    )
}
