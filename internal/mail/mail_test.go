package mail_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/claimsmith/claimsmith/internal/mail"
	"github.com/claimsmith/claimsmith/internal/mail/mailtest"
)

const secret = "https://id.example/account/email?secret=cs_em_hidden"

// kit is a sender that a test moves through time.
type kit struct {
	*mail.Sender
	mu   sync.Mutex
	log  bytes.Buffer
	time time.Time
	tick chan time.Time
	stop func()
}

func (k *kit) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.log.Write(p)
}

func (k *kit) logged() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.log.String()
}

func (k *kit) now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.time
}

// pass lets time pass. The second tick is taken once the first has had its effect.
func (k *kit) pass(d time.Duration) {
	k.mu.Lock()
	k.time = k.time.Add(d)
	k.mu.Unlock()
	k.tick <- time.Time{}
	k.tick <- time.Time{}
}

func start(t *testing.T, server *mailtest.Server, change func(*mail.Config)) *kit {
	t.Helper()
	k := &kit{time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), tick: make(chan time.Time)}
	c := mail.Config{
		Addr: server.Addr, From: "Claimsmith <no-reply@id.example>", TLS: mail.None, Roots: server.Roots,
		Logger: slog.New(slog.NewTextHandler(k, nil)), Now: k.now,
	}
	if change != nil {
		change(&c)
	}
	var err error
	if k.Sender, err = mail.New(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Run(ctx, k.tick)
	}()
	k.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(k.stop)
	return k
}

func TestAMailIsWhole(t *testing.T) {
	server := mailtest.Start(t, mailtest.Server{})
	k := start(t, server, nil)
	text := "Grüße,\n.\n" + secret + "\n" + strings.Repeat("lang ", 50) + "\n"
	k.Send("jane@example.com", "Bestätigen Sie Ihre Adresse", text)
	m := server.Next(t)
	if m.From != "no-reply@id.example" || m.To != "jane@example.com" || m.Text != text || m.Subject() != "Bestätigen Sie Ihre Adresse" {
		t.Errorf("%+v", m)
	}
	for name, want := range map[string]string{
		"Auto-Submitted": "auto-generated", "Content-Type": "text/plain; charset=UTF-8", "Mime-Version": "1.0",
		"Date": "Fri, 02 Jan 2026 03:04:05 +0000", "From": `"Claimsmith" <no-reply@id.example>`, "To": "<jane@example.com>",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if id := m.Header.Get("Message-ID"); !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, "@id.example>") || len(id) < 30 {
		t.Errorf("Message-ID is %q", id)
	}
}

func TestEncryptionAndLogin(t *testing.T) {
	for _, test := range []struct {
		name   string
		server mailtest.Server
		tls    string
	}{
		{"starttls", mailtest.Server{STARTTLS: true, Username: "smith", Password: "hunter2hunter2"}, mail.STARTTLS},
		{"tls", mailtest.Server{TLS: true, Username: "smith", Password: "hunter2hunter2"}, mail.Implicit},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := mailtest.Start(t, test.server)
			k := start(t, server, func(c *mail.Config) { c.TLS, c.Username, c.Password = test.tls, "smith", "hunter2hunter2" })
			k.Send("jane@example.com", "Hello", "text")
			if m := server.Next(t); !m.Encrypted {
				t.Error("it came in the clear")
			}
			wrong := start(t, server, func(c *mail.Config) { c.TLS, c.Username, c.Password = test.tls, "smith", "a-wrong-one" })
			wrong.Send("jane@example.com", "Hello", secret)
			wrong.pass(0)
			if log := wrong.logged(); !strings.Contains(log, "535") || strings.Contains(log, "a-wrong-one") || strings.Contains(log, secret) {
				t.Error(log)
			}
			stranger := start(t, server, func(c *mail.Config) { c.TLS, c.Roots = test.tls, nil })
			stranger.Send("jane@example.com", "Hello", secret)
			stranger.pass(0)
			if log := stranger.logged(); !strings.Contains(log, "certificate") {
				t.Error(log)
			}
		})
	}
}

// TestNothingInTheClear: a server that does not offer STARTTLS gets neither mail nor password.
func TestNothingInTheClear(t *testing.T) {
	server := mailtest.Start(t, mailtest.Server{Username: "smith", Password: "hunter2hunter2"})
	k := start(t, server, func(c *mail.Config) { c.TLS, c.Username, c.Password = mail.STARTTLS, "smith", "hunter2hunter2" })
	k.Send("jane@example.com", "Hello", "text")
	k.pass(0)
	k.stop()
	if log := k.logged(); len(server.Mails) > 0 || !strings.Contains(log, "STARTTLS") {
		t.Error(len(server.Mails), log)
	}
}

func TestAMailIsTriedAgain(t *testing.T) {
	var tries int
	var mu sync.Mutex
	server := mailtest.Start(t, mailtest.Server{Refuse: func(stage, text string) error {
		mu.Lock()
		defer mu.Unlock()
		if stage != "data" {
			return nil
		}
		if tries++; tries < 5 {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted: " + text}
		}
		return nil
	}})
	tried := func() int {
		mu.Lock()
		defer mu.Unlock()
		return tries
	}
	k := start(t, server, nil)
	k.Send("jane@example.com", "Hello", secret)
	k.pass(0)
	for n, wait := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute} {
		k.pass(wait - time.Second)
		if got := tried(); got != n+1 {
			t.Fatalf("after %v there were %d tries", wait, got)
		}
		k.pass(time.Second)
		if got := tried(); got != n+2 {
			t.Fatalf("%d tries, not %d", got, n+2)
		}
	}
	if m := server.Next(t); m.Header.Get("Date") != "Fri, 02 Jan 2026 03:04:05 +0000" {
		t.Errorf("%+v", m)
	}
	if log := k.logged(); strings.Contains(log, "cs_em_") || strings.Count(log, "answered 451") != 4 || strings.Contains(log, "jane") {
		t.Error(log)
	}
}

func TestAMailIsGivenUp(t *testing.T) {
	for _, test := range []struct {
		name  string
		code  int
		tries int
	}{{"for good", 550, 1}, {"for now", 450, 5}} {
		t.Run(test.name, func(t *testing.T) {
			tries := make(chan string, 10)
			server := mailtest.Start(t, mailtest.Server{Refuse: func(stage, text string) error {
				if stage != "recipient" {
					return nil
				}
				tries <- text
				return &smtp.SMTPError{Code: test.code, EnhancedCode: smtp.EnhancedCodeNotSet, Message: "no " + text}
			}})
			k := start(t, server, nil)
			k.Send("nobody@example.com", "Hello", secret)
			k.pass(0)
			for range 8 {
				k.pass(time.Hour)
			}
			if len(tries) != test.tries {
				t.Errorf("%d tries", len(tries))
			}
			if log := k.logged(); !strings.Contains(log, "mail given up") || strings.Contains(log, "nobody") || strings.Contains(log, "cs_em_") {
				t.Error(log)
			}
		})
	}
}

// TestAServerThatDropsConnections: the mail comes once it does no more, and another one, too.
func TestAServerThatDropsConnections(t *testing.T) {
	var mu sync.Mutex
	dropped := false
	server := mailtest.Start(t, mailtest.Server{Refuse: func(stage, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if stage == "connect" && !dropped {
			dropped = true
			return errors.New("not now")
		}
		return nil
	}})
	k := start(t, server, nil)
	k.Send("jane@example.com", "1", "text")
	k.pass(0)
	k.Send("jane@example.com", "2", "text")
	if m := server.Next(t); m.Subject() != "2" {
		t.Errorf("%+v", m)
	}
	k.pass(10 * time.Second)
	if m := server.Next(t); m.Subject() != "1" {
		t.Errorf("%+v", m)
	}
}

// TestTheEndIsNotDelayed: a server that does not answer holds up nobody, and the log says what is lost.
func TestTheEndIsNotDelayed(t *testing.T) {
	reached, release := make(chan struct{}, 10), make(chan struct{})
	t.Cleanup(func() { close(release) })
	server := mailtest.Start(t, mailtest.Server{Refuse: func(stage, _ string) error {
		if stage == "data" {
			reached <- struct{}{}
			<-release
		}
		return nil
	}})
	k := start(t, server, nil)
	k.Send("jane@example.com", "1", secret)
	k.Send("jane@example.com", "2", secret)
	<-reached
	began := time.Now()
	k.stop()
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	if log := k.logged(); !strings.Contains(log, "mail lost") || !strings.Contains(log, "messages=2") || strings.Contains(log, "cs_em_") {
		t.Error(log)
	}
}

// TestWhatIsLeftIsTriedAtTheEnd: a mail of the last request is not lost.
func TestWhatIsLeftIsTriedAtTheEnd(t *testing.T) {
	server := mailtest.Start(t, mailtest.Server{})
	k := start(t, server, nil)
	k.stop()
	k.Send("jane@example.com", "Hello", "text")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	k.Run(ended, k.tick)
	if len(server.Mails) != 1 || strings.Contains(k.logged(), "lost") {
		t.Error(len(server.Mails), k.logged())
	}
}

func TestHeadersCannotBeInjected(t *testing.T) {
	server := mailtest.Start(t, mailtest.Server{})
	k := start(t, server, nil)
	for _, to := range []string{
		"", "jane", "jane@example.com, eve@example.com", "jane@example.com\r\nBcc: eve@example.com", "jane@example.com\nX: y",
		"<jane@example.com>", "Jane <jane@example.com>", "jane@example.com>\r\nRCPT TO:<eve@example.com", "jane@example.com\x00", "jane@\x85example.com",
		"\"a\r\nBcc: eve@example.com\"@example.com", "jane@example.com ", "(comment)jane@example.com",
	} {
		k.Send(to, "Hello", secret)
	}
	for _, subject := range []string{"a\r\nBcc: eve@example.com", "a\nb", "a\rb", "a\x00b", "a\x85b", "a\u2028b", "\xff"} {
		k.Send("jane@example.com", subject, secret)
	}
	k.Send("jane@example.com", "=?utf-8?q?a=0D=0ABcc:_eve@example.com?= "+strings.Repeat("ä", 200), "\r\n.\r\nMAIL FROM:<eve@example.com>\r\n")
	m := server.Next(t)
	if m.To != "jane@example.com" || len(m.Header["Bcc"]) > 0 || len(m.Header) != 9 || !strings.Contains(m.Text, "MAIL FROM:<eve@example.com>") {
		t.Errorf("%+v", m)
	}
	for line := range strings.SplitSeq(m.Raw, "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("a line of %d bytes: %.80q", len(line), line)
		}
	}
	k.stop()
	if log := k.logged(); strings.Count(log, "mail dropped") != 20 || strings.Contains(log, "eve@") || strings.Contains(log, "cs_em_") || len(server.Mails) > 0 {
		t.Error(log, len(server.Mails))
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	server := mailtest.Start(t, mailtest.Server{})
	k := start(t, server, nil)
	k.stop()
	for range 1003 {
		k.Send("jane@example.com", "Hello", "text")
	}
	if log := k.logged(); strings.Count(log, "mail dropped") != 3 || !strings.Contains(log, "too many messages wait") {
		t.Error(log)
	}
}

func TestConfiguration(t *testing.T) {
	good := mail.Config{Addr: "mail.example:587", From: "no-reply@id.example", TLS: mail.STARTTLS, Username: "smith", Password: "secret"}
	if _, err := mail.New(good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*mail.Config){
		"no address":              func(c *mail.Config) { c.Addr = "" },
		"no port":                 func(c *mail.Config) { c.Addr = "mail.example" },
		"port 0":                  func(c *mail.Config) { c.Addr = "mail.example:0" },
		"no host":                 func(c *mail.Config) { c.Addr = ":25" },
		"no sender":               func(c *mail.Config) { c.From = "" },
		"two senders":             func(c *mail.Config) { c.From = "a@id.example, b@id.example" },
		"sender with a line":      func(c *mail.Config) { c.From = "a@id.example\r\nBcc: b@id.example" },
		"another TLS":             func(c *mail.Config) { c.TLS = "opportunistic" },
		"clear to elsewhere":      func(c *mail.Config) { c.TLS = mail.None },
		"password in the clear":   func(c *mail.Config) { c.TLS, c.Addr = mail.None, "127.0.0.1:25" },
		"clear to an unspecified": func(c *mail.Config) { c.TLS, c.Addr, c.Password = mail.None, "0.0.0.0:25", "" },
	} {
		c := good
		change(&c)
		if _, err := mail.New(c); err == nil {
			t.Errorf("%s is accepted", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzAddresses(f *testing.F) {
	for _, text := range []string{"jane@example.com", "a\r\nb@example.com", `"a b"@example.com`, "ä@example.com", "a@[127.0.0.1]"} {
		f.Add(text, text)
	}
	server := mailtest.Start(f, mailtest.Server{})
	f.Fuzz(func(t *testing.T, to, subject string) {
		s, err := mail.New(mail.Config{
			Addr: server.Addr, From: "no-reply@id.example", TLS: mail.None, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Send(to, subject, "text")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		s.Run(ended, nil)
		if len(server.Mails) == 0 {
			return
		}
		m := <-server.Mails
		_, known := m.Header["To"]
		address, err := netmail.ParseAddress(m.Header.Get("To"))
		if err != nil || address.Address != to || !known || len(m.Header) != 9 || m.Text != "text\n" {
			t.Errorf("%q, %q make %q", to, subject, m.Raw)
		}
	})
}
