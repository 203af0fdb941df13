//! Echo on io_uring and nothing else.

fn main() -> std::io::Result<()> {
    switchboard_bench::raw_uring::serve(None)
}
