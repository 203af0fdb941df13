//! The contract of `Loop`: one list of cases, run with every driver.
#![forbid(unsafe_code)]

mod calls;
mod cancellation;
mod fd_callbacks;
mod panics_and_stalls;
mod reference_model;
mod registration;
mod remote;
mod runs;
mod signals;
mod support;
mod tasks;
mod timer_queue;
mod timers;

use switchboard_reactor::Driver;

/// Makes a test of each case, for the `DRIVER` of the surrounding module.
macro_rules! run {
    ($($file:ident: $($case:ident)+;)+) => {$($(
        #[test]
        fn $case() {
            let _guard = crate::support::exclusive();
            if !crate::support::is_unsupported(DRIVER) {
                crate::$file::$case(&crate::support::Fixture::new(DRIVER));
            }
        }
    )+)+};
}

/// Makes a module of tests for each driver.
macro_rules! for_each_driver {
    ($($name:ident: $driver:ident,)+) => {
        $(mod $name {
            const DRIVER: crate::Driver = crate::Driver::$driver;

            run! {
                calls:
                    calls_run_first_in_first_out
                    a_call_added_by_a_call_runs_in_the_next_turn
                    a_turn_runs_no_more_than_its_budget
                    a_cancelled_call_does_not_run
                    a_call_can_cancel_another
                    cancelling_a_call_drops_it_at_once
                    a_dropped_call_may_use_the_loop
                    a_stale_handle_cancels_nothing
                    a_handle_may_outlive_its_loop;
                timers:
                    timers_never_run_early
                    timers_run_in_order_of_deadline
                    timers_of_one_deadline_run_in_order_of_creation
                    cancelling_a_timer_drops_it_at_once
                    a_timer_can_cancel_another_of_its_deadline
                    a_repeating_timer_starves_no_descriptor
                    a_timer_repeating_in_the_past_starves_no_timer
                    the_longest_delay_is_accepted
                    a_timer_wakes_the_waker_that_was_set_last
                    a_waker_that_is_replaced_may_use_the_timers
                    ten_thousand_timers_can_be_cancelled;
                fd_callbacks:
                    a_reader_runs_until_its_descriptor_is_drained
                    a_callback_removed_in_the_same_turn_does_not_run
                    a_turn_within_a_callback_does_not_call_it_again
                    an_event_of_an_ended_registration_is_ignored
                    a_writer_runs_while_its_descriptor_is_writable
                    each_direction_of_a_descriptor_has_a_callback
                    a_second_reader_replaces_the_first
                    a_reader_can_replace_itself
                    out_of_band_data_runs_the_priority_callback
                    a_second_removal_is_an_error_and_affects_no_other
                    removing_a_callback_spares_the_next_file_of_its_number
                    the_end_of_input_runs_the_reader
                    a_removed_callback_may_use_the_loop_when_dropped
                    a_callback_that_the_driver_rejects_is_dropped
                    random_traffic_is_read_completely;
                registration:
                    a_registration_is_ready_at_first
                    an_event_wakes_a_waker_once
                    an_event_wakes_every_waker
                    the_directions_wait_independently
                    a_short_read_may_end_readiness
                    the_end_of_input_is_always_found
                    a_hang_up_keeps_both_directions_ready
                    a_half_close_keeps_reading_ready
                    bytes_after_an_urgent_byte_are_read
                    a_ready_descriptor_without_a_waiter_causes_no_turns
                    deregistering_wakes_the_waiters
                    a_call_that_would_block_ends_readiness;
                remote:
                    the_calls_of_each_thread_run_in_order
                    a_thousand_calls_end_one_wait
                    a_remote_handle_ends_a_wait
                    dropping_a_loop_drops_its_remote_calls
                    calls_to_a_dropped_loop_are_dropped
                    a_remote_call_of_the_loop_itself_runs_later
                    a_loop_is_found_by_its_number;
                tasks:
                    tasks_and_calls_share_one_queue
                    another_thread_can_wake_a_task
                    a_task_that_wakes_itself_yields
                    a_panic_ends_only_its_task
                    a_waker_may_outlive_its_loop
                    a_stale_waker_causes_no_more_than_a_spurious_poll
                    a_turn_within_a_poll_loses_no_wake;
                cancellation:
                    dropping_a_handle_cancels_its_task
                    dropping_a_loop_drops_its_futures
                    a_task_may_be_woken_while_its_loop_is_dropped
                    a_running_task_can_spawn_and_cancel_others
                    another_thread_can_cancel_a_task;
                panics_and_stalls:
                    the_loop_continues_after_a_call_panics
                    the_loop_continues_after_a_timer_panics
                    the_loop_continues_after_a_reader_panics
                    stalls_are_reported_with_their_names;
                runs:
                    a_run_without_work_has_no_turns
                    a_run_lasts_until_the_last_call
                    a_run_lasts_until_the_last_timer
                    a_run_lasts_until_the_last_task
                    a_run_lasts_until_the_last_descriptor
                    a_run_lasts_until_the_last_remote_call
                    stop_ends_a_run
                    stop_does_not_affect_the_next_run
                    a_run_within_a_run_panics
                    a_waker_of_block_on_wakes_it
                    a_turn_waits_no_longer_than_its_limit
                    the_loop_that_runs_is_the_current_one
                    hooks_can_replace_themselves_at_the_end_of_a_turn;
                signals:
                    signals_run_the_reader_of_their_pipe
                    signals_of_other_threads_arrive
                    a_signal_that_is_left_keeps_its_pipe_readable
                    signals_do_not_end_a_wait;
                reference_model:
                    random_calls_match_the_model;
            }
        })+

        #[test]
        fn every_driver_is_tested() {
            assert_eq!(Driver::ALL, [$(Driver::$driver),+]);
        }
    };
}

for_each_driver! {
    select: Select,
    poll: Poll,
    epoll: Epoll,
    uring: Uring,
    portable: Portable,
    sim: Sim,
}
