// Package mailtest is an SMTP server on loopback for tests.
package mailtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	netmail "net/mail"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Server takes every mail, unless it is told otherwise. Start starts one; nothing is changed after that.
type Server struct {
	// STARTTLS offers it, TLS demands it from the first byte.
	STARTTLS, TLS bool
	// Username and Password are demanded, if they are not "".
	Username, Password string
	// Refuse, if not nil, is asked before a mail is taken: at "connect", which it then drops, "recipient" and "data", with its text.
	Refuse func(stage, text string) error

	Addr  string
	Roots *x509.CertPool
	// Mails are those taken.
	Mails chan Mail
}

// Mail is one that was taken.
type Mail struct {
	From, To  string
	Encrypted bool
	Header    netmail.Header
	// Raw is the mail as it was sent, Text its decoded text.
	Raw, Text string
}

// Start starts the server, which ends with the test.
func Start(t testing.TB, s Server) *Server {
	t.Helper()
	s.Mails = make(chan Mail, 100)
	certificate, roots := certify(t)
	s.Roots = roots
	served := smtp.NewServer(&s)
	served.Domain, served.AllowInsecureAuth, served.EnableSMTPUTF8 = "localhost", true, true
	served.ErrorLog = log.New(io.Discard, "", 0)
	settings := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if s.STARTTLS {
		served.TLSConfig = settings
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = listener.Addr().String()
	if s.TLS {
		listener = tls.NewListener(listener, settings)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = served.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = served.Close()
		<-done
	})
	return &s
}

// Next waits for a mail.
func (s *Server) Next(t testing.TB) Mail {
	t.Helper()
	select {
	case m := <-s.Mails:
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("no mail came")
	}
	return Mail{}
}

func (s *Server) refuse(stage, text string) error {
	if s.Refuse == nil {
		return nil
	}
	return s.Refuse(stage, text)
}

// NewSession implements smtp.Backend.
func (s *Server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	if err := s.refuse("connect", ""); err != nil {
		_ = c.Conn().Close()
		return nil, err
	}
	return &session{Server: s, conn: c}, nil
}

type session struct {
	*Server
	conn  *smtp.Conn
	known bool
	mail  Mail
}

// AuthMechanisms and Auth implement smtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if s.Username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if s.known = username == s.Username && password == s.Password; !s.known {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

// The rest implements smtp.Session.

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.Username != "" && !s.known {
		return smtp.ErrAuthRequired
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = Mail{From: from, Encrypted: encrypted}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.mail.To != "" {
		return errors.New("one mail is for one person")
	}
	s.mail.To = to
	return s.refuse("recipient", to)
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.mail, err = read(s.mail, string(raw)); err != nil {
		return err
	}
	if err := s.refuse("data", s.mail.Text); err != nil {
		return err
	}
	s.Mails <- s.mail
	return nil
}

func (s *session) Reset() { s.mail = Mail{} }

func (s *session) Logout() error { return nil }
