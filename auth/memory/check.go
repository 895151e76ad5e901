package memory

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of texts, in characters.
const (
	MaxContent = 4000
	maxMentor  = 128
	maxName    = 100
	maxPrompt  = 2000
	maxSession = 255
)

func (f Faults) add(member, fault string) { f[member] = append(f[member], fault) }

// err is nil where nothing was wrong.
func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// text checks one that must not be blank, prose one that may be.
func (f Faults) text(member, text string, most int) {
	if strings.TrimSpace(text) == "" {
		f.add(member, "This field may not be blank.")
		return
	}
	f.prose(member, text, most)
}

func (f Faults) prose(member, text string, most int) {
	if strings.ContainsRune(text, 0) {
		f.add(member, "Null characters are not allowed.")
	}
	if utf8.RuneCountInString(text) > most {
		f.add(member, fmt.Sprintf("Ensure this field has no more than %d characters.", most))
	}
}

// mentor checks the name of an assistant, which is nothing stored: whatever keeps to the grammar has memories.
func (f Faults) mentor(name string) {
	if name == "" || len(name) > maxMentor || strings.Trim(name, letters+".") != "" {
		f.add("mentor", fmt.Sprintf("A mentor is named by 1 to %d letters, digits, dots, hyphens and underscores.", maxMentor))
	}
}

func checkMentor(name string) error {
	faults := Faults{}
	faults.mentor(name)
	return faults.err()
}

// slug checks the name of a category.
func (f Faults) slug(slug string) {
	f.text("slug", slug, maxName)
	if len(f["slug"]) == 0 && strings.Trim(slug, letters) != "" {
		f.add("slug", `Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.`)
	}
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// tag checks the name of a fact, which has to fit into one segment of a path.
func (f Faults) tag(tag string) {
	f.text("tag", tag, maxName)
	if tag == "." || tag == ".." || strings.ContainsFunc(tag, unicode.IsControl) {
		f.add("tag", "A tag has no control characters and is not made of dots alone.")
	}
}
