# What CI does, without installing anything.
default: lint test

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

test:
    cargo test

compare *args:
    cargo run --release -- compare {{args}}

# A build for developing: slower than a release, and built again in seconds.
quick *args:
    cargo build --profile quick {{args}}

# Licences and advisories; needs cargo-deny.
deny:
    cargo deny check

# The runtimes people would pick instead, beside ours; see bench/README.md.
bench *args:
    cd bench && cargo build --release && cargo run --release --bin bench -- {{args}}
