package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v4"
)

// Forms of answers.
const (
	tableOutput = "table"
	jsonOutput  = "json"
	yamlOutput  = "yaml"
)

// printValue writes an answer as the server gave it, or the same as YAML.
func printValue(w io.Writer, output string, text jsontext.Value) error {
	if output == jsonOutput {
		_, err := fmt.Fprintf(w, "%s\n", text)
		return err
	}
	// JSON is YAML already; what is left is to lay it out. Nodes keep numbers as they are written.
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return fmt.Errorf("%w: %w", errNoClaimsmith, err)
	}
	layOut(&node)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&node), encoder.Close()); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}

func layOut(node *yaml.Node) {
	switch {
	case node.Kind == yaml.ScalarNode:
		node.Style &^= yaml.DoubleQuotedStyle // where a text would be taken for something else it gets them back
	case len(node.Content) > 0:
		node.Style &^= yaml.FlowStyle
	}
	for _, child := range node.Content {
		layOut(child)
	}
}

// printList writes a whole list as one object with one member.
func printList(w io.Writer, output, name string, items []jsontext.Value) error {
	text, err := json.Marshal(map[string]any{name: items})
	if err != nil {
		return err
	}
	return printValue(w, output, text)
}

// printDone says that something was done that has no answer.
func printDone(w io.Writer, output, format string, args ...any) error {
	if output != tableOutput {
		return nil
	}
	_, err := fmt.Fprintf(w, format+"\n", args...)
	return err
}

// column is one of a table: its title, and the member it shows.
type column struct{ title, member string }

// printTable writes objects as a table for people.
func printTable(w io.Writer, items []jsontext.Value, columns ...column) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	titles := make([]string, len(columns))
	for n, c := range columns {
		titles[n] = c.title
	}
	fmt.Fprintln(table, strings.Join(titles, "\t"))
	for _, text := range items {
		members, err := membersOf(text)
		if err != nil {
			return fmt.Errorf("%w: %w", errNoClaimsmith, err)
		}
		cells := make([]string, len(columns))
		for n, c := range columns {
			cells[n] = "-"
			for _, m := range members {
				if m.name == c.member {
					cells[n] = cell(m.text())
				}
			}
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// maxCell is how much of a text a table shows.
const maxCell = 60

// cell makes a text fit for a table on a terminal.
func cell(text string) string {
	text = oneLine(text)
	if runes := []rune(text); len(runes) > maxCell {
		text = string(runes[:maxCell-1]) + "…"
	}
	return orDash(text)
}

// oneLine makes a text fit for a terminal: one line, without what a terminal would obey (row M-16).
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ', 0x7f <= r && r <= 0x9f, // C0 and C1
			r == 0x061c, r == 0x200e, r == 0x200f, 0x2028 <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069: // lines and directions
			return '\ufffd'
		}
		return r
	}, text)
}

// printObject writes every member of an object by its name in the API.
func printObject(w io.Writer, output string, text jsontext.Value) error {
	if output != tableOutput {
		return printValue(w, output, text)
	}
	members, err := membersOf(text)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoClaimsmith, err)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range members {
		fmt.Fprintf(table, "%s\t%s\n", oneLine(m.name), oneLine(m.text()))
	}
	return table.Flush()
}

// confirm asks before something that cannot be undone.
func confirm(stdin io.Reader, stderr io.Writer, question string) error {
	fmt.Fprintf(stderr, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(stdin).ReadString('\n') // nothing to read is no yes
	if !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return errors.New("not done: that was no yes; --yes does not ask")
	}
	return nil
}

// secretFrom reads one line.
func secretFrom(stdin io.Reader, what string) (string, error) {
	line, err := bufio.NewReader(stdin).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("there is nothing")
		}
		return "", fmt.Errorf("%s is read from standard input: %w", what, err)
	}
	return line, nil
}

type jsonMember struct {
	name  string
	value jsontext.Value
}

// membersOf takes an object apart, in the order it was written in.
func membersOf(text jsontext.Value) (members []jsonMember, err error) {
	decoder := jsontext.NewDecoder(strings.NewReader(string(text)))
	if _, err := decoder.ReadToken(); err != nil {
		return nil, err
	}
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadToken()
		if err != nil {
			return nil, err
		}
		m := jsonMember{name: name.String()}
		value, err := decoder.ReadValue()
		if err != nil {
			return nil, err
		}
		m.value = value.Clone()
		members = append(members, m)
	}
	return members, nil
}

// text is a value for people.
func (m jsonMember) text() string {
	var list []string
	var text string
	switch {
	case m.name == "value" && m.value.Kind() != '"': // of an entry, where null and [] are what they are
		return string(m.value)
	case m.value.Kind() == 'n':
		return "all"
	case m.value.Kind() == 't' || m.value.Kind() == 'f':
		return yesNo(m.value.Kind() == 't')
	case m.value.Kind() == '"' && json.Unmarshal(m.value, &text) == nil:
		return text
	case m.value.Kind() == '[' && json.Unmarshal(m.value, &list) == nil:
		return orDash(strings.Join(list, " "))
	}
	return string(m.value)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
