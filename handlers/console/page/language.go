package page

import (
	"embed"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/text/language"
)

//go:embed messages/*.json
var messageFiles embed.FS

// Catalogue is every text of some pages in one language, by key. {name} in a text is a place to fill in.
type Catalogue struct {
	tag   string
	texts map[string]string
	// day and moment are how times are written.
	day, moment string
}

// Catalogues are the same texts in every language, the first for who wants another one.
type Catalogues []*Catalogue

// languages are those of all pages.
var languages = []Catalogue{
	{tag: "en", day: "2 January 2006", moment: "2 January 2006, 15:04"},
	{tag: "de", day: "02.01.2006", moment: "02.01.2006, 15:04"},
}

var matcher = language.NewMatcher(tagsOf(Languages()))

// shared are the texts of this package.
var shared = ReadCatalogues(messageFiles)

// Languages are those of the pages, the first for who wants another one.
func Languages() []string {
	var tags []string
	for _, l := range languages {
		tags = append(tags, l.tag)
	}
	return tags
}

// ReadCatalogues reads messages/<language>.json of each of some file systems, which are in the binary.
func ReadCatalogues(files ...fs.FS) Catalogues {
	all := make(Catalogues, 0, len(languages))
	for _, l := range languages {
		l.texts = make(map[string]string)
		for _, f := range append([]fs.FS{messageFiles}, files...) {
			var texts map[string]string
			text, err := fs.ReadFile(f, "messages/"+l.tag+".json")
			if err == nil {
				err = json.Unmarshal(text, &texts)
			}
			if err != nil {
				panic(err)
			}
			maps.Copy(l.texts, texts)
		}
		all = append(all, &l)
	}
	return all
}

func tagsOf(languages []string) []language.Tag {
	var tags []language.Tag
	for _, l := range languages {
		tags = append(tags, language.Make(l))
	}
	return tags
}

// maxLocales bounds what is read of a browser's languages.
const maxLocales = 1 << 10

// For returns the texts for a list of ui_locales (OpenID Connect Core §3.1.2.1) and an Accept-Language header, in that order.
func (c Catalogues) For(uiLocales, acceptLanguage string) Words {
	for _, wanted := range []string{strings.Join(strings.Fields(uiLocales), ","), acceptLanguage} {
		if wanted == "" || len(wanted) > maxLocales {
			continue
		}
		tags, _, err := language.ParseAcceptLanguage(wanted)
		if err != nil {
			continue
		}
		if _, n, confidence := matcher.Match(tags...); confidence != language.No {
			return Words{c[n]}
		}
	}
	return Words{c[0]}
}

// Words are the texts of one language, for templates.
type Words struct{ *Catalogue }

// Language is the tag of the language.
func (w Words) Language() string { return w.tag }

// T returns a text, its places filled in from pairs of name and value.
func (w Words) T(key string, pairs ...string) string {
	text, known := w.texts[key]
	if !known {
		return key
	}
	replacements := slices.Clone(pairs)
	for n := 0; n < len(replacements); n += 2 {
		replacements[n] = "{" + replacements[n] + "}"
	}
	return strings.NewReplacer(replacements...).Replace(text)
}

// Has reports whether there is a text of a key.
func (w Words) Has(key string) bool { return w.texts[key] != "" }

// Day and Moment write a time. Where its reader lives is not known.
func (w Words) Day(t time.Time) string { return t.UTC().Format(w.day) }

// Moment is Day with the time of day.
func (w Words) Moment(t time.Time) string {
	return w.T("common.utc", "time", t.UTC().Format(w.moment))
}

// Exactly writes a time to the second, for lists of what happened when.
func (w Words) Exactly(t time.Time) string { return t.UTC().Format(time.DateTime) }

// Seconds writes a duration in whole seconds, rounded up.
func Seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
