//! HTTP on io_uring and nothing else: every request gets the same 13 bytes.

fn main() -> std::io::Result<()> {
    let answer = switchboard_bench::backend::answer(13);
    switchboard_bench::raw_uring::serve(Some(answer.leak()))
}
