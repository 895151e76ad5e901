package audit

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// How many refusals and failures of one kind are remembered in a minute: of one actor from one address, and of all together. Beyond that
// they are counted, so that nobody can push what matters out of a chain by being refused.
const (
	perSource = 60
	perKind   = 600
	// maxSources bounds what is remembered to tell them apart.
	maxSources = 20_000
)

// ActionSuppressed is the event that says how many were only counted: its target names their action, its reason the number.
const ActionSuppressed = "audit.suppressed"

type kind struct{ org, action string }

type source struct {
	kind
	actor, address string
}

// noise counts what was refused in the present minute.
type noise struct {
	minute     time.Time
	sources    map[source]int
	kinds      map[kind]int
	suppressed map[kind]int
}

// tooMuch reports whether an entry is one too many.
func (n *noise) tooMuch(e *Entry) bool {
	if e.Outcome == Success {
		return false
	}
	k := kind{e.Org, e.Action}
	s := source{k, e.Actor, e.Address}
	if n.kinds == nil {
		n.minute = e.Time.Truncate(time.Minute)
		n.sources, n.kinds, n.suppressed = map[source]int{}, map[kind]int{}, map[kind]int{}
	}
	if len(n.sources) >= maxSources && n.sources[s] == 0 {
		k = kind{"", "other"}
	} else if n.kinds[k] < perKind && n.sources[s] < perSource {
		n.kinds[k]++
		n.sources[s]++
		return false
	}
	n.suppressed[k]++
	return true
}

// over returns what is to be said of the minute that was counted, once it is over, or at once. Then another one begins.
func (n *noise) over(now time.Time, atOnce bool) []Entry {
	if n.kinds == nil || !atOnce && now.Before(n.minute.Add(time.Minute)) {
		return nil
	}
	var all []Entry
	for k, count := range n.suppressed {
		all = append(all, Entry{Time: now, Event: Event{
			Action: ActionSuppressed, Actor: "system", Org: k.org, Target: "action:" + k.action, Outcome: Success, Reason: strconv.Itoa(count),
		}})
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Target, b.Target)) })
	*n = noise{}
	return all
}
