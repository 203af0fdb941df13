//! A site that answers with any bytes, and counts what it is asked for.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status: 200,
            fields: vec![("content-type", content_type.to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn status(status: u16) -> Answer {
        Answer {
            status,
            fields: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn moved(to: &str) -> Answer {
        Answer {
            fields: vec![("location", to.to_owned())],
            ..Answer::status(302)
        }
    }
}

pub(crate) fn html(text: &str) -> Answer {
    Answer::new("text/html", text)
}

/// A site that runs until its process ends.
pub(crate) struct Site {
    pub(crate) url: String,
    asked: Arc<Mutex<HashMap<String, usize>>>,
}

impl Site {
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<HashMap<String, usize>>>::default();
        let (counts, answer) = (asked.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (counts, answer) = (counts.clone(), answer.clone());
                // A client that goes away early ends its connection, and nothing else.
                thread::spawn(move || stream.map(|stream| serve(&stream, &*answer, &counts)));
            }
        });
        Site { url, asked }
    }

    /// How often a path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

fn serve(
    stream: &TcpStream,
    answer: &(dyn Fn(&str) -> Answer + Send + Sync),
    counts: &Mutex<HashMap<String, usize>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while let Some(first) = lines.next().transpose()? {
        while lines
            .next()
            .transpose()?
            .is_some_and(|line| !line.is_empty())
        {}
        let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
        let Answer {
            status,
            fields,
            body,
        } = answer(&path);
        *counts.lock().unwrap().entry(path).or_default() += 1;
        let mut bytes = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in fields {
            bytes += &format!("{name}: {value}\r\n");
        }
        let bytes = [bytes.as_bytes(), b"\r\n", &body].concat();
        (&mut &*stream).write_all(&bytes)?;
    }
    Ok(())
}
