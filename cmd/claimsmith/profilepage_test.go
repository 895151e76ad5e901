package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/console/page/pagetest"
	"github.com/claimsmith/claimsmith/internal/mail/mailtest"
)

// ownPage opens one of the pages below /account/profile, logged in.
func (b *browser) ownPage(path string) *page {
	b.t.Helper()
	p := b.open(path)
	if p.element("login") != nil {
		p = p.signIn()
	}
	return p.want(http.StatusOK)
}

// fieldFault is what is said to be wrong with a field.
func (p *page) fieldFault(id string) string {
	p.b.t.Helper()
	if field := p.shows(id).element(id); !strings.Contains(attribute(field, "aria-describedby"), id+"-fault") || attribute(field, "aria-invalid") != "true" {
		p.b.t.Errorf("%s says nothing of a fault: %v", id, field.Attr)
	}
	return p.textOf(id + "-fault")
}

// heldBy is what a field has in it.
func (p *page) heldBy(id string) string {
	p.b.t.Helper()
	field := p.shows(id).element(id)
	switch {
	case field.Data == "select":
		return selected(field)
	case field.Data == "textarea" && field.FirstChild != nil:
		return field.FirstChild.Data
	case attribute(field, "type") == "checkbox":
		if has(field, "checked") {
			return "true"
		}
		return "false"
	}
	return attribute(field, "value")
}

// What a person says about himself on his page is what services are told, the page shows it again, and what is wrong is said at the field.
func TestProfilePage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	token := w.login().text(t, "access_token")
	told := func(claim string) any {
		t.Helper()
		return w.get("/oauth/userinfo", token).want(t, http.StatusOK).json(t)[claim]
	}
	b := w.visitor()
	b.account().shows("profile")
	p := b.ownPage("/account/profile")
	p.says("Services see this where you allow them “profile”.").says("Services do not see this.")

	p = p.submit("about-save", "name", "Jane Q. Doe", "title", "Engineer", "bio", "Builds bridges.\r\nAnd tunnels.", "goals", "More bridges",
		"level_of_education", "m", "language_proficiencies.0", "de", "language_proficiencies.1", "en").
		want(http.StatusOK).says("What you said about yourself is saved")
	for id, want := range map[string]string{
		"about-name": "Jane Q. Doe", "about-title": "Engineer", "about-bio": "Builds bridges.\nAnd tunnels.", "about-goals": "More bridges",
		"about-level_of_education": "m", "about-language_proficiencies-0": "de", "about-language_proficiencies-1": "en",
	} {
		if got := strings.TrimPrefix(p.heldBy(id), "\n"); got != want {
			t.Errorf("%s holds %q, want %q", id, got, want)
		}
	}
	if told("name") != "Jane Q. Doe" || told("locale") != "de" {
		t.Errorf("services are told %v, %v", told("name"), told("locale"))
	}
	p = p.submit("details-save", "year_of_birth", "1990", "gender", "f", "country", "AT", "state", "Upper Austria", "phone_number", "+43732123456",
		"mailing_address", "Main Street 1\r\nWels").want(http.StatusOK).says("The details are saved")
	if told("birthdate") != "1990" || told("gender") != "female" || p.heldBy("details-country") != "AT" || p.heldBy("details-phone_number") != "+43732123456" {
		t.Errorf("services are told %v, %v; the page has %s", told("birthdate"), told("gender"), p.heldBy("details-country"))
	}
	p = p.submit("links-save", "link.linkedin", "janedoe", "link.x", "https://x.com/janedoe").want(http.StatusOK)
	if got := told("profile"); got != "https://www.linkedin.com/in/janedoe" || p.heldBy("links-link-linkedin") != got {
		t.Errorf("services are told %v, the page has %s", got, p.heldBy("links-link-linkedin"))
	}
	p = p.submit("links-save", "link.x", "").want(http.StatusOK)
	if p.heldBy("links-link-x") != "" || p.heldBy("links-link-linkedin") == "" {
		t.Error("removing one link removes the wrong one")
	}
	p = p.submit("privacy-save", "account_privacy", "custom", "visibility.bio", "true", "time_zone", "Europe/Vienna").want(http.StatusOK)
	if told("zoneinfo") != "Europe/Vienna" || p.heldBy("privacy-account_privacy") != "custom" || p.heldBy("privacy-visibility-bio") != "true" ||
		p.heldBy("privacy-visibility-country") != "false" {
		t.Errorf("services are told %v, the page has %s", told("zoneinfo"), p.heldBy("privacy-account_privacy"))
	}

	// A refusal says where and keeps what was typed; nothing of the form is saved.
	p = p.submit("about-save", "name", "", "bio", strings.Repeat("x", 301), "title", "Boss").want(http.StatusBadRequest).says("Nothing was saved")
	if !strings.Contains(p.fieldFault("about-bio"), "300") || p.fieldFault("about-name") == "" || p.heldBy("about-title") != "Boss" ||
		len(p.heldBy("about-bio")) < 301 {
		t.Errorf("a refusal shows %s", p.text())
	}
	p = p.submit("about-save", "name", "Jane Q. Doe", "bio", "Builds bridges.", "title", "Boss").want(http.StatusOK)
	p = p.submit("details-save", "year_of_birth", "soon", "phone_number", "call me").want(http.StatusBadRequest)
	if p.fieldFault("details-year_of_birth") == "" || p.fieldFault("details-phone_number") == "" || p.heldBy("details-year_of_birth") != "soon" || told("birthdate") != "1990" {
		t.Errorf("a refusal shows %s", p.text())
	}
	p = b.ownPage("/account/profile").submit("links-save", "link.linkedin", "https://evil.example/x").want(http.StatusBadRequest)
	if p.fieldFault("links-link-linkedin") == "" {
		t.Errorf("a refusal shows %s", p.text())
	}
	p = b.ownPage("/account/profile").submit("privacy-save", "time_zone", "Nowhere/Never", "account_privacy", "private").want(http.StatusBadRequest)
	if p.fieldFault("privacy-time_zone") == "" || b.ownPage("/account/profile").heldBy("privacy-account_privacy") != "custom" {
		t.Errorf("a refusal shows %s", p.text())
	}

	// Saving what was not touched leaves what an operator has changed since.
	p = b.ownPage("/account/profile")
	w.send(http.MethodPatch, "/api/user/jane-id", adminToken, `{"profile":{"name":"Jane Operator"}}`, "If-Match", "*").want(t, http.StatusOK)
	p.submit("about-save", "title", "Chief").want(http.StatusOK)
	if told("name") != "Jane Operator" {
		t.Errorf("an operator's name is now %v", told("name"))
	}
}

// Whatever language and country the page offers, the account takes.
func TestProfilePageOffersWhatIsTaken(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	own := w.login().text(t, "access_token")
	p := w.visitor().ownPage("/account/profile")
	offered := func(id string) (codes []string) {
		for n := range p.shows(id).element(id).Descendants() {
			if code := attribute(n, "value"); n.Data == "option" && code != "" {
				codes = append(codes, code)
			}
		}
		return codes
	}
	take := func(member, value string) {
		t.Helper()
		w.patch("/lms/api/user/v1/accounts/jane", own, `{`+quote(member)+`:`+value+`}`, "Content-Type", "application/merge-patch+json").want(t, http.StatusOK)
	}
	languages, countries := offered("about-language_proficiencies-0"), offered("details-country")
	if len(languages) < 150 || len(countries) < 240 {
		t.Errorf("%d languages, %d countries", len(languages), len(countries))
	}
	for some := range slices.Chunk(languages, 20) {
		take("language_proficiencies", `[{"code":"`+strings.Join(some, `"},{"code":"`)+`"}]`)
	}
	for n := 0; n < len(countries); n += 8 {
		take("country", quote(countries[n]))
	}
}

// The page says where a person was, and gives institutions and companies a name to choose by.
func TestCareerPage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	b := w.visitor()
	p := b.ownPage("/account/profile/career").says("Nothing yet.")
	p = p.submit("education-new-save", "institution", "TU Wien", "degree", "MSc", "field_of_study", "Physics", "start_date", "2010-09-01",
		"end_date", "2015-06-30", "grade", "1.30", "description", "Two\r\nlines").want(http.StatusOK).says("Your entry is saved")
	if got := p.textOf("education-items"); !strings.Contains(got, "MSc, Physics") || !strings.Contains(got, "TU Wien · 2010-09-01 – 2015-06-30") {
		t.Errorf("education: %s", got)
	}
	if got := p.textOf("institutions-items"); !strings.Contains(got, "TU Wien") || p.element("institutions") == nil {
		t.Errorf("institutions: %s", got)
	}
	// The same name is the same institution, however it is written.
	p = p.submit("education-new-save", "institution", " tu wien ", "start_date", "2008-09-01", "is_current", "true").want(http.StatusOK)
	if got := strings.Count(p.textOf("institutions-items"), "Change"); got != 1 {
		t.Errorf("%d institutions:\n%s", got, p.text())
	}
	p = p.submit("experience-new-save", "title", "Engineer", "company", "Bridges Ltd", "employment_type", "Full-time", "start_date", "2016-01-01",
		"is_current", "true").want(http.StatusOK)
	if got := p.textOf("experience-items"); !strings.Contains(got, "Bridges Ltd · since 2016-01-01") {
		t.Errorf("experience: %s", got)
	}

	// What other clients have stored beside the form's fields stays.
	own := w.login().text(t, "access_token")
	list := w.get("/dm/api/career/orgs/default/education/users/jane/", own).want(t, http.StatusOK)
	id := idIn(t, p, "education", "MSc, Physics")
	w.put("/dm/api/career/orgs/default/education/users/jane/?id="+id, own,
		`{"institution_id":`+numberAfter(t, list.body, `"institution_id":`)+`,"start_date":"2010-09-01","degree":"MSc","data":{"kept":true}}`).want(t, http.StatusOK)
	p = b.ownPage("/account/profile/career").submit("education-"+id+"-save", "degree", "Dipl.-Ing.", "institution", "Uni Wels").want(http.StatusOK)
	if got := p.textOf("education-items"); !strings.Contains(got, "Dipl.-Ing.") || !strings.Contains(got, "Uni Wels") {
		t.Errorf("education: %s", got)
	}
	if got := w.get("/dm/api/career/orgs/default/education/users/jane/", own).body; !strings.Contains(got, `{"kept":true}`) {
		t.Errorf("what another client stored is gone: %s", got)
	}

	// Faults, at the field; nothing is left of a refused record's institution.
	p = p.submit("education-new-save", "institution", "Fleeting", "start_date", "yesterday", "grade", "good").want(http.StatusBadRequest)
	if p.fieldFault("education-new-start_date") == "" || p.fieldFault("education-new-grade") == "" || p.heldBy("education-new-institution") != "Fleeting" {
		t.Errorf("a refusal shows %s", p.text())
	}
	p = b.ownPage("/account/profile/career")
	if strings.Contains(p.body, "Fleeting") {
		t.Error("an institution of a refused record is left")
	}
	p = p.submit("experience-new-save", "start_date", "2020-01-01").want(http.StatusBadRequest)
	if p.fieldFault("experience-new-title") == "" || p.fieldFault("experience-new-company") == "" {
		t.Errorf("a refusal shows %s", p.text())
	}
	p = b.ownPage("/account/profile/career")
	institution := idIn(t, p, "institutions", "TU Wien")
	p.submit("institutions-" + institution + "-remove").want(http.StatusConflict).says("It stays while")
	p = p.submit("institutions-new-save", "name", "Academy", "institution_type", "academy", "established_year", "1692").want(http.StatusOK)
	if got := p.heldBy("institutions-" + idIn(t, p, "institutions", "Academy") + "-established_year"); got != "1692" {
		t.Errorf("the year is %q", got)
	}
	p = p.submit("institutions-" + idIn(t, p, "institutions", "Academy") + "-remove").want(http.StatusOK).says("The entry was removed")
	if strings.Contains(p.body, "Change Academy") {
		t.Error("it is still there")
	}
	for kind, id := range map[string]string{"nonsense": "1", "education": "x"} {
		b.postForm("/account/profile/career/remove", url.Values{"token": {p.valueOf("token")}, "kind": {kind}, "id": {id}}).want(http.StatusNotFound)
	}
	b.postForm("/account/profile/career/education", url.Values{"token": {p.valueOf("token")}, "id": {"4711"}}).want(http.StatusNotFound)
}

// idIn is the id of the item of a list that is called something.
func idIn(t testing.TB, p *page, kind, name string) string {
	t.Helper()
	found := ""
	p.walk(func(n *html.Node) bool {
		if id := attribute(n, "id"); n.Data == "details" && strings.HasPrefix(id, kind+"-") && n.FirstChild != nil &&
			attribute(n.FirstChild, "aria-label") == "Change "+name {
			found = strings.TrimPrefix(id, kind+"-")
		}
		return found == ""
	})
	if found == "" {
		t.Fatalf("no %s is called %s:\n%s", kind, name, p.text())
	}
	return found
}

func numberAfter(t testing.TB, text, mark string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, mark)
	if !found {
		t.Fatalf("%s has no %s", text, mark)
	}
	return rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
}

// What assistants remember is the person's to see and to remove; whether they may is an entry, and so may be a claim, or not be his to say.
func TestMemoryPage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	b := w.visitor()
	p := b.ownPage("/account/profile/memory")
	if strings.Contains(p.textOf("flags-form"), "Services you sign in to see this") {
		t.Errorf("the flags are claims: %s", p.textOf("flags-form"))
	}
	p = p.submit("flags-save", "auto_capture_enabled", "true").want(http.StatusOK).says("Your choice is saved")
	if p.heldBy("flags-auto_capture_enabled") != "true" || p.heldBy("flags-use_memory_in_responses") != "false" {
		t.Error("the flags are not what was chosen")
	}
	w.get("/api/user/jane/metadata/use_memory_in_responses", adminToken).want(t, http.StatusNotFound) // was not touched
	p = p.submit("add-save", "content", "Prefers short answers.").want(http.StatusOK)
	p = p.submit("add-save", "content", "Learns Go.", "mentor", "tutor", "category_slug", "learning_goals").want(http.StatusOK)
	if got := p.textOf("memories"); !strings.Contains(got, "Learns Go. tutor · Learning goals") || !strings.Contains(got, "Prefers short answers. All assistants") {
		t.Errorf("memories: %s", got)
	}
	refused := p.submit("add-save", "content", " ", "mentor", "tutor").want(http.StatusBadRequest)
	if refused.fieldFault("add-content") == "" || refused.heldBy("add-mentor") != "tutor" {
		t.Errorf("a refusal shows %s", refused.text())
	}
	p = p.submit("fact-save", "tag", "editor", "detail", "vim").want(http.StatusOK)
	p = p.submit("fact-save", "tag", "editor", "detail", "emacs").want(http.StatusOK)
	if got := p.textOf("facts"); strings.Contains(got, "vim") || !strings.Contains(got, "editor emacs") {
		t.Errorf("facts: %s", got)
	}
	form := p.formFor("/account/profile/memory/fact/remove")
	p = b.postForm("/account/profile/memory/fact/remove", form).want(http.StatusOK).says("That is forgotten")
	for range 2 {
		p = b.postForm("/account/profile/memory/remove", p.formFor("/account/profile/memory/remove")).want(http.StatusOK)
	}
	if p.element("memories") != nil || p.element("facts") != nil {
		t.Errorf("something is still remembered: %s", p.text())
	}
	b.postForm("/account/profile/memory/remove", url.Values{"token": {p.valueOf("token")}, "id": {"x"}}).want(http.StatusOK)

	w.put("/api/metadata-key/use_memory_in_responses", adminToken, `{"type":"boolean","claim":"always","write":"self"}`).want(t, http.StatusCreated)
	w.put("/api/metadata-key/auto_capture_enabled", adminToken, `{"type":"boolean","claim":"never","write":"operator","read":"self"}`).want(t, http.StatusCreated)
	p = b.ownPage("/account/profile/memory")
	if said := p.textOf("flags-use_memory_in_responses-hint"); said != "Services you sign in to see this." {
		t.Errorf("of a claim it says %q", said)
	}
	p = p.submit("flags-save", "use_memory_in_responses", "true").want(http.StatusOK)
	refused = p.submit("flags-save", "auto_capture_enabled", "").want(http.StatusForbidden).says("Your organisation decides this")
	if got := b.ownPage("/account/profile/memory").heldBy("flags-auto_capture_enabled"); got != "true" || refused.heldBy("flags-auto_capture_enabled") != "false" {
		t.Errorf("the flag is %s", got)
	}
}

// Another address waits until the link in the mail is opened, and only who has just shown that it is him may ask for one (row S-10).
func TestEmailOnTheProfilePage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	b := w.visitor()
	b.ownPage("/account/profile").submit("email-save", "email", "new@example.com").want(http.StatusBadRequest).says("This server sends no mail")
	server := mailtest.Start(t, mailtest.Server{})
	w.withMail(server)
	p := b.ownPage("/account/profile").says(janeMail + " Confirmed")
	p = p.submit("email-save", "email", "no address").want(http.StatusBadRequest)
	if p.fieldFault("email-email") == "" || p.heldBy("email-email") != "no address" {
		t.Errorf("a refusal shows %s", p.text())
	}
	p = p.submit("email-save", "email", "New@Example.com").want(http.StatusOK).says("a message with a link is on its way")
	if got := p.textOf("email-asked"); !strings.Contains(got, "new@example.com waits to be confirmed") || !strings.Contains(p.textOf("email-now"), janeMail) {
		t.Errorf("it waits: %s", got)
	}
	mail := server.Next(t)
	link := strings.TrimPrefix(linkIn(t, &mail), testIssuer)
	again := b.ownPage("/account/profile")
	w.clock.Advance(6 * time.Minute)
	form := again.formFor("/account/profile/email")
	form.Set("email", "thief@example.com")
	b.postForm("/account/profile/email", form).shows("login")
	asked := b.ownPage("/account/profile")
	if asked.element("email-save") != nil || strings.Contains(asked.body, "thief@example.com") {
		t.Error("who logged in long ago changes an address")
	}
	if got := asked.submit("confirm").shows("login").signIn().want(http.StatusOK); got.url.Path != "/account/profile" || got.element("email-save") == nil {
		t.Errorf("confirming leads to %s", got.url)
	}
	opened := b.open(link).want(http.StatusOK)
	confirm := opened.formFor("/account/email")
	b.postForm("/account/email", confirm).want(http.StatusOK)
	p = b.ownPage("/account/profile").says("new@example.com Confirmed")
	if p.element("email-asked") != nil {
		t.Errorf("it still waits: %s", p.textOf("email-asked"))
	}
}

// Who runs the organisation sees what a user says of himself, and cannot change it there.
func TestConsoleShowsWhatAUserSays(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	server := mailtest.Start(t, mailtest.Server{})
	w.withMail(server)
	b := w.newBrowser()
	p := b.ownPage("/account/profile").submit("about-save", "title", "Engineer"+pagetest.Hostile, "bio", "Builds bridges.", "language_proficiencies.0", "de").want(http.StatusOK)
	p = p.submit("links-save", "link.linkedin", "janedoe").want(http.StatusOK)
	p = p.submit("privacy-save", "account_privacy", "private").want(http.StatusOK)
	p.submit("email-save", "email", "new@example.com").want(http.StatusOK)
	career := b.ownPage("/account/profile/career").submit("education-new-save", "institution", "TU Wien", "start_date", "2010-09-01").want(http.StatusOK)
	b.upload("/account/profile/career/file", sentPart{field: "token", content: career.valueOf("token")}, sentPart{field: "type", content: "resume"},
		sentPart{"file", "cv.pdf", "application/pdf", somePDF}).want(http.StatusOK)
	for _, name := range []string{"olive", "rita", "ada"} {
		shown := w.console(name, inDefault("user/jane-id"))
		got := shown.textOf("own")
		for _, want := range []string{
			"Title Engineer", "In a few words Builds bridges.", "Languages de", "linkedin https://www.linkedin.com/in/janedoe", "Seen by Nobody",
			"new@example.com, to be confirmed by", "Education 1", "Institutions 1", "Files 1",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s does not see %q in %s", name, want, got)
			}
		}
		if strings.Contains(shown.body, "<script>alert") || strings.Contains(shown.body, mailHash(t, w)) {
			t.Errorf("%s is shown what nobody should be", name)
		}
	}
	if got := w.console("olive", inDefault("user/rita-id")).textOf("own"); strings.Contains(got, "Education") || strings.Contains(got, "Title") {
		t.Errorf("of somebody who said nothing: %s", got)
	}
}

// mailHash is what is kept of the secret in jane's mail.
func mailHash(t testing.TB, w *world) string {
	t.Helper()
	user, err := w.app.users.Find(t.Context(), auth.System(), auth.DefaultOrg, "jane-id")
	if err != nil || user.PendingEmail == nil {
		t.Fatal(user.PendingEmail, err)
	}
	return user.PendingEmail.Hash
}
