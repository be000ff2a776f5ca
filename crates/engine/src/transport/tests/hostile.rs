//! Row S10: hostile addresses, at save and at connect, with a resolver of our own and nothing dialled.

use super::*;

/// Addresses that production must not dial, each one by itself.
const BAD_ADDRESSES: [&str; 84] = [
    // IPv4
    "0.0.0.0",
    "0.0.0.1",
    "0.255.255.255",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.0.0.53",
    "127.1.2.3",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.169.123",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.254",
    "255.255.255.255",
    // IPv6: unspecified, loopback, mapped, compatible, translated
    "::",
    "::1",
    "::2",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "::10.0.0.1",
    "::8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "64:ff9b:1::a00:1",
    // discard-only, Teredo, ORCHID, benchmarking, documentation, 6to4, 6bone, segment routing
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:1ff::1",
    "2001:db8::1",
    "2001:db8:ffff::1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "2002:a9fe:a9fe::1",
    "2002:808:808::1",
    "2620:4f:8000::1",
    "3ffe::1",
    "3fff::1",
    "3fff:fff::1",
    "5f00::1",
    // ISATAP, unique local, metadata, link-local, site-local, multicast
    "2606:4700::5efe:127.0.0.1",
    "2606:4700:0:0:200:5efe:10.0.0.1",
    "fc00::1",
    "fd00:ec2::254",
    "fd12:3456:789a::1",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "4000::1",
];

/// URLs that must be refused when they are saved, in production: spellings, names, schemes, users, ports.
const BAD_URLS: [&str; 92] = [
    // IPv4 in every spelling that URL parsers take
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://0x7f000001/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://0177.0.0.1/",
    "https://0177.0.1/",
    "https://017700000001/",
    "https://00000177.1/",
    "https://127.0.0.1./",
    "https://0/",
    "https://0x0/",
    "https://00/",
    "https://0.0/",
    "https://10.1/",
    "https://0xa000001/",
    "https://167772161/",
    "https://012.1/",
    "https://0xa9fea9fe/",
    "https://2852039166/",
    "https://0251.0376.0251.0376/",
    "https://169.254.43518/",
    "https://0xA9.0xFE.0xA9.0xFE/",
    "https://192.168.1/",
    "https://3232235777/",
    "https://0xc0a80101/",
    "https://172.1048577/",
    "https://1681915905/",
    "https://4294967295/",
    "https://%31%32%37.0.0.1/",
    "https://127%2e0%2e0%2e1/",
    "https://%30%78%37%66.1/",
    "https://\u{2460}\u{2461}\u{2466}.0.0.1/",
    "https://127\u{3002}0\u{3002}0\u{3002}1/",
    "https://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
    "https://127.0.0.1\\@shop.example.com/",
    "https:127.0.0.1/",
    "https:///127.0.0.1/",
    "https:\\\\127.0.0.1\\x",
    "https://\t127.0.0.1/",
    "https://127.0.0.\n1/",
    "https://127.0.0.1:443/",
    // IPv6 in odd spellings
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[0000::0001]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:FFFF:127.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1]:443/",
    "https://[FD00:EC2::254]/",
    "https://[::ffff:10.0.0.1]:8443/",
    "https://[::1%25lo]/",
    // names that are never public
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://foo.localhost/",
    "https://localhost.localdomain/",
    "https://metadata.google.internal/",
    "https://metadata/",
    "https://metadata.google.internal./",
    "https://kubernetes/",
    "https://kubernetes.default.svc.cluster.local/",
    "https://printer.local/",
    "https://router.lan/",
    "https://nas.home.arpa/",
    "https://db.internal/",
    "https://vault.corp/",
    "https://wiki.intranet/",
    "https://box.home/",
    "https://%6c%6f%63%61%6c%68%6f%73%74/",
    "https://\u{24db}ocalhost/",
    "https://intranet/",
    // schemes, users, ports
    "http://shop.example.com/",
    "http://8.8.8.8/",
    "ftp://shop.example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x",
    "javascript:alert(1)",
    "data:text/plain,x",
    "https://user@shop.example.com/",
    "https://user:pass@shop.example.com/",
    "https://shop.example.com:0/",
    "https:// /",
    "https://shop.example.com@127.0.0.1/",
];

fn production(lookup: Arc<dyn Lookup>) -> Transport {
    Transport::with_lookup(Environment::Production, 1, lookup).unwrap()
}

fn literal(address: &str) -> String {
    if address.contains(':') { format!("https://[{address}]/x") } else { format!("https://{address}/x") }
}

#[tokio::test]
async fn hostile_literals_are_refused_at_save_and_at_connect() {
    let table = Arc::new(Table::default());
    let transport = production(table.clone());
    let urls: Vec<String> =
        BAD_ADDRESSES.iter().map(|address| literal(address)).chain(BAD_URLS.iter().map(|url| (*url).to_owned())).collect();
    assert!(urls.len() >= 120, "{}", urls.len());
    for url in &urls {
        assert_eq!(transport.check_address(url), Err(Failure::RefusedAddress), "saved: {url:?}");
        for guard in [Guard::Merchant, Guard::Provider] {
            let call = Outgoing { guard, ..post(url) };
            assert_eq!(transport.send(call).await.unwrap_err(), Failure::RefusedAddress, "called: {url:?}");
        }
        assert_eq!(transport.post_json(url, &[], &Json::Null, 1_000).await.unwrap_err(), Failure::RefusedAddress, "{url:?}");
    }
    assert!(table.asked.lock().unwrap().is_empty(), "a refused URL is not even resolved");
}

#[tokio::test]
async fn names_that_resolve_to_hostile_addresses_are_refused_at_connect() {
    let table = Arc::new(Table::default());
    let transport = production(table.clone());
    for (n, address) in BAD_ADDRESSES.iter().enumerate() {
        let name = format!("h{n}.example.com");
        let url = format!("https://{name}/x");
        assert_eq!(transport.check_address(&url), Ok(()), "by name alone nothing is known");
        for answer in [vec![*address], vec!["93.184.216.34", *address], vec![*address, "2606:4700::1"]] {
            table.put(&name, &[&answer]);
            assert_eq!(transport.send(post(&url)).await.unwrap_err(), Failure::RefusedAddress, "{address} in {answer:?}");
        }
    }
    assert_eq!(table.asked.lock().unwrap().len(), 3 * BAD_ADDRESSES.len(), "resolved anew each time");
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let table = Table::with("rebind.example.com", &[&["93.184.216.34"], &["127.0.0.1"]]);
    let policy = Policy::of(Environment::Production);
    let dial = |table: Arc<Table>| VettingResolver::vetted(table, policy, "rebind.example.com".to_owned());
    // What is handed to the dialler is what was looked at: there is no second resolution between the check and the connection.
    assert_eq!(dial(table.clone()).await, Ok(vec!["93.184.216.34".parse().unwrap()]));
    assert_eq!(dial(table.clone()).await, Err(Failure::RefusedAddress));
}

#[tokio::test]
async fn a_name_with_endless_addresses_is_refused() {
    let many: Vec<String> = (0..100).map(|n| format!("93.184.216.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let table = Table::with("many.example.com", &[&many]);
    let refused = VettingResolver::vetted(table, Policy::of(Environment::Production), "many.example.com".to_owned()).await;
    assert_eq!(refused, Err(Failure::RefusedAddress));
}

#[test]
fn public_addresses_pass() {
    let policy = Policy::of(Environment::Production);
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "203.0.114.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700:4700::1111",
        "2a00:1450::1",
        "3ffd::1",
    ] {
        assert!(policy.allows(address.parse().unwrap()), "{address}");
        assert!(policy.check_url(&literal(address)).is_some(), "{address}");
    }
    for url in [
        "https://shop.example.com/hook?a=b",
        "https://shop.example.com:8443/",
        "https://xn--bcher-kva.example/",
        "https://a.b.c.d.example./",
    ] {
        assert!(policy.check_url(url).is_some(), "{url}");
    }
}

#[test]
fn the_sandbox_reaches_this_machine_and_nothing_else_inside() {
    let policy = Policy::of(Environment::Sandbox);
    for url in [
        "http://127.0.0.1:8082/webhook",
        "http://localhost:8082/",
        "http://[::1]/",
        "https://127.9.9.9/",
        "https://shop.example.com/",
    ] {
        assert!(policy.check_url(url).is_some(), "{url}");
    }
    for address in BAD_ADDRESSES.iter().filter(|a| !a.starts_with("127.") && **a != "::1") {
        assert!(policy.check_url(&literal(address)).is_none(), "{address}");
        assert!(!policy.allows(address.parse().unwrap()), "{address}");
    }
    assert!(policy.check_url("http://metadata.google.internal/").is_none());
}

#[tokio::test]
async fn plain_http_of_a_merchant_is_for_this_machine_only() {
    let transport = Transport::with_lookup(Environment::Sandbox, 1, Arc::new(Table::default())).unwrap();
    let merchant = transport.send(post("http://shop.example.com/")).await;
    assert_eq!(merchant.unwrap_err(), Failure::RefusedAddress);
    let provider = Outgoing { guard: Guard::Provider, ..post("http://psp.example.com/") };
    assert_eq!(transport.send(provider).await.unwrap_err(), Failure::Dns, "an operator's address may be plain in the sandbox");
}
