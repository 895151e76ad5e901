package main

import (
	"fmt"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

const (
	resumeOf    = "/dm/api/career/resume/orgs/acme/users/"
	usersResume = resumeOf + "acme-user/"
	smallPDF    = "%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\nstartxref\n0\n%%EOF\n"
)

// gifOfOne is a GIF of one.
const gifOfOne = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// upload is a form with files: fields are "name=value", files "field;name;content".
type upload []string

func (u upload) body() string {
	var b strings.Builder
	for _, part := range u {
		if pieces := strings.SplitN(part, ";", 3); len(pieces) == 3 {
			b.WriteString("--XX\r\nContent-Disposition: form-data; name=\"" + pieces[0] + "\"; filename=\"" + pieces[1] +
				"\"\r\nContent-Type: text/html\r\n\r\n" + pieces[2] + "\r\n")
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		b.WriteString("--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n")
	}
	return b.String() + "--XX--\r\n"
}

// fileCast is a cast whose files are in a directory.
type fileCast struct {
	*cast
	dir string
}

func newFileCast(t *testing.T) *fileCast {
	t.Helper()
	c := &fileCast{newCast(t, redistest.Embedded(t)), t.TempDir()}
	files, err := openFiles(t.Context(), c.dir, c.in.sealer)
	if err != nil {
		t.Fatal(err)
	}
	c.app.records.Files = files
	return c
}

// kept are the files of a user, with whole also the directories that tell of him.
func (c *fileCast) kept(user string, whole bool) (names []string) {
	c.t.Helper()
	err := filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.Contains(path+"/", "/"+user+"/") && (whole || !entry.IsDir()) {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return names
}

// listening is the server of a cast as clients reach it.
func (c *fileCast) listening() http.Handler {
	c.t.Helper()
	server, err := handlers.New(handlers.Config{
		Logger: slog.New(slog.DiscardHandler), Now: c.clock.Now, Issuer: testIssuer, Dialects: c.app.dialects(), RequestTimeout: time.Second,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return server
}

const formOfXX = "multipart/form-data; boundary=XX"

func (c *cast) upload(method, target, bearer string, parts ...string) answer {
	c.t.Helper()
	return c.send(method, target, bearer, upload(parts).body(), "Content-Type", formOfXX)
}

func (c *cast) userToken(p person) string {
	c.t.Helper()
	return c.loginAs(p, "").text(c.t, "access_token")
}

// files are what a résumé lists, as "name type, …".
func filesOf(t testing.TB, a answer) string {
	t.Helper()
	var all []string
	list, _ := a.want(t, http.StatusOK).json(t)["files"].([]any)
	for _, f := range list {
		file, _ := f.(map[string]any)
		all = append(all, fmt.Sprint(file["name"], " ", file["type"]))
	}
	return strings.Join(all, ", ")
}

// address is the path of the file with a name.
func addressOf(t testing.TB, a answer, name string) string {
	t.Helper()
	list, _ := a.want(t, http.StatusOK).json(t)["files"].([]any)
	for _, f := range list {
		if file, _ := f.(map[string]any); file["name"] == name {
			address, _ := file["url"].(string)
			path, ok := strings.CutPrefix(address, testIssuer)
			if !ok {
				t.Fatalf("the address is %q", address)
			}
			return path
		}
	}
	t.Fatalf("no %q in %s", name, a.body)
	return ""
}

// fileIDIn is the id of the file an address is of.
func fileIDIn(address string) string {
	parts := strings.Split(address, ".")
	return parts[len(parts)-2]
}

func TestResume(t *testing.T) {
	t.Parallel()
	c := newFileCast(t)
	token := c.userToken(c.acme.user)
	if a := c.get(usersResume, token).want(t, http.StatusOK); !strings.HasPrefix(a.body, `{"id":null,"user":`) || !strings.HasSuffix(a.body, `,"platform":"acme","files":[],"links":[]}`) {
		t.Errorf("before: %s", a.body)
	}
	c.upload("POST", usersResume, token, "user=acme-user", "platform=acme", "resume;cv.pdf;"+smallPDF, "additional_files;a.gif;"+gifOfOne,
		"file_type_a.gif=portfolio", "link_2=https://two.example", "link_1=http://one.example/x?y", "future=1").want(t, http.StatusOK)
	// Another résumé replaces it, another file does not, the same file again replaces itself, and without links the old ones stay.
	second := c.upload("PUT", usersResume, token, "resume;new.pdf;"+smallPDF+"\n", "additional_files;b.pdf;"+smallPDF).want(t, http.StatusOK)
	again := c.upload("PUT", usersResume, token, "resume;new.pdf;"+smallPDF+"\n", "additional_files;b.pdf;"+smallPDF).want(t, http.StatusOK)
	if got, want := filesOf(t, second), "new.pdf resume, a.gif portfolio, b.pdf other"; got != want || filesOf(t, again) != want {
		t.Errorf("%q, then %q", got, filesOf(t, again))
	}
	if !strings.Contains(again.body, `"links":[{"url":"http://one.example/x?y"},{"url":"https://two.example"}]`) {
		t.Errorf("links: %s", again.body)
	}
	if n := len(c.kept("acme-user-id", false)); n != 3 {
		t.Errorf("%d files are kept", n)
	}
	emptied := c.upload("POST", usersResume, token, "link_1=").want(t, http.StatusOK)
	if !strings.Contains(emptied.body, `"links":[]`) || filesOf(t, emptied) != filesOf(t, again) {
		t.Errorf("emptied: %s", emptied.body)
	}
	// Who may write there may do the same, and it is the same résumé.
	if a := c.upload("POST", usersResume, c.acme.operator, "link_1=https://x.example").want(t, http.StatusOK); filesOf(t, a) != filesOf(t, again) {
		t.Error(a.body)
	}
	c.get(resumeOf+"me/", token).want(t, http.StatusOK)
	for _, path := range []string{"/dm/api/career/resume/orgs/acme/users/acme-user", "/api/career/resume/orgs/acme/users/acme-user/"} {
		if a := c.get(path, c.acme.reader).want(t, http.StatusOK); filesOf(t, a) != filesOf(t, again) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if events := c.log.String(); !strings.Contains(events, "career.resume") {
		t.Error("nothing is in the log")
	}
}

// A download is an attachment of the type that the content has, by its address as by credentials, whole or in part.
func TestResumeDownloads(t *testing.T) {
	t.Parallel()
	c := newFileCast(t)
	token := c.userToken(c.acme.user)
	a := c.upload("POST", usersResume, token, "resume;Lebenslauf Müller.html;"+smallPDF, "additional_files;a.gif;"+gifOfOne)
	address := addressOf(t, a, "Lebenslauf Müller.html.pdf")
	byID := usersResume + "files/" + fileIDIn(address) + "/"
	for target, bearer := range map[string]string{address: "", address + "/": "", strings.TrimPrefix(address, "/dm"): "", byID: token} {
		got := c.get(target, bearer).want(t, http.StatusOK)
		for name, want := range map[string]string{
			"Content-Type": "application/pdf", "X-Content-Type-Options": "nosniff", "Content-Length": fmt.Sprint(len(smallPDF)),
			"Cache-Control":       "no-store",
			"Content-Disposition": `attachment; filename="Lebenslauf M_ller.html.pdf"; filename*=UTF-8''Lebenslauf%20M%C3%BCller.html.pdf`,
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q", target, name, got.header.Get(name))
			}
		}
		if at, err := http.ParseTime(got.header.Get("Last-Modified")); err != nil {
			t.Errorf("%s: changed at %v, %v", target, at, err)
		}
		if policy := got.header.Get("Content-Security-Policy"); !strings.Contains(policy, "sandbox") || !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%s: policy %q", target, policy)
		}
		if got.body != smallPDF {
			t.Errorf("%s: %q", target, got.body)
		}
		if part := c.get(target, bearer, "Range", "bytes=1-3").want(t, http.StatusPartialContent); part.body != "PDF" {
			t.Errorf("%s: a part is %q", target, part.body)
		}
		c.get(target, bearer, "Range", "bytes=999999-").want(t, http.StatusRequestedRangeNotSatisfiable)
		head := c.send("HEAD", target, bearer, "").want(t, http.StatusOK)
		if head.body != "" || head.header.Get("Content-Length") != fmt.Sprint(len(smallPDF)) {
			t.Errorf("%s: HEAD %q %v", target, head.body, head.header)
		}
	}
	if got := c.get(addressOf(t, a, "a.gif"), ""); got.header.Get("Content-Type") != "image/gif" || got.body != gifOfOne {
		t.Errorf("the other file: %v", got.header)
	}
}

// An address is good for its file, for five minutes, and for nothing that was changed in it.
func TestAddressesOfFiles(t *testing.T) {
	t.Parallel()
	c := newFileCast(t)
	token := c.userToken(c.acme.user)
	a := c.upload("POST", usersResume, token, "resume;cv.pdf;"+smallPDF, "additional_files;a.gif;"+gifOfOne)
	other := c.upload("POST", resumeOf+"acme-other/", c.acme.operator, "resume;cv.pdf;"+smallPDF+"\n")
	address, gif, others := addressOf(t, a, "cv.pdf"), addressOf(t, a, "a.gif"), addressOf(t, other, "cv.pdf")
	at := strings.LastIndex(address, "/") + 1
	path, ticket := address[:at], address[at:]
	random := c.get(path+"cs_fl_nobody.acme.x.AAAA", "").want(t, http.StatusNotFound)
	refused := map[string]string{
		"another file": path + strings.Replace(ticket, fileIDIn(address), fileIDIn(gif), 1), "another user": path + strings.Replace(ticket, "acme-user-id", "acme-other-id", 1),
		"another organisation": path + strings.Replace(ticket, ".acme.", ".globex.", 1), "his file": path + strings.Replace(ticket, fileIDIn(address), fileIDIn(others), 1),
		"cut": address[:len(address)-1], "longer": address + "A", "by id": path + fileIDIn(address), "in capitals": path + strings.ToUpper(ticket),
		"a bearer of the user": path + token, "nothing": path + "x", "dots": path + "%2E%2E%2Fx",
	}
	for n := strings.LastIndex(ticket, ".") + 1; n < len(ticket); n++ {
		changed := []byte(ticket)
		changed[n] = "AB"[btoi(changed[n] == 'A')]
		refused[fmt.Sprint("byte ", n)] = path + string(changed)
	}
	for name, target := range refused {
		if got := c.get(target, ""); got.status != http.StatusNotFound || got.body != random.body {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	c.clock.Advance(5*time.Minute - time.Second)
	c.get(address, "").want(t, http.StatusOK)
	c.clock.Advance(time.Second)
	c.get(address, "").want(t, http.StatusNotFound)

	// A new address is not good for a file that was replaced, nor for one of somebody who is not there any more.
	address = addressOf(t, c.get(usersResume, c.acme.operator), "cv.pdf")
	c.upload("PUT", usersResume, c.acme.operator, "resume;cv.pdf;"+smallPDF+" ").want(t, http.StatusOK)
	c.get(address, "").want(t, http.StatusNotFound)
	address = addressOf(t, c.get(usersResume, c.acme.operator), "cv.pdf")
	c.send("DELETE", "/api/user/acme-user-id?org=acme", adminToken, "").want(t, http.StatusNoContent)
	c.get(address, "").want(t, http.StatusNotFound)
	if left := c.kept("acme-user-id", true); len(left) > 0 {
		t.Errorf("after erasing the user there is %q", left)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Rows: a résumé is its person's, of the organisation in the path, whatever else the request says.
func TestResumeIsOnesOwn(t *testing.T) {
	t.Parallel()
	c := newFileCast(t)
	token := c.userToken(c.acme.user)
	kept := c.upload("POST", resumeOf+"acme-other/", c.acme.operator, "resume;cv.pdf;"+smallPDF)
	file := fileIDIn(addressOf(t, kept, "cv.pdf"))
	c.upload("POST", "/dm/api/career/resume/orgs/globex/users/globex-user/", c.globex.operator, "resume;cv.pdf;"+smallPDF).want(t, http.StatusOK)
	each := func(name, org, user, bearer string, status int) {
		t.Helper()
		path := "/dm/api/career/resume/orgs/" + org + "/users/" + user + "/"
		answers := []answer{
			c.get(path, bearer), c.get(path+"files/"+file+"/", bearer),
			c.upload("POST", path, bearer, "resume;stolen.pdf;"+smallPDF), c.upload("PUT", path, bearer, "link_1=https://stolen.example"),
		}
		for n, a := range answers {
			if a.status != status || a.body != answers[0].body {
				t.Errorf("%s, request %d: %d %s", name, n, a.status, a.body)
			}
		}
	}
	for _, somebody := range []string{"acme-other", "acme-other-id", "globex-user", "nobody", "sam"} {
		each("a user about "+somebody, acme, somebody, token, http.StatusForbidden)
	}
	for _, somebody := range []string{"globex-user", "globex-user-id", "nobody"} {
		each("an operator about "+somebody, acme, somebody, c.acme.operator, http.StatusNotFound)
	}
	for name, bearer := range map[string]string{
		"a user": c.userToken(c.globex.user), "an operator": c.globex.operator, "a reader": c.globex.reader, "a machine": c.globex.machineToken,
	} {
		each(name+" of another organisation", acme, "acme-other", bearer, http.StatusNotFound)
	}
	each("nobody", acme, "acme-other", "", http.StatusUnauthorized)
	each("a user in another organisation", globex, "acme-user", token, http.StatusNotFound)
	c.upload("POST", resumeOf+"acme-other/", c.acme.reader, "link_1=https://stolen.example").want(t, http.StatusForbidden)
	c.get(usersResume+"files/"+file+"/", token).want(t, http.StatusNotFound)
	c.get(resumeOf+"acme-other/files/"+file+"/", c.acme.reader).want(t, http.StatusOK)

	for name, parts := range map[string][]string{
		"another user": {"user=acme-other", "link_1=https://x.example"}, "after the file": {"resume;a.pdf;" + smallPDF, "user=acme-other"},
		"another platform": {"platform=globex", "resume;a.pdf;" + smallPDF}, "in capitals": {"user=ACME-OTHER", "link_1=https://x.example"},
	} {
		if a := c.upload("POST", usersResume, token, parts...); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, query := range []string{"?username=acme-other", "?user=acme-other&org=globex", "?user_id=acme-other-id"} {
		c.upload("POST", usersResume+query, token, "username=acme-other", "user_id=acme-other-id", "id=7", "link_1=https://own.example").want(t, http.StatusOK)
	}
	if a := c.get(resumeOf+"acme-other/", c.acme.operator); filesOf(t, a) != "cv.pdf resume" || strings.Contains(a.body, "example") &&
		strings.Contains(a.body, "own.example") || strings.Contains(a.body, "stolen") {
		t.Errorf("somebody else's is now %s", a.body)
	}
	if n := len(c.kept("acme-user-id", false)); n != 0 {
		t.Errorf("%d files are left of what was refused", n)
	}
}

// What is refused leaves the résumé and the files as they were, and says what is wrong.
func TestHostileUploads(t *testing.T) {
	t.Parallel()
	c := newFileCast(t)
	token := c.userToken(c.acme.user)
	before := filesOf(t, c.upload("POST", usersResume, token, "resume;cv.pdf;"+smallPDF, "link_1=https://one.example"))
	html, zip := "<!DOCTYPE html><script>alert(1)</script>", "PK\x03\x04"+strings.Repeat("\x00", 60)
	tests := map[string]struct {
		parts []string
		say   string
	}{
		"nothing":                 {nil, `{"error":"No file or link provided"}`},
		"nothing but who":         {[]string{"user=acme-user", "platform=acme"}, `{"error":"No file or link provided"}`},
		"an input without a file": {[]string{"resume;;"}, `{"error":"No file or link provided"}`},
		"an empty file":           {[]string{"resume;cv.pdf;"}, `{"resume":["The submitted file is empty."]}`},
		"HTML":                    {[]string{"resume;cv.pdf;" + html}, "is no PDF"},
		"HTML before a PDF":       {[]string{"resume;cv.pdf;" + html + smallPDF}, "is no PDF"},
		"HTML behind a PDF":       {[]string{"resume;cv.pdf;" + smallPDF + html}, "something else in it"},
		"zip":                     {[]string{"resume;cv.pdf;" + zip}, "is no PDF"},
		"zip behind a PDF":        {[]string{"resume;cv.pdf;" + smallPDF + zip}, "something else in it"},
		"GIF as a résumé":         {[]string{"resume;cv.pdf;" + gifOfOne}, "is no PDF"},
		"GIF and PDF":             {[]string{"additional_files;a.gif;" + gifOfOne + smallPDF}, "something else in it"},
		"GIF and JavaScript":      {[]string{"additional_files;a.gif;GIF89a/*\x00\x00" + gifOfOne[10:] + "*/=1;alert(1)"}, "something else in it"},
		"SVG":                     {[]string{`additional_files;a.svg;<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`}, "is no PDF, PNG, JPEG or GIF"},
		"PDF without an end":      {[]string{"resume;cv.pdf;%PDF-1.7\n"}, "something else in it"},
		"good, and then bad":      {[]string{"resume;new.pdf;" + smallPDF, "additional_files;x.gif;" + html}, "is no PDF, PNG"},
		"two résumés":             {[]string{"resume;a.pdf;" + smallPDF, "resume;b.pdf;" + smallPDF}, "Submit one file."},
		"a file elsewhere":        {[]string{"link_1;a.pdf;" + smallPDF}, "Files are submitted as resume or additional_files."},
		"a text as a file":        {[]string{"resume=%PDF-1.7"}, "was not a file"},
		"21 files":                {append(many(20, "additional_files;%d.pdf;"+smallPDF), "resume;a.pdf;"+smallPDF), "no more than 20 files"},
		"a type of nothing":       {[]string{"link_1=https://x.example", "file_type_a.pdf=portfolio"}, "No additional file of this name"},
		"another résumé by type":  {[]string{"additional_files;a.pdf;" + smallPDF, "file_type_a.pdf=resume"}, "other than resume"},
		"a type with markup":      {[]string{"additional_files;a.pdf;" + smallPDF, "file_type_a.pdf=<b>"}, "at most 50 letters"},
		"a link to code":          {[]string{"link_1=javascript:alert(1)"}, "Enter a valid URL"},
		"a link to data":          {[]string{"link_1=data:text/html,x"}, "Enter a valid URL"},
		"a link with a password":  {[]string{"link_1=https://a:b@x.example"}, "Enter a valid URL"},
		"a link with a space":     {[]string{"link_1=https://x.example/ a"}, "Enter a valid URL"},
		"a long link":             {[]string{"link_1=https://x.example/" + strings.Repeat("a", 1024)}, "Enter a valid URL"},
		"a link twice":            {[]string{"link_1=https://x.example", "link_1=https://y.example"}, "twice"},
		"51 links":                {many(51, "link_%d=https://x.example"), "no more than 50 links"},
		"a long text":             {[]string{"link_1=" + strings.Repeat("a", 5000)}, "no more than 4096 bytes"},
		"10 000 parts":            {many(10_000, "x%d=y"), "too many fields"},
		"a name in markup":        {[]string{"link_1=https://x.example", "file_type_\u202e<script>=\x00"}, "at most 50 letters"},
	}
	for name, test := range tests {
		a := c.upload("POST", usersResume, token, test.parts...)
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, test.say) || strings.Contains(a.body, "<script>") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	good := upload{"resume;new.pdf;" + smallPDF}.body()
	for name, test := range map[string]struct {
		media, body string
		status      int
	}{
		"JSON": {"application/json", `{"link_1":"https://x.example"}`, 415}, "a form": {"application/x-www-form-urlencoded", "link_1=https://x.example", 415},
		"no boundary": {"multipart/form-data", good, 400}, "another boundary": {"multipart/form-data; boundary=YY", good, 400},
		"mixed": {"multipart/mixed; boundary=XX", good, 415}, "no end": {formOfXX, strings.TrimSuffix(good, "--XX--\r\n"), 400},
		"cut in the file": {formOfXX, good[:len(good)-40], 400}, "cut in the head": {formOfXX, good[:20], 400}, "empty": {formOfXX, " ", 400},
		"two boundaries": {formOfXX + "; boundary=YY", good, 415},
	} {
		if a := c.send("POST", usersResume, token, test.body, "Content-Type", test.media); a.status != test.status {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := c.send("POST", usersResume, token, good, "Content-Type", formOfXX, "Content-Encoding", "gzip"); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("encoded: %d %s", a.status, a.body)
	}
	after := c.get(usersResume, token)
	if got := filesOf(t, after); got != before || !strings.Contains(after.body, `"links":[{"url":"https://one.example"}]`) {
		t.Errorf("there was %q and is %s", before, after.body)
	}
	if left := c.kept("acme-user-id", false); len(left) != 1 {
		t.Errorf("files that are kept: %q", left)
	}
}

func many(n int, format string) (all []string) {
	for i := range n {
		all = append(all, strings.Replace(format, "%d", fmt.Sprint(i+1), 1))
	}
	return all
}

// Names of files are names, wherever they come from and whoever reads them.
func TestNamesOfUploads(t *testing.T) {
	t.Parallel()
	c := newFileCast(t)
	token := c.userToken(c.acme.user)
	for sent, want := range map[string]string{
		`../../etc/passwd`: "passwd.pdf", `C:\\Users\\x\\cv.PDF`: "cv.PDF", "fdp.\u202exe.pdf": "fdp.xe.pdf",
		`a\"b'.pdf`: "a_b'.pdf", "cv.pdf.html": "cv.pdf.html.pdf", `..`: "file.pdf", "%00%0d%0a.pdf": "%00%0d%0a.pdf", " .pdf. ": "pdf.pdf",
		strings.Repeat("ä", 300) + ".pdf": strings.Repeat("ä", 116) + ".pdf", "résumé 履歴書.pdf": "résumé 履歴書.pdf", "<script>.pdf": "_script_.pdf",
	} {
		a := c.upload("PUT", usersResume, token, "resume;"+sent+";"+smallPDF)
		if got := filesOf(t, a); got != want+" resume" {
			t.Errorf("%q is %q", sent, got)
			continue
		}
		disposition := c.get(addressOf(t, a, want), "").want(t, http.StatusOK).header.Get("Content-Disposition")
		kind, parameters, err := mime.ParseMediaType(disposition)
		if err != nil || kind != "attachment" || parameters["filename"] != want || strings.ContainsFunc(disposition, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q is kept as %q: %v, %v", sent, disposition, parameters, err)
		}
	}
	// No parameter of a part may come twice, nor go on behind a line break.
	for _, head := range []string{
		"name=\"resume\"; filename=\"a.pdf\"; filename=\"b.html\"", "name=\"resume\"; name=\"additional_files\"; filename=\"a.pdf\"",
		"name=\"resume\"; filename=\"a\r\n b.pdf\"", "name=\"resume\"; filename=\"a\x00.pdf\"", "name=\"resume\"; filename*=UTF-8''a%0d%0aX-Evil:1.pdf; filename=\"a.pdf\"",
	} {
		body := "--XX\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + smallPDF + "\r\n--XX--\r\n"
		a := c.send("PUT", usersResume, token, body, "Content-Type", formOfXX)
		if a.status == http.StatusOK && strings.ContainsAny(filesOf(t, a), "\r\n:") || a.header.Get("X-Evil") != "" {
			t.Errorf("%q: %d %s", head, a.status, a.body)
		}
	}
}
