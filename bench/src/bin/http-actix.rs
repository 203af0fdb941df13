//! HTTP by actix-web, with one worker.

use actix_web::{App, HttpResponse, HttpServer, web};

async fn hello() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain")
        .body("Hello, world!")
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let listener = switchboard_bench::listen()?;
    HttpServer::new(|| App::new().route("/hello", web::get().to(hello)))
        .workers(1)
        .max_connections(8_192)
        .keep_alive(std::time::Duration::from_secs(3600))
        .listen(listener)?
        .run()
        .await
}
