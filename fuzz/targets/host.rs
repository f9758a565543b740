//! Hosts: whatever the spelling, the outcome is one spelling, and reading that again changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::policy::Host;
use sbsh::policy::host::parse_host_port;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(host) = Host::parse_bytes(bytes) {
        let text = host.to_string();
        assert_eq!(Host::parse(&text).as_ref(), Ok(&host));
        if let Host::Name(name) = &host {
            assert!(!name.is_empty() && name.len() <= 253 && !name.ends_with('.'));
            assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
            assert!(!name.contains(['/', '\\', '@', ':', '%', '?', '#', '[', ']']), "{name}");
            assert!(name.parse::<std::net::Ipv4Addr>().is_err(), "{name}");
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok((host, port)) = parse_host_port(text, Some(443))
    {
        assert_eq!(parse_host_port(&format!("{host}:{port}"), None), Ok((host, port)));
    }
});
