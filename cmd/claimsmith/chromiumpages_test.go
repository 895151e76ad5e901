package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"
)

// text is what an element of the page says.
func (c *chromium) text(id string) string {
	c.t.Helper()
	text, err := chromedp.Run(c.ctx, chromedp.Text(chromedp.ID(id)))
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(text)
}

// A person in a real browser protects the account with an authenticator app, signs in with it and with a recovery code, lets a device
// in and another not, and looks after the account.
func TestAccountInChromium(t *testing.T) {
	c := newChromium(t)
	c.do("sign in", visit(c.issuer+"/account"), enter("username", "jane"), enter("password", janePass), press("login"), seen("totp_add"))
	c.do("begin with the app", press("totp_add"), seen("secret"))
	secret := strings.ReplaceAll(c.text("secret"), " ", "")
	code := func(at time.Time) string {
		t.Helper()
		text, err := totp.GenerateCode(secret, at)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	c.do("show that the app knows it", enter("otp", code(time.Now())), press("confirm"), seen("codes"))
	recovery := strings.Fields(c.text("codes"))
	c.do("sign out", press("continue"), seen("sessions"), press("logout"), seen("signed_out"))

	// The code that was used is spent; the next is within what clocks may differ.
	c.do("sign in", visit(c.authorize()), enter("username", "jane"), enter("password", janePass), press("login"), seen("otp"))
	c.do("a wrong code", enter("otp", "000000"), press("confirm"), seen("error"), seen("otp"))
	c.do("the code of the app", enter("otp", code(time.Now().Add(30*time.Second))), press("confirm"), seen("approve"))
	c.do("consent", press("approve"))
	c.answered()
	c.do("sign out", visit(c.issuer+"/account"), press("logout"), seen("signed_out"))
	c.do("a recovery code", visit(c.issuer+"/account"), enter("username", "jane"), enter("password", janePass), press("login"), seen("otp"),
		enter("otp", recovery[0]), press("confirm"), seen("sessions"), seen("applications"))

	device := func() (code, userCode string) {
		t.Helper()
		answer, err := http.PostForm(c.issuer+"/oauth/device", url.Values{"client_id": {"tv"}, "scope": {"openid"}})
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var asked struct {
			DeviceCode string `json:"device_code"`
			UserCode   string `json:"user_code"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&asked); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status, err)
		}
		return asked.DeviceCode, asked.UserCode
	}
	poll := func(code string) string {
		t.Helper()
		answer, err := http.PostForm(c.issuer+"/oauth/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"tv"}, "device_code": {code},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var said struct {
			Error string `json:"error"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
			t.Fatal(err)
		}
		return said.Error
	}
	letIn, shown := device()
	c.do("a wrong code", visit(c.issuer+"/device"), enter("user_code", "BBBB-BBBB"), press("continue"), seen("error"))
	c.do("let the device in", visit(c.issuer+"/device"), enter("user_code", strings.ToLower(shown)), press("continue"), press("approve"),
		seen("device_approved"))
	refused, shown := device()
	c.do("do not let it in", visit(c.issuer+"/device"), enter("user_code", shown), press("continue"), press("deny"), seen("device_denied"))
	if said := poll(letIn); said != "" {
		t.Errorf("the device that was let in: %s", said)
	}
	if said := poll(refused); said != "access_denied" {
		t.Errorf("the device that was not: %q", said)
	}

	c.do("another password", visit(c.issuer+"/account"), enter("current_password", janePass), enter("new_password", "a better password"),
		press("set_password"))
	c.do("which is a new login, with its second factor", enter("otp", recovery[1]), press("confirm"), seen("sessions"))
	for len(c.complaints) > 0 {
		if complaint := <-c.complaints; !strings.Contains(complaint, "status of 400") { // the wrong codes
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}
