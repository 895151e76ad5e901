package zitadel_test

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The .proto files, from which clients generate code, say what the code generated from them says: a change of one without the other is
// seen here or in TestTheWireIsZitadels.
func TestTheProtoFilesAreTheWire(t *testing.T) {
	var got []string
	sources := os.DirFS("proto")
	err := fs.WalkDir(sources, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		source, err := fs.ReadFile(sources, name)
		if err != nil {
			return err
		}
		got = append(got, readProto(t, name, string(source))...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(slices.Values(wire)), got); diff != "" {
		t.Error(diff)
	}
}

// The forms of lines in the .proto files here. Nothing but these, comments and headers may be in them.
var (
	protoHeader  = regexp.MustCompile(`^($|//|syntax |import |option )`)
	protoPackage = regexp.MustCompile(`^package ([\w.]+);$`)
	protoBlock   = regexp.MustCompile(`^(message|service|enum|oneof) (\w+) \{$`)
	protoField   = regexp.MustCompile(`^(repeated |optional )?([\w.]+) (\w+) = (\d+);$`)
	protoValue   = regexp.MustCompile(`^(\w+) = (\d+);$`)
	protoMethod  = regexp.MustCompile(`^rpc (\w+)\((\w+)\) returns \((\w+)\);$`)
	protoScalar  = regexp.MustCompile(`^(string|bytes|bool|uint32|uint64)$`)
)

// protoReader reads one file.
type protoReader struct {
	source, inPackage string
	blocks            [][]string // those around a line: its kind and name
	values            []string   // of the enum around a line
}

// readProto returns the lines that a file has in wire.
func readProto(t *testing.T, name, source string) (all []string) {
	t.Helper()
	p := protoReader{source: source}
	for line := range strings.Lines(source) {
		line = strings.TrimSpace(line)
		if m := protoPackage.FindStringSubmatch(line); m != nil {
			p.inPackage = m[1]
		} else if m := protoBlock.FindStringSubmatch(line); m != nil {
			p.blocks = append(p.blocks, m[1:])
		} else if m := protoField.FindStringSubmatch(line); m != nil {
			all = append(all, p.scope()+"."+m[3]+" "+m[4]+" "+p.label(m[1])+p.kind(m[2]))
		} else if m := protoMethod.FindStringSubmatch(line); m != nil {
			all = append(all, p.scope()+"/"+m[1]+" "+p.kind(m[2])+" "+p.kind(m[3]))
		} else if m := protoValue.FindStringSubmatch(line); m != nil && m[2] == strconv.Itoa(len(p.values)) {
			p.values = append(p.values, m[1])
		} else if line == "}" {
			if p.blocks[len(p.blocks)-1][0] == "enum" {
				prefix := strings.TrimSuffix(p.values[0], "EQUALS")
				all = append(all, p.scope()+" "+prefix+strings.ReplaceAll(" "+strings.Join(p.values, " "), " "+prefix, " "))
				p.values = nil
			}
			p.blocks = p.blocks[:len(p.blocks)-1]
		} else if !protoHeader.MatchString(line) {
			t.Errorf("%s: %q cannot be read", name, line)
		}
	}
	return all
}

// scope is the full name of the block around a line. A oneof has none.
func (p *protoReader) scope() string {
	scope := p.inPackage
	for _, block := range p.blocks {
		if block[0] != "oneof" {
			scope += "." + block[1]
		}
	}
	return scope
}

func (p *protoReader) label(written string) string {
	if inner := p.blocks[len(p.blocks)-1]; inner[0] == "oneof" {
		return "oneof " + inner[1] + " "
	}
	return written
}

// kind is the full name of a type, which is at home in the message around it, in the file, or has its package with it.
func (p *protoReader) kind(written string) string {
	switch {
	case protoScalar.MatchString(written) || strings.Contains(written, "."):
		return written
	case !strings.Contains("\n"+p.source, "\nmessage "+written+" {"):
		return p.scope() + "." + written
	}
	return p.inPackage + "." + written
}
