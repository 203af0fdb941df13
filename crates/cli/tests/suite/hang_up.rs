//! SIGHUP to servers that have nothing to reload: it ends none of their processes.

use std::io::BufRead;

use rustix::process::{Pid, Signal, kill_process};
use switchboard_runtime::Model;

use crate::served::{Served, round_trip};
use crate::workers::children;

fn hang_up(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::HUP).unwrap();
}

fn await_notice(served: &mut Served) {
    let mut log = String::new();
    while !log.contains("there is nothing to reload") {
        assert_ne!(served.stderr.read_line(&mut log).unwrap(), 0, "{log}");
    }
}

#[test]
fn nothing_to_reload_ends_no_process() {
    let models = Model::ALL.into_iter();
    let mut rows: Vec<_> = models.map(|model| vec!["--model", model.name()]).collect();
    for model in ["tasks", "processes"] {
        rows.push(vec!["--workers-as", "processes", "--model", model]);
    }
    for row in rows {
        let mut served = Served::echo(&row);
        let pid = served.child.id();
        // The address is told before the server serves.
        hang_up(pid.cast_signed());
        await_notice(&mut served);
        let mut client = served.connect();
        round_trip(&mut client);
        // Workers, the processes of connections, and those of the connections of workers.
        for child in children(pid) {
            children(child.cast_unsigned())
                .into_iter()
                .for_each(hang_up);
            hang_up(child);
        }
        round_trip(&mut client);
        hang_up(pid.cast_signed());
        await_notice(&mut served);
        round_trip(&mut client);
        drop(client);
        let log = served.stop();
        assert!(log.contains("workers replaced 0"), "{row:?}: {log}");
    }
}
