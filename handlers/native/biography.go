package native

import "github.com/claimsmith/claimsmith/auth"

// biographyBody is what a user says about himself, as import takes and export gives it: all but the picture, which is a file.
type biographyBody struct {
	Title            string         `json:"title,omitempty"`
	Bio              string         `json:"bio,omitempty"`
	LevelOfEducation string         `json:"level_of_education,omitempty"`
	Goals            string         `json:"goals,omitempty"`
	Languages        []string       `json:"languages,omitempty"`
	Links            []linkBody     `json:"links,omitempty"`
	Extended         []extendedBody `json:"extended,omitempty"`
	Privacy          string         `json:"privacy,omitempty"`
	Shown            []string       `json:"shown,omitempty"`
}

type linkBody struct {
	Platform string `json:"platform"`
	URL      string `json:"url"`
}

type extendedBody struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// viewBiography is nil for a user who has said nothing.
func viewBiography(b *auth.Biography) *biographyBody {
	body := biographyBody{
		Title: b.Title, Bio: b.Bio, LevelOfEducation: b.LevelOfEducation, Goals: b.Goals, Languages: b.Languages, Privacy: b.Privacy,
		Shown: b.Shown,
	}
	for _, l := range b.Links {
		body.Links = append(body.Links, linkBody(l))
	}
	for _, f := range b.Extended {
		body.Extended = append(body.Extended, extendedBody(f))
	}
	said := body.Title + body.Bio + body.LevelOfEducation + body.Goals + body.Privacy
	if said == "" && len(body.Languages)+len(body.Links)+len(body.Extended)+len(body.Shown) == 0 {
		return nil
	}
	return &body
}

func (b biographyBody) biography() auth.Biography {
	biography := auth.Biography{
		Title: b.Title, Bio: b.Bio, LevelOfEducation: b.LevelOfEducation, Goals: b.Goals, Languages: b.Languages, Privacy: b.Privacy,
		Shown: b.Shown,
	}
	for _, l := range b.Links {
		biography.Links = append(biography.Links, auth.Link(l))
	}
	for _, f := range b.Extended {
		biography.Extended = append(biography.Extended, auth.ExtendedField(f))
	}
	return biography
}
