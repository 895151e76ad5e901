package main

import (
	"bytes"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// somePDF is the least that is a PDF.
const somePDF = "%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\nstartxref\n0\n%%EOF\n"

// somePNG is a picture.
func somePNG(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 640, 480))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sentPart is a field of a form with a file, or the file itself.
type sentPart struct{ field, fileName, mediaType, content string }

// upload sends a form with a file as a page of the issuer would.
func (b *browser) upload(target string, parts ...sentPart) *page {
	b.t.Helper()
	return b.do(uploadOf(b.t, target, parts...))
}

func uploadOf(t testing.TB, target string, parts ...sentPart) *http.Request {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range parts {
		header := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + p.field + `"`}}
		if p.mediaType != "" {
			header = textproto.MIMEHeader{
				"Content-Disposition": {`form-data; name="` + p.field + `"; filename="` + p.fileName + `"`}, "Content-Type": {p.mediaType},
			}
		}
		w, err := form.CreatePart(header)
		if err == nil {
			_, err = w.Write([]byte(p.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, testIssuer+target, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Origin", testIssuer)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// Files go in and come out as they were, to their owner alone, and never as a page.
func TestFilesOfAPerson(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	b := w.visitor()
	p := b.ownPage("/account/profile/career")
	token := sentPart{field: "token", content: p.valueOf("token")}
	send := func(kind, name, mediaType, content string) *page {
		t.Helper()
		return b.upload("/account/profile/career/file", token, sentPart{field: "type", content: kind}, sentPart{"file", name, mediaType, content})
	}
	send("resume", "Lebenslauf für \U0001f600.pdf", "application/pdf", somePDF).want(http.StatusOK).says("The file is stored").says("Lebenslauf für")
	p = send("additional_files", "certificate.png", "image/png", somePNG(t)).want(http.StatusOK)
	if files := p.textOf("files"); strings.Count(files, "Remove") != 2 || !strings.Contains(files, "certificate.png") {
		t.Errorf("files: %s", files)
	}
	p = send("resume", "cv2.pdf", "application/pdf", somePDF).want(http.StatusOK) // instead of the other
	if files := p.textOf("files"); strings.Contains(files, "Lebenslauf") || !strings.Contains(files, "cv2.pdf") {
		t.Errorf("files: %s", files)
	}

	address := linkTo(p, "cv2.pdf")
	got := b.open(address).want(http.StatusOK)
	if got.body != somePDF || got.header.Get("Content-Type") != "application/pdf" ||
		got.header.Get("Content-Disposition") != `attachment; filename="cv2.pdf"; filename*=UTF-8''cv2.pdf` ||
		!strings.HasPrefix(got.header.Get("Content-Security-Policy"), "sandbox; default-src 'none'") {
		t.Errorf("downloaded: %v", got.header)
	}
	b.open(address[:strings.LastIndexByte(address, '/')] + "/nothing").want(http.StatusNotFound)

	// Row A-01: another person's session, and nobody's.
	name, password := w.bob()
	other := w.visitor()
	bobs := other.open("/account/profile/career").submit("login", "username", name, "password", password).want(http.StatusOK)
	other.open(address).want(http.StatusNotFound)
	other.postForm("/account/profile/career/remove-file", url.Values{"token": {bobs.valueOf("token")}, "id": {address[strings.LastIndexByte(address, '/')+1:]}})
	w.visitor().open(address).shows("login")
	b.open(address).want(http.StatusOK)

	// Row D-04: what is not what it says it is.
	for name, file := range map[string]sentPart{
		"HTML as PDF":         {"file", "a.pdf", "application/pdf", "<html><script>alert(1)</script></html>"},
		"HTML behind a PDF":   {"file", "a.pdf", "application/pdf", somePDF + "<script>alert(1)</script>"},
		"a picture as résumé": {"file", "a.png", "image/png", somePNG(t)},
		"nothing":             {"file", "", "application/octet-stream", ""},
	} {
		refused := send("resume", file.fileName, file.mediaType, file.content)
		if refused.status < 400 || refused.status >= 500 || refused.fieldFault("file-file") == "" {
			t.Errorf("%s: %d %s", name, refused.status, refused.text())
		}
	}
	large := send("additional_files", "a.pdf", "application/pdf", "%PDF-1.7\n"+strings.Repeat(" ", 27<<20)+"%%EOF\n")
	if large.status != http.StatusRequestEntityTooLarge || large.fieldFault("file-file") == "" {
		t.Errorf("27 MiB: %d %s", large.status, large.text())
	}
	if files := b.ownPage("/account/profile/career").textOf("files"); strings.Count(files, "Remove") != 2 {
		t.Errorf("files: %s", files)
	}

	p = p.submit("links-save", "links", "https://jane.example/\r\n\r\nhttps://jane.example/papers").want(http.StatusOK)
	if got := strings.TrimSpace(p.heldBy("links-links")); got != "https://jane.example/\nhttps://jane.example/papers" {
		t.Errorf("links: %q", got)
	}
	p = p.submit("links-save", "links", "javascript:alert(1)").want(http.StatusBadRequest)
	if p.fieldFault("links-links") == "" || strings.TrimSpace(p.heldBy("links-links")) != "javascript:alert(1)" {
		t.Errorf("a refusal shows %s", p.text())
	}
	p = b.ownPage("/account/profile/career").submit("links-save", "links", "").want(http.StatusOK)
	if got := strings.TrimSpace(p.heldBy("links-links")); got != "" {
		t.Errorf("links: %q", got)
	}
	id := address[strings.LastIndexByte(address, '/')+1:]
	b.postForm("/account/profile/career/remove-file", url.Values{"token": {token.content}, "id": {id}}).want(http.StatusOK).says("The file was removed")
	b.open(address).want(http.StatusNotFound)
}

// linkTo is where a link of the page leads.
func linkTo(p *page, text string) (address string) {
	p.walk(func(n *html.Node) bool {
		if n.Data == "a" && n.FirstChild != nil && n.FirstChild.Data == text {
			address = attribute(n, "href")
		}
		return address == ""
	})
	if address == "" {
		p.b.t.Fatalf("no link to %q:\n%s", text, p.text())
	}
	return address
}

// A picture is drawn anew, services are told its address, and it goes.
func TestPictureOfAPerson(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	own := w.login().text(t, "access_token")
	picture := func() any { return w.get("/oauth/userinfo", own).want(t, http.StatusOK).json(t)["picture"] }
	b := w.visitor()
	p := b.ownPage("/account/profile")
	token := sentPart{field: "token", content: p.valueOf("token")}
	p = b.upload("/account/profile/picture", token, sentPart{"file", "me.png", "image/png", somePNG(t)}).want(http.StatusOK).says("Your picture is stored")
	shown := attribute(p.shows("portrait").element("portrait"), "src")
	address, _ := picture().(string)
	if !strings.HasPrefix(address, testIssuer+"/picture/") || !strings.HasPrefix(shown, testIssuer+"/picture/") {
		t.Errorf("services are told %q, the page shows %q", address, shown)
	}
	if got := w.get(strings.TrimPrefix(shown, testIssuer), "").want(t, http.StatusOK).header.Get("Content-Type"); got != "image/jpeg" {
		t.Errorf("the picture is %s", got)
	}
	for name, file := range map[string]sentPart{
		"HTML":     {"file", "me.png", "image/png", strings.Repeat("<script>alert(1)</script>", 10)},
		"too much": {"file", "me.png", "image/png", somePNG(t) + strings.Repeat("x", 1<<20)},
		"nothing":  {"file", "", "application/octet-stream", ""},
	} {
		refused := b.upload("/account/profile/picture", token, file).want(http.StatusBadRequest)
		if refused.fieldFault("picture-file") == "" || picture() != address {
			t.Errorf("%s: %s", name, refused.text())
		}
	}
	b.ownPage("/account/profile").submit("picture-remove").want(http.StatusOK).says("Your picture was removed")
	if picture() != nil {
		t.Errorf("services are told %v", picture())
	}
}
