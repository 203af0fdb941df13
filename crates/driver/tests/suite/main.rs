//! The contract of `Poller`: one list of cases, stamped over every driver.
//!
//! A driver that lacks something is checked to refuse it; none is skipped.

mod calls;
mod close;
mod crowd;
mod edge;
mod kit;
mod level;
mod notify;
mod random;
mod simulated;
mod socket;
mod time;

use switchboard_driver::Driver;

/// Makes a test of each case, for the `DRIVER` of the module around it.
macro_rules! run {
    ($($room:ident: $($case:ident)+;)+) => {$($(
        #[test]
        fn $case() {
            let _turn = crate::kit::turn();
            if !crate::kit::is_refused_here(DRIVER) {
                crate::$room::$case(DRIVER);
            }
        }
    )+)+};
}

macro_rules! stamp {
    ($($name:ident: $driver:ident,)+) => {
        $(mod $name {
            const DRIVER: crate::Driver = crate::Driver::$driver;

            run! {
                level: reported_while_ready_and_no_longer pipe_and_unix_beside_tcp;
                edge: once_for_each_arrival at_registration_if_ready at_modification_if_ready
                    modes_side_by_side;
                calls: modify_while_ready modify_replaces_the_token register_replaces
                    deregister_ends_it unknown_descriptors_are_not_found
                    the_drivers_own_token_is_refused it_says_which_driver_it_is;
                time: zero_does_not_wait never_shorter_than_asked the_longest_timeout
                    signals_do_not_end_a_wait;
                notify: before_a_wait during_a_wait a_thousand_are_one beside_an_event
                    none_is_lost outlives_the_poller;
                socket: connect_succeeds connect_is_refused a_listener_is_readable
                    peer_resets peer_shuts_its_half both_halves_are_shut
                    hang_up_with_no_interest out_of_band;
                close: closed_while_registered closed_while_ready a_number_used_again
                    deregister_after_close;
                crowd: six_hundred_at_once past_fd_setsize;
                random: level_is_what_poll_says edge_loses_nothing;
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
