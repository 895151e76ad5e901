package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// Bounds of a report.
const (
	maxReasons      = 100
	maxReasonsLines = 10
	maxCounted      = 200
)

// count counts something. What comes up after the first two hundred is counted together.
func count(counts map[string]int, what string, n int) {
	if _, known := counts[what]; !known && len(counts) >= maxCounted {
		what = "more"
	}
	counts[what] += n
}

// reason is why lines were refused.
type reason struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail,omitempty"`
	Count  int    `json:"count"`
	Lines  []int  `json:"lines"` // the first ones
}

// reasons are in the order they came up. What comes up after the first hundred is counted together.
type reasons struct {
	list  []*reason
	known map[string]*reason
}

func (r *reasons) add(line int, a lineAnswer) {
	name := strings.Join([]string{strconv.Itoa(a.Status), a.Code, a.Field, a.Detail}, "\x00")
	why := r.known[name]
	if why == nil {
		if len(r.list) == maxReasons {
			name, a = "", lineAnswer{Code: "other"}
		}
		if why = r.known[name]; why == nil {
			if r.known == nil {
				r.known = map[string]*reason{}
			}
			why = &reason{Status: a.Status, Code: a.Code, Field: a.Field, Detail: a.Detail}
			r.known[name], r.list = why, append(r.list, why)
		}
	}
	if why.Count++; len(why.Lines) < maxReasonsLines {
		why.Lines = append(why.Lines, line)
	}
}

// report writes what came of an import. That some lines were refused is an error, if there is no other.
func (i *importer) report(w io.Writer, failure error) error {
	s := &i.state
	if i.Output != tableOutput {
		list := i.reasons.list
		if list == nil {
			list = []*reason{}
		}
		body := map[string]any{"complete": failure == nil, "dry_run": i.DryRun, "imported": s.Imported, "refused": s.Refused, "reasons": list}
		if i.rejects.file != nil {
			body["rejects"] = i.Rejects
		}
		for name, counts := range map[string]map[string]int{"passed_over": i.passed, "left_out": i.leftOut, "beside": beside(i.input)} {
			if len(counts) > 0 {
				body[name] = counts
			}
		}
		text, err := json.Marshal(body, json.Deterministic(true))
		if err == nil {
			err = printValue(w, i.Output, text)
		}
		if err != nil {
			return err
		}
	} else if err := i.print(w, failure); err != nil {
		return err
	}
	if failure == nil && s.Refused > 0 {
		return fmt.Errorf("%d of %d users were refused", s.Refused, s.Refused+s.Imported)
	}
	return failure
}

func (i *importer) print(w io.Writer, failure error) error {
	done := "imported"
	if i.DryRun {
		done = "could be imported"
	}
	text := fmt.Sprintf("%d users %s, %d refused.\n", i.state.Imported, done, i.state.Refused)
	if failure != nil {
		text = "Not complete: " + text
	}
	for _, why := range i.reasons.list {
		text += fmt.Sprintf("%8d  %s\n", why.Count, why)
	}
	if i.rejects.file != nil {
		text += fmt.Sprintf("The refused lines are in %s.\n", i.Rejects)
	}
	for _, list := range []struct {
		title  string
		counts map[string]int
	}{
		{"Passed over:", i.passed},
		{"Left out of those imported, by how many have it:", i.leftOut},
		{"Beside users, left out:", beside(i.input)},
	} {
		if len(list.counts) > 0 {
			text += list.title + "\n"
		}
		for _, what := range slices.Sorted(maps.Keys(list.counts)) {
			text += fmt.Sprintf("%8d  %s\n", list.counts[what], oneLine(what))
		}
	}
	_, err := io.WriteString(w, text)
	return err
}

func (r *reason) String() string {
	text := r.Code
	if r.Status != 0 {
		text = strconv.Itoa(r.Status) + " " + r.Code
	}
	for _, part := range []string{r.Field, r.Detail} {
		if part != "" {
			text += ": " + oneLine(part)
		}
	}
	lines := make([]string, len(r.Lines))
	for n, line := range slices.All(r.Lines) {
		lines[n] = strconv.Itoa(line)
	}
	text += " (line " + strings.Join(lines, ", ")
	if r.Count > len(r.Lines) {
		text += ", …"
	}
	return text + ")"
}
