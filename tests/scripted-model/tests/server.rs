//! The server from outside, over plain sockets: what it refuses, what it writes, and that it stops.

#[cfg(test)]
mod checks {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use openpact_scripted_model::{Exchange, Expect, Form, Say, Script, Server};

    const KEY: &str = "sk-test";

    /// Sends one request and gives everything that comes back.
    fn request(server: &Server, method: &str, path: &str, key: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = Vec::new();
        // A script may break the connection; what came before is what counts.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn complete(server: &Server, said: &str) -> String {
        let body =
            format!(r#"{{"model":"m","stream":true,"messages":[{{"role":"user","content":"{said}"}}]}}"#);
        request(server, "POST", "/v1/chat/completions", KEY, &body)
    }

    #[test]
    fn only_the_exact_key_is_let_in_and_every_request_is_recorded() {
        let server = Server::start(Script::new(KEY, [])).unwrap();
        for key in ["", "sk-tes", "sk-test2", "SK-TEST"] {
            assert!(request(&server, "GET", "/v1/models", key, "").starts_with("HTTP/1.1 401"), "{key}");
        }
        assert!(request(&server, "GET", "/v1/models", KEY, "").starts_with("HTTP/1.1 200"));
        assert!(request(&server, "GET", "/models", KEY, "").starts_with("HTTP/1.1 404"));
        let requests = server.requests();
        assert_eq!(
            requests.iter().map(|request| request.status).collect::<Vec<_>>(),
            [401, 401, 401, 401, 200, 404]
        );
        assert_eq!(requests[4].header("Authorization"), Some("Bearer sk-test"));
        assert!(!requests[4].mentions(KEY), "the header that carries the key does not count");
    }

    #[test]
    fn a_strict_script_is_used_in_order_and_says_what_did_not_fit() {
        let said = |word: &str| Expect { last_contains: vec![word.to_owned()], ..Expect::default() };
        let exchanges =
            || [Exchange::text("1").expecting(said("one")), Exchange::text("2").expecting(said("two"))];
        let server = Server::start(Script::new(KEY, exchanges())).unwrap();
        assert!(complete(&server, "two").contains("expected 'one' in the last message"));
        assert_eq!((server.left(), server.mismatches().len()), (2, 1));
        assert!(complete(&server, "one").contains("\"content\":\"1\""));
        assert!(complete(&server, "two").contains("\"content\":\"2\""));
        assert!(complete(&server, "two").contains("the script is over"));
        assert_eq!(server.left(), 0);

        let server = Server::start(Script::new(KEY, exchanges()).any_order()).unwrap();
        assert!(complete(&server, "two").contains("\"content\":\"2\""));
        assert!(complete(&server, "one").contains("\"content\":\"1\""));
        server.assert_finished();
    }

    #[test]
    fn a_stream_is_written_as_its_form_says() {
        let form = Form { crlf: true, space: false, comments: true, done: false, ..Form::default() };
        let server =
            Server::start(Script::new(KEY, [Exchange::text("x").formed(form), Exchange::text("x")])).unwrap();
        let odd = complete(&server, "hi");
        assert!(odd.contains(": still here\r\n\r\ndata:{") && !odd.contains("[DONE]"), "{odd}");
        let plain = complete(&server, "hi");
        assert!(plain.contains("data: {") && plain.contains("data: [DONE]\n\n"), "{plain}");
    }

    #[test]
    fn a_cut_leaves_the_body_without_its_end() {
        let exchanges = [Exchange::say([Say::Text("half".to_owned()), Say::Cut]), Exchange::text("whole")];
        let server = Server::start(Script::new(KEY, exchanges)).unwrap();
        let cut = complete(&server, "hi");
        assert!(cut.contains("half") && !cut.ends_with("0\r\n\r\n"), "{cut}");
        assert!(complete(&server, "hi").ends_with("0\r\n\r\n"));
    }

    #[test]
    fn it_listens_on_loopback_and_stops_with_its_handle() {
        let server = Server::start(Script::default()).unwrap();
        let address = server.address();
        assert!(address.ip().is_loopback());
        // A connection that says nothing does not keep it alive.
        let silent = TcpStream::connect(address).unwrap();
        drop(server);
        drop(silent);
        assert!(TcpStream::connect(address).is_err());
    }
}
