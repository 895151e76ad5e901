package console

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/handlers/console/page"
)

var sampleDay = time.Date(2026, 11, 21, 13, 20, 0, 0, time.UTC)

// profileSample is the page of somebody who has filled it in, with text wherever a person can put any.
func profileSample(w page.Words, d *Dialect, text string) *profilePage {
	account := profile.Account{User: auth.User{
		ID: "jane-id", Username: "jane", Email: "jane.doe@example.com", EmailVerified: true,
		Profile: claims.Profile{
			Name: "Jane Doe" + text, Birthdate: "1990-04-01", Gender: "female", PhoneNumber: "+43123456", Locale: "de-AT", Zoneinfo: "Europe/Vienna" + text,
			Address: claims.Address{Formatted: "1 Main Street\n" + text, Region: "Upper Austria" + text, Country: "AT"},
		},
		Biography: auth.Biography{
			Title: "Engineer" + text, Bio: "Builds bridges." + text, Goals: text, LevelOfEducation: "m", Languages: []string{"de", "en", text},
			Links:   []auth.Link{{Platform: "linkedin", URL: "https://www.linkedin.com/in/jane" + text}, {Platform: "twitter", URL: text}},
			Privacy: auth.PrivacyCustom, Shown: []string{"bio"},
		},
	}}
	data := profilePageOf(w, d.at, "a-token", &account)
	data.Fresh, data.Picture = true, d.Issuer+"/picture/AAAA/120.jpg"
	data.Asked, data.AskedUntil, data.Elsewhere = "new@example.com"+text, sampleDay, "https://elsewhere.example/"+text
	return data
}

// refusedProfile is the page after something was wrong with every form.
func refusedProfile(w page.Words, d *Dialect, text string) *profilePage {
	data := profileSample(w, d, text)
	for _, f := range []*form{&data.About, &data.Details, &data.Links, &data.Privacy, &data.Change, &data.Upload} {
		f.Fault = "refused" + text
		for n := range f.Fields {
			f.Fields[n].Fault = "wrong" + text
		}
	}
	return data
}

func careerSample(w page.Words, d *Dialect, text string) *careerPage {
	quoted := func(s string) jsontext.Value { return textJSON(s+text, false) }
	school := career.Item{ID: 1, Members: map[string]jsontext.Value{"name": quoted("Technical University"), "website": quoted("https://tu.example/")}}
	company := career.Item{ID: 2, Members: map[string]jsontext.Value{"name": quoted("Bridges Ltd"), "established_year": jsontext.Value("1901")}}
	data := careerPageOf(w, d.at, "a-token", map[career.Kind][]career.Item{
		career.Institutions: {school}, career.Companies: {company},
		career.Education: {{ID: 3, Of: &school, Members: map[string]jsontext.Value{
			"degree": quoted("MSc"), "field_of_study": quoted("Physics"), "start_date": jsontext.Value(`"2010-09-01"`), "end_date": jsontext.Value(`"2015-06-30"`),
			"description": quoted("Two\nlines"), "grade": jsontext.Value("null"),
		}}, {ID: 5, Of: &school, Members: map[string]jsontext.Value{"start_date": jsontext.Value(`"2008-09-01"`)}}},
		career.Experience: {{ID: 4, Of: &company, Members: map[string]jsontext.Value{
			"title": quoted("Engineer"), "employment_type": quoted("Secondment"), "start_date": jsontext.Value(`"2016-01-01"`), "is_current": jsontext.Value("true"),
		}}},
	}, &career.Resume{
		Files: []career.ResumeFile{
			{ID: "AAAA", Name: "cv.pdf" + text, Type: "resume", MediaType: "application/pdf", Size: 120_000, AddedAt: sampleDay},
			{ID: "BBBB", Name: "certificate.png", Type: "certificate", MediaType: "image/png", Size: 3 << 20, AddedAt: sampleDay},
		},
		Links: []string{"https://jane.example/" + text},
	})
	if text != "" {
		data.Lists[0].Items[0].Open, data.Lists[0].Open = true, true
		data.Lists[0].Add.blame("institution", "wrong"+text)
		data.Lists[0].Items[0].Edit.blame("", "refused"+text)
	}
	return data
}

func memorySample(w page.Words, d *Dialect, text string) *memoryPage {
	return memoryPageOf(w, d.at, "a-token", memory.Flags{Learn: true}, map[string]bool{memory.KeyUse: true}, []memory.Memory{
		{ID: 1, Mentor: "maths" + text, Category: memory.Category{Slug: "learning_goals", Name: "Learning Goals"}, Content: "Wants to pass the exam." + text, CreatedAt: sampleDay},
		{ID: 2, Mentor: "maths" + text, Category: memory.Category{Slug: "own" + text, Name: "Own" + text}, Content: "Likes examples.", CreatedAt: sampleDay},
		{ID: 1, Content: "Prefers short answers." + text, CreatedAt: sampleDay},
	}, []memory.Fact{{Tag: "editor" + text, Detail: "vim" + text}})
}
