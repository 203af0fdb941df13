//! Green threads as futures: in turns, on a loop, cancelled, nested, and with reused stacks.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_lite::future::{block_on, poll_once, yield_now, zip};
use switchboard_green_threads::{self as green, Green, NotGreen};
use switchboard_reactor::{Driver, Loop};

/// Counts how often it is dropped.
struct CountsDrops<'a>(&'a Cell<u32>);

impl Drop for CountsDrops<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn two_green_threads_take_turns() {
    let log = RefCell::new(Vec::new());
    let count = |name: char| {
        let log = &log;
        Green::new(move || {
            for number in 0..3 {
                log.borrow_mut().push((name, number));
                green::block_on(yield_now()).unwrap();
            }
            name
        })
        .unwrap()
    };
    assert_eq!(block_on(zip(count('a'), count('b'))), ('a', 'b'));
    let expected = [('a', 0), ('b', 0), ('a', 1), ('b', 1), ('a', 2), ('b', 2)];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn thousands_of_green_threads_on_a_loop_wake_each_other() {
    const THREADS: usize = 5000;
    let lp = Loop::new(Driver::best()).unwrap();
    let wakers: Rc<RefCell<Vec<Option<Waker>>>> = Rc::new(RefCell::new(vec![None; THREADS]));
    let woken = Rc::new(Cell::new(0));
    for number in 0..THREADS {
        let (wakers, woken) = (wakers.clone(), woken.clone());
        let green = Green::new(move || {
            let mut first = true;
            green::block_on(poll_fn(|context| {
                if std::mem::take(&mut first) {
                    wakers.borrow_mut()[number] = Some(context.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(())
            }))
            .unwrap();
            woken.set(woken.get() + 1);
            let next = wakers
                .borrow_mut()
                .get_mut(number + 1)
                .and_then(Option::take);
            next.into_iter().for_each(Waker::wake);
        });
        lp.spawn(green.unwrap()).detach();
    }
    // Polled after all of them.
    let first = wakers.clone();
    lp.spawn(async move {
        let first = first.borrow_mut()[0].take();
        first.unwrap().wake();
    })
    .detach();
    lp.run_until_empty().unwrap();
    assert_eq!(woken.get(), THREADS as u32);
}

/// A context that is never freed, so that a use of it after its poll is no fault of the test's.
fn leaked_context() -> &'static mut Context<'static> {
    struct Ignores;
    impl Wake for Ignores {
        fn wake(self: Arc<Ignores>) {}
    }
    let waker = Box::leak(Box::new(Waker::from(Arc::new(Ignores))));
    Box::leak(Box::new(Context::from_waker(waker)))
}

#[test]
fn a_future_within_which_plain_code_waits_has_the_newest_waker() {
    let seen = RefCell::new(None);
    let mut green = Green::new(|| {
        let outer = async {
            green::block_on(yield_now()).unwrap();
            poll_fn(|context| {
                *seen.borrow_mut() = Some(context.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        };
        green::block_on(outer).unwrap();
    })
    .unwrap();
    for _ in 0..3 {
        let context = leaked_context();
        assert!(Pin::new(&mut green).poll(context).is_pending());
        if let Some(seen) = &*seen.borrow() {
            assert!(seen.will_wake(context.waker()));
        }
    }
    assert!(seen.borrow().is_some());
}

#[test]
fn a_dropped_green_thread_is_unwound() {
    let dropped = Cell::new(0);
    let mut parked = Green::new(|| {
        let _counts = CountsDrops(&dropped);
        green::block_on(pending::<()>()).unwrap();
    })
    .unwrap();
    assert_eq!(block_on(poll_once(&mut parked)), None);
    assert_eq!(dropped.get(), 0);
    drop(parked);
    assert_eq!(dropped.get(), 1);
    let counts = CountsDrops(&dropped);
    drop(Green::new(move || drop(counts)).unwrap());
    assert_eq!(
        dropped.get(),
        2,
        "a green thread that never started drops its captures"
    );
}

#[test]
fn a_destructor_in_an_unwound_green_thread_cannot_wait() {
    struct Waits<'a>(&'a Cell<Option<Result<(), NotGreen>>>);
    impl Drop for Waits<'_> {
        fn drop(&mut self) {
            self.0.set(Some(green::block_on(yield_now())));
        }
    }
    let waited = Cell::new(None);
    let mut parked = Green::new(|| {
        let _waits = Waits(&waited);
        green::block_on(pending::<()>()).unwrap();
    })
    .unwrap();
    assert_eq!(block_on(poll_once(&mut parked)), None);
    drop(parked);
    assert_eq!(waited.get(), Some(Err(NotGreen)));
}

#[test]
fn a_panic_reaches_the_poller() {
    let panics = Green::new(|| {
        green::block_on(yield_now()).unwrap();
        panic!("in a green thread");
    });
    let panics: Green<'_, ()> = panics.unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| block_on(panics))).unwrap_err();
    assert_eq!(caught.downcast_ref(), Some(&"in a green thread"));
}

#[test]
fn captures_and_results_may_be_large() {
    let large = [7_u8; 5000];
    let green = Green::new(move || {
        green::block_on(yield_now()).unwrap();
        large
    });
    assert_eq!(block_on(green.unwrap()), [7; 5000]);
}

#[test]
fn a_green_thread_runs_inside_another() {
    let inner = || {
        let inner = Green::new(|| {
            green::block_on(yield_now()).unwrap();
            green::is_current()
        });
        green::block_on(inner.unwrap()).unwrap() && green::is_current()
    };
    assert!(block_on(Green::new(inner).unwrap()));
    assert!(!green::is_current());
    assert_eq!(green::block_on(async {}), Err(NotGreen));
}

#[test]
fn stacks_are_reused_and_split_no_mapping() {
    const AT_ONCE: usize = 20_000;
    for _ in 0..3 {
        let parked: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let mut parked = Green::new(|| green::block_on(pending::<()>()).unwrap()).unwrap();
                assert_eq!(block_on(poll_once(&mut parked)), None);
                parked
            })
            .collect();
        drop(parked);
    }
    let stats = green::stats();
    // Other tests of this process create stacks too.
    assert!(stats.created < 2 * AT_ONCE, "{stats:?}");
    assert!(stats.reservations < 10, "{stats:?}");
    assert!(green::set_stack_size(1 << 20).is_err());
}
