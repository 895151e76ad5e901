package iblai

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// Pages of memories.
const (
	defaultPageSize = 20
	maxPageSize     = 100
)

type memoryBody struct {
	Category request.Maybe[string]     `json:"category_slug"`
	Content  request.Maybe[string]     `json:"content"`
	Others   map[string]jsontext.Value `json:",embed"`
}

type globalBody struct {
	Content request.Maybe[string]     `json:"content"`
	Session request.Maybe[string]     `json:"session_id"`
	Others  map[string]jsontext.Value `json:",embed"`
}

type categoryName struct {
	ID   uint64 `json:"id"`
	Name string `json:"name"`
	Slug string `json:"slug"`
}

type memoryItem struct {
	ID        uint64       `json:"id"`
	Agent     string       `json:"agent"`
	Category  categoryName `json:"category"`
	Content   string       `json:"content"`
	Auto      bool         `json:"is_auto_generated"`
	CreatedAt string       `json:"created_at"`
}

func viewMemory(m *memory.Memory) memoryItem {
	c := &m.Category
	return memoryItem{m.ID, m.Mentor, categoryName{c.ID, c.Name, c.Slug}, m.Content, false, inUTC(m.CreatedAt)}
}

type globalItem struct {
	ID        uint64 `json:"id"`
	Content   string `json:"content"`
	Auto      bool   `json:"is_auto_generated"`
	CreatedAt string `json:"created_at"`
}

func viewGlobal(m *memory.Memory) globalItem {
	return globalItem{m.ID, m.Content, false, inUTC(m.CreatedAt)}
}

// results is a whole list.
type results[T any] struct {
	Count   int `json:"count"`
	Results []T `json:"results"`
}

// memoryGroup is the memories of a category.
type memoryGroup struct {
	Category categoryName `json:"category"`
	Count    int          `json:"count"`
	Memories []memoryItem `json:"memories"`
}

// memoryPage is a part of a list.
type memoryPage struct {
	Count    int          `json:"count"`
	Next     *string      `json:"next"`
	Previous *string      `json:"previous"`
	Results  []memoryItem `json:"results"`
}

// filter reads what a query narrows a list to. Parameters nobody knows are passed over.
func (r *remembering) filter() (f memory.Filter, query url.Values, err error) {
	if query, err = request.Parameters(r.Request()); err != nil {
		return f, nil, err
	}
	f = memory.Filter{
		Mentor: r.mentor, Category: query.Get("category"), Content: query.Get("content"), Session: query.Get("session_id"),
		Email: query.Get("email"), UserID: query.Get("user_id"),
	}
	faults := memory.Faults{}
	for name, day := range map[string]*time.Time{"start_date": &f.From, "end_date": &f.To} {
		if !query.Has(name) {
			continue
		}
		if *day, err = time.Parse(time.DateOnly, query.Get(name)); err != nil {
			faults[name] = []string{"Date has wrong format. Use one of these formats instead: YYYY-MM-DD."}
		}
	}
	switch query.Get("my_memory") {
	case "true", "True", "1":
		f.Own = true
	case "", "false", "False", "0":
	default:
		faults["my_memory"] = []string{"Must be a valid boolean."}
	}
	if len(faults) > 0 {
		return f, nil, faults
	}
	return f, query, nil
}

// groupedMemories answers with the categories that there are memories of, each where its latest is.
func (d *Dialect) groupedMemories(r *remembering) error {
	f, _, err := r.filter()
	if err != nil {
		return err
	}
	f.Category, f.Content, f.Session = "", "", ""
	all, err := d.Memory.Memories(r.ctx(), r.caller, r.org, r.user, f)
	if err != nil {
		return err
	}
	groups, of := []memoryGroup{}, map[uint64]int{}
	for n := range all {
		item := viewMemory(&all[n])
		place, known := of[item.Category.ID]
		if !known {
			place = len(groups)
			of[item.Category.ID] = place
			groups = append(groups, memoryGroup{Category: item.Category})
		}
		groups[place].Memories = append(groups[place].Memories, item)
		groups[place].Count++
	}
	return respond(r, http.StatusOK, groups)
}

// listMemories answers with one page.
func (d *Dialect) listMemories(r *remembering) error {
	f, query, err := r.filter()
	if err != nil {
		return err
	}
	page, size, err := pageOf(query)
	if err != nil {
		return err
	}
	f.Content, f.Session = "", ""
	all, err := d.Memory.Memories(r.ctx(), r.caller, r.org, r.user, f)
	if err != nil {
		return err
	}
	last := max(1, (len(all)+size-1)/size)
	if page > last {
		return errNoPage
	}
	shown := memoryPage{Count: len(all), Results: []memoryItem{}}
	for n := (page - 1) * size; n < min(page*size, len(all)); n++ {
		shown.Results = append(shown.Results, viewMemory(&all[n]))
	}
	if page < last {
		shown.Next = d.pageLink(r, query, page+1)
	}
	if page > 1 {
		shown.Previous = d.pageLink(r, query, page-1)
	}
	return respond(r, http.StatusOK, shown)
}

var errNoPage = &refusal{http.StatusNotFound, inDetail("Invalid page.")}

// pageOf reads which page is wanted. One that is larger than any may be is cut to that.
func pageOf(query url.Values) (page, size int, err error) {
	page, size = 1, defaultPageSize
	faults := memory.Faults{}
	for name, n := range map[string]*int{"page": &page, "page_size": &size} {
		if !query.Has(name) {
			continue
		}
		wanted, err := strconv.ParseUint(query.Get(name), 10, 31)
		if err != nil || wanted == 0 {
			faults[name] = []string{"A whole number from 1 is required."}
			continue
		}
		*n = int(wanted)
	}
	if len(faults) > 0 {
		return 0, 0, faults
	}
	return page, min(size, maxPageSize), nil
}

// pageLink is the address of another page of the same list, below the issuer, whatever host was asked.
func (d *Dialect) pageLink(r *remembering, query url.Values, page int) *string {
	query.Set("page", strconv.Itoa(page))
	link := d.Profile.Issuer + r.Request().URL.EscapedPath() + "?" + query.Encode()
	return &link
}

func (d *Dialect) addMemory(r *remembering) error {
	body, err := decodeUpTo[memoryBody](r.Request(), maxMemoryBody)
	if err != nil {
		return err
	}
	if err := required(map[string]*request.Maybe[string]{"category_slug": &body.Category, "content": &body.Content}); err != nil {
		return err
	}
	m, err := d.Memory.Add(r.ctx(), r.caller, r.org, r.user, r.mentor, body.Category.Value, body.Content.Value)
	if err != nil {
		return err
	}
	return respond(r, http.StatusCreated, viewMemory(&m))
}

func (d *Dialect) changeMemory(r *remembering) error {
	body, err := decodeUpTo[memoryBody](r.Request(), maxMemoryBody)
	if err != nil {
		return err
	}
	m, err := d.Memory.Change(r.ctx(), r.caller, r.org, r.user, r.mentor, r.id, orNil(body.Category), orNil(body.Content))
	if err != nil {
		return err
	}
	return respond(r, http.StatusOK, viewMemory(&m))
}

func (d *Dialect) forgetMemory(r *remembering) error {
	if err := d.Memory.Forget(r.ctx(), r.caller, r.org, r.user, r.mentor, r.id); err != nil {
		return err
	}
	return r.NoContent(http.StatusNoContent)
}

func (d *Dialect) listGlobals(r *remembering) error {
	f, _, err := r.filter()
	if err != nil {
		return err
	}
	f.Category = ""
	all, err := d.Memory.Globals(r.ctx(), r.caller, r.org, r.user, f)
	if err != nil {
		return err
	}
	shown := results[globalItem]{len(all), make([]globalItem, len(all))}
	for n := range all {
		shown.Results[n] = viewGlobal(&all[n])
	}
	return respond(r, http.StatusOK, shown)
}

func (d *Dialect) addGlobal(r *remembering) error {
	body, err := decodeUpTo[globalBody](r.Request(), maxMemoryBody)
	if err != nil {
		return err
	}
	if err := required(map[string]*request.Maybe[string]{"content": &body.Content}); err != nil {
		return err
	}
	m, err := d.Memory.AddGlobal(r.ctx(), r.caller, r.org, r.user, body.Session.Value, body.Content.Value)
	if err != nil {
		return err
	}
	return respond(r, http.StatusCreated, viewGlobal(&m))
}

func (d *Dialect) forgetGlobal(r *remembering) error {
	if err := d.Memory.ForgetGlobal(r.ctx(), r.caller, r.org, r.user, r.id); err != nil {
		return err
	}
	return r.NoContent(http.StatusNoContent)
}
