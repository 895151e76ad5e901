package backchannel_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth/backchannel"
)

func at(address string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(address), port)
}

func TestPolicy(t *testing.T) {
	strict := backchannel.Policy{}
	for port, want := range map[uint16]bool{0: false, 22: false, 25: false, 80: false, 442: false, 443: true, 444: false, 1023: false, 1024: true, 8443: true} {
		if err := strict.Check(at("8.8.8.8", port), false); (err == nil) != want {
			t.Errorf("port %d: %v", port, err)
		}
		if err := (backchannel.Policy{AllowedNetworks: loopback}).Check(at("127.0.0.1", port), false); err != nil {
			t.Errorf("port %d in an allowed network: %v", port, err)
		}
	}
	for _, address := range []string{
		"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "172.15.255.255", "172.32.0.0",
		"192.167.255.255", "198.17.255.255", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e", "2001:4860:4860::8888",
	} {
		if err := strict.Check(at(address, 443), false); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if err := strict.Check(at(address, 443), true); !errors.Is(err, backchannel.ErrForbidden) {
			t.Errorf("%s without TLS: %v", address, err)
		}
		if err := (backchannel.Policy{Plain: true}).Check(at(address, 443), true); !errors.Is(err, backchannel.ErrForbidden) {
			t.Errorf("%s without TLS, in development: %v", address, err)
		}
	}
	forbidden := []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1", "127.1.2.3",
		"169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
		"198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1",
		"100::1", "2001::1", "2001:0:4136:e378::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254",
		"fd12::1", "fe80::1", "fe80::1%eth0", "2606:4700:4700::1111%eth0", "fec0::1", "ff02::1", "ff0e::1",
	}
	open := backchannel.Policy{AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd12::/16")}}
	for _, address := range forbidden {
		addr := at(address, 443)
		if err := strict.Check(addr, false); !errors.Is(err, backchannel.ErrForbidden) {
			t.Errorf("%s: %v", address, err)
		}
		if err := open.Check(addr, false); (err == nil) != (address == "fd12::1") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, test := range []struct {
		policy backchannel.Policy
		plain  bool
		want   bool
	}{
		{open, false, true}, {open, true, false}, {backchannel.Policy{AllowedNetworks: open.AllowedNetworks, Plain: true}, true, true},
	} {
		if err := test.policy.Check(at("10.1.2.3", 443), test.plain); (err == nil) != test.want {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// Nothing that Go's own predicates call special is let through.
func TestPolicyAgreesWithTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var addr netip.Addr
		if rapid.Bool().Draw(rt, "v4") {
			addr = netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(rt, "bytes")))
		} else {
			addr = netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "bytes")))
		}
		special := !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Is4In6()
		if err := (backchannel.Policy{}).Check(netip.AddrPortFrom(addr, 443), false); special && err == nil {
			rt.Fatalf("%v is allowed", addr)
		}
	})
}

// The address counts that is dialled, whatever the name that led to it, and a request that is refused reaches nobody.
func TestForbiddenAddressesAreNotDialled(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy backchannel.Policy
		plain  bool
		want   int
	}{
		{"nothing is allowed", backchannel.Policy{}, false, 0},
		{"another network is", backchannel.Policy{AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, false, 0},
		{"loopback is", backchannel.Policy{AllowedNetworks: loopback}, false, 1},
		{"loopback is, but not without TLS", backchannel.Policy{AllowedNetworks: loopback}, true, 0},
		{"loopback is, without TLS", backchannel.Policy{AllowedNetworks: loopback, Plain: true}, true, 1},
		{"without TLS, but not loopback", backchannel.Policy{Plain: true}, true, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			connections := make(chan struct{}, 100)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusOK) }))
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections <- struct{}{}
				}
			}
			if test.plain {
				server.Start()
			} else {
				server.StartTLS()
				w.roots.AddCert(server.Certificate())
			}
			t.Cleanup(server.Close)
			w.Sender = w.sender(test.policy)
			w.client("app", server.URL)
			w.client("by-name", strings.Replace(server.URL, "127.0.0.1", "localhost", 1))
			w.end("app")
			w.deliver()
			if n := len(connections); n != test.want || w.left() != 1-test.want {
				t.Errorf("%d connections, %d left", n, w.left())
			}
			if test.want == 0 && !strings.Contains(w.log.String(), backchannel.ErrForbidden.Error()) {
				t.Errorf("the log does not say why: %s", w.log)
			}
			if test.plain || test.want == 0 { // the certificate does not name it
				w.end("by-name")
				if w.deliver(); len(connections) != 2*test.want {
					t.Errorf("by name: %d connections", len(connections))
				}
			}
		})
	}
}

// However loopback is written, nobody there is spoken to (row I-06).
func TestAddressesInDisguise(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	connections := make(chan struct{}, 100)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(net.Conn, http.ConnState) { connections <- struct{}{} }
	server.StartTLS()
	t.Cleanup(server.Close)
	w.roots.AddCert(server.Certificate())
	w.Sender = w.sender(backchannel.Policy{Plain: true})
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	w.must(err)
	var clients []string
	for _, host := range []string{
		"127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
		"[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "localhost", "localhost.", "LOCALHOST", "user@127.0.0.1", "127.0.0.1%2f", "１２７.0.0.1",
	} {
		for _, scheme := range []string{"https", "http", "gopher"} {
			id := strings.Repeat("x", len(clients)+1)
			clients = append(clients, id)
			w.client(id, scheme+"://"+host+":"+port+"/")
		}
	}
	w.end(clients...)
	w.deliver()
	if len(connections) != 0 || w.left() != len(clients) {
		t.Errorf("%d connections, %d left of %d", len(connections), w.left(), len(clients))
	}
}

func TestNoProxyIsAsked(t *testing.T) {
	asked := make(chan struct{}, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	w := newWorld(t)
	w.Sender = w.sender(backchannel.Policy{AllowedNetworks: loopback, Plain: true})
	w.client("app", "http://198.51.100.1/logout")
	w.client("secure", "https://198.51.100.1/logout")
	w.end("app", "secure")
	w.deliver()
	if len(asked) != 0 || w.left() != 2 {
		t.Errorf("asked %d times, %d left", len(asked), w.left())
	}
}

// An address without a scheme that is spoken, which registration should have refused, is not tried.
func TestOtherSchemes(t *testing.T) {
	w := newWorld(t)
	for n, address := range []string{"ftp://127.0.0.1/", "file:///etc/passwd", "//127.0.0.1/", "https://", "javascript:alert(1)", "https://[::1", "\x00"} {
		id := string(rune('a' + n))
		w.client(id, address)
		w.end(id)
		w.deliver()
		if n+1 != w.left() {
			t.Errorf("%q: %d left", address, w.left())
		}
	}
}
