package openapi

import (
	"bytes"
	"embed"
	"fmt"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v4"
)

// The documents: the own API's, which is called Own here, and one for every dialect of another system.
//
//go:embed *.yaml
var sources embed.FS

// Own names the document of the own API, served at /openapi.json; any other is served at /openapi/<name>.json.
const Own = "openapi"

// sourceIssuer stands in the sources wherever the issuer belongs.
const sourceIssuer = "https://id.example.com"

// Document returns an OpenAPI document of the server with that issuer, in JSON.
func Document(issuer, name string) ([]byte, error) {
	text, err := converted(name)
	if err != nil {
		return nil, fmt.Errorf("convert %s.yaml: %w", name, err)
	}
	quoted, err := jsontext.AppendQuote(nil, issuer)
	if err != nil {
		return nil, fmt.Errorf("quote the issuer: %w", err)
	}
	return bytes.ReplaceAll(text, []byte(sourceIssuer), bytes.Trim(quoted, `"`)), nil
}

var conversions sync.Map // by name: functions that convert once

func converted(name string) ([]byte, error) {
	once, _ := conversions.LoadOrStore(name, sync.OnceValues(func() ([]byte, error) {
		source, err := sources.ReadFile(name + ".yaml")
		if err != nil {
			return nil, err
		}
		var root yaml.Node
		if err := yaml.Unmarshal(source, &root); err != nil {
			return nil, err
		}
		var text bytes.Buffer
		err = writeJSON(jsontext.NewEncoder(&text), &root)
		return text.Bytes(), err
	}))
	return once.(func() ([]byte, error))()
}

// writeJSON writes a YAML node as JSON, members in the order of the source. A merged mapping (<<) stands where it is merged.
func writeJSON(e *jsontext.Encoder, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return writeJSON(e, n.Content[0])
	case yaml.AliasNode:
		return writeJSON(e, n.Alias)
	case yaml.SequenceNode:
		return writeAll(e, jsontext.BeginArray, n.Content, jsontext.EndArray)
	case yaml.MappingNode:
		return writeAll(e, jsontext.BeginObject, members(n), jsontext.EndObject)
	}
	switch n.ShortTag() {
	case "!!bool", "!!int", "!!float", "!!null":
		return e.WriteValue(jsontext.Value(n.Value))
	}
	return e.WriteToken(jsontext.String(n.Value))
}

func writeAll(e *jsontext.Encoder, begin jsontext.Token, content []*yaml.Node, end jsontext.Token) error {
	if err := e.WriteToken(begin); err != nil {
		return err
	}
	for _, n := range content {
		if err := writeJSON(e, n); err != nil {
			return err
		}
	}
	return e.WriteToken(end)
}

// members returns the names and values of a mapping in turn.
func members(mapping *yaml.Node) []*yaml.Node {
	if mapping.Kind == yaml.AliasNode {
		mapping = mapping.Alias
	}
	var all []*yaml.Node
	for i := 0; i < len(mapping.Content); i += 2 {
		name, value := mapping.Content[i], mapping.Content[i+1]
		if name.ShortTag() == "!!merge" {
			all = append(all, members(value)...)
		} else {
			all = append(all, name, value)
		}
	}
	return all
}
