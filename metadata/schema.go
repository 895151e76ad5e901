package metadata

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Bounds of the JSON Schema of a definition.
const (
	MaxSchemaBytes = 16 << 10
	// MaxSchemaNumber is how many characters a number may have, MaxSchemaExponent the power of ten, where a schema reads it.
	MaxSchemaNumber   = 100
	MaxSchemaExponent = 400
)

const (
	schemaDraft = "https://json-schema.org/draft/2020-12/schema"
	schemaName  = "metadata:///definition"
)

// schema is a compiled JSON Schema. It is safe for concurrent use.
type schema struct {
	compiled *jsonschema.Schema
	cost     cost
}

// noLoader refuses remote references.
type noLoader struct{}

var errRemote = errors.New("remote references are not followed")

func (noLoader) Load(string) (any, error) { return nil, errRemote }

// compileSchema compiles the exact JSON of a schema. The error is a sentence.
func compileSchema(text string) (*schema, error) {
	if len(text) > MaxSchemaBytes {
		return nil, fmt.Errorf("it has %d bytes, the limit is %d", len(text), MaxSchemaBytes)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, errors.New("it is not valid JSON")
	}
	if _, isObject := doc.(map[string]any); !isObject {
		return nil, errors.New("it must be a JSON object")
	}
	if _, err := measure(doc); err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(noLoader{})
	compiler.UseRegexpEngine(compilePattern)
	if err := compiler.AddResource(schemaName, doc); err != nil {
		return nil, schemaFault(err)
	}
	compiled, err := compiler.Compile(schemaName)
	if err != nil {
		return nil, schemaFault(err)
	}
	c, err := costOf(compiled)
	if err != nil {
		return nil, err
	}
	return &schema{compiled, c}, nil
}

func schemaFault(err error) error {
	var (
		remote  *jsonschema.LoadURLError
		wrong   *jsonschema.SchemaValidationError
		pattern *jsonschema.InvalidRegexError
		fault   *jsonschema.ValidationError
	)
	switch {
	case errors.As(err, &remote):
		return fmt.Errorf("it refers to %q; %w", remote.URL, errRemote)
	case errors.As(err, &wrong) && errors.As(wrong.Err, &fault):
		fault = first(fault)
		why := explain(fault.ErrorKind)
		if format, ok := fault.ErrorKind.(*kind.Format); ok {
			why = fmt.Sprintf("is no %s: %v", format.Want, format.Err)
		}
		return fmt.Errorf("it is no JSON Schema of draft 2020-12: what is at %q %s", pointer(fault.InstanceLocation), why)
	case errors.As(err, &pattern):
		return fmt.Errorf("its pattern %q cannot be used: %w", pattern.Regex, pattern.Err)
	}
	return fmt.Errorf("it is no JSON Schema of draft 2020-12: %w", err)
}

// check returns why the exact JSON of a value does not fit, "" if it does: the rule and where the schema says it, never the value.
func (s *schema) check(text string) string {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return "must be JSON"
	}
	places, err := measure(value)
	if err != nil {
		return "cannot be compared with the schema of the definition: " + err.Error()
	}
	if steps := s.cost.of(places, len(text)); steps > maxSteps {
		return fmt.Sprintf("is too large for the schema of the definition: comparing them takes up to %d steps, the limit is %d",
			steps, maxSteps)
	}
	err = s.compiled.Validate(value)
	if err == nil {
		return ""
	}
	var fault *jsonschema.ValidationError
	if !errors.As(err, &fault) {
		return "does not fit the schema of the definition"
	}
	fault = first(fault)
	where := fault.SchemaURL
	if _, fragment, ok := strings.Cut(where, "#"); ok {
		where = fragment
		if plain, err := url.PathUnescape(fragment); err == nil {
			where = plain
		}
	} else {
		where = ""
	}
	if path := fault.ErrorKind.KeywordPath(); len(path) > 0 {
		where += pointer(path)
	}
	return fmt.Sprintf("%s: the schema of the definition says so at %s", explain(fault.ErrorKind), cmp.Or(where, "its root"))
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func pointer(path []string) string {
	var b strings.Builder
	for _, name := range path {
		b.WriteString("/" + pointerEscapes.Replace(name))
	}
	return b.String()
}

// first returns of all that is wrong what the schema says first, which is always the same.
func first(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	switch e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.AllOf, *kind.Reference:
	default:
		return e
	}
	var least *jsonschema.ValidationError
	for _, cause := range e.Causes {
		leaf := first(cause)
		if least == nil || leaf.SchemaURL < least.SchemaURL ||
			leaf.SchemaURL == least.SchemaURL && pointer(leaf.ErrorKind.KeywordPath()) < pointer(least.ErrorKind.KeywordPath()) {
			least = leaf
		}
	}
	if least == nil {
		return e
	}
	return least
}

// explain says what a schema demands, from the schema alone: nothing of the value is told but lengths and types.
func explain(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be %s, not %s", strings.Join(k.Want, " or "), k.Got)
	case *kind.Enum:
		return "must be one of " + list(k.Want)
	case *kind.Const:
		return "must be " + list([]any{k.Want})
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %d characters, not %d", k.Want, k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters, not %d", k.Want, k.Got)
	case *kind.Pattern:
		return fmt.Sprintf("must match %q", k.Want)
	case *kind.Minimum:
		return "must be at least " + decimal(k.Want)
	case *kind.Maximum:
		return "must be at most " + decimal(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + decimal(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + decimal(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + decimal(k.Want)
	}
	return explainParts(k)
}

func explainParts(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %d items, not %d", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items, not %d", k.Want, k.Got)
	case *kind.UniqueItems:
		return "must not have the same item twice"
	case *kind.Contains, *kind.MinContains:
		return "has too few of the items it must contain"
	case *kind.MaxContains:
		return fmt.Sprintf("must have at most %d items of a kind, not %d", k.Want, len(k.Got))
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %d members, not %d", k.Want, k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d members, not %d", k.Want, k.Got)
	case *kind.Required:
		return "must have the member " + quoted(k.Missing)
	case *kind.DependentRequired:
		return fmt.Sprintf("must have, beside %q, the member %s", k.Prop, quoted(k.Missing))
	case *kind.AdditionalProperties:
		return fmt.Sprintf("has %d members that are not allowed", len(k.Properties))
	case *kind.PropertyNames:
		return "has a member whose name is not allowed"
	case *kind.AnyOf:
		return "fits none of the alternatives"
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return "fits more than one of the alternatives"
		}
		return "fits none of the alternatives"
	case *kind.Not:
		return "fits what it must not"
	case *kind.FalseSchema:
		return "is not allowed"
	}
	return "does not fit"
}

// list writes values of a schema.
func list(values []any) string {
	const enough = 300
	var b strings.Builder
	for i, v := range values {
		text, err := json.Marshal(v)
		if err != nil || b.Len()+len(text) > enough {
			fmt.Fprintf(&b, " and %d more", len(values)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.Write(text)
	}
	return b.String()
}

func quoted(names []string) string {
	values := make([]any, len(names))
	for i, name := range names {
		values[i] = name
	}
	return list(values)
}

// decimal writes a number that came from decimal digits.
func decimal(r *big.Rat) string {
	digits, _ := r.FloatPrec()
	return r.FloatString(digits)
}

// schemas remembers what has been compiled. The zero value is ready; it is safe for concurrent use.
type schemas struct {
	mu     sync.Mutex
	byText map[string]*schema // guarded by mu
}

const maxSchemas = 1000

// of returns the compiled form of a definition's schema, which was checked when it was laid down.
func (s *schemas) of(text string) (*schema, error) {
	s.mu.Lock()
	known := s.byText[text]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	compiled, err := compileSchema(text)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byText == nil || len(s.byText) >= maxSchemas {
		s.byText = make(map[string]*schema)
	}
	s.byText[text] = compiled
	return compiled, nil
}
