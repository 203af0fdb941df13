//! Green threads as futures: on a loop, side by side, given up, and over.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_lite::future::{block_on, poll_once, yield_now, zip};
use switchboard_green_threads::{self as green, Green, NotGreen};
use switchboard_reactor::{Driver, Loop};

/// Tells when it is dropped.
struct Tells<'a>(&'a Cell<u32>);

impl Drop for Tells<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn they_take_turns() {
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
fn thousands_on_a_loop_wake_each_other() {
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
            // The next; the last has none.
            let next = wakers
                .borrow_mut()
                .get_mut(number + 1)
                .and_then(Option::take);
            next.into_iter().for_each(Waker::wake);
        });
        lp.spawn(green.unwrap()).detach();
    }
    let first = wakers.clone();
    lp.call_later(Duration::from_millis(1), move || {
        let first = first.borrow_mut()[0].take();
        first.unwrap().wake();
    });
    lp.run_until_empty().unwrap();
    assert_eq!(woken.get(), THREADS as u32);
}

#[test]
fn one_given_up_is_unwound() {
    let dropped = Cell::new(0);
    let mut parked = Green::new(|| {
        let _tells = Tells(&dropped);
        green::block_on(pending::<()>()).unwrap();
    })
    .unwrap();
    assert_eq!(block_on(poll_once(&mut parked)), None);
    assert_eq!(dropped.get(), 0);
    drop(parked);
    assert_eq!(dropped.get(), 1);
    let tells = Tells(&dropped);
    drop(Green::new(move || drop(tells)).unwrap());
    assert_eq!(
        dropped.get(),
        2,
        "one that never started drops what it was given"
    );
}

#[test]
fn a_destructor_of_one_given_up_can_not_wait() {
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
fn a_panic_goes_to_who_polls() {
    let panics = Green::new(|| {
        green::block_on(yield_now()).unwrap();
        panic!("of a green thread");
    });
    let panics: Green<'_, ()> = panics.unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| block_on(panics))).unwrap_err();
    assert_eq!(caught.downcast_ref(), Some(&"of a green thread"));
}

#[test]
fn large_functions_and_results() {
    let large = [7_u8; 5000];
    let green = Green::new(move || {
        green::block_on(yield_now()).unwrap();
        large
    });
    assert_eq!(block_on(green.unwrap()), [7; 5000]);
}

#[test]
fn one_runs_within_another() {
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
fn stacks_are_used_again_and_split_no_mapping() {
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
    // Other tests have theirs.
    assert!(stats.created < 2 * AT_ONCE, "{stats:?}");
    assert!(stats.reservations < 10, "{stats:?}");
    assert!(green::set_stack_size(1 << 20).is_err());
}
