package console

import (
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/handlers/console/page"
)

// What the tests know of the inside.
var (
	AssetNames   = page.AssetNames
	Scopes       = knownScopes
	MessageFiles = messageFiles
	Pages        = pages
)

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
	w := catalogues.For(tag, "")
	day := time.Date(2026, 11, 21, 13, 20, 0, 0, time.UTC)
	client, person := "Meridian Planner"+text, "Jane Doe"+text
	ceremony := factor.Ceremony{Options: `{"publicKey":{"challenge":"AAAA"}}`, State: "a-state"}
	code, err := newBarcode("otpauth://totp/id.example:jane?algorithm=SHA1&digits=6&issuer=id.example&period=30&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
	if err != nil {
		return nil, err
	}
	consent := consentPage{
		Client: client, Name: person, Destination: "https://planner.example", Scopes: scopesIn(w, []string{"openid", "profile", "email", "offline_access", "reports:read" + text}),
		Profile: profileIn(w, &claims.Profile{Name: person, Email: "jane.doe@example.com", Zoneinfo: "Europe/Berlin", Address: claims.Address{StreetAddress: "1 Main Street", Locality: "Springfield"}}),
		Claims:  claimsOf([]authorize.Claim{{Key: "ContractNumber", Value: `"4711-` + text + `"`}, {Key: "user-theme", Value: `{"dark":true,"accent":"teal"}`}}),
	}
	device := consent
	device.UserCode, device.Destination = "BCDF-GHJK", ""
	full := accountPage{
		Name: person, Organisation: org.Name, Username: "jane", Fresh: true, Protected: true, TOTP: &factor.TOTP{CreatedAt: day}, Codes: 8, CodesLeft: "8", Ceremony: ceremony,
		Passkeys: []passkey{{"AAAA", "Work laptop" + text, day, day.AddDate(0, 0, 3)}, {"BBBB", "Phone", day, time.Time{}}},
		Sessions: []browserSession{
			{"one", w.Agent("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36"), "192.0.2.17", day, day.Add(time.Hour), true},
			{"two", w.Agent("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"), "2001:db8::17", day, day, false},
		},
		Applications: []application{{"planner", client, "acme", org.Name, scopesIn(w, []string{"openid", "email"}), day}, {"old", "Old Planner", "default", "", nil, day}},
	}
	plain := accountPage{Name: person, Username: "jane", PasskeysOff: true, Sessions: full.Sessions[:1]}
	parameters := []authorize.Parameter{{Name: "code", Value: "cs_ac_" + text}, {Name: "state", Value: text}, {Name: "iss", Value: "https://id.example"}}
	fault := w.T("fault.credentials")
	samples := []struct {
		name, page string
		status     int
		view       page.View
	}{
		{"signin", "signin", 200, page.View{Data: signInPage{Client: client, Ceremony: ceremony}}},
		{"signin_fault", "signin", 400, page.View{Fault: fault, Data: signInPage{Client: client, Username: "jane" + text, Ceremony: ceremony}}},
		{"signin_account", "signin", 200, page.View{Data: signInPage{Page: "account"}}},
		{"signin_device", "signin", 200, page.View{Data: signInPage{Page: "device"}}},
		{"factor", "factor", 200, page.View{Data: factorPage{TOTP: true, Codes: true}}},
		{"factor_passkey", "factor", 400, page.View{Fault: w.T("fault.passkey"), Data: factorPage{Codes: true, Ceremony: ceremony}}},
		{"account_choice", "account_choice", 200, page.View{Data: choicePage{Client: client, Name: person}}},
		{"organisation", "organisation", 200, page.View{Data: choicePage{Client: client, Organisations: []organisation{{"acme", "Acme" + text}, {"default", "Claimsmith"}}}}},
		{"consent", "consent", 200, page.View{Data: consent}},
		{"device_confirm", "consent", 200, page.View{Data: device}},
		{"new_password", "new_password", 400, page.View{Fault: w.T("fault.password.new"), Data: signInPage{Client: client, Username: "jane"}}},
		{"device", "device", 400, page.View{Fault: w.T("fault.user_code"), Data: devicePage{UserCode: "BCDF-GHJX" + text}}},
		{"device_approved", "device_done", 200, page.View{Data: devicePage{Approved: true}}},
		{"device_denied", "device_done", 200, page.View{Data: devicePage{}}},
		{"logout", "logout", 200, page.View{Data: logoutPage{Parameters: parameters}}},
		{"signed_out", "signed_out", 200, page.View{}},
		{"email", "email", 200, page.View{Data: emailPage{"cs_em_" + text, "jane@example.com" + text, person, emailAsked}}},
		{"email_confirmed", "email", 200, page.View{Data: emailPage{State: emailConfirmed}}},
		{"email_taken", "email", 409, page.View{Data: emailPage{State: emailTaken}}},
		{"email_dead", "email", 400, page.View{Data: emailPage{State: emailDead}}},
		{"post", "post", 200, page.View{Data: postPage{Client: client, RedirectURI: "https://planner.example/cb", Parameters: parameters}}},
		{"account", "account", 200, page.View{Wide: true, Done: w.T("done.passkey"), Data: full}},
		{"account_plain", "account", 200, page.View{Wide: true, Data: plain}},
		{"profile", "profile", 200, page.View{Wide: true, Done: w.T("done.picture"), Data: profileSample(w, d, text)}},
		{"profile_refused", "profile", 400, page.View{Wide: true, Fault: w.T("preferences.refused"), Data: refusedProfile(w, d, text)}},
		{"profile_empty", "profile", 200, page.View{Wide: true, Data: profilePageOf(w, d.at, "a-token", &profile.Account{ParentalConsent: true})}},
		{"career", "profilecareer", 200, page.View{Wide: true, Data: careerSample(w, d, text)}},
		{"career_empty", "profilecareer", 200, page.View{Wide: true, Data: careerPageOf(w, d.at, "a-token", nil, &career.Resume{})}},
		{"memory", "profilememory", 200, page.View{Wide: true, Data: memorySample(w, d, text)}},
		{"memory_empty", "profilememory", 200, page.View{Wide: true, Data: memoryPageOf(w, d.at, "a-token", memory.Flags{}, nil, nil, nil)}},
		{"totp", "totp", 200, page.View{Data: totpPage{Secret: grouped("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"), State: "a-state", Barcode: code}}},
		{"totp_again", "totp", 400, page.View{Fault: w.T("fault.code"), Data: totpPage{Secret: grouped("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"), State: "a-state", Barcode: code}}},
		{"recovery", "recovery", 200, page.View{Done: w.T("done.totp"), Data: recoveryPage{[]string{
			"4kq9-x2mf-7h3t-bn8w", "0v5z-cd6r-ypj1-gs4e", "9a2k-m7xq-3wfh-t8nb", "zc5v-6rdp-1jyg-4es0", "k4q9-2xmf-h73t-8bnw",
		}}}},
	}
	var rendered []Sample
	for _, s := range samples {
		v := s.view
		v.Words, v.Look, v.Site, v.Flow, v.Token, v.Destination = w, page.LookOf(org), d.site(), "a-flow", "a-token", "https://planner.example/cb"
		recorder := httptest.NewRecorder()
		c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", http.NoBody), recorder)
		if err := pages.Respond(c, s.status, s.page, &v); err != nil {
			return nil, err
		}
		rendered = append(rendered, Sample{s.name, recorder.Code, recorder.Header(), recorder.Body.String()})
	}
	return rendered, nil
}

// ChoicesIn are the languages and countries to choose from in a language.
func ChoicesIn(tag string) (languages, countries []page.Choice) {
	w := catalogues.For(tag, "")
	return languageChoices(w), countryChoices(w)
}
