package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/internal/mail/mailtest"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// withMail has a world send its mail to a server.
func (w *world) withMail(server *mailtest.Server) {
	w.t.Helper()
	w.app.settings.Mail = config.Mail{SMTPAddr: server.Addr, SMTPTLS: "none", MailFrom: "no-reply@id.example"}
	if err := w.app.connectMail(); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.app.sendMail(ctx)
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// changeEmail asks for another address, with what a proxy or an attacker may put into the headers.
func (w *world) changeEmail(username, bearer, address string) answer {
	w.t.Helper()
	return w.patch("/lms/api/user/v1/accounts/"+username, bearer, `{"email":`+quote(address)+`}`, "Content-Type", mergePatch,
		"Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example", "Origin", "https://evil.example")
}

// linkIn finds the link of a mail. It leads to the issuer, whatever the request said (row O-15).
func linkIn(t testing.TB, m *mailtest.Mail) string {
	t.Helper()
	at := strings.Index(m.Text, testIssuer+"/account/email?secret=")
	if at < 0 || strings.Contains(m.Raw, "evil") {
		t.Fatalf("%s", m.Raw)
	}
	return strings.Fields(m.Text[at:])[0]
}

func TestEmailConfirmation(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		server := mailtest.Start(t, mailtest.Server{})
		w.withMail(server)
		access := w.login().text(t, "access_token")
		email := func() string { return w.get("/lms/api/user/v1/accounts/jane", access).want(t, 200).text(t, "email") }
		log := func(name, status string) {
			t.Helper()
			got := w.post("/login", "", `{"username":"`+name+`","password":"`+janePass+`"}`)
			if http.StatusText(got.status) != status {
				t.Errorf("login as %s: %d", name, got.status)
			}
		}

		w.changeEmail("jane", access, "first@example.com").want(t, 200)
		first := server.Next(t)
		w.changeEmail("jane", access, "Jane@New.Example").want(t, 200)
		mail := server.Next(t)
		if mail.To != "jane@new.example" || mail.Subject() != "Confirm your e-mail address" {
			t.Errorf("%+v", mail)
		}
		link, old := linkIn(t, &mail), linkIn(t, &first)
		if got := email(); got != janeMail {
			t.Errorf("before it is confirmed: %s", got)
		}
		log("jane@new.example", "Bad Request")

		// What looks through mail changes nothing, and neither does anybody who posts the form of another page.
		scanner := w.newBrowser()
		for range 3 {
			scanner.open(link).want(200).shows("confirm")
		}
		w.get(strings.TrimPrefix(link, testIssuer), "", "Sec-Purpose", "prefetch").want(t, 200)
		w.send(http.MethodHead, strings.TrimPrefix(link, testIssuer), "", "").want(t, 200)
		secret := strings.TrimPrefix(link, testIssuer+"/account/email?secret=")
		for _, headers := range [][]string{
			{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, {"Origin", "https://evil.example"}, {},
		} {
			headers = append(headers, "Content-Type", "application/x-www-form-urlencoded")
			w.send(http.MethodPost, "/account/email", "", "secret="+secret, headers...).want(t, 403)
		}
		forged := scanner.open(link).formFor("/account/email")
		w.newBrowser().postForm("/account/email", forged).want(403)
		if got := email(); got != janeMail {
			t.Errorf("after the link was only looked at: %s", got)
		}

		// The page shows whose account gets which address, to whoever has the link, signed in or not.
		page := w.newBrowser().open(link).want(200)
		if text := page.text(); !strings.Contains(text, "jane@new.example") || !strings.Contains(text, "account jane ") {
			t.Error(text)
		}
		if page.header.Get("Referrer-Policy") != "no-referrer" || page.header.Get("Cache-Control") != "no-store" {
			t.Error(page.header)
		}
		page = page.submit("confirm").want(200).shows("email_confirmed")
		if strings.Contains(page.url.String(), "cs_em_") {
			t.Errorf("the address still has the secret: %s", page.url)
		}
		if got := email(); got != "jane@new.example" {
			t.Errorf("after it was confirmed: %s", got)
		}
		fresh := w.post("/login", "", `{"username":"jane@new.example","password":"`+janePass+`"}`).want(t, 200).text(t, "access_token")
		told := w.get("/oauth/userinfo", fresh).want(t, 200).json(t)
		if told["email"] != "jane@new.example" || told["email_verified"] != true {
			t.Errorf("userinfo: %v", told)
		}
		log(janeMail, "Bad Request")
		notice := server.Next(t)
		if notice.To != janeMail || strings.Contains(notice.Text, "cs_em_") || strings.Contains(notice.Text, "new.example") {
			t.Errorf("%+v", notice)
		}

		// A used link says so, whatever is done with it; one that was asked for before is dead.
		w.newBrowser().open(link).want(200).shows("email_confirmed")
		again := w.newBrowser()
		values := again.open(link).formForOrToken()
		values.Set("secret", secret)
		again.postForm("/account/email", values)
		for _, dead := range []string{old, link + "x", testIssuer + "/account/email?secret=cs_em_jane-id.AAAA", testIssuer + "/account/email"} {
			w.newBrowser().open(dead).want(400).shows("email_dead")
		}
		if got := email(); got != "jane@new.example" || len(server.Mails) > 0 {
			t.Errorf("after links were used again: %s, %d mails", got, len(server.Mails))
		}
		if strings.Contains(w.log.String(), "cs_em_") || strings.Contains(w.log.String(), secret) {
			t.Error("the secret is in the log")
		}
	})
}

// formForOrToken is the form of a page, or only a token where there is no form any more.
func (p *page) formForOrToken() url.Values {
	if p.element("email") != nil {
		return p.formFor("/account/email")
	}
	return url.Values{"token": {"none"}}
}

// TestEmailNobodyLearnsOf: an address that is somebody's gets no mail, and who asks is told what he is told of any.
func TestEmailNobodyLearnsOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	server := mailtest.Start(t, mailtest.Server{})
	w.withMail(server)
	w.newPerson("bob", "default")
	access := w.login().text(t, "access_token")
	free := w.changeEmail("jane", access, "free@example.com").want(t, 200)
	link := server.Next(t)
	taken := w.changeEmail("jane", access, "bob@default.example").want(t, 200)
	if free.body != taken.body || len(free.header) != len(taken.header) {
		t.Errorf("%s\n%s", free.body, taken.body)
	}
	w.changeEmail("jane", access, "not an address").want(t, 400)
	w.changeEmail("jane", access, "a@example.com\r\nBcc: b@example.com").want(t, 400)
	w.newBrowser().open(linkIn(t, &link)).want(400).shows("email_dead") // what was asked last counts
	// What proves an address cannot be said (row L-12).
	for _, claimed := range []string{`{"email_verified":true}`, `{"email":"new@example.com","email_verified":true,"emailVerified":true}`} {
		w.patch("/api/user/v1/accounts/jane", access, claimed, "Content-Type", mergePatch).want(t, 200)
	}
	if m := server.Next(t); m.To != "new@example.com" {
		t.Errorf("%+v", m)
	}
	if got := w.get("/api/user/jane", adminToken).want(t, 200).json(t); got["email"] != janeMail || got["email_verified"] != true {
		t.Error(got)
	}
	if len(server.Mails) > 0 {
		t.Errorf("%+v", <-server.Mails)
	}
}

// TestEmailLinkEnds: after a day, after the password was changed, and where the address has become somebody else's.
func TestEmailLinkEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	server := mailtest.Start(t, mailtest.Server{})
	w.withMail(server)
	ask := func(address string) string {
		t.Helper()
		w.clock.Advance(time.Hour) // beyond the limit of how often may be asked
		if err := w.app.ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.changeEmail("jane", w.login().text(t, "access_token"), address).want(t, 200)
		m := server.Next(t)
		return linkIn(t, &m)
	}
	link := ask("late@example.com")
	w.clock.Advance(24*time.Hour - time.Second)
	page := w.newBrowser().open(link).want(200)
	w.clock.Advance(time.Second)
	page.submit("confirm").want(400).shows("email_dead")
	w.newBrowser().open(link).want(400).shows("email_dead")

	link = ask("bob@default.example")
	page = w.newBrowser().open(link).want(200)
	w.newPerson("bob", "default")
	page.submit("confirm").want(409).shows("email_taken")

	link = ask("jane@new.example")
	page = w.newBrowser().open(link).want(200)
	w.put("/api/user/jane/password", adminToken, `{"password":"`+janePass+`"}`)
	page.submit("confirm").want(400).shows("email_dead")
	if got := w.get("/api/user/jane", adminToken).text(t, "email"); got != janeMail {
		t.Error(got)
	}
}

// TestEmailWithoutAServer: no mail, no change, and the person hears why.
func TestEmailWithoutAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	got := w.changeEmail("jane", w.login().text(t, "access_token"), "new@example.com").want(t, 400)
	if said := got.text(t, "developer_message"); !strings.Contains(said, "Email address changes have been disabled by the site operators.") {
		t.Error(got.body)
	}
}

// TestEmailIsNotWaitedFor: a mail server that keeps silent, and then refuses, shows in no answer.
func TestEmailIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	silent, tried := make(chan struct{}), make(chan struct{}, 10)
	server := mailtest.Start(t, mailtest.Server{Refuse: func(stage, _ string) error {
		if stage != "data" {
			return nil
		}
		tried <- struct{}{}
		<-silent
		return errors.New("no")
	}})
	w.withMail(server)
	access := w.login().text(t, "access_token")
	answered := make(chan answer, 1)
	go func() { answered <- w.changeEmail("jane", access, "new@example.com") }()
	<-tried
	select {
	case got := <-answered:
		close(silent)
		got.want(t, 200)
	case <-time.After(10 * time.Second):
		close(silent)
		t.Errorf("there was no answer before the mail server's, but then %d", (<-answered).status)
	}
}

func TestDevPrintsMail(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printed{&out}.Send("jane@example.com", "Hello", testIssuer+"/account/email?secret=cs_em_x\n")
	if got := out.String(); !strings.Contains(got, `"jane@example.com"`) || !strings.Contains(got, "\n"+testIssuer+"/account/email?secret=cs_em_x\n") {
		t.Error(got)
	}
}
