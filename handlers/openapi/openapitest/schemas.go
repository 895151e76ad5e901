package openapitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas are those of a document, compiled once: kin-openapi compiles a schema for every body it looks at, which takes longer than all the
// rest of a test.
type schemas struct {
	document any

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

const documentName = "openapi.json"

func newSchemas(text []byte) (*schemas, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	s := &schemas{document: document, compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	s.compiler.DefaultDraft(jsonschema.Draft2020)
	s.compiler.AssertFormat()
	return s, s.compiler.AddResource(documentName, document)
}

// of returns the schema at a place of the document.
func (s *schemas) of(path ...string) (*jsonschema.Schema, error) {
	pointer, err := s.resolve(path)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.compiled[pointer]; ok {
		return known, nil
	}
	compiled, err := s.compiler.Compile(documentName + "#" + pointer)
	s.compiled[pointer] = compiled
	return compiled, err
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "{", "%7B", "}", "%7D")

// resolve returns the JSON pointer of a place, in a fragment, references on the way followed.
func (s *schemas) resolve(path []string) (string, error) {
	node, pointer := s.document, ""
	for n, name := range path {
		object, _ := node.(map[string]any)
		if reference, ok := object["$ref"].(string); ok {
			target := strings.Split(strings.TrimPrefix(reference, "#/"), "/")
			return s.resolve(append(target, path[n:]...))
		}
		next, ok := object[name]
		if !ok {
			return "", fmt.Errorf("%s has no %s", pointer, name)
		}
		node, pointer = next, pointer+"/"+escapePointer.Replace(name)
	}
	return pointer, nil
}

// fits holds a JSON text to the schema at a place.
func (s *schemas) fits(text []byte, path ...string) error {
	schema, err := s.of(path...)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	var fault *jsonschema.ValidationError
	if err := schema.Validate(within(value)); errors.As(err, &fault) {
		_, places, _ := strings.Cut(fault.Error(), "\n") // what is before is where the document is
		return errors.New(places)
	} else if err != nil {
		return err
	}
	return nil
}

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}
