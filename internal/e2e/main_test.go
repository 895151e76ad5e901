// Package e2e tests the claimsmith binary as whoever runs it meets it: as a process with flags, signals and an exit code, over
// HTTP, in front of real Redis servers that fail. What one package promises by itself is tested there.
//
// Every server listens on loopback, on a port the kernel picks, and ends with its test. testdata/README.md says how to read the
// transcripts.
package e2e

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write what the server answers into transcripts that expect something else")

// binary is the path of the program under test.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "claimsmith-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := dependOn("../.."); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	binary = filepath.Join(dir, "claimsmith")
	// As users have it, whatever GOFLAGS say: races are looked for in cmd/claimsmith, in the process of the tests.
	build := exec.Command("go", "build", "-race=false", "-o", binary, "../../cmd/claimsmith")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: build the binary:", err)
		return 1
	}
	return m.Run()
}

// dependOn reads the directories of the source, since go test keeps a result as long as nothing changes that the test itself has
// looked at, and what go build reads is not among that.
func dependOn(root string) error {
	return filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules") {
			return fs.SkipDir
		}
		return err
	})
}
