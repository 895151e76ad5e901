package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestDevPrintsMail: a developer confirms a new address with the link that is printed.
func TestDevPrintsMail(t *testing.T) {
	t.Parallel()
	s := dev(t)
	access := s.login("jane", devPassword).want(t, http.StatusOK).text(t, "access_token")
	s.send(http.MethodPatch, "/lms/api/user/v1/accounts/jane", access, `{"email":"jane@new.example"}`,
		"Content-Type", "application/merge-patch+json").want(t, http.StatusOK)
	s.find(s.stdout, `(Mail to "jane@new\.example")`)
	link := s.find(s.stdout, `http://127\.0\.0\.1:\d+(/account/email\?secret=cs_em_\S+)\n`)
	s.get(link, "").want(t, http.StatusOK)
	if strings.Contains(s.stderr.String(), "cs_em_") {
		t.Errorf("the link is in the log\n%s", s.stderr)
	}
}
