//! The client of the crate redis over a stream: its connection is one future, which this program polls
//! beside its requests, so that nothing has to be spawned.
//!
//!     redis-server --port 6379 &
//!     cargo run --bin 35-redis -- green 127.0.0.1:6379

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, RedisConnectionInfo};
use switchboard::{Stream, race};
use switchboard_ecosystem::{Failure, model};

async fn count(addr: &str) -> Result<i64, Failure> {
    let stream = Stream::connect(addr).await?;
    let info = RedisConnectionInfo::default();
    let (mut redis, driver) = MultiplexedConnection::new(&info, stream).await?;
    let requests = async {
        let _: () = redis.set("visits", 41).await?;
        let visits: i64 = redis.incr("visits", 1).await?;
        Ok(visits)
    };
    let ended = async {
        driver.await;
        Err("the server has gone".into())
    };
    race(requests, ended).await
}

fn main() -> Result<(), Failure> {
    let model = model()?;
    let addr = std::env::args().nth(2);
    let addr = addr.unwrap_or("127.0.0.1:6379".to_owned());
    let visits = model.run(async { count(&addr).await })??;
    assert_eq!(visits, 42);
    println!("{model}: {visits} visits");
    Ok(())
}
