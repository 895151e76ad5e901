// Package mail sends mail in the background through an SMTP server (github.com/wneessen/go-mail).
package mail

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
)

// Values of Config.TLS.
const (
	STARTTLS = "starttls" // RFC 3207, required
	Implicit = "tls"      // from the first byte (RFC 8314)
	None     = "none"
)

// Config says where to, and from whom.
type Config struct {
	// Addr is host:port of the server, From the address mails come from, which may have a name (RFC 5322 §3.4).
	Addr, From string
	// Username and Password may be "".
	Username, Password string
	// TLS is STARTTLS, Implicit or None, which is for loopback alone.
	TLS string
	// Roots are the authorities whose certificates the server may have, nil for the system's.
	Roots  *x509.CertPool
	Logger *slog.Logger
	Now    func() time.Time
}

const (
	maxQueue = 1000
	// attempt bounds one try, farewell all tries once the process ends.
	attempt  = 30 * time.Second
	farewell = 5 * time.Second
)

// waits are how long a message waits after each try that failed, but for the last.
var waits = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute}

// Sender implements profile.Mailer: it queues messages in memory and tries each a few times within half an hour. What cannot be delivered
// until the process ends is lost and the log says so; the log never has anything of a message but its Message-ID. It is safe for
// concurrent use.
type Sender struct {
	config Config
	host   string
	port   int
	from   *netmail.Address
	due    chan struct{}

	mu    sync.Mutex
	queue []*message
}

type message struct {
	*gomail.Msg
	tries int
	next  time.Time
}

// New checks the configuration.
func New(c Config) (*Sender, error) {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("mail: address of the server: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || host == "" {
		return nil, fmt.Errorf("mail: %q is no address of a server", c.Addr)
	}
	from, err := netmail.ParseAddress(c.From)
	if err != nil {
		return nil, fmt.Errorf("mail: sender: %w", err)
	}
	switch ip := net.ParseIP(host); {
	case c.TLS == STARTTLS, c.TLS == Implicit:
	case c.TLS != None:
		return nil, fmt.Errorf("mail: %q is no kind of TLS", c.TLS)
	case host != "localhost" && (ip == nil || !ip.IsLoopback()):
		return nil, errors.New("mail: only a server on loopback is spoken to without TLS")
	case c.Password != "":
		return nil, errors.New("mail: a password is never sent without TLS")
	}
	s := &Sender{config: c, host: host, port: int(number), from: from, due: make(chan struct{}, 1)}
	_, err = s.client(context.Background())
	return s, err
}

// Send queues a message. It never blocks; where the queue is full, or the address is none, the message is dropped and the log says so.
func (s *Sender) Send(to, subject, text string) {
	m, err := s.compose(to, subject, text)
	if err == nil && !s.put(m) {
		err = errors.New("too many messages wait")
	}
	if err != nil {
		s.config.Logger.Error("mail dropped", slog.Any("error", err))
		return
	}
	select {
	case s.due <- struct{}{}:
	default: // Run will look anyway
	}
}

// compose writes a message. Its errors show nothing of it.
func (s *Sender) compose(to, subject, text string) (*message, error) {
	address, err := netmail.ParseAddress("<" + to + ">")
	if err != nil || address.Address != to || !printable(to) {
		return nil, errors.New("the address it is for is none")
	}
	if !printable(subject) {
		return nil, errors.New("its subject has control characters")
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(s.from)
	m.ToMailAddress(address)
	m.Subject(subject)
	now := s.config.Now()
	m.SetDateWithValue(now)
	m.SetMessageIDWithValue(rand.Text() + s.from.Address[strings.LastIndexByte(s.from.Address, '@'):])
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5
	m.SetBodyString(gomail.TypeTextPlain, text)
	return &message{Msg: m, next: now}, nil
}

// printable reports whether a text may stand in a header.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (s *Sender) put(m *message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= maxQueue {
		return false
	}
	s.queue = append(s.queue, m)
	return true
}

// take removes the first message that is due.
func (s *Sender) take(now time.Time) *message {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range s.queue {
		if !m.next.After(now) {
			s.queue = append(s.queue[:i], s.queue[i+1:]...)
			return m
		}
	}
	return nil
}

// Run delivers what is due, at once and at every tick and Send, until ctx ends. Then it tries all that is left once more, for a few
// seconds.
func (s *Sender) Run(ctx context.Context, tick <-chan time.Time) {
	lasting, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	context.AfterFunc(ctx, func() { time.AfterFunc(farewell, end) })
	for ctx.Err() == nil {
		s.deliver(lasting)
		select {
		case <-ctx.Done():
		case <-tick:
		case <-s.due:
		}
	}
	s.leave(lasting)
}

func (s *Sender) leave(ctx context.Context) {
	s.mu.Lock()
	left := s.queue
	s.queue = nil
	s.mu.Unlock()
	lost := 0
	for _, m := range left {
		if ctx.Err() != nil || s.try(ctx, m) != nil {
			lost++
		}
	}
	if lost > 0 {
		s.config.Logger.ErrorContext(ctx, "mail lost: the process ends", slog.Int("messages", lost))
	}
}

// deliver tries what is due, until the server cannot be reached.
func (s *Sender) deliver(ctx context.Context) {
	for m := s.take(s.config.Now()); m != nil; m = s.take(s.config.Now()) {
		failed := s.try(ctx, m)
		if failed == nil {
			s.config.Logger.InfoContext(ctx, "mail delivered", slog.String("message_id", m.GetMessageID()))
			continue
		}
		if ctx.Err() != nil {
			s.put(m)
			return
		}
		facts := []any{slog.String("message_id", m.GetMessageID()), slog.Any("error", failed)}
		if m.tries++; failed.final || m.tries > len(waits) {
			s.config.Logger.ErrorContext(ctx, "mail given up", facts...)
		} else {
			m.next = s.config.Now().Add(waits[m.tries-1])
			s.config.Logger.WarnContext(ctx, "mail not delivered", append(facts, slog.Time("again", m.next))...)
			s.put(m)
		}
		if !failed.reached {
			return
		}
	}
}

// failure is why a message was not delivered. It has no words of the server, which may repeat those of the message.
type failure struct {
	text string
	// reached: the server took a login; final: trying again is no use.
	reached, final bool
}

func (f *failure) Error() string { return f.text }

func (s *Sender) try(ctx context.Context, m *message) *failure {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel() // which also closes the connection
	client, err := s.client(ctx)
	if err != nil {
		return &failure{text: err.Error()}
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return &failure{text: "connecting: " + withoutReply(err)}
	}
	err = client.SendWithSMTPClient(session, m.Msg)
	if err == nil || m.IsDelivered() {
		_ = client.CloseWithSMTPClient(session) // it is delivered, however this ends
		return nil
	}
	f := &failure{text: "sending", reached: true}
	if refused, ok := errors.AsType[*gomail.SendError](err); ok {
		code := refused.ErrorCode()
		f.text, f.final = refused.Reason.String(), code >= 500
		if code != 0 {
			f.text += fmt.Sprintf(": the server answered %d", code)
		}
	}
	return f
}
