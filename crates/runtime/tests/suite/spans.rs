//! The span of a flow, in which all of the flow's code runs.

use std::cell::Cell;
use std::panic::Location;

use switchboard_runtime::{self as runtime, FlowSpan, Model, launch_detached};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber, dispatcher, info_span};

thread_local! {
    /// How many spans this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A subscriber that counts the spans each thread is in.
struct Depth;

impl Subscriber for Depth {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {
        DEPTH.set(DEPTH.get() + 1);
    }

    fn exit(&self, _: &Id) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

#[test]
fn a_flow_is_made_and_polled_in_its_span() {
    let span = dispatcher::with_default(&Dispatch::new(Depth), || info_span!("flow"));
    for model in Model::ALL {
        if model == Model::Blocking {
            continue;
        }
        let span = FlowSpan::new(span.clone());
        assert!(!span.is_none());
        let (sender, receiver) = runtime::channel(1);
        let flow = async move {
            launch_detached(Location::caller(), span, move || {
                let made = DEPTH.get();
                async move { sender.send((made, DEPTH.get())).await }
            });
            let outside = DEPTH.get();
            (outside, receiver.recv().await)
        };
        assert_eq!(model.run(flow).unwrap(), (0, Ok((1, 1))), "{model}");
    }
}
