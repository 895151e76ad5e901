package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/metadata"
)

// memoryPage is the data of the page of what assistants remember of a person.
type memoryPage struct {
	Here, Token string
	Flags       form
	Memories    []shownMemory
	Facts       []memory.Fact
	Add, Fact   form
	Mentors     []string // that there are memories of
}

// shownMemory is one thing that is remembered; Mentor is "" for what every assistant knows.
type shownMemory struct{ ID, Mentor, Content, About string }

// memoryCategories are those every assistant has.
var memoryCategories = []string{"knowledge_gaps", "learning_goals", "preferences", "progress_milestones", "personal_context"}

func showMemory(v *visit, done string) error {
	data, err := v.memory()
	if err != nil {
		return err
	}
	return v.showOwn(http.StatusOK, "profilememory", data, "", done)
}

// memory reads the page's data.
func (v *visit) memory() (*memoryPage, error) {
	ctx, org := v.Request().Context(), v.caller().HomeOrg()
	flags, err := v.Memory.Flags(ctx, v.caller(), org, "me")
	if err != nil {
		return nil, err
	}
	own, err := v.Memory.Memories(ctx, v.caller(), org, "me", memory.Filter{})
	if err != nil {
		return nil, err
	}
	global, err := v.Memory.Globals(ctx, v.caller(), org, "me", memory.Filter{})
	if err != nil {
		return nil, err
	}
	facts, err := v.Memory.Facts(ctx, v.caller(), org, "me")
	if err != nil {
		return nil, err
	}
	claims := map[string]bool{}
	for _, key := range []string{memory.KeyLearn, memory.KeyUse} {
		if claims[key], err = v.isClaim(ctx, key); err != nil {
			return nil, err
		}
	}
	return memoryPageOf(v.words(), v.at, v.Sessions.Token(v.session), flags, claims, slices.Concat(own, global), facts), nil
}

// isClaim reports whether services see an entry of the user, or would if there was one.
func (v *visit) isClaim(ctx context.Context, key string) (bool, error) {
	e, err := v.Metadata.GetEntry(ctx, v.caller(), mine, key)
	if err == nil {
		return e.ProfileClaim, nil
	}
	if !notForHim(err) {
		return false, err
	}
	d, err := v.Metadata.Definition(ctx, v.caller(), "", key)
	if notForHim(err) {
		return false, nil
	}
	return claimed(&d), err
}

// notForHim reports whether something is not there, or not for the user to see.
func notForHim(err error) bool {
	refused, ok := errors.AsType[*metadata.Error](err)
	return ok && (refused.Code == metadata.NotFound || refused.Code == metadata.Forbidden)
}

// memoryPageOf is what the page shows. at makes addresses.
func memoryPageOf(
	w page.Words, at func(string) string, token string, flags memory.Flags, claims map[string]bool, memories []memory.Memory,
	facts []memory.Fact,
) *memoryPage {
	seen := func(key string) string {
		if claims[key] {
			return w.T("preferences.claim")
		}
		return w.T("preferences.private")
	}
	data := &memoryPage{Here: "memory", Token: token, Facts: facts}
	ofPage := func(id, submit string, fields ...formField) form {
		f := form{ID: id, Action: at(pathMemory + "/" + id), Token: token, Submit: submit, Fields: fields}
		for n := range f.Fields {
			f.Fields[n].ID = id + "-" + f.Fields[n].Name
		}
		return f
	}
	data.Flags = ofPage("flags", w.T("me.save"),
		formField{
			Name: memory.KeyLearn, Label: w.T("memory.learn"), Hint: seen(memory.KeyLearn), Kind: fieldTick,
			Value: strconv.FormatBool(flags.Learn), Was: strconv.FormatBool(flags.Learn), Compared: true,
		},
		formField{
			Name: memory.KeyUse, Label: w.T("memory.use"), Hint: seen(memory.KeyUse), Kind: fieldTick,
			Value: strconv.FormatBool(flags.Use), Was: strconv.FormatBool(flags.Use), Compared: true,
		},
	)
	var categories []page.Choice
	for _, slug := range memoryCategories {
		categories = append(categories, page.Choice{Value: slug, Text: w.T("memory.category." + slug)})
	}
	for n := range memories {
		m := &memories[n]
		about := []string{w.Day(m.CreatedAt)}
		if m.Mentor == "" {
			about = append([]string{w.T("memory.global")}, about...)
		} else {
			category := page.Choice{Value: m.Category.Slug, Text: m.Category.Name}
			if i := slices.IndexFunc(categories, func(c page.Choice) bool { return c.Value == m.Category.Slug }); i >= 0 {
				category = categories[i]
			} else {
				categories = append(categories, category)
			}
			about = append([]string{m.Mentor, category.Text}, about...)
			if !slices.Contains(data.Mentors, m.Mentor) {
				data.Mentors = append(data.Mentors, m.Mentor)
			}
		}
		data.Memories = append(data.Memories, shownMemory{
			ID: strconv.FormatUint(m.ID, 10), Mentor: m.Mentor, Content: m.Content, About: strings.Join(about, " · "),
		})
	}
	data.Add = ofPage("add", w.T("memory.add.submit"),
		formField{Name: "content", Label: w.T("memory.content"), Kind: fieldLines},
		formField{Name: "mentor", Label: w.T("memory.mentor"), Hint: w.T("memory.mentor.hint"), Suggestions: "mentors"},
		formField{
			Name: "category_slug", Label: w.T("memory.category"), Hint: w.T("memory.category.hint"), Kind: fieldChoice, Choices: categories,
			Value: "personal_context",
		},
	)
	data.Fact = ofPage("fact", w.T("memory.fact.submit"),
		formField{Name: "tag", Label: w.T("memory.tag"), Hint: w.T("memory.tag.hint"), Required: true},
		formField{Name: "detail", Label: w.T("memory.detail"), Required: true},
	)
	return data
}

// saveMemory makes a change that a form of the page asks for, or says in the form why it was refused.
func saveMemory(done string, of func(*memoryPage) *form, save func(v *visit, ctx context.Context, org string, f *form) error) handler {
	return func(v *visit) error {
		data, err := v.memory()
		if err != nil {
			return err
		}
		f := of(data)
		f.read(v.form)
		err = save(v, v.Request().Context(), v.caller().HomeOrg(), f)
		faults, refused := errors.AsType[memory.Faults](err)
		ruled, isRule := errors.AsType[*metadata.Error](err)
		w := v.words()
		switch {
		case err == nil:
			return v.notify(pathMemory, done)
		case refused:
			for member, said := range faults {
				f.blame(member, faultIn(w, member, strings.Join(said, " ")))
			}
		case isRule && ruled.Code == metadata.Forbidden:
			f.Fault = w.T("wrong.ruled")
		case isRule && ruled.Code != metadata.Unavailable:
			f.Fault = ruled.Detail
		case auth.CodeOf(err) == auth.Conflict:
			f.Fault = w.T("wrong.many")
		case w.Fault(err) != "":
			f.Fault = w.Fault(err)
		default:
			return err
		}
		return v.showOwn(page.FaultStatus(v, statusOf(err)), "profilememory", data, w.T("preferences.refused"), "")
	}
}

var saveFlags = saveMemory("memory_flags", func(p *memoryPage) *form { return &p.Flags },
	func(v *visit, ctx context.Context, org string, f *form) error {
		var learn, use *bool
		for n := range f.Fields {
			if field := &f.Fields[n]; field.Value != field.Was {
				on := field.Ticked()
				if field.Name == memory.KeyLearn {
					learn = &on
				} else {
					use = &on
				}
			}
		}
		if learn == nil && use == nil {
			return nil
		}
		_, err := v.Memory.SetFlags(ctx, v.caller(), org, "me", learn, use)
		return err
	})

var addMemory = saveMemory("memory", func(p *memoryPage) *form { return &p.Add },
	func(v *visit, ctx context.Context, org string, f *form) error {
		content, mentor := strings.TrimSpace(f.Fields[0].Value), strings.TrimSpace(f.Fields[1].Value)
		if mentor == "" {
			_, err := v.Memory.AddGlobal(ctx, v.caller(), org, "me", "", content)
			return err
		}
		_, err := v.Memory.Add(ctx, v.caller(), org, "me", mentor, f.Fields[2].Value, content)
		return err
	})

var setFact = saveMemory("memory", func(p *memoryPage) *form { return &p.Fact },
	func(v *visit, ctx context.Context, org string, f *form) error {
		tag, detail := strings.TrimSpace(f.Fields[0].Value), strings.TrimSpace(f.Fields[1].Value)
		return v.Memory.SetFact(ctx, v.caller(), org, "me", memory.Fact{Tag: tag, Detail: detail})
	})

func forgetMemory(v *visit) error {
	ctx, org, mentor := v.Request().Context(), v.caller().HomeOrg(), v.form.Get("mentor")
	id, err := strconv.ParseUint(v.form.Get("id"), 10, 64)
	switch {
	case err != nil:
		err = &auth.Error{Code: auth.NotFound}
	case mentor == "":
		err = v.Memory.ForgetGlobal(ctx, v.caller(), org, "me", id)
	default:
		err = v.Memory.Forget(ctx, v.caller(), org, "me", mentor, id)
	}
	return v.forgotten(err)
}

func forgetFact(v *visit) error {
	return v.forgotten(v.Memory.ForgetFact(v.Request().Context(), v.caller(), v.caller().HomeOrg(), "me", v.form.Get("tag")))
}

// forgotten goes back to the page. What is gone already is what was wanted.
func (v *visit) forgotten(err error) error {
	if err != nil && auth.CodeOf(err) != auth.NotFound {
		return err
	}
	return v.notify(pathMemory, "memory_removed")
}
