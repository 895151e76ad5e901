package profile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// asked has alice ask for an address, and returns the secret that was mailed there.
func (w *world) asked(address string) string {
	w.t.Helper()
	_, err := w.change("alice", `{"email":"`+address+`"}`)
	w.must(err)
	mail := w.mail.sent[len(w.mail.sent)-1]
	_, rest, _ := strings.Cut(mail.text, issuer+"/account/email?secret=")
	secret, _, _ := strings.Cut(rest, "\n")
	if mail.to != address || secret == "" {
		w.t.Fatalf("sent %+v", mail)
	}
	return secret
}

func TestTheAddressBeforeIsToldOnce(t *testing.T) { // row L-12
	w := newWorld(t, redistest.Embedded(t))
	for what, first := range map[string]func(secret string) error{
		"told at once": func(string) error { return nil },
		"cut off after the record was written": func(secret string) error {
			_, _, err := w.users.ConfirmEmail(t.Context(), secret)
			return err
		},
		"when no mail could be sent": func(secret string) error {
			w.profile.Mail = nil
			_, err := w.profile.ConfirmEmail(t.Context(), secret)
			w.profile.Mail = w.mail
			return err
		},
	} {
		before := w.record("alice").Email
		address := strings.ReplaceAll(what, " ", "-") + "@example.com"
		secret := w.asked(address)
		w.mail.sent = nil
		w.must(first(secret))
		if len(w.mail.sent) > 0 {
			t.Errorf("%s: sent %+v", what, w.mail.sent)
		}
		user, err := w.profile.ConfirmEmail(t.Context(), secret)
		w.must(err)
		if len(w.mail.sent) != 1 || w.mail.sent[0].to != before || user.Email != address || strings.Contains(w.mail.sent[0].text, address) {
			t.Errorf("%s: sent %+v", what, w.mail.sent)
		}
		told := w.record("alice")
		w.trail.Take()
		for range 3 {
			_, err := w.profile.ConfirmEmail(t.Context(), secret)
			w.must(err)
		}
		if diff := cmp.Diff(told, w.record("alice")); diff != "" || len(w.mail.sent) != 1 || len(w.trail.Take()) > 0 || len(told.EmailsBefore) > 0 {
			t.Errorf("%s: repeated, it sent %+v and changed\n%s", what, w.mail.sent, diff)
		}
	}
}
