package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// fileOf writes a file for the browser to upload.
func (c *chromium) fileOf(name, content string) string {
	c.t.Helper()
	at := filepath.Join(c.t.TempDir(), name)
	if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return at
}

func choose(id, file string) chromedp.Action[chromedp.Void] {
	return chromedp.SetUploadFiles(chromedp.ID(id), []string{file})
}

// submit presses a button and waits for the next page, which has to show something.
func (c *chromium) submit(button, shows string) {
	c.t.Helper()
	if _, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](`document.body.id = "before"`)); err != nil {
		c.t.Fatal(err)
	}
	c.do(button, press(button), chromedp.WaitNotPresent(chromedp.ID("before")), seen(shows))
}

// download fetches what a link of the page leads to, as the browser would.
func (c *chromium) download(link string) (header http.Header, body string) {
	c.t.Helper()
	address, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](`document.querySelector(`+quote(link)+`).href`))
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range call(c, network.GetCookies, network.GetCookiesParams{URLs: []string{address}}).Cookies {
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		c.t.Fatal(answer.Status, err)
	}
	return answer.Header, string(content)
}

// told is what services are told of jane.
func (c *chromium) told() map[string]any {
	c.t.Helper()
	send := func(r *http.Request) (said map[string]any) {
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			c.t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || answer.StatusCode != http.StatusOK {
			c.t.Fatal(answer.Status, err)
		}
		return said
	}
	login, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.issuer+"/login", strings.NewReader(`{"username":"jane","password":"`+janePass+`"}`))
	if err != nil {
		c.t.Fatal(err)
	}
	login.Header.Set("Content-Type", "application/json")
	info, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.issuer+"/oauth/userinfo", http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	token, _ := send(login)["access_token"].(string)
	info.Header.Set("Authorization", "Bearer "+token)
	return send(info)
}

// A person in a real browser fills in the profile, uploads a picture and a résumé, reads them back, and services are told the new name; all
// under the policy of the pages.
func TestProfileInChromium(t *testing.T) {
	c := newChromium(t)
	c.do("sign in", visit(c.issuer+"/account"), enter("username", "jane"), enter("password", janePass), press("login"), seen("sessions"))
	c.do("go to the profile", press("profile"), seen("about-name"), enter("about-name", "Jane Doe"), enter("about-bio", "Builds bridges."))
	c.set("about-level_of_education", "m")
	c.set("about-language_proficiencies-0", "de")
	c.submit("about-save", "done")
	c.do("say more", enter("details-year_of_birth", "1990"))
	c.submit("details-save", "done")
	if c.holds("about-name") != "Jane Doe" || c.holds("about-bio") != "Builds bridges." || c.holds("about-level_of_education") != "m" || c.holds("details-year_of_birth") != "1990" {
		t.Error("the page has not kept what was typed")
	}
	c.do("a bad link", enter("links-link-linkedin", "https://evil.example/"))
	c.submit("links-save", "links-link-linkedin-fault")
	if got := c.holds("links-link-linkedin"); got != "https://evil.example/" {
		t.Errorf("what was typed has become %q", got)
	}
	c.set("links-link-linkedin", "janedoe")
	c.submit("links-save", "done")
	c.do("choose a picture", choose("picture-file", c.fileOf("me.png", somePNG(t))))
	c.submit("picture-save", "portrait")
	width, err := chromedp.Run(c.ctx, chromedp.Evaluate[int](`document.getElementById("portrait").decode().then(() => document.getElementById("portrait").naturalWidth)`,
		chromedp.EvalAwaitPromise))
	if err != nil || width != 120 {
		t.Errorf("the picture is %d wide, %v", width, err)
	}
	told := c.told()
	picture, _ := told["picture"].(string)
	if told["name"] != "Jane Doe" || told["birthdate"] != "1990" || told["profile"] != "https://www.linkedin.com/in/janedoe" || !strings.HasPrefix(picture, c.issuer+"/picture/") {
		t.Errorf("services are told %v", told)
	}

	c.do("go to the career", visit(c.issuer+"/account/profile/career"), press("education-add"), enter("education-new-institution", "TU Wien"),
		enter("education-new-degree", "MSc"))
	c.set("education-new-start_date", "2010-09-01")
	c.submit("education-new-save", "institutions-items")
	c.do("choose a résumé", choose("file-file", c.fileOf("cv.pdf", somePDF)))
	c.submit("file-save", "files")
	if header, body := c.download("#files a"); body != somePDF || !strings.HasPrefix(header.Get("Content-Disposition"), `attachment; filename="cv.pdf"`) {
		t.Errorf("the résumé is %q, %v", body, header)
	}
	c.do("choose what is none", choose("file-file", c.fileOf("cv2.pdf", "<script>alert(1)</script>")))
	c.submit("file-save", "file-file-fault")
	c.do("choose too much", choose("file-file", c.fileOf("cv3.pdf", "%PDF-1.7\n"+strings.Repeat(" ", 27<<20)+"%%EOF\n")))
	c.submit("file-save", "file-file-fault")

	c.do("go to the memory", visit(c.issuer+"/account/profile/memory"), press("flags-use_memory_in_responses"))
	c.submit("flags-save", "done")
	c.do("have something remembered", enter("add-content", "Prefers short answers."))
	c.submit("add-save", "memories")
	if got := c.text("memories"); !strings.Contains(got, "Prefers short answers.") {
		t.Errorf("remembered: %s", got)
	}
	for len(c.complaints) > 0 {
		if complaint := <-c.complaints; !strings.Contains(complaint, "status of 4") { // what was refused
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}
