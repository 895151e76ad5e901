package iblai

import (
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/handlers/request"
)

type categoryBody struct {
	Name             request.Maybe[string]     `json:"name"`
	Slug             request.Maybe[string]     `json:"slug"`
	Description      request.Maybe[string]     `json:"description"`
	ExtractionPrompt request.Maybe[string]     `json:"extraction_prompt"`
	Active           request.Maybe[bool]       `json:"is_active"`
	Others           map[string]jsontext.Value `json:",embed"`
}

type category struct {
	ID               uint64 `json:"id"`
	Name             string `json:"name"`
	Slug             string `json:"slug"`
	Description      string `json:"description"`
	ExtractionPrompt string `json:"extraction_prompt"`
	Active           bool   `json:"is_active"`
}

func viewCategory(c *memory.Category) category {
	return category{c.ID, c.Name, c.Slug, c.Description, c.ExtractionPrompt, c.Active}
}

func (d *Dialect) listCategories(r *remembering) error {
	all, err := d.Memory.Categories(r.ctx(), r.caller, r.org, r.mentor)
	if err != nil {
		return err
	}
	shown := results[category]{len(all), make([]category, len(all))}
	for n := range all {
		shown.Results[n] = viewCategory(&all[n])
	}
	return respond(r, http.StatusOK, shown)
}

func (d *Dialect) addCategory(r *remembering) error {
	body, err := decodeUpTo[categoryBody](r.Request(), maxMemoryBody)
	if err != nil {
		return err
	}
	if err := required(map[string]*request.Maybe[string]{"name": &body.Name, "slug": &body.Slug}); err != nil {
		return err
	}
	c, err := d.Memory.AddCategory(r.ctx(), r.caller, r.org, r.mentor, memory.Category{
		Name: body.Name.Value, Slug: body.Slug.Value, Description: body.Description.Value, ExtractionPrompt: body.ExtractionPrompt.Value,
		Active: body.Active.Value || !body.Active.Given,
	})
	if err != nil {
		return err
	}
	return respond(r, http.StatusCreated, viewCategory(&c))
}

func (d *Dialect) changeCategory(r *remembering) error {
	body, err := decodeUpTo[categoryBody](r.Request(), maxMemoryBody)
	if err != nil {
		return err
	}
	c, err := d.Memory.ChangeCategory(r.ctx(), r.caller, r.org, r.mentor, r.id, memory.CategoryChange{
		Name: orNil(body.Name), Slug: orNil(body.Slug), Description: orNil(body.Description),
		ExtractionPrompt: orNil(body.ExtractionPrompt), Active: orNil(body.Active),
	})
	if err != nil {
		return err
	}
	return respond(r, http.StatusOK, viewCategory(&c))
}

func (d *Dialect) deactivateCategory(r *remembering) error {
	inactive := memory.CategoryChange{Active: new(bool)}
	if _, err := d.Memory.ChangeCategory(r.ctx(), r.caller, r.org, r.mentor, r.id, inactive); err != nil {
		return err
	}
	return r.NoContent(http.StatusNoContent)
}

type flagsBody struct {
	Learn  request.Maybe[bool]       `json:"auto_capture_enabled"`
	Use    request.Maybe[bool]       `json:"use_memory_in_responses"`
	Others map[string]jsontext.Value `json:",embed"`
}

type flags struct {
	Learn     bool   `json:"auto_capture_enabled"`
	Use       bool   `json:"use_memory_in_responses"`
	UpdatedAt string `json:"updated_at"`
}

func (d *Dialect) flags(r *remembering) error {
	f, err := d.Memory.Flags(r.ctx(), r.caller, r.org, r.user)
	if err != nil {
		return err
	}
	return respond(r, http.StatusOK, flags{f.Learn, f.Use, inUTC(f.UpdatedAt)})
}

func (d *Dialect) setFlags(r *remembering) error {
	body, err := decodeUpTo[flagsBody](r.Request(), maxMemoryBody)
	if err != nil {
		return err
	}
	f, err := d.Memory.SetFlags(r.ctx(), r.caller, r.org, r.user, orNil(body.Learn), orNil(body.Use))
	if err != nil {
		return err
	}
	return respond(r, http.StatusOK, flags{f.Learn, f.Use, inUTC(f.UpdatedAt)})
}

// factBody is {"tag": …, "detail": …}, or one member that is named by the tag.
type factBody struct {
	Tag    request.Maybe[string]     `json:"tag"`
	Detail request.Maybe[string]     `json:"detail"`
	Others map[string]jsontext.Value `json:",embed"`
}

func (b *factBody) fact() (memory.Fact, error) {
	if !b.Tag.Given && !b.Detail.Given && len(b.Others) == 1 {
		for tag, detail := range b.Others {
			f := memory.Fact{Tag: tag}
			if detail.Kind() != '"' || json.Unmarshal(detail, &f.Detail) != nil {
				return f, memory.Faults{tag: {"Not a valid string."}}
			}
			return f, nil
		}
	}
	return memory.Fact{Tag: b.Tag.Value, Detail: b.Detail.Value},
		required(map[string]*request.Maybe[string]{"tag": &b.Tag, "detail": &b.Detail})
}

type fact struct {
	Tag    string `json:"tag"`
	Detail string `json:"detail"`
}

func (d *Dialect) listFacts(r *remembering) error {
	all, err := d.Memory.Facts(r.ctx(), r.caller, r.org, r.user)
	if err != nil {
		return err
	}
	shown := make([]fact, len(all))
	for n, f := range all {
		shown[n] = fact(f)
	}
	return respond(r, http.StatusOK, shown)
}

func (d *Dialect) setFact(r *remembering) error {
	body, err := decodeUpTo[factBody](r.Request(), maxMemoryBody)
	if err != nil {
		return err
	}
	f, err := body.fact()
	if err != nil {
		return err
	}
	if err := d.Memory.SetFact(r.ctx(), r.caller, r.org, r.user, f); err != nil {
		return err
	}
	return respond(r, http.StatusOK, fact(f))
}

func (d *Dialect) forgetFact(r *remembering) error {
	if err := d.Memory.ForgetFact(r.ctx(), r.caller, r.org, r.user, r.tag); err != nil {
		return err
	}
	return r.NoContent(http.StatusNoContent)
}
