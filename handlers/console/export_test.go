package console

import (
	"net/http"
	"net/http/httptest"
	"text/template/parse"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/claims"
)

// What the tests know of the inside.
var (
	BrandStyle = brandStyle
	ValidColor = validColor
	SourceOf   = sourceOf
	OriginOf   = originOf
	ErrorKinds = errorKinds
	AssetNames = assetNames
	Scopes     = knownScopes
)

// LanguageOf returns the tag languageOf chooses.
func LanguageOf(uiLocales, acceptLanguage string) string {
	return languageOf(uiLocales, acceptLanguage).tag
}

// Texts are the texts of a language by key.
func Texts(tag string) map[string]string {
	for _, c := range catalogues {
		if c.tag == tag {
			return c.texts
		}
	}
	return nil
}

// Agent names a browser.
func Agent(tag, userAgent string) string { return words{languageOf(tag, "")}.agent(userAgent) }

// FromHere is fromHere for an issuer.
func FromHere(issuer string, h http.Header) bool { return (&Dialect{Issuer: issuer}).fromHere(h) }

// LookOf returns what an organisation's pages take from it.
func LookOf(org *auth.Org) (logo, origin, brand string) {
	l := lookOf(org)
	return l.Logo, l.logoOrigin, l.Brand
}

// Readable is a claim's value as pages show it.
func Readable(value string) string { return readable(value) }

// ProfileNames are the claims a profile is shown by.
func ProfileNames() (names []string) {
	for _, f := range profileFields(&claims.Profile{}) {
		names = append(names, f.Name)
	}
	return names
}

// Trees are the parsed templates of all pages.
func Trees() map[string]*parse.Tree {
	trees := make(map[string]*parse.Tree)
	for name, page := range pages {
		for _, t := range page.Templates() {
			if t.Tree != nil {
				trees[name+"/"+t.Name()] = t.Tree
			}
		}
	}
	return trees
}

// Sample is a page as it is sent.
type Sample struct {
	Name   string
	Status int
	Header http.Header
	Body   string
}

// Samples renders every page in a language, in the look of an organisation, with text where a user, a client or an organisation can put
// theirs.
func Samples(tag, text string) ([]Sample, error) {
	d := &Dialect{Issuer: "https://id.example"}
	org := &auth.Org{Slug: "acme", Name: "Acme " + text, LogoURL: "", Color: "#0b7a4b"}
	w := words{languageOf(tag, "")}
	day := time.Date(2026, 11, 21, 13, 20, 0, 0, time.UTC)
	client, person := "Meridian Planner"+text, "Jane Doe"+text
	ceremony := factor.Ceremony{Options: `{"publicKey":{"challenge":"AAAA"}}`, State: "a-state"}
	code, err := newBarcode("otpauth://totp/id.example:jane?algorithm=SHA1&digits=6&issuer=id.example&period=30&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
	if err != nil {
		return nil, err
	}
	consent := consentPage{
		Client: client, Name: person, Destination: "https://planner.example", Scopes: (&view{words: w}).scopes([]string{"openid", "profile", "email", "offline_access", "reports:read" + text}),
		Profile: (&view{words: w}).profile(&claims.Profile{Name: person, Email: "jane.doe@example.com", Zoneinfo: "Europe/Berlin", Address: claims.Address{StreetAddress: "1 Main Street", Locality: "Springfield"}}),
		Claims:  claimsOf([]authorize.Claim{{Key: "ContractNumber", Value: `"4711-` + text + `"`}, {Key: "user-theme", Value: `{"dark":true,"accent":"teal"}`}}),
	}
	device := consent
	device.UserCode, device.Destination = "BCDF-GHJK", ""
	full := accountPage{
		Name: person, Organisation: org.Name, Username: "jane", Fresh: true, Protected: true, TOTP: &factor.TOTP{CreatedAt: day}, Codes: 8, CodesLeft: "8", Ceremony: ceremony,
		Passkeys: []passkey{{"AAAA", "Work laptop" + text, day, day.AddDate(0, 0, 3)}, {"BBBB", "Phone", day, time.Time{}}},
		Sessions: []browserSession{
			{"one", w.agent("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36"), "192.0.2.17", day, day.Add(time.Hour), true},
			{"two", w.agent("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"), "2001:db8::17", day, day, false},
		},
		Applications: []application{{"planner", client, "acme", org.Name, (&view{words: w}).scopes([]string{"openid", "email"}), day}, {"old", "Old Planner", "default", "", nil, day}},
	}
	plain := accountPage{Name: person, Username: "jane", PasskeysOff: true, Sessions: full.Sessions[:1]}
	parameters := []authorize.Parameter{{Name: "code", Value: "cs_ac_" + text}, {Name: "state", Value: text}, {Name: "iss", Value: "https://id.example"}}
	fault := w.T("fault.credentials")
	samples := []struct {
		name, page string
		status     int
		view       view
	}{
		{"signin", "signin", 200, view{Data: signInPage{Client: client, Ceremony: ceremony}}},
		{"signin_fault", "signin", 400, view{Fault: fault, Data: signInPage{Client: client, Username: "jane" + text, Ceremony: ceremony}}},
		{"signin_account", "signin", 200, view{Data: signInPage{Page: "account"}}},
		{"signin_device", "signin", 200, view{Data: signInPage{Page: "device"}}},
		{"factor", "factor", 200, view{Data: factorPage{TOTP: true, Codes: true}}},
		{"factor_passkey", "factor", 400, view{Fault: w.T("fault.passkey"), Data: factorPage{Codes: true, Ceremony: ceremony}}},
		{"account_choice", "account_choice", 200, view{Data: choicePage{Client: client, Name: person}}},
		{"organisation", "organisation", 200, view{Data: choicePage{Client: client, Organisations: []organisation{{"acme", "Acme" + text}, {"default", "Claimsmith"}}}}},
		{"consent", "consent", 200, view{Data: consent}},
		{"device_confirm", "consent", 200, view{Data: device}},
		{"new_password", "new_password", 400, view{Fault: w.T("fault.password.new"), Data: signInPage{Client: client, Username: "jane"}}},
		{"device", "device", 400, view{Fault: w.T("fault.user_code"), Data: devicePage{UserCode: "BCDF-GHJX" + text}}},
		{"device_approved", "device_done", 200, view{Data: devicePage{Approved: true}}},
		{"device_denied", "device_done", 200, view{Data: devicePage{}}},
		{"logout", "logout", 200, view{Data: logoutPage{Parameters: parameters}}},
		{"signed_out", "signed_out", 200, view{}},
		{"post", "post", 200, view{Data: postPage{Client: client, RedirectURI: "https://planner.example/cb", Parameters: parameters}}},
		{"account", "account", 200, view{Wide: true, Done: w.T("done.passkey"), Data: full}},
		{"account_plain", "account", 200, view{Wide: true, Data: plain}},
		{"totp", "totp", 200, view{Data: totpPage{Secret: grouped("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"), State: "a-state", Barcode: code}}},
		{"totp_again", "totp", 400, view{Fault: w.T("fault.code"), Data: totpPage{Secret: grouped("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"), State: "a-state", Barcode: code}}},
		{"recovery", "recovery", 200, view{Done: w.T("done.totp"), Data: recoveryPage{[]string{
			"4kq9-x2mf-7h3t-bn8w", "0v5z-cd6r-ypj1-gs4e", "9a2k-m7xq-3wfh-t8nb", "zc5v-6rdp-1jyg-4es0", "k4q9-2xmf-h73t-8bnw",
		}}}},
		{"error", "error", 400, view{Data: errorPage{w.T("error.client.title"), w.T("error.client.text"), "no such client" + text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}}},
	}
	var rendered []Sample
	for _, s := range samples {
		v := s.view
		v.words, v.Look, v.dialect, v.Flow, v.Token, v.destination = w, lookOf(org), d, "a-flow", "a-token", "https://planner.example/cb"
		recorder := httptest.NewRecorder()
		c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", http.NoBody), recorder)
		if err := respond(c, s.status, s.page, &v); err != nil {
			return nil, err
		}
		rendered = append(rendered, Sample{s.name, recorder.Code, recorder.Header(), recorder.Body.String()})
	}
	return rendered, nil
}

// Catalogue reads a file of texts as it is, to find keys twice.
func Catalogue(tag string) (string, error) {
	text, err := messageFiles.ReadFile("messages/" + tag + ".json")
	return string(text), err
}
