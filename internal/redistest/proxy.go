package redistest

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// Proxy stands between clients and one Redis server, counts the commands that pass and interrupts them where a test
// wants it. All methods may be called at any time from any goroutine; a command that is on its way during the call may
// be treated either way.
//
// Every command of a pipeline or transaction counts singly. Those that only set up a connection do not count (HELLO,
// AUTH, CLIENT, SELECT, PING, COMMAND, CLUSTER, READONLY), nor do subscriptions; a connection that has subscribed is
// carried on but no longer cut.
//
// A flow is tested for the loss of each of its replies like this:
//
//	for n := 1; ; n++ {
//		proxy.Reset()
//		proxy.CutReply(n)
//		… run the flow, check what it answers and leaves behind …
//		if len(proxy.Calls()) < n {
//			break // the flow has fewer than n calls: nothing was cut
//		}
//	}
type Proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu     sync.Mutex
	mode   mode
	calls  []string
	cut    int  // the reply to this call is lost; 0: none
	cutAll bool // and those to all later calls
	links  map[*link]bool
}

type mode int

const (
	passing mode = iota
	refusing
	blackholed
	closed
)

// link is a client's connection with the one to the server that carries it on.
type link struct {
	client, server net.Conn

	mu   sync.Mutex
	sent int  // commands forwarded
	lost bool // the reply to the last of them is not to be delivered, and no other command follows
}

// uncounted are the commands that set up a connection, which come when the connection pool wants it and not the test,
// and the subscriptions, which have no reply that could be cut.
var uncounted = []string{
	"HELLO", "AUTH", "CLIENT", "SELECT", "PING", "COMMAND", "CLUSTER", "READONLY",
	"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE",
}

// NewProxy starts a proxy to the server at target, which ends with the test. The server may come and go meanwhile: a
// connection that finds none is closed.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start a Redis proxy: %v", err)
	}
	p := &Proxy{listener: listener, target: target, links: make(map[*link]bool)}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		p.set(closed)
		_ = listener.Close()
		p.running.Wait()
	})
	return p
}

// Addr is the host:port for the client.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Calls returns the names, in upper case, of the commands forwarded since the last Reset, in the order of their coming.
func (p *Proxy) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Reset starts the count of the calls anew. It does not undo the other methods; Heal does.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = nil
}

// CutReply lets the n-th call since the last Reset (from 1) be executed, waits for its reply and closes the connection
// instead of delivering it, once. Commands that follow it in its pipeline are not executed; the replies before it are
// delivered. It replaces an earlier cut that has not happened.
func (p *Proxy) CutReply(n int) { p.setCut(n, false) }

// CutAllReplies does what CutReply does, to the n-th call and to every later one on any connection, until Heal.
func (p *Proxy) CutAllReplies(n int) { p.setCut(n, true) }

func (p *Proxy) setCut(n int, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.cutAll = n, all
}

// Refuse closes all connections, and new ones as soon as they come, until Heal. Nothing is executed.
func (p *Proxy) Refuse() { p.set(refusing) }

// Blackhole keeps connections open and accepts new ones, but forwards nothing and answers nothing until Heal, so that
// only a deadline ends the client's wait. What is sent meanwhile is never executed.
func (p *Proxy) Blackhole() { p.set(blackholed) }

// Heal undoes Refuse, Blackhole and the cuts. Connections that were in the black hole are closed.
func (p *Proxy) Heal() { p.set(passing) }

func (p *Proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m != blackholed && m != p.mode {
		for l := range p.links {
			p.hangUp(l)
		}
	}
	if m == passing {
		p.cut, p.cutAll = 0, false
	}
	p.mode = m
}

// hangUp closes both connections of l. The caller holds p.mu.
func (p *Proxy) hangUp(l *link) {
	delete(p.links, l)
	_ = l.client.Close()
	_ = l.server.Close()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

// serve carries one client's connection until either side closes it.
func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{client: client, server: server}
	p.mu.Lock()
	p.links[l] = true
	if p.mode == refusing || p.mode == closed {
		p.hangUp(l)
	}
	p.mu.Unlock()

	p.running.Go(func() { p.forward(l) })
	p.deliver(l)
}

// finish ends l because one side closed it, unless that is not to be noticed.
func (p *Proxy) finish(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode != blackholed {
		p.hangUp(l)
	}
}

// forward takes l's commands to the server.
func (p *Proxy) forward(l *link) {
	r := bufio.NewReader(l.client)
	var raw bytes.Buffer
	for {
		raw.Reset()
		if err := readValue(&raw, r); err != nil {
			break
		}
		name, err := commandName(raw.Bytes())
		if err != nil {
			break
		}
		pass, lose := p.admit(l, name)
		if !pass {
			_, _ = io.Copy(io.Discard, r)
			break
		}
		l.expectReply(lose)
		if _, err := l.server.Write(raw.Bytes()); err != nil {
			break
		}
		if lose {
			_, _ = io.Copy(io.Discard, r)
			return // deliver ends l when the reply has come
		}
	}
	p.finish(l)
}

// admit counts a command of l and decides whether it passes and whether its reply is lost.
func (p *Proxy) admit(l *link, name string) (pass, lose bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode != passing || !p.links[l] {
		return false, false
	}
	if slices.Contains(uncounted, name) {
		return true, false
	}
	p.calls = append(p.calls, name)
	n := len(p.calls)
	switch {
	case p.cut == 0 || n < p.cut:
		return true, false
	case p.cutAll:
		return true, true
	case n == p.cut:
		p.cut = 0
		return true, true
	default:
		return true, false
	}
}

// deliver takes the server's replies to l's client.
func (p *Proxy) deliver(l *link) {
	defer p.finish(l)
	r := bufio.NewReader(l.server)
	var raw bytes.Buffer
	for received := 0; ; {
		raw.Reset()
		if err := readValue(&raw, r); err != nil {
			return
		}
		if raw.Bytes()[0] != '>' { // a push message answers no command
			received++
		}
		if l.loses(received) {
			return
		}
		if p.delivers() {
			if _, err := l.client.Write(raw.Bytes()); err != nil {
				return
			}
		}
	}
}

func (p *Proxy) delivers() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode == passing
}

func (l *link) expectReply(lose bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	l.lost = lose
}

// loses reports whether the received-th reply is the one that must not be delivered.
func (l *link) loses(received int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost && received == l.sent
}
