//! What a loop promises: one list of cases, stamped over every driver.
#![forbid(unsafe_code)]

mod heap;
mod kit;
mod model;
mod registration;
mod remote;
mod run;
mod signals;
mod soon;
mod tasks;
mod timers;
mod trouble;
mod watch;

use switchboard_reactor::Driver;

/// Makes a test of each case, for the `DRIVER` of the module around it.
macro_rules! run {
    ($($room:ident: $($case:ident)+;)+) => {$($(
        #[test]
        fn $case() {
            let _turn = crate::kit::turn();
            if !crate::kit::is_refused_here(DRIVER) {
                crate::$room::$case(&crate::kit::Bench::new(DRIVER));
            }
        }
    )+)+};
}

macro_rules! stamp {
    ($($name:ident: $driver:ident,)+) => {
        $(mod $name {
            const DRIVER: crate::Driver = crate::Driver::$driver;

            run! {
                soon: first_in_first_out what_is_added_waits_a_turn the_budget_is_kept
                    cancelled_before cancelled_from_a_callback cancel_drops_at_once
                    what_is_dropped_may_use_the_loop a_stale_handle_cancels_nothing
                    a_handle_outlives_the_loop;
                timers: never_early in_order_of_deadline equal_deadlines_in_order
                    a_cancelled_timer_drops_at_once cancelled_by_an_earlier_one
                    rearming_starves_no_descriptor rearming_in_the_past_starves_no_timer
                    the_far_future wakers a_burst_is_cancelled;
                watch: runs_until_drained removed_in_the_same_batch a_slot_reused_in_the_batch
                    a_writer_runs_while_there_is_room both_directions_of_one_descriptor
                    a_reader_is_replaced a_reader_replaces_itself out_of_band the_end_of_input
                    what_a_removed_callback_owns_may_use_the_loop refused_by_the_driver
                    random_traffic;
                registration: starts_ready wakes_once several_wakers both_directions a_short_read
                    the_end_is_always_found a_hang_up_sticks half_a_close_sticks a_read_stops_at_the_mark quiet_while_nobody_waits
                    deregistering_wakes_waiters would_block_is_believed;
                remote: eight_threads a_thousand_wake_once ends_a_wait closures_of_a_loop_that_goes
                    after_the_loop_is_gone from_the_loop_itself by_number;
                tasks: in_line_with_callbacks woken_from_another_thread self_wake_yields
                    dropping_a_task_cancels_it the_loop_drops_its_futures
                    woken_as_the_loop_goes a_task_panics a_waker_outlives_the_loop;
                trouble: a_callback_panics a_timer_panics a_reader_panics stalls_are_named;
                run: nothing_to_do until_the_last_call until_the_last_timer until_the_last_task
                    until_the_last_descriptor until_the_last_remote_call stop_ends_a_run
                    stop_is_forgotten a_run_within_a_run_panics block_on_is_woken
                    a_turn_has_a_limit the_current_loop;
                signals: into_the_loop from_elsewhere interrupted_waits;
                model: random_calls;
            }
        })+

        #[test]
        fn every_driver_is_here() {
            assert_eq!(Driver::ALL, [$(Driver::$driver),+]);
        }
    };
}

stamp! {
    select: Select,
    poll: Poll,
    epoll: Epoll,
    uring: Uring,
    portable: Portable,
    sim: Sim,
}
