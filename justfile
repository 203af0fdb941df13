# What CI does, without installing anything.
default: lint test

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

test:
    cargo test

# Checks what threads share in every order of their steps; see loom/.
loom:
    cd loom && cargo test --release --locked

# Any bytes into the HTTP/1 codec; see ARCHITECTURE.md.
fuzz seconds="600":
    mkdir -p fuzz/target/found
    cd fuzz && cargo run --release -- target/found corpus -dict=http1.dict -max_len=2048 -max_total_time={{seconds}}

compare *args:
    cargo run --release -- compare {{args}}

# AddressSanitizer; needs a nightly toolchain. `overflow` is left out: that test ends with a fault on purpose.
asan target="x86_64-unknown-linux-gnu":
    RUSTFLAGS="-Zsanitizer=address --cfg asan" ASAN_OPTIONS=detect_leaks=0 cargo +nightly test \
        --target {{target}} --target-dir target/asan --lib --tests \
        -p switchboard-driver -p switchboard-reactor -p switchboard-runtime -p switchboard-net \
        -p switchboard-server
    RUSTFLAGS="-Zsanitizer=address --cfg asan" ASAN_OPTIONS=detect_leaks=0 cargo +nightly test \
        --target {{target}} --target-dir target/asan --lib --test green -p switchboard-green-threads

# A build for developing: slower than a release, and built again in seconds.
quick *args:
    cargo build --profile quick {{args}}

# Licences and advisories; needs cargo-deny.
deny:
    cargo deny check

# The runtimes people would pick instead, beside ours; see bench/README.md.
bench *args:
    cd bench && cargo build --release && cargo run --release --bin bench -- {{args}}
