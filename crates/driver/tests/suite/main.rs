//! The contract of `Poller`: one list of cases, run against every driver.
//!
//! A driver that lacks a feature must reject it; no case is skipped.

mod completions;
mod early_close;
mod edge;
mod level;
mod many;
mod notify;
mod random;
mod registration;
mod simulated;
mod socket_states;
mod support;
mod timeouts;

use switchboard_driver::Driver;

/// Makes a test of each case, for the `DRIVER` of the surrounding module.
macro_rules! run {
    ($($file:ident: $($case:ident)+;)+) => {$($(
        #[test]
        fn $case() {
            let _guard = crate::support::exclusive();
            if !crate::support::is_unsupported(DRIVER) {
                crate::$file::$case(DRIVER);
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
                level:
                    a_descriptor_is_reported_for_as_long_as_it_is_ready
                    pipes_and_unix_sockets_are_reported_like_tcp;
                edge:
                    each_arrival_is_reported_once
                    a_ready_descriptor_is_reported_when_registered
                    a_ready_descriptor_is_reported_when_modified
                    level_and_edge_mode_can_be_mixed;
                registration:
                    modify_changes_what_is_reported
                    modify_replaces_the_token
                    a_second_registration_replaces_the_first
                    a_deregistered_descriptor_is_not_reported
                    unknown_descriptors_are_not_found
                    the_reserved_token_is_rejected
                    a_poller_reports_its_driver;
                timeouts:
                    a_zero_timeout_does_not_block
                    a_wait_is_never_shorter_than_its_timeout
                    the_longest_timeouts_are_accepted
                    signals_do_not_end_a_wait;
                notify:
                    a_notification_before_a_wait_ends_it
                    a_notification_during_a_wait_ends_it
                    a_thousand_notifications_end_one_wait
                    a_notification_does_not_hide_an_event
                    no_notification_is_lost
                    a_notifier_outlives_its_poller;
                socket_states:
                    a_finished_connect_is_writable
                    a_refused_connect_is_writable
                    a_pending_connection_makes_a_listener_readable
                    a_reset_makes_both_directions_ready
                    a_half_close_is_readable
                    two_half_closes_are_a_hang_up
                    a_hang_up_is_reported_without_interest
                    out_of_band_data_is_reported_as_priority
                    a_reset_is_reported_to_interest_in_out_of_band_data;
                early_close:
                    an_idle_descriptor_may_be_closed_while_registered
                    ready_descriptors_may_be_closed_while_registered
                    a_reused_number_reports_only_its_new_file
                    a_closed_descriptor_may_be_deregistered;
                many:
                    six_hundred_descriptors_are_all_reported
                    only_select_rejects_descriptors_past_fd_setsize;
                random:
                    level_events_match_poll
                    draining_at_each_edge_reads_everything;
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
