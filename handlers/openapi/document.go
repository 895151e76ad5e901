package openapi

import (
	"bytes"
	_ "embed"
	"fmt"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v4"
)

//go:embed openapi.yaml
var source []byte

// sourceIssuer stands in openapi.yaml wherever the issuer belongs.
const sourceIssuer = "https://id.example.com"

// Document returns the OpenAPI document of the server with that issuer, in JSON.
func Document(issuer string) ([]byte, error) {
	text, err := converted()
	if err != nil {
		return nil, fmt.Errorf("convert openapi.yaml: %w", err)
	}
	quoted, err := jsontext.AppendQuote(nil, issuer)
	if err != nil {
		return nil, fmt.Errorf("quote the issuer: %w", err)
	}
	return bytes.ReplaceAll(text, []byte(sourceIssuer), bytes.Trim(quoted, `"`)), nil
}

var converted = sync.OnceValues(func() ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(source, &root); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err := writeJSON(jsontext.NewEncoder(&text), &root)
	return text.Bytes(), err
})

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
