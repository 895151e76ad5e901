package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
)

// Category is one of a mentor's. Slugs are unique for the mentor; the five default ones are always there.
type Category struct {
	ID                                        uint64
	Name, Slug, Description, ExtractionPrompt string
	Active                                    bool
}

// defaults are what every mentor has. Their ids are their places, from 1, for every mentor the same; nothing of them is stored until an
// operator changes one, and then its record is known by the slug, which stays.
var defaults = []Category{
	{ID: 1, Slug: "knowledge_gaps", Name: "Knowledge Gaps", Description: "What the person has difficulties with.", Active: true},
	{ID: 2, Slug: "learning_goals", Name: "Learning Goals", Description: "What the person wants to learn or achieve.", Active: true},
	{ID: 3, Slug: "preferences", Name: "Preferences", Description: "How the person likes to learn.", Active: true},
	{ID: 4, Slug: "progress_milestones", Name: "Progress Milestones", Description: "What the person has completed.", Active: true},
	{ID: 5, Slug: "personal_context", Name: "Personal Context", Description: "What else the person has told that helps.", Active: true},
}

// firstStored is what the number of a record is added to for the id of its category, so that none has a default one's: numbers begin at 1.
const firstStored = 100

type categoryBody struct {
	Mentor           string `json:"mentor"`
	Name             string `json:"name"`
	Slug             string `json:"slug"`
	Description      string `json:"description"`
	ExtractionPrompt string `json:"extraction_prompt"`
	Active           bool   `json:"active"`
}

func (b *categoryBody) recordName() string { return namesOf(b.Mentor) + b.Slug }

// namesOf is what the names of the records of a mentor's categories begin with.
func namesOf(mentor string) string { return mentor + ":" } // no mentor has a colon

func bodyOf(mentor string, c *Category) *categoryBody {
	return &categoryBody{mentor, c.Name, c.Slug, c.Description, c.ExtractionPrompt, c.Active}
}

func defaultOf(slug string) (Category, bool) {
	n := slices.IndexFunc(defaults, func(c Category) bool { return c.Slug == slug })
	if n < 0 {
		return Category{}, false
	}
	return defaults[n], true
}

// known is a category with its record, which is zero for a default one that nobody has changed.
type known struct {
	Category
	record records.Record
}

func inOrg(org string) records.Collection { return records.Collection{Org: org, Kind: kindCategory} }

// categories are a mentor's, by id.
func (s *Service) categories(ctx context.Context, org, mentor string) ([]known, error) {
	ofAll, err := s.Store.Records(ctx, inOrg(org))
	if err != nil {
		return nil, err
	}
	return categoriesOf(mentor, ofAll)
}

// categoriesOf are a mentor's among the records of all mentors.
func categoriesOf(mentor string, ofAll []records.Record) ([]known, error) {
	var its []records.Record
	for _, r := range ofAll {
		if strings.HasPrefix(r.Name, namesOf(mentor)) {
			its = append(its, r)
		}
	}
	list, err := decode[categoryBody](its)
	if err != nil {
		return nil, err
	}
	all := make([]known, len(defaults))
	for n, c := range defaults {
		all[n].Category = c
	}
	for _, r := range list {
		b := &r.body
		c := Category{firstStored + r.ID, b.Name, b.Slug, b.Description, b.ExtractionPrompt, b.Active}
		if d, ok := defaultOf(b.Slug); ok {
			c.ID = d.ID
			all[d.ID-1] = known{c, r.Record}
		} else {
			all = append(all, known{c, r.Record})
		}
	}
	return all, nil
}

// Categories lists a mentor's by id, for every member of the organisation.
func (s *Service) Categories(ctx context.Context, caller *auth.Caller, org, mentor string) ([]Category, error) {
	if err := s.seesOrg(ctx, caller, org); err != nil {
		return nil, err
	}
	if err := checkMentor(mentor); err != nil {
		return nil, err
	}
	all, err := s.categories(ctx, org, mentor)
	if err != nil {
		return nil, err
	}
	list := make([]Category, len(all))
	for n := range all {
		list[n] = all[n].Category
	}
	return list, nil
}

// seesOrg is nil for whom an organisation is no secret, if it exists.
func (s *Service) seesOrg(ctx context.Context, caller *auth.Caller, org string) error {
	if _, member := caller.Self(org); !member && !caller.MayRead(org) {
		return errNone("organisation")
	}
	_, err := s.Users.Registry.Org(ctx, org)
	return err
}

// AddCategory adds one to a mentor: a Conflict with Field "slug" where the slug is taken, be it by an inactive one. Who may write in the
// organisation changes categories, and nobody deletes them: an inactive one takes no new memories.
func (s *Service) AddCategory(ctx context.Context, caller *auth.Caller, org, mentor string, c Category) (Category, error) {
	err := s.changeOrg(ctx, caller, org, mentor, "category.create", func() error {
		faults := Faults{}
		faults.slug(c.Slug)
		faults.category(&c)
		if err := faults.err(); err != nil {
			return err
		}
		if _, taken := defaultOf(c.Slug); taken {
			return errSlugTaken
		}
		body := bodyOf(mentor, &c)
		r, err := s.create(ctx, inOrg(org), body.recordName(), body, maxCategories)
		c.ID = firstStored + r.ID
		return slugTaken(err)
	})
	return c, err
}

var errSlugTaken = &auth.Error{Code: auth.Conflict, Field: "slug", Detail: "A category of this mentor with this slug already exists."}

func slugTaken(err error) error {
	err = orTooMuch(err, maxCategories, "categories")
	if auth.CodeOf(err) == auth.Conflict {
		return errSlugTaken
	}
	return err
}

func (f Faults) category(c *Category) {
	f.text("name", c.Name, maxName)
	f.prose("description", c.Description, maxPrompt)
	f.prose("extraction_prompt", c.ExtractionPrompt, maxPrompt)
}

// changeOrg makes a change of what is the organisation's and records it.
func (s *Service) changeOrg(ctx context.Context, caller *auth.Caller, org, mentor, action string, do func() error) error {
	about, err := "", s.seesOrg(ctx, caller, org)
	if err == nil && !caller.MayWrite(org) {
		err = &auth.Error{Code: auth.AccessDenied, Detail: "only an operator changes categories"}
	}
	if err == nil {
		about, err = mentor, checkMentor(mentor)
	}
	if err == nil {
		err = do()
	}
	s.record(ctx, caller, action, org, "mentor", about, err)
	return err
}

// CategoryChange changes what is not nil. The slug of a default category stays what it is.
type CategoryChange struct {
	Name, Slug, Description, ExtractionPrompt *string
	Active                                    *bool
}

// ChangeCategory changes one: see AddCategory. NotFound for an id that is none of the mentor's.
func (s *Service) ChangeCategory(
	ctx context.Context, caller *auth.Caller, org, mentor string, id uint64, change CategoryChange,
) (c Category, err error) {
	err = s.changeOrg(ctx, caller, org, mentor, "category.update", func() error {
		return unlessOvertaken(func() error {
			all, err := s.categories(ctx, org, mentor)
			if err != nil {
				return err
			}
			n := slices.IndexFunc(all, func(k known) bool { return k.ID == id })
			if n < 0 {
				return errNone("category")
			}
			if c, err = change.of(all[n].Category); err != nil {
				return err
			}
			return s.putCategory(ctx, org, mentor, &c, all[n].record)
		})
	})
	return c, err
}

// of is a category after the change.
func (c *CategoryChange) of(now Category) (Category, error) {
	faults := Faults{}
	if c.Slug != nil && *c.Slug != now.Slug {
		faults.slug(*c.Slug)
		if now.ID < firstStored {
			faults.add("slug", "The slug of a default category cannot be changed.")
		}
		if _, taken := defaultOf(*c.Slug); taken && len(faults) == 0 {
			return Category{}, errSlugTaken
		}
		now.Slug = *c.Slug
	}
	now.Name = *cmp.Or(c.Name, &now.Name)
	now.Description = *cmp.Or(c.Description, &now.Description)
	now.ExtractionPrompt = *cmp.Or(c.ExtractionPrompt, &now.ExtractionPrompt)
	now.Active = *cmp.Or(c.Active, &now.Active)
	faults.category(&now)
	return now, faults.err()
}

// putCategory stores a category over its record, the first one of a default one included.
func (s *Service) putCategory(ctx context.Context, org, mentor string, c *Category, r records.Record) error {
	body := bodyOf(mentor, c)
	if r.ID == 0 {
		_, err := s.create(ctx, inOrg(org), body.recordName(), body, maxCategories)
		err = orTooMuch(err, maxCategories, "categories")
		if auth.CodeOf(err) == auth.Conflict {
			return overtaken(err)
		}
		return err
	}
	r.Name = body.recordName()
	_, err := s.update(ctx, inOrg(org), r, body)
	return slugTaken(err)
}
