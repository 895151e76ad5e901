package career_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
)

// sent are members that may be sent, each with what is kept of it; "" is what is refused.
var sent = map[string]map[string]string{
	"degree":           {`"BSc"`: `"BSc"`, `""`: `null`, `null`: `null`, `" x "`: `"x"`, `5`: ``, `"` + strings.Repeat("x", 101) + `"`: ``},
	"grade":            {`"3.9"`: `"3.90"`, `3.90`: `"3.90"`, `"-0"`: `"0.00"`, `"."`: ``, `"10"`: ``, `"1.234"`: ``, `1e0`: ``, `"-.5"`: `"-0.50"`},
	"is_current":       {`true`: `true`, `"0"`: `false`, `null`: `false`, `"maybe"`: ``, `2`: ``},
	"end_date":         {`"2024-02-29"`: `"2024-02-29"`, `"2023-02-29"`: ``, `"0000-01-01"`: ``, `"2023-1-1"`: ``, `20230101`: ``, `""`: `null`},
	"data":             {`{"a": [1.0, 9007199254740993]}`: `{"a":[1.0,9007199254740993]}`, `""`: `""`, `null`: `null`, `"` + strings.Repeat("x", 5000) + `"`: ``},
	"established_year": {`1861`: `1861`, `"1861"`: `1861`, `1.5`: ``, `2147483648`: ``, `-2147483649`: ``, `""`: `null`, `true`: ``},
	"institution_type": {`"college"`: `"college"`, `"College"`: ``, `""`: `null`, `7`: ``},
	"website":          {`"mit.edu"`: `"mit.edu"`, `"https://mit.edu/"`: `"https://mit.edu/"`, `"javascript:alert(1)"`: ``, `"JaVaScRiPt:x"`: ``, `"data:text/html,x"`: ``, `"java\nscript:x"`: ``},
}

// unknown are members that no kind writes, or that are another kind's.
var unknown = append(slices.Sorted(maps.Keys(sent)), "id", "user", "user_info", "institution", "created_at", "constructor", "", "é")

// model is what there must be of one person.
type model struct {
	last  uint64
	items map[career.Kind]map[uint64]map[string]string
}

func (m *model) has(kind career.Kind, id uint64) bool { return m.items[kind][id] != nil }

// namesOf are the kind that a kind names and by which member.
func namesOf(kind career.Kind) (career.Kind, string) {
	switch kind {
	case career.Education:
		return career.Institutions, "institution_id"
	case career.Experience:
		return career.Companies, "company_id"
	}
	return "", ""
}

// named is what names a record.
func (m *model) named(kind career.Kind, id uint64) (ids []string) {
	for of, items := range m.items {
		if by, member := namesOf(of); by == kind {
			for n, i := range items {
				if i[member] == strconv.FormatUint(id, 10) {
					ids = append(ids, strconv.FormatUint(n, 10))
				}
			}
		}
	}
	return ids
}

// order is how a kind is listed.
func (m *model) order(kind career.Kind) []uint64 {
	ids := slices.Sorted(maps.Keys(m.items[kind]))
	if _, member := namesOf(kind); member != "" {
		slices.SortFunc(ids, func(a, b uint64) int {
			return cmp.Or(strings.Compare(m.items[kind][b]["start_date"], m.items[kind][a]["start_date"]), cmp.Compare(b, a))
		})
	}
	return ids
}

// draw makes members for a kind, with what is to be kept of them and which are refused.
func (m *model) draw(t *rapid.T, kind career.Kind) (members map[string]jsontext.Value, kept map[string]string, faults []string) {
	members, kept = map[string]jsontext.Value{}, map[string]string{}
	valid := rapid.IntRange(0, 3).Draw(t, "is valid") > 0 // mostly, or hardly anything would ever be there
	choices := func(values map[string]string) []string {
		names := slices.Sorted(maps.Keys(values))
		return slices.DeleteFunc(names, func(value string) bool { return valid && values[value] == "" })
	}
	set := func(name, value, want string) {
		members[name] = jsontext.Value(value)
		if kept[name] = want; want == "" {
			faults = append(faults, name)
		}
	}
	for _, name := range career.Members(kind) {
		kept[name] = "null"
		values := sent[name]
		if len(choices(values)) > 0 && rapid.Bool().Draw(t, "sends "+name) {
			value := rapid.SampledFrom(choices(values)).Draw(t, name)
			set(name, value, values[value])
		} else if name == "is_current" {
			kept[name] = "false"
		}
	}
	required := func(name string, values map[string]string) {
		value := rapid.SampledFrom(choices(values)).Draw(t, name)
		if value == "absent" {
			faults = append(faults, name)
			return
		}
		set(name, value, values[value])
	}
	if kind == career.Experience {
		required("title", map[string]string{`"Engineer"`: `"Engineer"`, `["x"]`: ``, "absent": ``})
	}
	of, member := namesOf(kind)
	if member == "" {
		required("name", map[string]string{`"MIT"`: `"MIT"`, `" "`: ``, `null`: ``, `true`: ``, "absent": ``, `"a\u0000b"`: ``})
	} else {
		required("start_date", map[string]string{`"2020-01-01"`: `"2020-01-01"`, `"2021-05-01"`: `"2021-05-01"`, `null`: ``, `""`: ``, "absent": ``})
		id := rapid.Uint64Range(0, m.last+1).Draw(t, member)
		if ids := m.order(of); valid && len(ids) > 0 {
			id = rapid.SampledFrom(ids).Draw(t, member)
		}
		text := strconv.FormatUint(id, 10)
		if want := text; m.has(of, id) || len(faults) > 0 && id > 0 { // whether it is there is looked at last
			set(member, text, want)
		} else {
			set(member, text, "")
		}
	}
	for _, name := range rapid.SliceOf(rapid.SampledFrom(unknown)).Draw(t, "unknown") { // which are passed over, whatever they say
		if !slices.Contains(career.Members(kind), name) {
			members[name] = jsontext.Value(rapid.SampledFrom([]string{"99", `"bob"`, "null", `{"any": ["thing"]}`, "true"}).Draw(t, name))
		}
	}
	return members, kept, faults
}

// After any operations there is what a plain model of them has, and who looks sees it in its order.
func TestCareerIsWhatItsModelIs(t *testing.T) {
	k := newKit(t)
	admin, runs := auth.System(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		user := "user" + strconv.Itoa(runs)
		k.newUser(t, user)
		m := model{items: map[career.Kind]map[uint64]map[string]string{}}
		kinds := []career.Kind{career.Education, career.Experience, career.Institutions, career.Companies}
		for _, kind := range kinds {
			m.items[kind] = map[uint64]map[string]string{}
		}
		for range rapid.IntRange(1, 25).Draw(t, "operations") {
			kind := rapid.SampledFrom(kinds).Draw(t, "kind")
			id := rapid.Uint64Range(0, m.last+1).Draw(t, "id")
			if ids := m.order(kind); len(ids) > 0 && rapid.Bool().Draw(t, "exists") {
				id = rapid.SampledFrom(ids).Draw(t, "which")
			}
			what := rapid.SampledFrom([]string{"create", "create", "update", "delete"}).Draw(t, "what")
			k.now = k.now.Add(time.Second)
			if what == "delete" {
				err := k.Delete(t.Context(), admin, org, user, kind, id)
				naming := m.named(kind, id)
				switch {
				case !m.has(kind, id):
					wantCode(t, err, auth.NotFound)
				case len(naming) > 0:
					wantCode(t, err, auth.Conflict)
					for _, by := range naming {
						if !strings.Contains(err.Error(), by) {
							t.Fatalf("%v does not say that %s names it", err, by)
						}
					}
				default:
					wantCode(t, err, "")
					delete(m.items[kind], id)
				}
				continue
			}
			members, kept, faults := m.draw(t, kind)
			var i career.Item
			var err error
			if what == "create" {
				i, err = k.Create(t.Context(), admin, org, user, kind, members)
				id = m.last + 1
			} else {
				i, err = k.Update(t.Context(), admin, org, user, kind, id, members)
				if !m.has(kind, id) {
					wantCode(t, err, auth.NotFound)
					continue
				}
			}
			if len(faults) > 0 {
				got, ok := errors.AsType[career.Faults](err)
				if !ok {
					t.Fatalf("%s of %v: %v, want faults of %v", what, members, err, faults)
				}
				want := slices.Clone(faults)
				slices.Sort(want)
				if diff := gocmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
					t.Fatalf("the faults of %v differ:\n%s", members, diff)
				}
				continue
			}
			wantCode(t, err, "")
			if what == "create" {
				m.last++
			}
			m.items[kind][id] = kept
			if diff := gocmp.Diff(kept, texts(i.Members)); diff != "" || i.ID != id {
				t.Fatalf("%s answered item %d, want %d, with members that differ:\n%s", what, i.ID, id, diff)
			}
		}
		for _, kind := range kinds {
			items, err := k.List(t.Context(), admin, org, user, kind)
			wantCode(t, err, "")
			var ids []uint64
			for _, i := range items {
				ids = append(ids, i.ID)
				if diff := gocmp.Diff(m.items[kind][i.ID], texts(i.Members)); diff != "" {
					t.Fatalf("%s %d differs:\n%s", kind, i.ID, diff)
				}
				of, member := namesOf(kind)
				if member != "" && (i.Of == nil || strconv.FormatUint(i.Of.ID, 10) != string(i.Members[member]) || !m.has(of, i.Of.ID)) {
					t.Fatalf("%s %d shows %+v", kind, i.ID, i.Of)
				}
			}
			if diff := gocmp.Diff(m.order(kind), ids); diff != "" && len(ids)+len(m.items[kind]) > 0 {
				t.Fatalf("the order of %s differs:\n%s", kind, diff)
			}
		}
	})
}

func texts(members map[string]jsontext.Value) map[string]string {
	all := map[string]string{}
	for name, value := range members {
		all[name] = string(value)
	}
	return all
}

// fataler is a test, or one of rapid's.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
	Context() context.Context
}

func wantCode(t fataler, err error, want auth.Code) {
	t.Helper()
	if auth.CodeOf(err) != want || want == "" && err != nil {
		t.Fatalf("error is %v, want %q", err, want)
	}
}
