package metadata

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A few references can make a schema of some lines take for ever, and a value can be built to make that happen. So what comparing the two
// can take is worked out before it is done.

const (
	// maxSteps bounds comparing one value with a schema, maxCost what a schema does at one place of a value.
	maxSteps = 250_000
	maxCost  = 10_000
	// maxWork bounds working that out.
	maxWork = 1_000_000
	// maxPattern bounds the program of one regular expression, and bytesPerStep is how many of its instructions, times bytes read, are
	// as much work as one step.
	maxPattern   = 5_000
	bytesPerStep = 16
	// uniqueItems compares items with each other.
	uniqueCost = 20
)

// cost is the most that happens at any one place of a value: schemas looked at, with what they compare it with, and instructions of
// regular expressions for each byte.
type cost struct{ schemas, patterns int }

// of is the number of steps for a value of that many places and bytes.
func (c cost) of(places, bytes int) int { return places*c.schemas + bytes*c.patterns/bytesPerStep }

// pattern is a compiled regular expression that knows its size.
type pattern struct {
	*regexp.Regexp
	size int
}

func compilePattern(text string) (jsonschema.Regexp, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	if len(program.Inst) > maxPattern {
		return nil, fmt.Errorf("it has %d steps, the limit is %d", len(program.Inst), maxPattern)
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return pattern{compiled, len(program.Inst)}, nil
}

func sizeOf(r jsonschema.Regexp) int {
	if p, ok := r.(pattern); ok {
		return p.size
	}
	return 0
}

// measure counts the places of a decoded value: itself, its members and items, at all levels. It refuses numbers that take long to read.
func measure(value any) (places int, err error) {
	places = 1
	count := func(v any) error {
		n, err := measure(v)
		places += n
		return err
	}
	switch v := value.(type) {
	case json.Number:
		return places, checkNumber(string(v))
	case []any:
		for _, item := range v {
			if err := count(item); err != nil {
				return places, err
			}
		}
	case map[string]any:
		for _, member := range v {
			if err := count(member); err != nil {
				return places, err
			}
		}
	}
	return places, nil
}

func checkNumber(text string) error {
	if len(text) > MaxSchemaNumber {
		return fmt.Errorf("it has a number of %d characters, the limit is %d", len(text), MaxSchemaNumber)
	}
	i := strings.IndexAny(text, "eE")
	if i < 0 {
		return nil
	}
	power, err := strconv.Atoi(text[i+1:])
	if err != nil || power > MaxSchemaExponent || power < -MaxSchemaExponent {
		return fmt.Errorf("it has a number beyond 1e%d or 1e-%d", MaxSchemaExponent, MaxSchemaExponent)
	}
	return nil
}

// tally says how often each schema looks at one place.
type tally map[*jsonschema.Schema]int

func (t tally) add(s *jsonschema.Schema, n int) {
	if s != nil {
		t[s] = min(t[s]+n, maxCost+1)
	}
}

func (t tally) plus(other tally) tally {
	for s, n := range other {
		t.add(s, n)
	}
	return t
}

func (t tally) atLeast(other tally) {
	for s, n := range other {
		t[s] = max(t[s], n)
	}
}

// costing works out what a schema costs.
type costing struct {
	order map[*jsonschema.Schema]int // see inPlaceOrder
	work  int
}

var errIntricate = errors.New("it is too intricate to tell how long it takes")

// costOf goes down the levels of a value. At each it knows the most that can look at one place there, whichever path leads to it.
func costOf(root *jsonschema.Schema) (cost, error) {
	order, err := inPlaceOrder(root)
	if err != nil {
		return cost{}, err
	}
	c := costing{order: order}
	level, err := c.withInPlace(tally{root: 1})
	var most cost
	for range MaxJSONDepth + 1 {
		if err != nil || len(level) == 0 {
			break
		}
		var here cost
		for s, n := range level {
			own := ownCost(s)
			here.schemas = min(here.schemas+n*own.schemas, maxCost+1)
			here.patterns = min(here.patterns+n*own.patterns, maxSteps)
		}
		most = cost{max(most.schemas, here.schemas), max(most.patterns, here.patterns)}
		if most.schemas > maxCost {
			return most, fmt.Errorf("it looks at one place of a value more than %d times", maxCost)
		}
		level, err = c.next(level)
	}
	return most, err
}

// withInPlace adds what looks at a place because others do.
func (c *costing) withInPlace(t tally) (tally, error) {
	var reached []*jsonschema.Schema
	seen := make(map[*jsonschema.Schema]bool)
	var reach func(s *jsonschema.Schema)
	reach = func(s *jsonschema.Schema) {
		if seen[s] {
			return
		}
		seen[s] = true
		reached = append(reached, s)
		for _, other := range inPlace(s) {
			c.work++
			reach(other)
		}
	}
	for s := range t {
		reach(s)
	}
	if c.work += len(reached); c.work > maxWork {
		return nil, errIntricate
	}
	slices.SortFunc(reached, func(a, b *jsonschema.Schema) int { return cmp.Compare(c.order[a], c.order[b]) })
	for _, s := range reached { // each before those that look because it does
		for _, other := range inPlace(s) {
			t.add(other, t[s])
		}
	}
	return t, nil
}

// next returns the most that looks at any one member or item of the place a level is about.
func (c *costing) next(level tally) (tally, error) {
	next := tally{}
	for _, one := range below(level) {
		whole, err := c.withInPlace(one)
		if err != nil {
			return nil, err
		}
		next.atLeast(whole)
	}
	return next, nil
}

// below returns what looks at the members and items of a place: for each name that a schema has, each position, and all others.
func below(level tally) []tally {
	members, items := tally{}, tally{}
	named, indexed := map[string]tally{}, map[int]tally{}
	for s, n := range level {
		for _, sub := range s.PatternProperties {
			members.add(sub, n)
		}
		if sub, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
			members.add(sub, n)
		}
		members.add(s.PropertyNames, n)
		members.add(s.UnevaluatedProperties, n)
		for name, sub := range s.Properties {
			if named[name] == nil {
				named[name] = tally{}
			}
			named[name].add(sub, n)
		}
		items.add(s.Items2020, n)
		items.add(s.Contains, n)
		items.add(s.UnevaluatedItems, n)
		for i, sub := range s.PrefixItems {
			if indexed[i] == nil {
				indexed[i] = tally{}
			}
			indexed[i].add(sub, n)
		}
	}
	all := []tally{members, items}
	for _, one := range named {
		all = append(all, one.plus(members))
	}
	for _, one := range indexed {
		all = append(all, one.plus(items))
	}
	return all
}

// inPlace returns the schemas that look at the same place as s because s does.
func inPlace(s *jsonschema.Schema) []*jsonschema.Schema {
	var all []*jsonschema.Schema
	for _, one := range []*jsonschema.Schema{s.Ref, s.Not, s.If, s.Then, s.Else} {
		if one != nil {
			all = append(all, one)
		}
	}
	all = append(append(append(all, s.AllOf...), s.AnyOf...), s.OneOf...)
	for _, one := range s.DependentSchemas {
		all = append(all, one)
	}
	for _, one := range s.Dependencies {
		if sub, ok := one.(*jsonschema.Schema); ok {
			all = append(all, sub)
		}
	}
	return all
}

// ownCost is what one schema does at one place by itself.
func ownCost(s *jsonschema.Schema) cost {
	c := cost{schemas: 1 + len(s.Required)}
	if s.Enum != nil {
		c.schemas += sizeOfAll(s.Enum.Values)
	}
	if s.Const != nil {
		c.schemas += sizeOfAll([]any{*s.Const})
	}
	if s.UniqueItems {
		c.schemas += uniqueCost
	}
	for _, names := range s.DependentRequired {
		c.schemas += 1 + len(names)
	}
	c.schemas += len(s.Dependencies) + len(s.DependentSchemas)
	if s.Pattern != nil {
		c.patterns += sizeOf(s.Pattern)
	}
	for p := range s.PatternProperties {
		c.schemas++
		c.patterns += sizeOf(p)
	}
	return c
}

func sizeOfAll(values []any) int {
	places, _ := measure(values)
	return places
}

// inPlaceOrder numbers all schemas that can be reached, each before those that look at its place because it does.
func inPlaceOrder(root *jsonschema.Schema) (map[*jsonschema.Schema]int, error) {
	var (
		order = map[*jsonschema.Schema]int{}
		state = map[*jsonschema.Schema]int{}
		visit func(s *jsonschema.Schema) error
		todo  = []*jsonschema.Schema{root}
	)
	const open, done = 1, 2
	visit = func(s *jsonschema.Schema) error {
		switch {
		case state[s] == done:
			return nil
		case state[s] == open:
			return errors.New("it refers to itself without end")
		case s.DynamicRef != nil || s.RecursiveRef != nil:
			return errors.New(`it has a "$dynamicRef", which is not supported`)
		case s.DraftVersion != 2020:
			return fmt.Errorf("it, and all in it, must be of draft 2020-12: %q is the only $schema", schemaDraft)
		}
		state[s] = open
		for _, sub := range inPlace(s) {
			if err := visit(sub); err != nil {
				return err
			}
		}
		state[s] = done
		order[s] = -len(order)
		for _, t := range below(tally{s: 1}) {
			for sub := range t {
				todo = append(todo, sub)
			}
		}
		return nil
	}
	for len(todo) > 0 {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if err := visit(next); err != nil {
			return nil, err
		}
	}
	return order, nil
}
